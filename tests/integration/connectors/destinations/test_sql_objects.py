"""Several tables of a database: each object its own, linked by columns that hold the key of another's row."""

from __future__ import annotations

import pytest

from connectors.kit import ConfigurationError, Link, Record, RecordError, SentField

NAME = (SentField("name", "text", 80),)


def open_table(target, name, subject, links=(), **more):
    given = {"fields": NAME, "options": {"create_tables": True}, **more}
    return target.writer(object=name, subject=subject, links=links, **given)


def fill(target):
    """Brandt with Ada, and Ada's touch."""
    companies = open_table(target, "companies", "company")
    contacts = open_table(target, "contacts", "person", ("company_id",))
    touches = open_table(target, "touches", "touch", ("contact_id", "company_id"))
    brandt = Link("company_id", "companies", "brandt")
    ada = Record("ada", {"name": "Ada"}, links=(brandt,))
    form = Record("form", {"name": "Form"}, links=(brandt, Link("contact_id", "contacts", "ada")))
    for writer, record in ((companies, Record("brandt", {"name": "Brandt"})), (contacts, ada), (touches, form)):
        (result,) = writer.write([record])
        assert (result.state, result.crm_id) == ("written", record.key)
    return companies, contacts, touches


def test_each_object_has_a_table_and_a_touch_is_joined_to_its_person_and_their_company(target):
    writers = fill(target)
    joined = "SELECT t.name, p.name, c.name FROM afluente.touches t JOIN afluente.contacts p"
    joined += " ON p.afluente_id = t.contact_id JOIN afluente.companies c ON c.afluente_id = p.company_id"
    assert target.execute(joined) == [("Form", "Ada", "Brandt")]
    for writer in writers:
        writer.close()


def test_another_company_takes_the_place_of_the_former_and_no_link_leaves_it(target):
    companies, contacts, _ = fill(target)
    companies.write([Record("kairo", {"name": "Kairo"})])
    contacts.write([Record("ada", {"name": "Ada"}, links=(Link("company_id", "companies", "kairo"),))])
    assert target.execute("SELECT company_id FROM afluente.contacts") == [("kairo",)]
    contacts.write([Record("ada", {"name": "Ada B."})])
    assert target.execute("SELECT company_id, name FROM afluente.contacts") == [("kairo", "Ada B.")]


def test_a_foreign_key_of_the_teams_own_is_kept_by_the_order_of_writing(target):
    _, contacts, _ = fill(target)
    target.execute("ALTER TABLE afluente.contacts ADD FOREIGN KEY (company_id) REFERENCES afluente.companies")
    ben = Record("ben", {"name": "Ben"}, links=(Link("company_id", "companies", "brandt"),))
    assert [result.state for result in contacts.write([ben])] == ["written"]
    with pytest.raises(RecordError) as refused:
        contacts.write([Record("eve", {}, links=(Link("company_id", "companies", "nobody"),))])
    assert refused.value.code == "foreign_key_violation"


def test_setup_makes_the_table_with_its_links_and_later_the_link_that_it_lacks(target):
    assert open_table(target, "touches", "touch", ("contact_id",)).setup() == (
        'table "afluente"."touches" with 5 columns',
    )
    more = open_table(target, "touches", "touch", ("contact_id", "company_id"))
    assert more.setup(dry_run=True) == more.setup() == ('column company_id text of "afluente"."touches"',)
    assert more.setup() == ()


def test_a_link_by_the_name_of_a_column_that_is_kept_by_us_is_refused(target):
    with pytest.raises(ConfigurationError, match="updated_at"):
        open_table(target, "touches", "touch", ("updated_at",))


def test_a_batch_of_one_object_is_one_statement(target):
    _, contacts, _ = fill(target)
    target.execute("CREATE TABLE statements (at int)")
    target.execute(
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN INSERT INTO statements VALUES (1); RETURN NULL; END';"
        " CREATE TRIGGER noted AFTER INSERT ON afluente.contacts FOR EACH STATEMENT EXECUTE FUNCTION note()"
    )
    brandt = Link("company_id", "companies", "brandt")
    contacts.write([Record(f"p{number}", {"name": "P"}, links=(brandt,)) for number in range(500)])
    assert target.execute("SELECT count(*) FROM statements") == [(1,)]
