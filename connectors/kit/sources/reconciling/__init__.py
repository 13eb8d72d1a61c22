"""A source that posts is asked afterwards what it has posted: what was lost on the way is found by its id.

It is made into the body that the source would have posted: so it is named, read, fetched and mapped as if it had come.
"""

from connectors.kit.sources.reconciling.asking import parent_poll, polls_of_window, pushed_body
from connectors.kit.sources.reconciling.declared import Reconcile, Window, reconcile_of

__all__ = ["Reconcile", "Window", "parent_poll", "polls_of_window", "pushed_body", "reconcile_of"]
