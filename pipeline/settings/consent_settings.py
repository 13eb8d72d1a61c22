"""What afluente.yaml says of consent: what a destination needs, how ticks are confirmed, what people read.

A question is written PURPOSE.CHANNEL, as `marketing.email`, or as an object of `purpose` and `channel`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import msgspec

from pipeline.settings.edges.residency import TransferBasis

LANGUAGES = ("en", "es", "pt")  # of pages and mails
Problem = tuple[str, str]
_WRITTEN = re.compile(r"[^.\s]+\.[^.\s]+")
_KEYS = {"purpose", "channel"}


def needed_question(needs: str | Mapping[str, Any] | None, brand: str) -> tuple[str, str] | None:
    """What people of a brand must have granted, (purpose, channel) as it is written; None: nothing.

    `needs`: a question for all brands, or one by brand.
    """
    if needs is None:
        return None
    if isinstance(needs, str):
        purpose, _, channel = needs.partition(".")
        return purpose, channel
    if set(needs) == _KEYS and all(isinstance(word, str) for word in needs.values()):
        return needs["purpose"], needs["channel"]
    return needed_question(needs.get(brand), brand)


def problems_of_need(needs: Any, place: str, brands: set[str]) -> Iterator[Problem]:
    """What is wrong with `needs_consent`, beside its type."""
    if isinstance(needs, str):
        if not _WRITTEN.fullmatch(needs):
            yield place, f"{needs!r} names no question; write PURPOSE.CHANNEL, as marketing.email"
    elif isinstance(needs, dict) and set(needs) != _KEYS:
        for brand, question in needs.items():
            if brand not in brands:
                yield place, f"{brand} is not among brands ({', '.join(sorted(map(str, brands)))})"
            elif isinstance(question, dict) and set(question) != _KEYS:
                yield f"{place}.{brand}", "names no question; write PURPOSE.CHANNEL, or purpose and channel"
            elif isinstance(question, str):
                yield from problems_of_need(question, f"{place}.{brand}", brands)


Value = bool | int | str


class WatchedField(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a field of a CRM's record says of a question. `withdrawn` and `granted`: its values that say so; any other
    says nothing. `when`: other fields of the record, each with the values that it must have for this to count."""

    question: str
    withdrawn: list[Value] = msgspec.field(default_factory=lambda: [True])
    granted: list[Value] = []
    when: dict[str, list[Value]] = {}

    def state_of(self, value: Any) -> str | None:
        """What this value says, "withdrawn" or "granted"; None: nothing."""
        if is_among(value, self.withdrawn):
            return "withdrawn"
        return "granted" if is_among(value, self.granted) else None


def is_among(value: Any, values: list[Value]) -> bool:
    """Numbers and words are the same however they are written; a yes is no 1."""
    if value is None:
        return False
    if isinstance(value, bool):
        return any(isinstance(known, bool) and known is value for known in values)
    word = str(value).strip().casefold()
    return any(str(known).strip().casefold() == word for known in values if not isinstance(known, bool))


class WatchedObject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An object of a CRM in which people's opt-outs stand: field -> question, or how it is to be read, once or several
    times. `email`, `phone`: the fields of whom it is, where the CRM's standard ones are not meant. `keyed`: our id is a
    field of it. `id`, `changed`: the record's own id and its time of change, where the kind does not know them."""

    fields: dict[str, str | WatchedField | list[WatchedField]]
    email: list[str] = []
    phone: list[str] = []
    keyed: bool = True
    id: str | None = None
    changed: str | None = None

    def readings(self) -> Iterator[tuple[str, WatchedField]]:
        """Each field with what it says of a question."""
        for name, told in self.fields.items():
            for reading in told if isinstance(told, list) else [told]:
                yield name, WatchedField(reading) if isinstance(reading, str) else reading


def state_said(watched: Mapping[str, WatchedObject], name: str, value: Any) -> str | None:
    """What a field of this name says by a value, in whichever object and beside whatever else."""
    readings = (reading for declared in watched.values() for known, reading in declared.readings() if known == name)
    return next((state for reading in readings if (state := reading.state_of(value)) is not None), None)


def problems_of_watched(watched: Any, place: str) -> Iterator[Problem]:
    """What is wrong with `reads_consent`, beside its types."""
    for name, entry in watched.items() if isinstance(watched, dict) else ():
        fields = entry.get("fields") if isinstance(entry, dict) else None
        if isinstance(fields, dict) and not fields:
            yield f"{place}.{name}.fields", "names no field: nothing would be read"
        for field, told in fields.items() if isinstance(fields, dict) else ():
            for reading in told if isinstance(told, list) else [told]:
                question = reading.get("question") if isinstance(reading, dict) else reading
                if isinstance(question, str) and not _WRITTEN.fullmatch(question):
                    yield (
                        f"{place}.{name}.fields.{field}",
                        f"{question!r} names no question; write PURPOSE.CHANNEL, as marketing.email",
                    )


class MailSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The server that takes mails to people. `password` is a reference. `security`: starttls, tls or none.
    `data_region`: where it is."""

    host: str
    sender: str
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str | None = None
    password: str | None = None
    data_region: str | None = None
    transfer_basis: TransferBasis | None = None


class ConsentSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What people read and are asked. `questions`: PURPOSE.CHANNEL -> language -> words; each stands on the page of a
    person's own link, whether or not they were ever asked."""

    questions: dict[str, dict[str, str]] = {}
    mail: MailSettings | None = None


def asks_by(double_opt_in: bool | str) -> str | None:  # noqa: FBT001 - as the settings have it
    """How ticks are confirmed: `mail` or `webhook`; None: they are not."""
    if double_opt_in is True:
        return "webhook"
    return double_opt_in if isinstance(double_opt_in, str) else None


def problems_of_consent(content: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with `consent` and with sources that want ticks confirmed, beside their types."""
    consent, receiver = content.get("consent"), content.get("receiver")
    consent = consent if isinstance(consent, dict) else {}
    questions = consent.get("questions")
    for name, words in questions.items() if isinstance(questions, dict) else ():
        place = f"consent.questions.{name}"
        if not _WRITTEN.fullmatch(str(name)):
            yield place, "names no question; write PURPOSE.CHANNEL, as marketing.email"
        unknown = set(words) - set(LANGUAGES) if isinstance(words, dict) else set()
        for language in sorted(map(str, unknown)):
            yield f"{place}.{language}", f"is not a language of the pages; allowed: {', '.join(LANGUAGES)}"
    sources = content.get("sources")
    for name, entry in sources.items() if isinstance(sources, dict) else ():
        asked = entry.get("double_opt_in", False) if isinstance(entry, dict) else False
        place = f"sources.{name}.double_opt_in"
        if isinstance(asked, str) and asked not in ("mail", "webhook"):
            yield place, f"{asked!r} is no way to ask; allowed: true, false, mail, webhook"
        elif asked == "mail" and not consent.get("mail"):
            yield place, "needs a mail server: set consent.mail"
        if asked and not (isinstance(receiver, dict) and receiver.get("public_url")):
            yield place, "needs the address that people reach: set receiver.public_url"
