"""`afluente source` and `afluente mapping` through the real command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from connectors.kit.registry import sources
from tests.support.checkouts import own_folder, run_at
from tests.support.command_line import ROOT, answer, lines, problem, run, run_process, work
from tests.support.intake_server import running_receiver

SECRET = "whsec_c2VjcmV0IG9mIHRoZSB0ZXN0cywgMzIgYnl0ZXMgISE="
PAYLOAD = {
    "entries": [
        {
            "entry_id": "e-17",
            "submitted_at": "2026-01-15T10:00:00Z",
            "answers": {
                "email": "real.person@customer.test",
                "name": "Realforename Realsurname",
                "phone": "+34 612 345 678",
                "optIn": True,
                "shoe_size": 38,
                "jotting": "call my cell 612345678",
            },
            "page": {"utm_source": "newsletter"},
        }
    ]
}


@pytest.fixture
def company(tmp_path):
    """What a new source is written into, and a changed file of the house."""
    return own_folder(tmp_path / "company")


def own_copy(company, name):
    """A file of the house in the company's folder, where it counts."""
    (company / name).parent.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(ROOT / name, company / name))


def test_the_list_has_every_declared_source():
    listed = {row["source"]: row for row in answer("source", "list")}
    assert set(listed) == set(sources())
    assert listed["standard_webhooks"]["secret"] == "STANDARD_WEBHOOKS_SECRET"
    assert "Standard Webhooks" in run("source", "list").stdout


@pytest.mark.long
def test_the_sources_of_the_house_pass_the_conformance_kit():
    done = run("source", "check")
    assert done.returncode == 0, done.stdout
    assert answer("source", "check", "web_form") == {"ok": True, "sources": {"web_form": []}}


def test_a_new_source_made_from_a_payload_keeps_its_shape_and_nothing_of_its_people(company, tmp_path):
    sample = tmp_path / "payload.json"
    sample.write_text(json.dumps(PAYLOAD))

    made = run_at(company, "source", "new", "acme_forms", "--from-sample", str(sample))

    assert made.returncode == 0, made.stderr
    assert "answers.shoe_size" in made.stdout
    written = [
        company / "connectors" / "sources" / "acme_forms.py",
        company / "mappings" / "sources" / "acme_forms.yaml",
        company / "samples" / "acme_forms" / "typical.json",
        company / "samples" / "acme_forms" / "typical.expected.json",
    ]
    text = "".join(path.read_text() for path in written)
    for private in ("real.person", "Realforename", "Realsurname", "612 345", "612345678", "customer.test", "e-17"):
        assert private not in text
    expected = json.loads(written[3].read_text())
    assert (expected["email"], expected["full_name"]) == ("ada.sample@example.com", "Ada Sample")
    assert expected["utm_source"] == "newsletter"
    assert "consents" not in expected, "whether somebody agreed is for a human to say"
    checked = run_at(company, "source", "check", "acme_forms")
    assert checked.returncode == 1, "what nobody decided about must be reported"
    found = [line.strip() for line in checked.stdout.splitlines()[1:]]
    assert [line for line in found if "undecided" not in line] == []
    assert len(found) == 3

    mapping = written[1]
    drafted, marks, commented = mapping.read_text().partition("# consent:\n")
    rule = (marks + commented).replace("# ", "", 1).replace("\n# ", "\n").replace("purpose:", "purpose: marketing")
    mapping.write_text(
        drafted + rule.replace("channel:", "channel: any") + "kept: [answers.shoe_size, answers.jotting]\n"
    )
    assert run_at(company, "source", "check", "acme_forms", "--accept").returncode == 0
    assert json.loads(written[3].read_text())["consents"][0]["granted"] is True
    assert run_at(company, "source", "check", "acme_forms").returncode == 0


def test_a_submission_is_known_by_its_id_a_person_is_not_and_canonical_names_mean_themselves(company, tmp_path):
    payload = {
        "id": "s-1", "email": "real.person@customer.test", "customer": {"id": "c-9"}, "platform": "fb",
        "is_organic": False, "disclaimers": [{"checkbox_key": "optional_1", "is_checked": "1"}],
    }  # fmt: skip
    (tmp_path / "payload.json").write_text(json.dumps(payload))
    made = run_at(company, "source", "new", "acme_ads", "--from-sample", str(tmp_path / "payload.json"))
    assert made.returncode == 0, made.stderr
    assert '# event_id="id",  # must differ for every lead' in (company / "connectors/sources/acme_ads.py").read_text()
    mapping = (company / "mappings/sources/acme_ads.yaml").read_text()
    assert "external_id: customer.id" in mapping
    assert "submission_id: id\n" in mapping
    assert "platform: platform" in mapping
    assert "is_organic: is_organic" in mapping
    assert '"optional_1"' in (company / "samples/acme_ads/typical.json").read_text()


def test_a_webhook_that_nobody_signs_is_said_to_be_open(company, tmp_path):
    made = run_at(company, "source", "new", "acme_open")
    assert "acme_open is unsigned: anybody who knows its address can post" in made.stderr
    (tmp_path / "leads.csv").write_text("Email,Phone\nx@customer.test,1\n")
    made = run_at(company, "source", "new", "acme_file", "--from-sample", str(tmp_path / "leads.csv"))
    assert "unsigned" not in made.stderr


def test_answers_in_a_list_are_read_by_their_names(company, tmp_path):
    answers = {
        "email": "real.person@customer.test",
        "mobile": "+34 612 345 678",
        "fullName": "Realforename Realsurname",
    }
    payload = {
        "submittedAt": "2026-03-04T10:11:12Z",
        "answers": [{"key": key, "value": value} for key, value in answers.items()],
        "utm": {"utm_source": "google"},
    }
    sample = tmp_path / "payload.json"
    sample.write_text(json.dumps(payload))
    made = run_at(company, "source", "new", "acme_quiz", "--from-sample", str(sample))
    assert made.returncode == 0, made.stderr
    assert "answers.mobile" in made.stdout
    folder = company / "samples" / "acme_quiz"
    assert "Realforename" not in (folder / "typical.json").read_text()
    expected = json.loads((folder / "typical.expected.json").read_text())
    assert (expected["email"], expected["phone"]) == ("ada.sample@example.com", "+12025550143")
    assert (expected["full_name"], expected["utm_source"]) == ("Ada Sample", "newsletter")
    assert run_at(company, "source", "check", "acme_quiz").returncode == 0


@pytest.mark.parametrize("name", [None, "leads.csv"])
def test_a_new_source_passes_its_check_as_far_as_names_can_be_guessed(company, tmp_path, name):
    arguments = []
    if name:
        (tmp_path / name).write_text("Lead ID;Email;First Name;Phone\n7;x@customer.test;Xenia;+34 612 345 678\n")
        arguments = ["--from-sample", str(tmp_path / name)]
    made = run_at(company, "source", "new", "acme_list", *arguments)
    assert made.returncode == 0, made.stderr
    checked = run_at(company, "source", "check", "acme_list")
    assert checked.returncode == 0, checked.stdout


def test_after_an_edit_the_expected_leads_are_rewritten_on_request_and_the_difference_shown(company):
    mapping = own_copy(company, "mappings/sources/datablist.yaml")
    for name in ("typical.csv", "typical.expected.json"):
        own_copy(company, f"samples/datablist/{name}")
    mapping.write_text(mapping.read_text().replace("  website: ", "  linkedin_url: "))
    checked = run_at(company, "source", "check", "datablist")
    assert checked.returncode == 1
    assert "afluente source check datablist --accept" in checked.stdout
    assert "samples/datablist/typical.expected.json" in checked.stdout
    accepted = run_at(company, "source", "check", "datablist", "--accept")
    assert "website is" in accepted.stderr
    assert accepted.returncode == 0, accepted.stdout
    assert run_at(company, "source", "check", "datablist").returncode == 0
    assert run_at(company, "source", "check", "--accept").returncode == 2


def test_a_new_source_overwrites_nothing(company):
    before = own_copy(company, "connectors/sources/api.py").read_text()
    again = run_at(company, "source", "new", "api")
    assert (again.returncode, "exists already" in again.stderr) == (2, True)
    assert run_at(company, "source", "new", "Bad-Name").returncode == 2
    assert (company / "connectors" / "sources" / "api.py").read_text() == before


@pytest.mark.long
def test_a_sample_is_sent_signed_to_a_running_receiver(database, redis_url, monkeypatch, tmp_path):
    monkeypatch.setenv("STANDARD_WEBHOOKS_SECRET", SECRET)
    with running_receiver() as receiver:
        address = receiver.address
        for source in ("standard_webhooks", "web_form", "api"):
            sent = answer("source", "send", source, "--url", address)
            assert (sent["ok"], sent["sample"]) == (True, "typical")
            assert answer("explain", sent["event_ids"][0])["source"] == source, "it names the event that it made"
        assert answer("source", "send", "standard_webhooks", "--url", address)["ok"] is True
        monkeypatch.setenv("STANDARD_WEBHOOKS_SECRET", SECRET.replace("c2Vj", "b3Ro"))
        refused = answer("source", "send", "standard_webhooks", "unicode", "--url", address, code=1)
        assert refused["status"] == 401
        lost = run("source", "send", "web_form", "--url", f"{address}/elsewhere")
        assert (lost.returncode, "when it started" in lost.stderr) == (1, True)
    work()
    assert {row["source"]: row["state"] for row in lines("leads", "export")} == {
        "standard_webhooks": "settled",
        "web_form": "settled",
        "api": "settled",
    }
    assert answer("balance")["sources"]["standard_webhooks"]["repeated"] == 1


def test_what_cannot_be_sent_says_what_to_do_instead(tmp_path):
    nothing = {"AFLUENTE_DATA": str(tmp_path), "AFLUENTE_API_KEYS": "t:admin:key"}
    assert "import it" in problem("source", "send", "datablist", "--url", "http://127.0.0.1:9", code=2)
    assert "comes by poll" in problem("source", "send", "json_feed", "--url", "http://127.0.0.1:9", code=2)
    assert "no sample 'nope'; it has: typical" in problem("source", "send", "api", "nope", code=2)
    assert "no receiver is known" in problem("source", "send", "api", code=1, environment=nothing)
    assert "does not answer" in problem(
        "source", "send", "api", "--url", "http://127.0.0.1:9", code=1, environment=nothing
    )


@pytest.mark.long
def test_the_mappings_of_the_house_are_sound():
    found = answer("mapping", "check")
    assert found["ok"] is True
    assert "mappings/destinations/salesforce.yaml" in found["mappings"]


@pytest.mark.parametrize("name", ["identity", "survivorship"])
def test_broken_rules_are_found(company, name):
    (company / "mappings" / f"{name}.yaml").write_text("version: 1\nfields: {town: newest}\n")
    done = run_at(company, "mapping", "check")
    assert done.returncode == 1
    assert f"mappings/{name}.yaml: 1 to settle" in done.stdout


@pytest.mark.long
def test_a_short_name_outside_of_brackets_is_found(company):
    file = company / "mappings" / "vocabularies" / "nicknames.yaml"
    file.parent.mkdir()
    file.write_text("names: {robert: bob}\ncompounds: {}\n")
    # a process of its own: this one has read the names already
    done = run_process("mapping", "check", environment={"AFLUENTE_HOME": str(company)})
    assert done.returncode == 1
    assert "mappings/vocabularies/nicknames.yaml: 1 to settle" in done.stdout
    assert "names.robert: 'bob' is not a list" in done.stdout


def test_a_mapping_that_names_an_unknown_field_is_found(company):
    mapping = own_copy(company, "mappings/sources/web_form.yaml")
    mapping.write_text(mapping.read_text().replace("  email:  ", "  emial:  "))
    done = run_at(company, "mapping", "check")
    assert done.returncode == 1
    assert "did you mean email?" in done.stdout


def test_a_preview_shows_path_raw_value_field_and_normalized_value():
    (record,) = answer("mapping", "preview", "web_form", "samples/web_form/typical.json")
    rows = {row["path"]: row for row in record["fields"] if row["path"]}
    assert (rows["fields.email"]["raw"], rows["fields.email"]["field"], rows["fields.email"]["normalized"]) == (
        " Ada.Brandt@Example.org ",
        "email",
        "ada.brandt@example.org",
    )
    assert rows["fields.country"]["normalized"] == "DE"
    text = run("mapping", "preview", "datablist", "samples/datablist/typical.csv", "--rows", "2").stdout
    assert text.count("record ") == 2
    assert "Account Id" in text


def test_a_preview_of_what_would_be_quarantined_is_a_problem(tmp_path):
    payload = tmp_path / "payload.json"
    payload.write_text('{"fields": {"name": "Nobody"}}')
    (record,) = answer("mapping", "preview", "web_form", str(payload), code=1)
    assert record["quarantined"]["reason"] == "nothing_to_identify"


def test_a_payload_that_cannot_be_read_is_named_with_the_place(tmp_path):
    payload = tmp_path / "payload.json"
    payload.write_text('{"fields":\n  oops}')
    said = problem("mapping", "preview", "web_form", str(payload), code=1)
    assert str(payload) in said
    assert "line 2" in said
