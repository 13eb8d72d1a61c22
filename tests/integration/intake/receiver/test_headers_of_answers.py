"""What every answer of the receiver tells a browser: keep nothing, guess no type, run nothing, show it in no frame."""

from __future__ import annotations

import pytest

from pipeline.permissions.doors import ROUTES
from tests.support.any_arguments import path_of
from tests.support.intake_server import running_receiver

FOR_BROWSERS = "GET /form.js"  # a script that pages of any website load: it is cached, and holds nothing


@pytest.fixture(scope="module")
def receiver(module_database):
    with running_receiver() as running:
        yield running


@pytest.mark.parametrize("route", [*sorted(ROUTES), "GET /nothing", "TRACE /v1/leads"])
def test_every_answer_is_kept_nowhere_and_is_what_it_says(route, receiver):
    method, path = route.split()
    address = path_of(path)
    for key in ("an-api-key-of-the-tests", "nobodys"):
        reply = receiver.http.request(
            method, receiver.address + address, data=b"{}", headers={"Authorization": f"Bearer {key}"}, timeout=20
        )
        policy = reply.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "base-uri 'none'" in policy
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Referrer-Policy"] == "no-referrer"
        assert (reply.headers["Cache-Control"] == "no-store") is (route != FOR_BROWSERS)
        if method == "TRACE":
            assert reply.status_code == 405


def test_a_request_that_is_refused_before_its_route_says_the_same(receiver):
    reply = receiver.http.get(receiver.address + "/v1/leads/", headers={"Host": ""}, timeout=20)
    assert reply.headers["Cache-Control"] == "no-store"
