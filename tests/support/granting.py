"""Who gives keys and accounts in tests that are about something else: somebody who may do everything."""

from pipeline.permissions.principals import everything
from pipeline.records.actors import SYSTEM

OWNER = everything(SYSTEM)
