"""What of a sample may be consent, drafted as comments: whether somebody agreed, and to what, is for a human to say.

Where purpose or channel are not plain they stay open, and a mapping with an open one is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import yaml

from connectors.kit.paths import parse_path
from connectors.kit.sources.parts import BESIDE
from pipeline.authoring.guesses import EMAIL, as_moment
from pipeline.values.column_titles import title_key
from pipeline.values.conversions import to_boolean

_NOTE = (
    "# Whether somebody agreed, to what and by which channel, is for a human to say. Take the marks away where this is",
    '# so, else list the path under `ignored` (docs/mapping.md, "Consent").',
)
# Parts of names in English, German, Spanish, Portuguese and French, as `title_key` writes them.
_STEMS = re.compile(
    "consent|optin|agree|permission|gdpr|newsletter|einwillig|einverstand|zustimm|dsgvo|acept|aceit|autoriz|rgpd|lgpd"
    "|boletin|accepte|iaccept|autoris"
)
_WHOLE = frozenset(("subscribe", "subscribed", "suscrito", "inscrito", "abonniert", "abonne", "werbeerlaubnis"))
_NO_ANSWERS = re.compile("(?:version|text|wording|url|link|date|time|id)$")
_TELLING = frozenset(("type", "kind", "art", "purpose", "zweck", "topic", "channel", "kanal", "tipo", "name"))
_PURPOSES = (
    ("newsletter", re.compile("newsletter|boletin|infolettre")),
    ("privacy_policy", re.compile("privacy|datenschutz|privacid")),
    ("terms", re.compile("terms|agb$|condiciones|termos")),
    ("marketing", re.compile("marketing|news|werbung|werbe|publicid|promo|offers|ofertas|angebote")),
)
_CHANNELS = (
    ("email", re.compile("mail|correo|newsletter|infolettre")),
    ("sms", re.compile("sms")),
    ("whatsapp", re.compile("whatsapp")),
    ("phone", re.compile("phone|telefon|telefone|llamada|anruf|ligac")),
    ("post", re.compile("postal|briefpost")),
)
_CHOICES = {"purpose": "marketing, newsletter, …", "channel": "email, phone, sms, whatsapp, post, any"}


def may_be_consent(path: str, value: Any) -> bool:
    """Whether a yes or no stands at `path`, by whose name or object somebody may have agreed to something."""
    if not path or path.startswith(BESIDE) or not isinstance(value, bool | str | int) or value == "":
        return False
    *owners, name = _names(path)
    is_named = bool(_STEMS.search(name)) or name in _WHOLE
    if not is_named and not any(_STEMS.search(owner) for owner in owners):
        return False
    if isinstance(to_boolean(value).value, bool):
        return True
    is_answer = isinstance(value, str) and not EMAIL.match(value) and not as_moment(value)
    return is_named and is_answer and not _NO_ANSWERS.search(name)


def draft_consents(paths: list[str], leaves: Mapping[str, Any]) -> list[str]:
    """Lines of a mapping, all comments: a rule for each path, with its time where one stands beside it."""
    if not paths:
        return []
    lines = [*_NOTE, "# consent:"]
    taken: set[str] = set()
    for path in paths:
        beside = _beside(path, leaves)
        said = " ".join([*_names(path), *(title_key(value) for value in _telling(beside))])
        purpose, channel = _first(_PURPOSES, said), _first(_CHANNELS, said)
        name = _free_name("_".join(word for word in (purpose, channel) if word) or "consent", taken)
        lines += [f"#   {name}:", f"#     from: {_written(path)}"]
        for key, word in (("purpose", purpose), ("channel", channel)):
            lines.append(f"#     {key}: {word}" if word else f"#     {key}:   # say which: {_CHOICES[key]}")
        at = next((other for other, value in beside.items() if isinstance(value, str) and as_moment(value)), None)
        if at is not None:
            lines.append(f"#     at: {_written(at)}")
    return lines


def _beside(path: str, leaves: Mapping[str, Any]) -> dict[str, Any]:
    """What is told of the same consent: all of its object, at the top of a record what begins with its name."""
    above = path.rpartition(".")[0]
    if above and any(_STEMS.search(owner) for owner in _names(above)):
        return {other: value for other, value in leaves.items() if other.rpartition(".")[0] == above}
    return {other: value for other, value in leaves.items() if other != path and other.startswith(f"{path}_")}


def _telling(beside: Mapping[str, Any]) -> list[str]:
    return [value for path, value in beside.items() if isinstance(value, str) and _names(path)[-1] in _TELLING]


def _first(kinds: tuple[tuple[str, re.Pattern[str]], ...], said: str) -> str | None:
    return next((kind for kind, words in kinds if words.search(said)), None)


def _free_name(wanted: str, taken: set[str]) -> str:
    name = next(name for name in (wanted, *(f"{wanted}_{number}" for number in range(2, 1000))) if name not in taken)
    taken.add(name)
    return name


def _written(path: str) -> str:
    """A path as YAML writes it, on one line."""
    if not path.isprintable():
        return json.dumps(path)
    return yaml.safe_dump(path, allow_unicode=True, width=10_000).removesuffix("...\n").strip()


def _names(path: str) -> list[str]:
    return [title_key(step) for step in parse_path(path) if isinstance(step, str)] or [""]
