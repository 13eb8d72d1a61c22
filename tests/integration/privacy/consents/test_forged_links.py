"""An address that is nobody's link, or put together of several, opens nothing and says so in plain words."""

from __future__ import annotations

import pytest

from tests.integration.privacy.test_preference_links import ADA, come, path_of, receiver, says, states
from tests.support.identity_rows import rows

__all__ = ["receiver"]

GARBAGE = [
    "x",
    "%00",
    "%F0%9F%92%A9",
    "..%2f..%2fetc",
    "A" * 63,
    "A" * 5_000,
    "%27%20OR%201=1",
    "=" * 8,
    "a.b.c",
    "%c3%28",
]


@pytest.mark.parametrize("token", GARBAGE)
@pytest.mark.parametrize("page", ["confirm", "preferences"])
def test_an_address_that_is_no_link_is_told_in_plain_words_whoever_asks_and_how(receiver, page, token):
    for method in ("GET", "HEAD", "POST"):
        told = receiver.http.request(
            method, f"{receiver.address}/consent/{page}/{token}?lang=es", data={"stop_all": "yes"}, timeout=10
        )
        assert 400 <= told.status_code < 500, (method, token)
        assert "Traceback" not in told.text
        if method != "HEAD" and told.status_code == 404 and told.headers["content-type"].startswith("text/html"):
            assert "enlace" in told.text
    assert rows("SELECT count(*) FROM events") == [(0,)]


def test_a_link_of_one_person_opens_nobody_elses_page_whatever_is_put_together(receiver):
    ada, bea = come({**ADA, "consents": [says()]}, {"email": "bea@example.org", "first_name": "Bea"})
    tokens = [path_of(person).rpartition("/")[2] for person in (ada, bea)]
    ids, marks = zip(*((token[:21], token[22:]) for token in tokens), strict=True)
    for forged in (ids[0] + tokens[0][21] + marks[1], ids[1] + tokens[1][21] + marks[0], tokens[0][:-2] + "AA"):
        if forged not in tokens:
            assert receiver.post(f"/consent/preferences/{forged}", data={"stop_all": "yes"}).status_code == 404
    assert states(ada) == {"marketing.email": "granted"}
    assert receiver.get(f"/consent/confirm/{tokens[0]}").status_code == 404, "nor is it a confirmation's"
