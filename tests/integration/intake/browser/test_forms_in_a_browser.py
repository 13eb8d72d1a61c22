"""A form of a website with our script, in a real browser, on pages of another origin than the receiver."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from connectors.kit import Connector, Webhook
from pipeline.stages.mapping.source_mapping import load_source_mapping, undecided
from pipeline.values.dates.times import parse_instant
from tests.support.browser import Browser, Page, needs_browser, running_browser
from tests.support.intake_server import Receiver, free_port, running_receiver, stored_events
from tests.support.mapped_records import map_record
from tests.support.watching import wait_until
from tests.support.website import Website, running_website

pytestmark = [pytest.mark.long, needs_browser]

FORM = """<!doctype html><meta charset=utf-8><body><script>
var outcomes = []; document.addEventListener("afluente", event => outcomes.push(event.detail.outcome));
function mayStore() {{ return {allowed} }}
</script>
<form data-afluente="demo-request" method="post" action="{receiver}/in/default/{source}">
  <input name="email" value="{email}" required>
  <input name="interest[]" value="CRM"> <input name="interest[]" value="ERP">
  <input type="file" name="brief">
  <input type="hidden" name="utm_campaign"> <input type="hidden" name="consent[text_version]" value="2026-01">
  <label><input type="checkbox" name="consent[marketing_email]" id="news"> News by e-mail</label>
  <input name="hp" style="display:none">
  <p hidden data-show="sent">Thank you.</p> <p hidden data-show="kept">We send it as soon as you are online.</p>
  <button>Send</button>
</form>
<script src="{receiver}/form.js" data-may-store="mayStore"></script>"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser


@pytest.fixture
def website() -> Iterator[Website]:  # its own port, so an origin of its own: nothing stored is met again
    with running_website() as website:
        yield website


@pytest.fixture
def receiver(database) -> Iterator[Receiver]:
    with running_receiver() as receiver:
        yield receiver


def write_form(
    website: Website, receiver: str, *, path: str = "/demo", allowed: bool = True, source: str = "web_form"
) -> str:
    """A page with a form; gives its address."""
    website.pages[path] = FORM.format(
        receiver=receiver, source=source, email="ada.sample@example.org", allowed=json.dumps(allowed)
    )
    return website.address + path


def send(page: Page) -> str:
    """Press the button. Gives what the script told the page."""
    before = page.run("outcomes.length")
    page.run("document.querySelector('button').click()")
    page.wait(f"outcomes.length > {before}")
    return page.run("outcomes.at(-1)")


def posted() -> list[dict]:
    return [json.loads(event.envelope.body) for event in stored_events("web_form")]


def stored_names(page: Page) -> list[str]:
    return page.run("Object.keys(localStorage).sort()")


def test_a_form_tells_the_first_visit_and_the_latest(browser, website, receiver):
    write_form(website, receiver.address, path="/blog")
    demo = write_form(website, receiver.address)
    page = browser.open(f"{website.address}/blog?utm_source=linkedin&utm_medium=paid_social&li_fat_id=li-1")
    page.go(f"{website.address}/blog?utm_source=google&utm_medium=cpc&utm_campaign=brand&gclid=Cj0-1")
    page.go(demo)
    page.run("document.getElementById('news').click()")
    assert send(page) == "sent"
    body = posted()[0]
    first, last = body["first_touch"], body["last_touch"]
    assert (first["utm_source"], first["li_fat_id"]) == ("linkedin", "li-1")
    assert first["landing_page"].endswith("li_fat_id=li-1")
    assert parse_instant(first["at"]) is not None
    assert (last["utm_source"], last["gclid"]) == ("google", "Cj0-1")
    assert body["fields"] == {"email": "ada.sample@example.org", "interest": ["CRM", "ERP"], "brief": ""}
    assert body["utm_campaign"] == "brand"  # a hidden field that the form had already
    assert (body["form_id"], body["page_url"], body["hp"]) == ("demo-request", demo, "")
    assert body["consent"] == {"marketing_email": "on", "text_version": "2026-01", "at": body["submitted_at"]}


def test_what_the_script_posts_leaves_nothing_undecided(browser, website, receiver):
    page = browser.open(write_form(website, receiver.address) + "?utm_source=linkedin&twclid=tw-1&gbraid=gb-1")
    page.run("document.getElementById('news').click()")
    page.run("document.querySelectorAll('[name^=interest], [name=brief]').forEach(input => input.remove())")
    assert send(page) == "sent"
    mapping = load_source_mapping("web_form")
    assert undecided(mapping, posted()[0]) == []
    lead = map_record(mapping, posted()[0] | {"elapsed_ms": 9_000})
    assert [consent.granted for consent in lead.consents] == [True]


def test_a_box_that_is_not_ticked_is_no_answer(browser, website, receiver):
    page = browser.open(write_form(website, receiver.address))
    assert send(page) == "sent"
    assert "marketing_email" not in posted()[0]["consent"]


def test_without_the_visitors_consent_nothing_of_a_visit_is_kept(browser, website, receiver):
    page = browser.open(write_form(website, receiver.address, allowed=False) + "?utm_source=google")
    assert send(page) == "sent"
    assert stored_names(page) == []
    assert page.call("Network.getCookies")["cookies"] == []
    body = posted()[0]
    assert "first_touch" not in body
    assert body["last_touch"]["utm_source"] == "google"  # of this page, which needs no memory


def test_a_banners_yes_begins_and_its_no_ends_the_memory(browser, website, receiver):
    page = browser.open(write_form(website, receiver.address, allowed=False) + "?utm_source=google")
    page.run("afluente.consent(true)")
    assert stored_names(page) == ["afluente_first", "afluente_last"]
    page.run("afluente.consent(false)")
    assert stored_names(page) == []
    assert send(page) == "sent"
    assert "first_touch" not in posted()[0]


def test_a_submission_without_network_is_sent_on_the_next_visit(browser, website, database):
    port = free_port()
    with running_receiver(port=port) as receiver:
        demo = write_form(website, receiver.address)
        page = browser.open(demo)
    assert send(page) == "kept"
    assert page.run("document.querySelector('[data-show=kept]').hidden") is False
    page.close()
    with running_receiver(port=port):
        page = browser.open(demo)
        page.wait("outcomes.includes('sent')")
        assert [name for name in stored_names(page) if "waiting" in name] == []
    assert len(posted()) == 1


def test_a_submission_without_network_is_sent_by_the_page_that_stays_open(browser, website, database):
    port = free_port()
    with running_receiver(port=port) as receiver:
        page = browser.open(write_form(website, receiver.address))
    assert send(page) == "kept"
    with running_receiver(port=port):
        page.wait("outcomes.includes('sent')", seconds=60)
    assert len(posted()) == 1


def test_a_submission_whose_answer_was_lost_is_one_lead(browser, website, receiver):
    demo = write_form(website, receiver.address)
    page = browser.open(demo)
    page.run("form = document.forms[0], old = Storage.prototype.removeItem, Storage.prototype.removeItem = () => {}")
    assert send(page) == "sent"  # and the page knew of it no more
    assert [name for name in stored_names(page) if "waiting" in name] != []
    page.go(demo + "?again")
    page.wait("outcomes.includes('sent')")
    assert len(posted()) == 1


def test_two_submissions_of_one_page_are_two_leads(browser, website, receiver):
    page = browser.open(write_form(website, receiver.address))
    assert send(page) == "sent"
    page.run("document.querySelector('[name=email]').value = 'jo.sample@example.org'")
    assert send(page) == "sent"
    assert {body["fields"]["email"] for body in posted()} == {"ada.sample@example.org", "jo.sample@example.org"}
    assert len({body["submission_id"] for body in posted()}) == 2


def test_a_submission_that_is_refused_stays_in_the_form(browser, website, database):
    intake = Webhook(formats=("form",), cross_origin=True)  # no JSON: the answer is 415
    connector = Connector(source="forms_only", title="Forms", owner="@a", docs_url="https://example.org", intake=intake)
    with running_receiver(connectors={"forms_only": connector}) as receiver:
        page = browser.open(write_form(website, receiver.address, source="forms_only"))
        page.run("document.querySelector('[name=email]').value = 'jo.sample@example.org'")
        assert send(page) == "refused"
    assert page.run("document.querySelector('[name=email]').value") == "jo.sample@example.org"
    assert [name for name in stored_names(page) if "waiting" in name] == []


def test_ten_submissions_wait_and_the_visitor_is_told_of_the_eleventh(browser, website, database):
    with running_receiver() as receiver:
        page = browser.open(write_form(website, receiver.address))
    assert [send(page) for _ in range(11)] == ["kept"] * 10 + ["failed"]


def test_a_form_without_scripts_posts_by_itself(browser, website, receiver):
    page = browser.open("about:blank")
    page.without_scripts()
    page.load(write_form(website, receiver.address))
    page.press_enter_in("[name=email]")
    assert wait_until(lambda: stored_events("web_form"), seconds=30)
    assert [b"ada.sample%40example.org" in event.envelope.body for event in stored_events("web_form")] == [True]
