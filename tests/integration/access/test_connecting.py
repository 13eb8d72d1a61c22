"""`afluente source connect`: from an address to open to leads that come in, at a server of OAuth that is not ours."""

from __future__ import annotations

import json
import subprocess
import threading
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from pipeline.errors import RefusedError, UsageError
from pipeline.health.status import collect_status
from pipeline.inspection.access.connections import (
    begin_connecting,
    disconnect,
    finish_connecting,
    read_connections,
)
from pipeline.inspection.access.redirects import Redirects
from pipeline.inspection.polling.polled import read_states
from pipeline.intake.polls import due_polls, run_poll
from pipeline.store.engine import transaction
from tests.support.command_line import AFLUENTE, ROOT, answer, problem, run
from tests.support.intake_server import count_events, free_port
from tests.support.oauth_server import CLIENT_ID
from tests.support.services import forget_caches

from .conftest import BY_CLIENT, check_of, connect, stored_tokens


@pytest.mark.long
def test_a_source_that_is_not_connected_is_not_asked_and_says_the_one_command(acme, provider):
    report = run_poll("acme_ads", "default")
    assert report.is_terminal
    assert "acme_ads: it is not connected; agree to it at the source by `afluente source connect acme_ads`" in (
        report.error or ""
    )
    assert (provider.asked, provider.shown) == ([], [])
    (state,) = read_states("acme_ads")
    assert (state.access, state.access_until) == ("not connected", None)
    check = check_of()
    assert not check.ok
    assert "afluente source connect acme_ads" in check.remedy
    assert any("afluente source connect acme_ads" in told for told in collect_status()["problems"])


def test_once_agreed_to_its_leads_come_in_and_who_waited_goes_on_at_once(acme, provider):
    provider.leads = [{"id": "1", "at": "2026-03-01T10:00:00Z", "email": "ada@example.org"}]
    run_poll("acme_ads", "default")
    assert ("acme_ads", "default") not in due_polls()
    connected = connect(provider)
    assert connected.is_renewed
    assert (connected.access.state, connected.access.scopes, connected.access.brand) == (
        "connected",
        "leads.read",
        "default",
    )
    assert connected.access.expires_at is not None
    assert ("acme_ads", "default") in due_polls()
    assert run_poll("acme_ads", "default").accepted == 1
    assert count_events("acme_ads") == 1
    assert check_of().ok
    assert read_states("acme_ads")[0].access == "connected"


@pytest.mark.parametrize("spoil", [lambda code: code[::-1], lambda code: "made-up"])
def test_a_code_that_the_source_does_not_know_is_refused_and_nothing_is_kept(acme, provider, spoil):
    connecting = begin_connecting("acme_ads")
    _, led_to = provider.agree(connecting.address)
    code = parse_qs(urlsplit(led_to).query)["code"][0]
    with pytest.raises(RefusedError, match="begin again"):
        finish_connecting(connecting, led_to.replace(code, spoil(code)))
    assert [state.state for state in read_connections()] == ["not connected"]


def test_the_answer_of_another_attempt_is_refused_before_the_source_is_asked(acme, provider):
    one, other = begin_connecting("acme_ads"), begin_connecting("acme_ads")
    _, led_to = provider.agree(one.address)
    with pytest.raises(RefusedError, match="another attempt"):
        finish_connecting(other, led_to)
    assert provider.asked == []


def test_a_code_that_somebody_else_got_is_of_no_use_without_what_this_attempt_keeps(acme, provider):
    """PKCE: a stolen code, or one slipped to us, does not fit."""
    one, other = begin_connecting("acme_ads"), begin_connecting("acme_ads")
    _, led_to = provider.agree(one.address)
    with pytest.raises(RefusedError, match="begin again"):
        finish_connecting(other, parse_qs(urlsplit(led_to).query)["code"][0])


def test_an_attempt_shows_neither_state_nor_verifier_where_it_is_printed(acme):
    connecting = begin_connecting("acme_ads")
    assert connecting.state not in repr(connecting)
    assert connecting.verifier not in repr(connecting)


def test_nobody_has_to_agree_where_the_app_itself_is_let_in(acme, provider):
    acme(BY_CLIENT)
    with pytest.raises(UsageError, match="nobody has to agree"):
        begin_connecting("acme_ads")
    provider.leads = [{"id": "1", "at": "2026-03-01T10:00:00Z", "email": "ada@example.org"}]
    assert run_poll("acme_ads", "default").accepted == 1
    assert (provider.asked, provider.tells_basic) == (["client_credentials"], [True])


def test_without_the_app_s_secrets_the_command_says_which_to_set(acme, monkeypatch):
    monkeypatch.delenv("ACME_ADS_CLIENT")
    told = problem("source", "connect", "acme_ads", code=2)
    assert "ACME_ADS_CLIENT" in told
    assert "sources.acme_ads.secrets.ACME_ADS_CLIENT" in told
    check = check_of()
    assert not check.ok
    assert "ACME_ADS_CLIENT" in f"{check.detail} {check.remedy}"


def test_what_a_source_gave_is_sealed_and_belongs_to_its_brand(acme, provider):
    acme(brands={"casa": {}, "otra": {}}, entry={"brands": ["casa", "otra"]})
    connect(provider, brand="casa")
    states = {state.brand: state for state in read_connections("acme_ads")}
    assert {brand: state.state for brand, state in states.items()} == {"casa": "connected", "otra": "not connected"}
    assert "--brand otra" in (states["otra"].remedy or "")
    (stored,) = stored_tokens()
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE source_tokens SET brand = 'otra'")
    assert not [token for token in [*provider.access_tokens, *provider.refresh_tokens] if token in stored]
    with pytest.raises(ValueError, match="belongs to another row"):
        run_poll("acme_ads", "otra")


def test_a_token_is_not_shown_to_what_goes_by_the_same_name_now(acme, provider):
    connect(provider)
    acme('OAuthCode("{url}/authorize", "{url}/token/v2", Secret("ACME_ADS_CLIENT"), Secret("ACME_ADS_SECRET"))')
    assert [state.state for state in read_connections()] == ["not connected"]
    assert "not connected" in (run_poll("acme_ads", "default", at_once=True).error or "")
    assert provider.shown == []


def test_disconnected_it_is_asked_no_more(acme, provider):
    connect(provider)
    assert disconnect("acme_ads") is True
    assert disconnect("acme_ads") is False
    assert "not connected" in (run_poll("acme_ads", "default", at_once=True).error or "")
    assert provider.shown == []


def test_the_command_prints_the_address_and_takes_what_is_pasted(acme, provider, monkeypatch):
    told = run("source", "connect", "acme_ads", stdin="\n")
    assert told.returncode == 1
    assert "nothing was pasted" in told.stderr
    assert f"{provider.url}/authorize?response_type=code" in told.stderr
    assert answer("source", "connect", "--status", code=1)[0]["state"] == "not connected"


@pytest.mark.long
def test_what_the_browser_was_led_to_is_pasted_into_a_command_that_waits_for_it(acme, provider):
    command = subprocess.Popen(
        [AFLUENTE, "source", "connect", "acme_ads"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        address = next(line for line in command.stderr if line.startswith(provider.url)).strip()
        _, led_to = provider.agree(address)
        out, _ = command.communicate(f"  {led_to}\n", timeout=100)
    finally:
        command.kill()
        command.wait()
    assert command.returncode == 0
    assert [word in out for word in ("acme_ads", "default", "leads.read")] == [True] * 3
    assert led_to not in out
    assert read_connections()[0].state == "connected"


def test_the_command_takes_the_browser_s_answer_on_this_machine(acme, provider):
    redirect = f"http://localhost:{free_port()}/callback"
    provider.redirects = {redirect}
    acme(entry={"redirect_url": redirect})
    connecting = begin_connecting("acme_ads")
    with Redirects(redirect, state=connecting.state) as redirects:
        found = []
        waiting = threading.Thread(target=lambda: found.append(redirects.wait(seconds=30)))
        waiting.start()
        assert requests.get(redirect.replace("callback", "favicon.ico"), timeout=20).status_code == 404
        assert requests.get(f"{redirect}?code=foreign&state=other", timeout=20).status_code == 400
        assert "close this window" in requests.get(connecting.address, timeout=20).text
        waiting.join()
    assert finish_connecting(connecting, found[0]).access.state == "connected"


def test_only_an_address_of_this_machine_is_listened_at(acme):
    with pytest.raises(UsageError, match="leave --listen out"):
        Redirects("https://hooks.example.org/callback", state="s")


def test_nobody_who_comes_is_said_after_a_while(acme):
    with (
        Redirects(f"http://localhost:{free_port()}/callback", state="s") as redirects,
        pytest.raises(RefusedError, match="begin again"),
    ):
        redirects.wait(seconds=0.05)


def test_a_source_that_gives_nothing_to_renew_with_is_said_to_end(acme, provider):
    provider.gives_refresh_tokens = False
    assert not connect(provider).is_renewed


def test_the_status_is_json_that_holds_no_token(acme, provider):
    connect(provider)
    shown = answer("source", "connect", "--status")
    assert shown[0]["state"] == "connected"
    assert not [token for token in [*provider.access_tokens, *provider.refresh_tokens] if token in json.dumps(shown)]


@pytest.fixture
def instance(company, provider, monkeypatch):
    """An API that afluente.yaml alone describes, let in by consent or by the app itself."""

    def set_up(**auth):
        told = {"token_url": f"{provider.url}/token", **auth}
        options = {"records_at": "leads", "event_id": "id", "cursor": {"param": "since", "field": "at"}, "auth": told}
        source = {"connector": "rest_poll", "url": f"{provider.url}/leads", "mapping": "rest_poll", "options": options}
        crm = {"kind": "salesforce", "base_url": "http://127.0.0.1:9"}
        content = {"sources": {"acme_ads": source}, "destinations": {"crm": crm}}
        company.folder.mkdir(exist_ok=True)
        (company.folder / "afluente.yaml").write_text(json.dumps(content))
        forget_caches()

    monkeypatch.setenv("ACME_ADS_CLIENT_ID", CLIENT_ID)
    monkeypatch.setenv("ACME_ADS_CLIENT_SECRET", "secret-of-the-tests")
    provider.leads = [{"id": "1", "at": "2026-03-01T10:00:00Z", "email": "ada@example.org"}]
    return set_up


def test_an_api_of_yaml_alone_is_connected_and_its_access_shown_as_that_of_any_other(instance, provider):
    instance(by="oauth_code", authorize_url=f"{provider.url}/authorize", scopes=["leads.read"])
    assert run_poll("acme_ads", "default").is_terminal
    assert [(state.source, state.state) for state in read_connections()] == [("acme_ads", "not connected")]
    assert read_states("acme_ads")[0].access == "not connected"
    assert "afluente source connect acme_ads" in (check_of().remedy or "")
    connect(provider)
    assert run_poll("acme_ads", "default").accepted == 1
    assert [state.state for state in read_connections("acme_ads")] == ["connected"]
    assert check_of().ok
    provider.expire()
    assert run_poll("acme_ads", "default", at_once=True).error is None
    assert provider.asked[-1] == "refresh_token"


def test_an_api_of_yaml_alone_is_read_by_the_app_itself(instance, provider):
    instance(by="oauth_client", scope="leads.read")
    assert run_poll("acme_ads", "default").accepted == 1
    assert provider.asked == ["client_credentials"]
    assert [state.state for state in read_connections()] == ["by itself"]
