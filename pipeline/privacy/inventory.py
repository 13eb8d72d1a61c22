"""Where something of a person may be: every table and column there is, each with what erasure and export do about it.

One list drives both, with a set of columns for each; `tests/integration/privacy/test_inventory.py` compares it with the
migrated database, so a new column stops the build until somebody has said what it holds. A row of a table is written as
`table fate reach: columns`, see `_read`.
"""

from __future__ import annotations

from functools import cache

import msgspec

# What becomes of a person's rows when they are erased.
DELETED, EMPTIED, KEPT, NOBODY = "deleted", "emptied", "kept", "nobody"
FATES = (DELETED, EMPTIED, KEPT, NOBODY)
# What a column holds: something of the person; the same, sealed; a digest of it; an id by which rows hang together;
# what we did or decided about it; nothing of anybody.
VALUE, SEALED, DIGEST, LINK, FACT, NONE = "value", "sealed", "digest", "id", "fact", "none"
KINDS = (VALUE, SEALED, DIGEST, LINK, FACT, NONE)
PERSONAL = (VALUE, SEALED, DIGEST)


class Column(msgspec.Struct, frozen=True):
    """`is_exported`: an access export shows it to the person. `is_cleared`: of a row that stays, it is emptied."""

    name: str
    kind: str
    is_exported: bool = False
    is_cleared: bool = False


class Held(msgspec.Struct, frozen=True):
    """One table. `reach`: the columns by which a person's rows are found, each with what its ids are of: person,
    event, evidence, company. `why`: of a table whose rows stay, the reason."""

    table: str
    fate: str
    reach: dict[str, str]
    columns: dict[str, Column]
    why: str = ""

    @property
    def exported(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns.values() if column.is_exported)


# A line begins a table: its name, its fate, `column=id of what` by which its rows are found; what follows are its
# columns as `name:kind`, with `!` where an export shows it and `-` where the row stays without it. `#` begins a reason.
_HELD = """
events emptied event_id=event # the balance counts it: it stays as a suppressed event of nobody
  event_id:id! brand:none! source:fact! lane:fact external_id:value!- received_at:fact! occurred_at:fact! state:fact!-
  stage:fact attempts:fact losses:fact lone_losses:fact batch_size:fact claim:id- lease_until:fact- mapping_version:fact
  person_id:id- reason:fact!- channel:fact!- settled_at:fact revised_at:fact contact:digest- record_id:id adds:fact
  revises:id superseded_by:id unproven:fact
event_bodies deleted event_id=event
  event_id:id! sealed:sealed! request_id:id fetched:sealed!
request_bodies emptied # a body of several people's records is written again with null in the place of this person's
  request_id:id sealed:sealed-
event_keys emptied event_id=event # the balance counts it; the key becomes a random one
  brand:none source:fact digest:digest- event_id:id repeats:fact last_seen_at:fact content:digest- revisions:fact
event_revisions emptied event_id=event # as event_keys
  brand:none source:fact digest:digest- content:digest- event_id:id record_id:id number:fact
recovered_events kept event_id=event # ids and times of an event that is nobody's
  event_id:id revised_at:fact recovered_at:fact posted_at:fact
fetches deleted event_id=event
  event_id:id brand:none source:fact attempts:fact due_at:fact claim:id last_error:fact created_at:fact
quarantine deleted event_id=event person_id=person
  quarantine_id:id event_id:id! destination:fact! person_id:id brand:none source:fact! stage:fact! code:fact!
  field:fact! message:fact! created_at:fact! resolution:fact! resolved_at:fact why:value! patch:sealed!
evidence deleted evidence_id=evidence
  evidence_id:id brand:none birth_id:id person_id:id component:id notices:fact sealed:sealed! created_at:fact!
evidence_keys deleted evidence_id=evidence
  key:digest evidence_id:id
evidence_events deleted evidence_id=evidence
  event_id:id evidence_id:id
shared_keys deleted
  key:digest names:fact
identity_decisions deleted one=evidence other=evidence
  one:id other:id same:fact! decision_id:id brand:none decided_by:fact why:value! decided_at:fact!
identity_reviews deleted one=evidence other=evidence
  review_id:id one:id other:id brand:none score:fact pieces:fact created_at:fact found_at:fact
identity_log deleted person_id=person other_id=person event_id=event
  id:id at:fact! brand:none action:fact! person_id:id! other_id:id event_id:id decided_by:fact details:value!
  written_in:none
people deleted person_id=person
  person_id:id! brand:none! version:fact profile:sealed! original_at:fact! original_source:fact! original_channel:fact!
  original_campaign:value! latest_at:fact! latest_source:fact! latest_channel:fact! latest_campaign:value!
  original_event:id latest_event:id original_position:fact latest_position:fact owner:fact! touches:fact!
  created_at:fact! updated_at:fact! merged_into:id! rerouted_at:fact
touches deleted event_id=event person_id=person
  event_id:id! position:fact person_id:id brand:none occurred_at:fact! source:value! medium:value! channel:fact!
  rules_version:fact campaign:value! utm_source:value! utm_medium:value! utm_campaign:value! utm_term:value!
  utm_content:value! utm_id:value! click_ids:value! referrer_host:value! landing_path:value! details:value!
  rerouted_at:fact
consents deleted event_id=event person_id=person
  event_id:id! purpose:fact! channel:fact! person_id:id brand:none granted:value! at:fact! source:value!
  policy_version:value! created_at:fact! act:fact! legal_basis:value! method:value! notice_id:value! notice_hash:value!
  language:value! jurisdiction:value! expires_at:fact! double_opt_in_sent_at:fact! double_opt_in_confirmed_at:fact!
  lapsed_at:fact
consent_confirmations deleted event_id=event person_id=person
  confirmation_id:id digest:digest event_id:id! person_id:id brand:none source:fact! purpose:fact! channel:fact!
  by:fact! created_at:fact! expires_at:fact! attempts:fact next_attempt_at:fact asked_at:fact! last_error:fact
  confirmed_at:fact!
person_consents deleted person_id=person owner_id=person
  consent_id:id person_id:id owner_id:id brand:none purpose:fact! channel:fact! version:fact person_version:fact
  owner_version:fact is_withdrawn:value!
activities deleted event_id=event evidence_id=evidence
  event_id:id! brand:none source:fact! says:fact! kind:value! at:fact! state:fact! evidence_id:id waits_until:fact
  looked_at:fact sealed_evidence:sealed! sealed:sealed!
activity_keys deleted event_id=event
  key:digest event_id:id
withdrawn_points kept # keyed digests of addresses that nobody may be sent what was withdrawn by, whoever has them
  key:digest brand:none purpose:fact channel:fact act:fact at:fact event_id:id created_at:fact linked_at:fact
withdrawals_to_ledger kept # as withdrawn_points, for the seconds until the ledger has them
  key:digest brand:none purpose:fact channel:fact act:fact at:fact event_id:id queued_at:fact
withdrawn_evidence deleted evidence_id=evidence
  evidence_id:id key:digest
companies deleted company_id=company
  company_id:id brand:none key_id:digest created_at:fact
person_companies deleted person_id=person company_id=company
  person_id:id company_id:id! values_id:digest changed_at:fact!
deliveries deleted person_id=person parent_id=person
  destination:fact! person_id:id brand:none lane:fact wanted_version:fact sent_version:fact! external_id:value!
  state:fact! attempts:fact next_attempt_at:fact wanted_at:fact claim:id lease_until:fact last_error:value!
  last_error_at:fact loaded_at:fact! once_digest:digest mapping_version:fact content_id:digest sent_as:fact wanted:fact!
  links_id:digest parent_id:id
delivery_log deleted person_id=person
  id:id destination:fact! person_id:id version:fact at:fact! outcome:fact! code:fact! message:value! call_id:id
crm_records deleted person_id=person
  record_id:digest destination:fact! brand:none crm_id:value! number:fact person_id:id is_keyed:fact state:fact!
  run:fact found_at:fact!
crm_consents deleted person_id=person event_id=event
  destination:fact! object:fact! crm_id:value! field:fact! purpose:fact! channel:fact! state:fact! changed_at:fact!
  person_id:id event_id:id!
webhook_messages deleted person_id=person event_id=event other_id=person
  message_id:id seq:fact endpoint:fact! event:fact! brand:none subject_id:id person_id:id event_id:id other_id:id
  destination:fact version:fact created_at:fact! state:fact! attempts:fact next_attempt_at:fact claim:id
  lease_until:fact last_code:fact ended_at:fact!
delivery_jobs kept # ids and digests of what is on its way; gone when the CRM has answered
  claim:id destination:fact lane:fact job_id:fact created_at:fact next_poll_at:fact mapping_version:fact sent_as:fact
  records:digest
legal_holds kept person_id=person # a hold is proof, and only released; who is held is not erased
  hold_id:id kind:fact person_id:id brand:none reason:fact placed_at:fact placed_by:fact released_at:fact
  released_by:fact release_reason:fact
ledger_entries kept # which lines of the ledger this database knows of
  hash:none request_id:id kind:fact at:fact known_at:fact
suppressions kept # keyed digests of the addresses that nobody is to be known by again
  brand:none digest:digest key:digest reason:fact at:fact request_id:id
privacy_requests kept # proof of what was asked and done: ids, counts and times
  request_id:id kind:fact brand:none received_at:fact verified_at:fact due_at:fact ended_at:fact state:fact
  asked_by:fact approved_by:fact reason:fact progress:fact certificate:fact
privacy_subjects kept subject_id=person # whom a request was about, by ids that are nobody's any more
  request_id:id subject_id:id kind:fact brand:none
audit_log kept # proof of what was done: who acted on which id; digests of what changed are taken out with the person
  brand:none number:none at:fact actor_kind:fact actor_id:fact actor_name:fact auth:fact action:fact object_kind:fact
  object_id:id reason:fact outcome:fact changed:digest changed_digest:digest request_id:id prev_hash:none hash:none
audit_heads nobody
  brand number prev_hash hash
content_readings nobody
  brand source reading declared first_used_at
crm_consent_reads nobody
  destination object settings_digest created_at watermark began_at latest cursor read_at next_run_at last_error failures
crm_adoptions nobody
  destination run cursor pages began_at ended_at
cursors nobody
  brand source stream position updated_at last_error last_run_at next_run_at held_until failures read_from
  settings_digest note noted_at
destinations_in_force nobody
  destination brand since
drift nobody
  brand source mapping_version path leads first_seen_at last_seen_at
dropped_files nobody
  brand source content_id file_id state read_as rows_done attempts accepted repeated revised rejected first_seen_at
fetch_pauses nobody
  source brand until failures is_terminal error settings_digest
filed_versions nobody
  name version
heartbeats nobody
  part seen_at
intake_requests nobody
  source outcome minute requests
keyring nobody
  name sealed created_at
local_admins nobody
  user_id password sealed recovery_codes last_step wrong_codes
logout_tokens nobody
  digest kept_until
mapping_comparisons nobody
  destination mapping_version compared_at findings fault
reconciled_days nobody
  brand source day expected received recovered read_to checked_at
reseals nobody
  sealed_table key_id after resealed began_at ended_at
sealing_keys nobody
  key_id first_used_at unused_since
sign_in_failures nobody
  account network failures failed_at locked_until
service_keys nobody
  key_id name digest role scopes brands sources networks created_at created_by expires_at last_used_on revoked_at
retention_rules nobody
  rule seconds approved_at approved_by
retention_runs nobody
  what began_at after ended_at retired
retired nobody
  day what brand source count
source_connectors nobody
  source connector
source_hours nobody
  brand source hour heard watched
source_rhythms nobody
  brand source watched_since judged_at last_heard_at unusual_since usual_seconds is_of_this_hour
source_subscriptions nobody
  brand source checked_at token hook missing_scopes error
source_tokens nobody
  brand source state granted_for sealed scopes connected_at refreshed_at expires_at last_error
unfinished_upgrades nobody
  name since
user_sessions nobody
  session_id digest user_id sid auth roles entitled rules sealed network created_at seen_at ends_at
users nobody
  user_id issuer subject name roles created_at signed_in_at disabled_at
webhook_endpoints nobody
  name events brands is_declared is_enabled since sealed key_name off_since off_because failures failed_messages
  failing_since paused_until last_success_at last_called_at last_code
"""

# What is of the person and yet in no export, each with its reason. Digests never are: they say nothing to anybody.
NOT_EXPORTED: dict[tuple[str, str], str] = {
    ("request_bodies", "sealed"): "it holds other people's records too; this person's part is shown with its event",
}


def _read(text: str) -> dict[str, Held]:
    held: dict[str, Held] = {}
    head = ""
    words: list[str] = []
    for line in (*text.splitlines(), "end"):
        if line.startswith("  "):
            words += line.split()
            continue
        if head:
            entry = _entry(head, words)
            held[entry.table] = entry
        head, words = line, []
    return held


def _entry(head: str, words: list[str]) -> Held:
    head, _, why = head.partition(" # ")
    table, fate, *reach = head.split()
    columns = [_column(word) for word in words]
    if fate not in FATES:
        raise ValueError(f"the inventory: {table} has the fate {fate!r}, which is none of {', '.join(FATES)}")
    return Held(table, fate, dict(part.split("=") for part in reach), {c.name: c for c in columns}, why)


def _column(word: str) -> Column:
    name, _, kind = word.partition(":")
    marks = kind.lstrip("abcdefghijklmnopqrstuvwxyz")
    kind = kind.removesuffix(marks) or NONE
    if kind not in KINDS:
        raise ValueError(f"the inventory: {name} holds {kind!r}, which is none of {', '.join(KINDS)}")
    return Column(name, kind, "!" in marks, "-" in marks)


@cache
def inventory() -> dict[str, Held]:
    """Every table by its name."""
    return _read(_HELD)


def tables_of_people() -> tuple[Held, ...]:
    """Those in which something of a person may be."""
    return tuple(held for held in inventory().values() if held.fate != NOBODY)
