"""What a table must have, who may make it, and what is said of what is missing, with the statement that mends it."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connectors.destinations.sql import DESTINATION, SqlWriter
from connectors.kit import ConfigurationError, SentField, TerminalError
from connectors.kit.postgres import Table
from pipeline.delivery.writers import connection_to
from pipeline.health.connector_checks import check_destinations
from pipeline.settings.loading import load_settings
from pipeline.stages.destination_mapping.mapping import load_destination_mapping
from tests.support.paths import ROOT
from tests.support.target_database import TABLE, Target, person

PAGE = (ROOT / "docs" / "sql.md").read_text(encoding="utf-8")


@pytest.fixture
def loader(target) -> Iterator[str]:
    """A user without any right."""
    target.execute("CREATE ROLE loader LOGIN")
    yield "loader"
    target.execute("DROP OWNED BY loader; DROP ROLE loader")


@pytest.fixture
def settings_of(tmp_path) -> Callable[..., Any]:
    """Settings with one destination, `warehouse`."""

    def read(**destination: Any) -> Any:
        known = {"kind": "sql", "base_url": "postgresql://db.example.org/crm", "secrets": {"user": "env:DB_USER"}}
        file = tmp_path / "afluente.yaml"
        file.write_text(json.dumps({"destinations": {"warehouse": known | destination}}), encoding="utf-8")
        return load_settings({"AFLUENTE_CONFIG": str(file), "DB_USER": "postgres"})

    return read


def said(writer: Any) -> str:
    """What `check` and `write` say alike."""
    texts = []
    for call in (writer.check, lambda: writer.write([person()])):
        with pytest.raises(TerminalError) as raised:
            call()
        texts.append(str(raised.value))
    writer.close()
    assert texts[0] == texts[1]
    return texts[0]


def mended(target: Target, text: str, user: str = "postgres") -> None:
    """Do what the sentence says."""
    for statement in re.findall(r"(?:ALTER|GRANT) [^;]*;", text):
        target.execute(statement.replace("…", user))


def test_without_a_table_the_sentence_says_where_the_statement_stands(target):
    text = said(target.writer())
    assert 'there is no table "afluente"."contacts"' in text
    assert "docs/sql.md" in text
    assert "destinations.warehouse.options.create_tables" in text


def test_a_table_is_made_where_it_may_be_and_written_to_in_the_same_call(target):
    writer = target.writer(options={"create_tables": True})
    writer.check()
    assert target.execute("SELECT to_regnamespace('afluente')") == [(None,)], "a check makes nothing"
    assert [result.created for result in writer.write([person(employee_count=3)])] == [True]
    assert target.execute(
        "SELECT column_name, data_type, character_maximum_length, is_nullable FROM information_schema.columns"
        " WHERE table_schema = 'afluente' AND table_name = 'contacts' ORDER BY ordinal_position"
    ) == [
        ("afluente_id", "text", None, "NO"),
        ("last_name", "character varying", 80, "YES"),
        ("email", "character varying", 254, "YES"),
        ("city", "character varying", 40, "YES"),
        ("employee_count", "bigint", None, "YES"),
        ("merged_into", "character varying", 36, "YES"),
        ("first_written_at", "timestamp with time zone", None, "NO"),
        ("updated_at", "timestamp with time zone", None, "NO"),
    ]
    writer.close()


def test_many_who_find_no_table_at_once_make_one(target):
    failures: list[Exception] = []

    def write(number: int) -> None:
        writer = target.writer(options={"create_tables": True})
        try:
            writer.write([person(number)])
        except Exception as error:  # noqa: BLE001 - told below
            failures.append(error)
        finally:
            writer.close()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(target.rows()) == 6


def test_who_may_not_make_a_table_is_told_so_and_one_with_the_right_in_the_schema_alone_may(target, loader):
    text = said(target.writer(user=loader, options={"create_tables": True}))
    assert 'may not make the schema "afluente"' in text
    target.execute("CREATE SCHEMA afluente; GRANT USAGE ON SCHEMA afluente TO loader")
    text = said(target.writer(user=loader, options={"create_tables": True}))
    assert 'may not make a table in the schema "afluente"' in text
    target.execute("GRANT CREATE ON SCHEMA afluente TO loader")
    writer = target.writer(user=loader, options={"create_tables": True})
    writer.check()
    assert [result.state for result in writer.write([person()])] == ["written"]
    writer.close()


def test_columns_that_the_table_lacks_are_named_with_the_statement_that_adds_them(target):
    target.make_table()
    target.execute(f"ALTER TABLE {TABLE} DROP city, DROP employee_count, DROP updated_at")
    text = said(target.writer())
    assert "no column city, employee_count, updated_at" in text
    assert 'ADD COLUMN "city" varchar(40), ADD COLUMN "employee_count" bigint' in text
    mended(target, text)
    writer = target.writer()
    writer.check()
    assert [result.state for result in writer.write([person(city="Bonn", employee_count=7)])] == ["written"]
    writer.close()


def test_a_column_dropped_while_it_is_written_to_is_named_too(target):
    target.make_table()
    writer = target.writer()
    writer.write([person(city="Bonn")])
    target.execute(f"ALTER TABLE {TABLE} DROP city")
    with pytest.raises(TerminalError, match=r'no column city: ALTER TABLE "afluente"."contacts" ADD COLUMN "city"'):
        writer.write([person(city="Bonn")])
    target.execute(f"ALTER TABLE {TABLE} ADD city text")
    assert [result.state for result in writer.write([person(city="Bonn")])] == ["written"]
    writer.close()


def test_rights_that_are_missing_are_named_with_the_statement_that_gives_them(target, loader):
    target.make_table()
    target.execute(f"GRANT SELECT ON {TABLE} TO loader")
    text = said(target.writer(user=loader))
    assert 'GRANT USAGE ON SCHEMA "afluente"' in text
    assert "no right to INSERT, UPDATE" in text
    mended(target, text, loader)
    writer = target.writer(user=loader)
    writer.check()
    assert [result.state for result in writer.write([person()])] == ["written"]
    target.execute(f"REVOKE UPDATE ON {TABLE} FROM loader")
    with pytest.raises(TerminalError, match="no right to UPDATE"):
        writer.write([person(city="Bonn")])
    writer.close()


def test_rights_to_write_our_columns_alone_are_enough(target, loader):
    target.make_table("salary text")
    ours = "afluente_id, last_name, email, city, employee_count, merged_into, first_written_at, updated_at"
    target.execute(
        f"GRANT USAGE ON SCHEMA afluente TO loader; GRANT SELECT, INSERT ({ours}), UPDATE ({ours}) ON {TABLE} TO loader"
    )
    writer = target.writer(user=loader)
    writer.check()
    assert [result.state for result in writer.write([person()])] == ["written"]
    writer.close()


def test_without_a_unique_id_nothing_is_written(target):
    target.make_table()
    target.execute(f"ALTER TABLE {TABLE} DROP CONSTRAINT contacts_pkey; CREATE INDEX ON {TABLE} (afluente_id)")
    text = said(target.writer())
    assert "no unique index on afluente_id" in text
    mended(target, text)
    target.writer().check()


def test_a_view_is_not_written_to(target):
    target.make_table()
    target.execute(f"ALTER TABLE {TABLE} RENAME TO people; CREATE VIEW {TABLE} AS SELECT * FROM afluente.people")
    assert "is a view" in said(target.writer())


def test_a_database_that_takes_no_writes_is_told_apart(target):
    target.make_table()
    name = target.execute("SELECT current_database()")[0][0]
    target.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    writer = target.writer()
    with pytest.raises(TerminalError, match="takes no writes"):
        writer.check()
    with pytest.raises(TerminalError, match="read_only_sql_transaction"):
        writer.write([person()])
    writer.close()


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("postgresql://loader:a-secret@db.example.org/crm", "names a user or a password"),
        ("postgresql://db.example.org/crm?password=a-secret", "names a user or a password"),
        ("postgresql://db.example.org", "names no database"),
        ("postgresql://db.example.org:a-secret/crm?unheard=of", "is no address of PostgreSQL"),
    ],
)
def test_an_address_that_cannot_be_used_is_a_sentence_without_the_password(target, address, says):
    with pytest.raises(ConfigurationError, match=says) as raised:
        target.writer(base_url=address)
    assert "a-secret" not in str(raised.value)


def test_of_several_hosts_the_one_that_takes_writes_is_found(target):
    target.make_table()
    folder = re.search(r"host=([^&]+)", target.url)[1]
    address = target.url.replace(f"host={folder}", f"host=/nowhere,{folder}&target_session_attrs=read-write")
    writer = target.writer(base_url=address)
    assert [result.state for result in writer.write([person()])] == ["written"]
    writer.close()


def test_a_user_must_be_named_and_a_password_need_not_be(target, settings_of):
    with pytest.raises(ConfigurationError, match=r"secrets\.user is not set"):
        SqlWriter(connection_to("warehouse", settings_of(secrets={})))
    target.make_table()
    target.writer().check()


@pytest.mark.parametrize(
    "more",
    [
        {"options": {"table": "t" * 64}},
        {"options": {"schema": " "}},
        {"fields": (SentField("f" * 64),)},
        {"fields": (SentField("updated_at"),)},
        {"fields": (SentField("afluente_id"),)},
    ],
)
def test_names_that_postgresql_would_cut_or_that_are_ours_are_refused(target, more):
    with pytest.raises(ConfigurationError, match=r"bytes|which Afluente keeps itself"):
        target.writer(**more)


def test_another_table_is_another_key(target):
    assert target.writer().sent_as != target.writer(options={"table": "people"}).sent_as


def test_doctor_says_that_the_database_lets_us_in_or_what_it_lacks(target, settings_of):
    known = settings_of(base_url=target.url)
    [found] = check_destinations(known)
    assert (found.ok, "there is no table" in found.detail) == (False, True)
    target.execute(page_statements())
    found, mapped = check_destinations(known)
    assert (found.ok, "lets us in" in found.detail) == (True, True)
    assert (mapped.ok, mapped.name) == (True, "mapping of warehouse")
    target.execute(f"ALTER TABLE {TABLE} DROP company_domain")
    [found] = check_destinations(known)
    assert 'ADD COLUMN "company_domain" varchar(253)' in found.detail


def test_an_address_of_another_kind_is_refused_before_any_call(settings_of):
    with pytest.raises(ConfigurationError, match=r"base_url begins with https://; allowed: postgresql://, postgres://"):
        connection_to("warehouse", settings_of(base_url="https://db.example.org/crm"))
    with pytest.raises(ConfigurationError, match=r"base_url begins with postgresql://; allowed: http://, https://"):
        connection_to("warehouse", settings_of(kind="salesforce"))


def page_statements() -> str:
    return re.search(r"^```sql\n(CREATE SCHEMA.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)[1]


def test_the_statement_on_the_page_makes_the_table_of_the_mapping(target, settings_of):
    writer = SqlWriter(connection_to("warehouse", settings_of(base_url=target.url), load_destination_mapping("sql")))
    table = Table("warehouse", "afluente", "contacts", "afluente_id")
    assert page_statements() == "\n".join(table.statements(writer._wanted())) + "\n"
    target.execute(page_statements())
    writer.check()
    writer.close()


def test_the_page_names_every_option_and_secret_with_its_default():
    rows = dict(re.findall(r"^\| `(\w+)` \| .* \| (.*) \|$", PAGE, flags=re.MULTILINE))
    for option in DESTINATION.options:
        default = "false" if option.default is False else option.default
        assert option.name in rows
        assert default is None or rows[option.name] == f"`{default}`"
    assert set(DESTINATION.secrets) <= set(rows)
