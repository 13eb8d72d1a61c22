"""What is to be asked now: polled sources, sources that post, and CRMs for what people took back there."""

from __future__ import annotations

from pipeline.intake.crm_consents.reading import due_destinations
from pipeline.intake.polls import due_polls
from pipeline.intake.reconciling.runs import due_reconciles


def due_starts() -> list[tuple[str, dict[str, str]]]:
    """The name of the task that asks, and what it takes. Raises TransientError if the database is away."""
    polls = [dict(zip(("source", "brand", "stream"), due, strict=False)) for due in due_polls()]
    posts = [{"source": source, "brand": brand} for source, brand in due_reconciles()]
    crms = [{"destination": destination} for destination in due_destinations()]
    return [
        *(("sources.pull", named) for named in polls),
        *(("sources.reconcile", named) for named in posts),
        *(("destinations.read_consents", named) for named in crms),
    ]
