"""Which records were changed in Tryton: one that has no time of its own keeps no other from being read."""

from __future__ import annotations

from connectors.kit import Watched
from tests.integration.connectors.destinations.test_tryton import OPENED, said, writer

MADE = {"__class__": "datetime", "year": 2026, "month": 3, "day": 1, "hour": 9, "minute": 0, "second": 0}


def test_a_party_that_was_put_in_past_tryton_is_left_out_and_counted_and_stops_none(server):
    parties = [{"id": 1, "code": "p-1", "create_date": None}, {"id": 2, "code": "p-2", "create_date": MADE}]
    server.script = [*OPENED, said(parties)]
    page = writer(server.url).list_changes(Watched("party.party", ("lang",)), None)
    assert ([told.key for told in page.records], page.undated, page.cursor) == (["p-2"], 1, None)
