"""One claim of a sender: what is due, read with what it is about, and each as the record that the CRM is to have."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from connectors.kit import FoundRecord, Link, Record, WriteResult
from pipeline.delivery.subjects import SubjectReader
from pipeline.delivery.writers import OpenWriter
from pipeline.errors import RecordError, place_of
from pipeline.lanes import HOT
from pipeline.logs import get_logger
from pipeline.records import Due, Outcome, Stage
from pipeline.stages.destination_mapping.declarations import COMPANY, CONSENT, PERSON
from pipeline.stages.destination_mapping.mapping import MappedPerson, consents_of
from pipeline.stages.mapping.source_mapping import map_merged, map_person
from pipeline.store.deliveries import crm_records, deliveries
from pipeline.store.deliveries.crm_records import CrmRecord
from pipeline.store.keyring import blind_index
from pipeline.targets import Target
from pipeline.values.normalized import is_empty

ABSENT = "absent"
_CANNOT_MARK = "no call was made: the CRM or its mapping has no way to mark a merged person's record"
_NOBODY = "nobody is of this company any more: no call was made"
_NOTHING_TO_TELL = "without consent the CRM is told what the person agrees to, and there is nothing to tell of that"
_SUPPRESSED = "no call was made: an address of theirs is suppressed (an objection, spam, an erasure)"
_UNCHANGED = "the CRM has it so already: no call was made"
_log = get_logger(__name__)


class Claimed(msgspec.Struct, frozen=True):
    """`until`: when the last call must have ended, in monotonic seconds, which pass while a process is stopped too.
    `there`: records that the CRM had before us, of people who were written to none yet."""

    claim_id: UUID
    until: float
    dues: list[Due]
    values: dict[UUID, deliveries.PersonToSend]
    links: dict[UUID, tuple[Link, ...]]
    unlinked: frozenset[UUID] = frozenset()
    there: dict[UUID, CrmRecord] = {}
    consents_alone: frozenset[UUID] = frozenset()  # people of whom only that is told


class Prepared(msgspec.Struct, frozen=True):
    """What a claim comes to: records to write, records of the CRM's own to take over, records that are to go, and
    outcomes that need no call."""

    records: list[Record]
    adopted: list[Record]
    gone: list[Record]
    mapped: dict[UUID, MappedPerson]
    outcomes: list[Outcome]

    @property
    def calls_for(self) -> bool:
        """Whether anything of it needs a call."""
        return bool(self.records or self.adopted or self.gone)


def claim_batch(
    connection: Connection,
    target: Target,
    writer: OpenWriter,
    lane: str,
    *,
    until: float,
    lease_seconds: float,
    linger_seconds: float = 0.0,
    job_size: int | None = None,
) -> Claimed | None:
    """A batch of what is due, with what it is about as it is now. None: nothing is, or too little for its age.
    `job_size`: as many as a job takes, of those whom the CRM has no record of."""
    claim_id, dues = deliveries.claim_deliveries(
        connection,
        target.name,
        lane,
        limit=job_size or writer.batch_size,
        lease_seconds=lease_seconds,
        linger_seconds=linger_seconds,
        is_untried=job_size is not None,
        withdrawals_first=target.subject == CONSENT and lane == HOT,
    )
    if not dues:
        return None
    reader = SubjectReader(connection, target, writer.mapping, claim=claim_id, lane=lane)
    found = reader.read(dues)
    held = [due for due in dues if due.person_id not in found.waiting]
    unwritten = [due.person_id for due in held if due.external_id is None] if target.subject == PERSON else []
    there = crm_records.read_links(connection, target.destination, unwritten)
    return Claimed(
        claim_id, until, held, found.values, found.links, found.unlinked, there, consents_alone=found.consents_alone
    )


def prepare(target: Target, writer: OpenWriter, claimed: Claimed) -> Prepared:
    """Each in the CRM's fields; what cannot be mapped, or is there so already, never reaches a call."""
    prepared = Prepared([], [], [], {}, [])
    for due in claimed.dues:
        there = claimed.there.get(due.person_id)
        if due.wanted == ABSENT:
            _prepare_absent(writer, due, prepared, there)
            continue
        subject = claimed.values.get(due.person_id)
        if subject is None:
            prepared.outcomes.append(_missing(target, due))
            continue
        if subject.is_suppressed and subject.merged_into is None:
            prepared.outcomes.append(Outcome(due.person_id, "sent", code="suppressed", message=_SUPPRESSED))
            continue
        decided = _other_key(writer, due) or _map(
            writer,
            due,
            subject,
            claimed.links.get(due.person_id, ()),
            is_there=due.external_id is not None or there is not None,
        )
        if isinstance(decided, MappedPerson) and due.person_id in claimed.consents_alone:
            decided = consents_of(writer.mapping, decided)
            if not decided.fields:
                decided = Outcome(due.person_id, "sent", code="no_consent", message=_NOTHING_TO_TELL)
        if isinstance(decided, Outcome):
            prepared.outcomes.append(decided)
            continue
        prepared.mapped[due.person_id] = decided
        is_mark = subject.merged_into is not None
        record = Record(
            str(due.person_id),
            decided.fields,
            update_only=is_mark or due.person_id in claimed.consents_alone,
            crm_id=due.external_id or (there.crm_id if there is not None and not is_mark else None),
            links=claimed.links.get(due.person_id, ()),
        )
        takes_over = there is not None and not there.is_keyed and not is_mark and writer.can_adopt
        (prepared.adopted if takes_over else prepared.records).append(record)
    return prepared


def _missing(target: Target, due: Due) -> Outcome:
    """Of a company whose people became others, or are of another one now, there is nothing to tell, and nothing for a
    human to mend."""
    if target.subject == COMPANY:
        return Outcome(due.person_id, "sent", code="nobody_left", message=_NOBODY)
    return Outcome(due.person_id, "rejected", code=f"{target.subject}_missing", message="erased")


def _prepare_absent(writer: OpenWriter, due: Due, prepared: Prepared, there: CrmRecord | None) -> None:
    crm_id = due.external_id or (there.crm_id if there else None)
    if writer.can_delete:  # also where no answer was ever recorded: a call may have come through
        prepared.gone.append(Record(str(due.person_id), {}, crm_id=crm_id))
    elif crm_id is None and not due.sent_version:
        prepared.outcomes.append(Outcome(due.person_id, "sent", code="never_sent", message="no record is known"))
    else:
        known = f" {crm_id}" if crm_id else ""
        message = f"this kind of CRM deletes nothing for us: remove its record{known} there by hand"
        prepared.outcomes.append(Outcome(due.person_id, "sent", code="kept", message=message))


def _map(
    writer: OpenWriter, due: Due, subject: deliveries.PersonToSend, links: tuple[Link, ...], *, is_there: bool
) -> MappedPerson | Outcome:
    if subject.merged_into is not None:
        marked = map_merged(writer.mapping, subject.merged_into) if writer.can_mark else MappedPerson({})
        return marked if marked.fields else Outcome(due.person_id, "sent", code="merged", message=_CANNOT_MARK)
    try:
        mapped = map_person(
            writer.mapping,
            due.person_id,
            subject.values,
            subject.attribution,
            confirmed=due.once_digest,
            emptied=[name for name, version in subject.emptied.items() if version > due.sent_version],
            is_there=is_there,
        )
    except RecordError as error:
        return Outcome(due.person_id, "rejected", code=error.code, field=error.field, message=error.message)
    except Exception as error:  # noqa: BLE001 - a bug in one record's path never stops the others
        _log.error("record_failed", stage=Stage.DELIVER, person=str(due.person_id), place=place_of(error))
        return Outcome(due.person_id, "retry", code="bug", message=place_of(error))
    if _is_known(writer, due, mapped) and _links_id(links) == due.links_id:
        return Outcome(
            due.person_id,
            "sent",
            code="unchanged",
            message=_UNCHANGED,
            content_id=due.content_id,
            links_id=due.links_id,
        )
    return mapped


def _links_id(links: tuple[Link, ...]) -> UUID | None:
    """What tells these links from others; None: there are none."""
    leading = [(link.role, link.object, link.crm_id) for link in links if link.crm_id is not None]
    return blind_index().content_id(msgspec.json.encode(leading)) if leading else None


def _is_known(writer: OpenWriter, due: Due, mapped: MappedPerson) -> bool:
    """Whether the CRM confirmed just this, made by this mapping, with nothing else tried since."""
    return (
        due.content_id is not None
        and due.mapping_version == writer.mapping.version
        and (mapped.once_digest is None or mapped.leaves_out_once)
        and blind_index().content_id(mapped.content) == due.content_id
    )


def leave_filled(records: Sequence[Record], mapped: Mapping[UUID, MappedPerson], writer: OpenWriter) -> list[Record]:
    """The records without those fields that are only to be filled and that the CRM has a value of. One call; raises as
    `Writer.write` does."""
    asked = [record.key for record in records if mapped[UUID(record.key)].fills]
    there = writer.read(asked)
    return [_unfilled(record, mapped[UUID(record.key)].fills, there.get(record.key)) for record in records]


def _unfilled(record: Record, fills: tuple[str, ...], found: FoundRecord | None) -> Record:
    kept = [name for name in fills if found is not None and not is_empty(found.fields.get(name))]
    return without_fields(record, kept)


def without_fields(record: Record, names: Collection[str]) -> Record:
    """The record, but for fields that are left as the CRM has them."""
    if not names:
        return record
    return replace(record, fields={name: value for name, value in record.fields.items() if name not in names})


class Sent(msgspec.Struct, frozen=True):
    """What was sent of a record, told apart from other content by digests. `is_partial`: without what is written once;
    `truncated`: names of the fields that were cut; `fills`: some are only to be filled."""

    once_digest: bytes | None = None
    is_partial: bool = False
    content_id: UUID | None = None
    links_id: UUID | None = None
    truncated: tuple[str, ...] = ()
    fills: bool = False


def sent_of(mapped: MappedPerson, links: tuple[Link, ...]) -> Sent:
    content_id = blind_index().content_id(mapped.content) if mapped.content else None
    return Sent(
        mapped.once_digest,
        mapped.leaves_out_once,
        content_id,
        _links_id(links),
        tuple(mapped.truncated),
        bool(mapped.fills),
    )


def outcome_of(result: WriteResult, sent: Sent, due: Due, *, is_adopted: bool = False) -> Outcome:
    """What a record that was written to, or was to be, has come to. `is_adopted`: it was taken over, so fields that are
    only to be filled are left to a second write, which can look at it by our key."""
    is_written = result.state == "written"
    is_in_part = is_adopted and sent.fills
    lacks_once = sent.is_partial and result.created is True  # the CRM had lost the record meanwhile
    code, message = result.code, result.message
    if is_written and not code and result.created and due.external_id:
        code, message = "made_again", f"its record {due.external_id} was not there under our key any more: a new one"
    elif is_written and not code and sent.truncated:
        code, message = "truncated", f"cut to fit: {', '.join(sent.truncated)}"
    return Outcome(
        due.person_id,
        "sent" if is_written else result.state,
        external_id=result.crm_id,
        created=result.created,
        code=code,
        field=result.field,
        message=message,
        once_digest=b"" if lacks_once or is_in_part else sent.once_digest,
        content_id=sent.content_id if is_written and not is_in_part else None,
        links_id=sent.links_id if is_written else None,
    )


def deletion_of(result: WriteResult, due: Due) -> Outcome:
    """What a record that was to go has come to."""
    is_gone = result.state == "written"
    code, message = (result.code or "deleted", result.message) if is_gone else (result.code, result.message)
    return Outcome(due.person_id, "sent" if is_gone else result.state, code=code, field=result.field, message=message)


def _other_key(writer: OpenWriter, due: Due) -> Outcome | None:
    """What becomes of a record that the CRM knows by another key than the one that is written to now."""
    if not (due.external_id and due.sent_as and writer.sent_as) or due.sent_as == writer.sent_as:
        return None
    name = writer.destination
    return Outcome(
        due.person_id,
        "rejected",
        code="key_changed",
        message=f"the CRM has it as {due.sent_as}, and as {writer.sent_as} would make a second record. Set"
        f" destinations.{name}.options as they were; or copy the keys in the CRM, then `afluente destination backfill"
        f" {name} --rekeyed`",
    )
