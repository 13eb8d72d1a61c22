"""Two `afluente up` that start at one moment share nothing: each has ports of its own, and keeps them."""

from __future__ import annotations

import json
import socket

import pytest
import requests

from pipeline.supervisor.addresses import choose_addresses, keep_ports, port_of, read_ports
from tests.support.supervised import Up

# A program that serves, at the socket that was handed over, its folder's name.
SERVING = """
import http.server, pathlib, signal, socket, sys
name, story, ready = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = str(ready.parent).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Server, bind_and_activate=False)
server.socket.close()
server.socket = socket.socket(fileno=int(sys.argv[5]))
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
ready.touch()
server.serve_forever()
"""


@pytest.mark.long
def test_two_started_together_have_ports_of_their_own_and_are_reached_there(tmp_path, services):
    parts = {"sandbox": {"code": SERVING, "socket": "sandbox"}, "flower": {"code": SERVING, "socket": "flower"}}
    outside = {"AFLUENTE_BROKER_URL": services.broker_url}
    urls = [services.make_empty_database() for _ in range(2)]
    both = [
        Up(tmp_path / name, parts, AFLUENTE_DATABASE_URL=url, **outside)
        for name, url in zip(("one", "other"), urls, strict=True)
    ]
    try:
        for up in both:
            up.wait_ready()
        found = [up.runtime()["addresses"] for up in both]
        assert len({address for addresses in found for address in addresses.values()}) == 8
        for up, addresses in zip(both, found, strict=True):
            for part in parts:
                assert requests.get(addresses[part], timeout=5).text == str(up.data)
    finally:
        for up in both:
            up.stop()
        for url in urls:
            services.drop_database(url)


def test_nobody_else_can_take_a_port_that_was_chosen():
    chosen = choose_addresses(port=0, uses_sandbox=True)
    others = choose_addresses(port=0, uses_sandbox=True, former={"sandbox": port_of(chosen.sandbox)})
    try:
        assert not set(chosen.named().values()) & set(others.named().values())
        assert all(
            listening.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) for listening in chosen.sockets.values()
        )
    finally:
        chosen.close()
        others.close()


def test_the_parts_take_the_ports_they_had_if_these_are_free(tmp_path):
    first = choose_addresses(port=0, uses_sandbox=True, former={"flower": 0, "sandbox": 0})
    keep_ports(tmp_path, first)
    first.close()
    again = choose_addresses(port=0, uses_sandbox=True, former=read_ports(tmp_path))
    again.close()
    assert (again.flower, again.sandbox) == (first.flower, first.sandbox)


def test_a_record_of_ports_that_makes_no_sense_is_as_good_as_none(tmp_path):
    for wrong in ("", "[]", "[" * 9_999, '{"flower": "5555", "sandbox": true, "receiver": 70000}', json.dumps(None)):
        (tmp_path / "ports.json").write_text(wrong)
        assert read_ports(tmp_path) == {}
