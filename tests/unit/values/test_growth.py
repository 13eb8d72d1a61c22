"""What a hostile text costs grows with its length and no faster, whatever it is made of and whatever reads it."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from connectors.kit.redaction import without_values
from pipeline.stages.attribution.urls import decode_value, parse_address
from pipeline.values.companies.companies import match_form, normalize_company
from pipeline.values.companies.industries import normalize_industry
from pipeline.values.companies.job_titles import job_function, job_level
from pipeline.values.conversions import to_boolean, to_count, to_list, to_money, to_number, to_text
from pipeline.values.dates.times import read_instant
from pipeline.values.emails.emails import normalize_email, suggestion
from pipeline.values.folding import fold
from pipeline.values.names.names import normalize_family_name, normalize_full_name, normalize_given_name
from pipeline.values.names.splitting import split_name
from pipeline.values.personal_data import redact_path, redactor_of
from pipeline.values.phones.phones import normalize_phone, normalize_whatsapp_id
from pipeline.values.places.addresses import normalize_city, normalize_postal_code
from pipeline.values.places.countries import normalize_country
from pipeline.values.places.languages import normalize_language
from pipeline.values.places.states import state_code
from pipeline.values.redaction import looks_personal, redact
from pipeline.values.text.text import normalize_cell, normalize_line, normalize_paragraphs, normalize_url
from pipeline.values.web.websites import normalize_linkedin_url, normalize_website

# fmt: off
SHAPES = [
    "1", ".", "@", " ", "a", "A", "-", "(", ")", "[", "<", ">", '"', "'", ",", ";", "/", "&", "%", "+", "=", "?", "_",
    "\u0301", "e\u0301", "\u200d", "\u3001", "\uff10", "\u00c3\u00a9", "\U0001f600", "\U0001f1e9",
    "\t", "\n", "\u2022",
    "1 ", "1.", "1-", "(1", "00 ", "+1 ", "+1", "1@", "0301234567 ", "+49301234567 ", "(312) 555-0142 ",
    "1) ", "Tel: 1",
    "a.", "a@", "a@b", "a@b.", "a@b.co ", "a@b.co", "@a.", "a%40", "%40", "a(at)", "<a@", "a (", "mailto:a@ ",
    "at dot ", "a b ", "Ada ", "Ada, ", "A. ", "A/B ", "PMP, ", "de la ", "y ", "e Ana ", "(he/him) ", "he/", "Dr. ",
    "Jr. ", "X-X", "<a ", "<a href='", "<!--", "</", "&amp;", "&lt;", "<script>", "a=b&", "?a=", "http://", "www.a.",
    "a/../", "\\", "12:", "2026-", "1,234", "1'", "$1", "1e", "k ", "de-", "DE,", "\u201c", "\u201e\u201c", "invalid ",
    "too large:", "fax ", "ext ", "x1", "wa.me/", "\u0661", "{", "{{a}}", "%%",
]
# fmt: on

_redact_lead = redactor_of({"first_name": "Ada", "last_name": "Brandtmann", "phone": "+493012345678"})

READERS: dict[str, Callable[[str], Any]] = {
    "redaction": redact,
    "looks_personal": looks_personal,
    "a crm's message": lambda text: without_values(text, ["Ada Brandt"]),
    "personal data": _redact_lead,
    "personal path": lambda text: redact_path(text, _redact_lead),
    "link": parse_address,
    "decoded link": decode_value,
    "line": normalize_line,
    "cell": normalize_cell,
    "url": normalize_url,
    "paragraphs": normalize_paragraphs,
    "given name": normalize_given_name,
    "family name": normalize_family_name,
    "full name": normalize_full_name,
    "split name": split_name,
    "email": normalize_email,
    "email suggestion": suggestion,
    "phone": lambda text: normalize_phone(text, ("DE", "US")),
    "whatsapp": normalize_whatsapp_id,
    "country": normalize_country,
    "state": lambda text: state_code(text, "DE"),
    "city": normalize_city,
    "postal code": normalize_postal_code,
    "language": normalize_language,
    "company": normalize_company,
    "company compared": match_form,
    "industry": normalize_industry,
    "job level": job_level,
    "job function": job_function,
    "website": normalize_website,
    "profile": normalize_linkedin_url,
    "time": read_instant,
    "number": to_number,
    "count": to_count,
    "money": to_money,
    "boolean": to_boolean,
    "list": to_list,
    "text": to_text,
    "folding": fold,
}
_SIZE = 6_000  # characters: four times as many are still below the limits of what is read at all
_numbers = count(1)
_UNNOTICED = 0.02  # seconds: what takes less for the longer text is not measured, and costs nobody anything
_TIMES = 4  # as long
_TIMES_THE_TIME = 9  # at most: 4 is linear, 16 its square; between them is what the machine does beside


def seconds(read: Callable[[str], Any], unit: str, size: int) -> float:
    """The least of three: other programs only ever add to it. Each text is a new one, so that no cache knows it."""
    return min(_once(read, unit, size) for _ in range(3))


def _once(read: Callable[[str], Any], unit: str, size: int) -> float:
    text = f"{unit * (size // len(unit))}{next(_numbers)}"
    began = time.process_time()
    read(text)
    return time.process_time() - began


@pytest.mark.parametrize("reader", READERS)
def test_a_longer_text_costs_as_much_more_as_it_is_longer(reader):
    read = READERS[reader]
    read("warm")
    slow = {}
    for unit in SHAPES:
        if _once(read, unit, _TIMES * _SIZE) < _UNNOTICED:
            continue
        ratio = seconds(read, unit, _TIMES * _SIZE) / max(seconds(read, unit, _SIZE), 1e-9)
        if ratio > _TIMES_THE_TIME:
            slow[unit] = round(ratio, 1)
    assert not slow, slow


@pytest.mark.parametrize("unit", ["9", "a", "9-", "a.", "+1", "%4", "\u0301"])
def test_a_link_of_two_thousand_signs_costs_as_much_as_two_of_a_thousand(unit):
    assert seconds(redact, unit, 200_000) < 0.5
    assert seconds(lambda text: without_values(text, []), unit, 200_000) < 0.5
