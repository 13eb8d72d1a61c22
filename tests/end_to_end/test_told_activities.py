"""The whole house tells leads from what is said of somebody known, whichever comes first."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.support.intake_server import Receiver
from tests.support.posted_sources import post
from tests.support.system import System

pytestmark = pytest.mark.long  # a whole system

SECRET = "whole-house-secret-of-32-characters"
GUESTS = 8


def guest(number: int, event: str) -> dict[str, Any]:
    who = {"id": f"g-{number}", "user_id": f"u-{number}", "email": f"guest{number}@example.org"}
    part = "registrant" if event.startswith("webinar.registration") else "participant"
    names = {"first_name": "Guest", "last_name": f"Number{number}"} if part == "registrant" else {}
    webinar = {"id": "81", "uuid": "u1==", "topic": "Lean operations", part: who | names}
    return {"event": event, "event_ts": 1_772_442_895_000 + number, "payload": {"object": webinar}}


def come(system: System, body: dict[str, Any]) -> None:
    assert post(Receiver(system.address), "zoom_webinar", body, secret=SECRET).status_code == 200


def test_guests_who_come_before_they_are_known_and_after_are_told_of_their_people(tmp_path):
    with System(
        tmp_path / "data", environment={"ZOOM_WEBINAR_SECRET_TOKEN": SECRET}, workers=1, asks_here=True
    ) as system:
        for number in range(GUESTS // 2):
            come(system, guest(number, "webinar.participant_joined"))
        system.wait_until_ended()
        assert system.json("status")["activities_waiting"] == GUESTS // 2
        for number in range(GUESTS):
            come(system, guest(number, "webinar.registration_created"))
        for number in range(GUESTS // 2, GUESTS):
            come(system, guest(number, "webinar.participant_joined"))
        system.wait_until_ended()
        deadline = time.monotonic() + 150  # the sweep finds who met in the very moment
        while system.json("status")["activities_waiting"] and time.monotonic() < deadline:
            time.sleep(1)
        people = system.lines("people", "export")
        told = [system.json("explain", person["person_id"])["activities"] for person in people]
        figures = system.json("balance")["all"]

    assert len(people) == GUESTS
    assert [[activity["kind"] for activity in activities] for activities in told] == [["attended"]] * GUESTS
    assert (figures["accepted"], figures["settled"], figures["suppressed"]) == (2 * GUESTS, GUESTS, GUESTS)
    assert figures["difference"] == 0
    assert {person["touches"] for person in people} == {1}
