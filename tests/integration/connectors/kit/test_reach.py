"""Polls, reads, token servers and CRMs are called where the settings mean, whatever a name or an answer says."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from connectors.kit import TerminalError, TransientError
from connectors.kit.connecting import resolver
from connectors.kit.http import BearerToken, Session, session, translated
from connectors.kit.reach import Reach
from connectors.kit.token_server import token_session
from pipeline.settings.stores.calls import ask as ask_store
from tests.support.http_server import Call, serving_http

SETTING = "sources.feed.allow_private: true in afluente.yaml"


@pytest.fixture
def names(monkeypatch) -> dict[str, list[str]]:
    """Where names lead: one address after the other, the last for good. Names not among them are looked up."""
    found: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def look_up(host, port, *rest, **more):
        if host not in found:
            return real(host, port, *rest, **more)
        address = found[host].pop(0) if len(found[host]) > 1 else found[host][0]
        kind = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [(kind, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return found


@pytest.fixture
def seen() -> list[Call]:
    return []


@pytest.fixture
def port(seen) -> Iterator[int]:
    def answer(call: Call):
        seen.append(call)
        to = call.path.partition("?to=")[2]
        return (302, {"Location": to}, b"") if to else (200, {"Connection": "close"}, b"{}")

    with serving_http(answer, methods=("GET", "POST")) as url:
        yield int(url.rpartition(":")[2])


def ask(base: str, url: str | None = None, *, reach: Reach | None = None, made: Session | None = None) -> None:
    with translated("polling the feed"), made or session(base, timeout_seconds=3, reach=reach) as http:
        http.get(url or base, auth=BearerToken("the-token"))


def refused(base: str, url: str | None = None, **how) -> str:
    with pytest.raises(TerminalError) as caught:
        ask(base, url, **how)
    return str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "erp", "erp.internal", "erp.corp.local"])
def test_an_address_of_one_s_own_that_the_settings_spell_out_is_called(names, port, seen, host):
    names.setdefault(host, ["127.0.0.1"])
    ask(f"http://{host}:{port}/leads", reach=Reach("refuse"))
    assert [call.headers["Authorization"] for call in seen] == ["Bearer the-token"]


@pytest.mark.parametrize("private", ["refuse", "warn"])
def test_a_name_that_leads_to_this_machine_at_the_second_look_up_is_not_called(names, port, seen, private):
    names["feed.example.org"] = ["93.184.215.14", "127.0.0.1"]
    reach = Reach(private, setting=SETTING)
    find = resolver(reach, "http://feed.example.org")
    assert find("feed.example.org", port) == ["93.184.215.14"]
    said = refused(f"http://feed.example.org:{port}/leads", reach=reach)
    assert said == (
        "polling the feed: not called: feed.example.org is a name of the internet and leads into a private network;"
        f" if it is your own, set {SETTING}"
    )
    assert seen == []


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", "0.0.0.0", "224.0.0.1", "::ffff:127.0.0.1"])
def test_nobody_s_address_is_called_even_where_it_is_spelled_out(names, address):
    names["feed.example.org"] = [address]
    assert "no service has" in refused("http://feed.example.org/leads")
    written = f"[{address}]" if ":" in address else address
    assert "no service has" in refused(f"http://{written}/leads")


@pytest.mark.parametrize("address", ["10.0.0.8", "192.168.1.9", "172.16.4.4", "100.64.0.9", "fd00::1"])
def test_a_name_of_the_internet_that_leads_into_a_private_network_is_for_the_settings_to_say(names, address):
    names["erp.example.org"] = [address]
    find = {
        private: resolver(Reach(private), "https://erp.example.org/leads") for private in ("refuse", "warn", "allow")
    }
    assert find["warn"]("erp.example.org", 443) == find["allow"]("erp.example.org", 443) == [address]
    assert "private network" in refused("https://erp.example.org/leads", reach=Reach("refuse"))
    network = "fd00::/8" if ":" in address else f"{address}/32"
    allowed = resolver(Reach("refuse", networks=(network,)), "https://erp.example.org/leads")
    assert allowed("erp.example.org", 443) == [address]


def test_one_private_address_among_public_ones_is_enough_to_refuse(names, monkeypatch):
    def look_up(host, port, *_rest, **_more):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (it, port)) for it in ("93.184.215.14", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    assert "private network" in refused("http://feed.example.org/leads")


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0x7f.1", "127.1", "017700000001"])
def test_a_number_that_some_take_for_an_address_is_not_called(port, seen, host):
    with pytest.raises(TerminalError):
        ask(f"http://{host}:{port}/leads")
    assert seen == []


def test_an_answer_that_names_an_address_of_one_s_own_is_not_followed(names, port, seen):
    names["crm.example.org"] = ["93.184.215.14"]
    base = "https://crm.example.org"
    for told in (
        f"http://127.0.0.1:{port}",
        f"http://localhost:{port}",
        f"http://erp:{port}",
        f"http://10.0.0.8:{port}",
    ):
        names["erp"] = ["10.0.0.8"]
        assert "not the host that the settings name" in refused(base, told)
    assert seen == []


@pytest.mark.parametrize("host", ["169.254.169.254", "[::ffff:127.0.0.1]", "2130706433", "user@127.0.0.1", "localhost"])
def test_a_redirect_elsewhere_is_not_followed_and_the_token_stays(port, seen, host):
    base = f"http://127.0.0.1:{port}"
    with session(base, timeout_seconds=3) as http:
        answer = http.get(f"{base}/leads?to=http://{host}:{port}/secrets", auth=BearerToken("the-token"))
    assert answer.status_code == 302
    assert [call.path.partition("?")[0] for call in seen] == ["/leads"]


def test_a_redirect_on_the_same_host_is_looked_up_and_judged_again(names, port, seen):
    names["feed.example.org"] = ["127.0.0.1", "169.254.169.254"]
    reach = Reach("refuse", networks=("127.0.0.0/8",))
    base = f"http://feed.example.org:{port}"
    with translated("polling"), session(base, timeout_seconds=3, reach=reach) as http:
        http.get(f"{base}/once")
    assert len(seen) == 1
    assert "no service has" in refused(f"{base}/leads?to={base}/next", reach=reach)


def test_a_token_server_is_called_by_the_same_rules(names, port, seen):
    names["login.example.org"] = ["127.0.0.1"]
    url = f"http://login.example.org:{port}/token"
    assert "private network" in refused(url, made=token_session(url))
    ask(url, made=token_session(url, Reach("allow")))
    assert len(seen) == 1


def test_a_store_of_secrets_is_called_wherever_its_reference_says(names, port, seen):
    names["vault.example.org"] = ["127.0.0.1"]
    assert ask_store(f"http://vault.example.org:{port}/v1/secret", what="reading a secret") == {}
    assert len(seen) == 1


def test_the_next_address_of_a_name_is_tried_where_the_first_does_not_answer(monkeypatch, port, seen):
    def look_up(host, number, *_rest, **_more):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (it, number)) for it in ("127.0.0.99", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    ask(f"http://localhost:{port}/leads")
    assert len(seen) == 1


def test_a_name_that_cannot_be_found_is_tried_later(monkeypatch):
    def look_up(*_about, **_more):
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with pytest.raises(TransientError):
        ask("http://feed.example.org/leads")


def test_a_proxy_of_the_machine_looks_names_up_itself(monkeypatch, port, seen):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    ask("http://feed.example.org/leads", reach=Reach("refuse"))
    assert [call.path for call in seen] == ["http://feed.example.org/leads"]
