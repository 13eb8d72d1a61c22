"""Small wrong writers of Heron, each wrong in one way, and the checks that must notice it: those and no others."""

from tests.support.spoiled_writers import abilities, answers, batches, calls, records
from tests.support.spoiled_writers.spoils import SPOILED

__all__ = ["SPOILED", "abilities", "answers", "batches", "calls", "records"]
