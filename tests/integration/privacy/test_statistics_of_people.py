"""No column that tells somebody apart has its values in the planner's statistics; and rules that wait are said."""

from __future__ import annotations

from pipeline.health.doctor import run_checks
from pipeline.privacy.inventory import SEALED, VALUE, inventory
from pipeline.privacy.retention.running import approve_rules
from pipeline.settings.loading import settings
from pipeline.store.remains import WITHOUT_STATISTICS
from pipeline.tasks import retain
from tests.support.identity_rows import rows

# Words of campaigns, policies and laws, the same for many: reports are planned by them, and they name nobody.
SHARED_BY_MANY = {
    "people": {"original_campaign", "latest_campaign"},
    "touches": {"source", "medium", "campaign", "utm_source", "utm_medium", "utm_campaign", "utm_id"},
    "consents": {
        *("granted", "source", "policy_version", "legal_basis", "method"),
        *("notice_id", "notice_hash", "language", "jurisdiction"),
    },
    "person_consents": {"is_withdrawn"},
    "activities": {"kind"},
}


def test_each_column_that_holds_something_of_a_person_is_kept_out_or_shared_by_many():
    told = {
        (table, column.name)
        for table, held in inventory().items()
        for column in held.columns.values()
        if column.kind in (VALUE, SEALED) and column.name not in SHARED_BY_MANY.get(table, ())
    }
    kept_out = {(table, column) for table, columns in WITHOUT_STATISTICS.items() for column in columns}
    assert told - kept_out == set()
    assert {(table, column) for table, column in kept_out if column not in inventory()[table].columns} == set()


def test_a_rule_that_waits_to_be_approved_is_said_and_one_in_force_is_not(installation):
    def check():
        return next(check for check in run_checks(settings()) if check.name == "retention")

    installation.configure(retention=[{"what": "bodies", "after": "90d"}])
    assert not check().ok
    assert "waits to be approved, as new or shorter than before: bodies" in check().detail
    assert "afluente retention run --approve" in check().remedy
    approve_rules("vera")
    assert check().ok


def test_the_schedule_runs_what_is_due_once_a_day(installation):
    installation.person()
    installation.configure(retention=[{"what": "bodies", "after": "1d"}])
    approve_rules("vera")
    assert retain() == {"bodies": 0}
    assert retain() == {}
    assert rows("SELECT count(*) FROM event_bodies") == [(1,)]
