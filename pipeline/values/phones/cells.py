"""What a cell for a phone number holds, before any numbering plan is asked: Excel's wrappings, URIs, WhatsApp's ids,
extensions in words, several numbers, remarks. Nothing here knows what a valid number is.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from pipeline.values.normalized import NOTHING, Normalized
from pipeline.values.text.text import clean_line

FEWEST_DIGITS = 6  # what a part of a cell needs to be looked at as a number of its own
_FEWEST_TOGETHER = 8  # of numbers with nothing but a space between them

# nothing to take off but an extension; not 491701234567.0
_PLAIN = re.compile(r"(\+?[0-9(][0-9 ().\-]{4,24}?)(?<!\.0)(?<!\.00)(?<![ (\-])(\s*(?:x|ext\.?)\s*[0-9]{1,6})?\Z")
_LINE_BREAKS = re.compile(r"\s*[\r\n\v\f\u0085\u2028\u2029]+\s*")
_EXCEL_WRAPPING = re.compile(r"^[='\"`\s]+|['\"`\s]+$")
# Excel shows +491701234567 as 4.9170E+11: digits are lost, so such a cell is refused rather than guessed.
_SCIENTIFIC = re.compile(r"([+-]?)(\d)(?:[.,](\d+))?[eE]\+?(\d{1,2})\Z")
_FLOAT_TAIL = re.compile(r"(?<=\d{7})[.,]0{1,2}\Z")  # 491701234567.0: a spreadsheet's number, nothing lost
_SCHEME = re.compile(r"(?:tel|phone|whatsapp|callto|sms|fax)\s*:\s*(?://)?\s*", re.IGNORECASE)
_CONTEXT = re.compile(r"([0-9().\- ]+);phone-context=(\+[0-9.\-]+).*\Z", re.IGNORECASE)  # RFC 3966: tel:0143;phone-…
_WHATSAPP_ID = re.compile(r"\+?(\d{7,15})(?:[:.]\d+)*@(?:s\.whatsapp\.net|c\.us)\Z", re.IGNORECASE)
_WHATSAPP_LINK = re.compile(
    r"(?:wa\.me/|(?:api|web|chat)\.whatsapp\.com/send/?\?(?:\S*?&)?phone=|whatsapp://send/?\?(?:\S*?&)?phone=)"
    r"(?:\+|%2b)?([\d\-. ]{7,20})",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"://|\bwww\.|@|^[A-Z]{2}\.\w+\Z", re.IGNORECASE)  # the last: WhatsApp's id without a number
_LABEL = re.compile(r"^[^\d+(]+(?:\d\s*:\s*)?|\s*\([^()\d+]*\)\Z")  # Mobile: … (work)
_EXTENSION = re.compile(
    r"[\s,;(\-]*(?<![^\W\d_])(?:ext(?:n|ension|ensi[oó]n|ens[aã]o)?|durchwahl|dw|nst|nebenstelle|ramal|rml|r|poste"
    r"|interno|int|anexo|anx|app(?:arat)?|toestel|tst|wew|x|\#)\.?\s*[:.\-=]?\s*\d{1,7}\)?\Z",
    re.IGNORECASE,
)
_SEPARATORS = re.compile(
    r"\s*(?:;(?!\s*(?:ext|isub))|[|,]|\s/\s|/(?=\s*[+0(])|\s(?:or|o|ou|oder|y|e|and|und|et|&|\+)\s|(?<=\d)\s*(?=\+))\s*",
    re.IGNORECASE,
)
_ONE_NUMBER = re.compile(r"\+?(?:[ ().\-]*[0-9]){,15}[ ().\-]*\Z")  # too few digits for two
_WORDS = re.compile(r"[^\W\d_]{2,}[.:]?")
# 030 1234567/68, 030/1234567-10/-11: two lines, written once
_SECOND_ENDING = re.compile(r"(\+?(?:\(?\d{2,5}\)? ?/ ?)?[\d ().\-]{7,}?) ?/ ?(?:-\d{1,4}|\d{1,2})\Z")
_WHATSAPP_IDS = re.compile(r"(?<![\w+@.])\+?(\d{7,15})(?:[:.]\d+)*@(?:s\.whatsapp\.net|c\.us)(?![\w.])", re.IGNORECASE)
_FAX = re.compile(r"[\s,;|/]*(?<![^\W\d_])(?:tele)?fax(?:[ -]?n[ro])?\.?\s*:?\s*[+(\d][\d ()/.\-]*", re.IGNORECASE)
# 02.03.2026, 2024-03-02 09:14: of a column that slipped. No numbering plan writes a number so.
_DATE = re.compile(
    r"\s*(?:(?:19|20)\d\d([-./])(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12]\d|3[01])"
    r"|(?:0?[1-9]|[12]\d|3[01])([-./])(?:0?[1-9]|[12]\d|3[01])\2(?:19|20)\d\d)(?:[T ]+\d\d?:\d\d.*)?\s*\Z"
)

NOT_A_PHONE = Normalized(None, ("not_a_phone",))


class PhoneText(NamedTuple):
    """A cell made ready: each part is a text and whether an extension was taken off it. `text` is the whole cell."""

    text: tuple[str, bool]
    parts: list[tuple[str, bool]]
    flags: tuple[str, ...] = ()


def read_cell(text: str) -> PhoneText | Normalized:
    """The parts of a cell that may be numbers (at least one), or why there is none."""
    plain = _PLAIN.match(text)
    if plain and not _DATE.match(text):
        whole = plain[1], plain[2] is not None
        return PhoneText(whole, [whole])
    clean = _EXCEL_WRAPPING.sub("", clean_line(_LINE_BREAKS.sub("; ", _with_plain_digits(text.strip()))))
    if not clean or _DATE.match(clean):
        return NOTHING if not text else NOT_A_PHONE
    whatsapp = _WHATSAPP_ID.match(clean) or _WHATSAPP_LINK.search(clean)
    if whatsapp:
        number = f"+{whatsapp[1].strip()}"
        return PhoneText((number, False), [(number, False)])
    clean = _WHATSAPP_IDS.sub(r"+\1", clean)
    flags: tuple[str, ...] = ()
    spoken = _FAX.sub(" ", clean).strip()
    if spoken != clean and digits_in(spoken) >= FEWEST_DIGITS:
        clean, flags = spoken, ("fax_removed",)
    clean = _SCHEME.sub("", clean, count=1).replace("%2B", "+")
    scientific = _SCIENTIFIC.match(clean)
    if scientific:
        return _from_scientific(scientific)
    clean = _FLOAT_TAIL.sub("", clean)
    context = _CONTEXT.match(clean)
    if context:
        clean = f"{context[2]}{context[1]}"
    second = _SECOND_ENDING.match(clean)
    if second and digits_in(second[1]) > FEWEST_DIGITS:
        clean, flags = second[1].rstrip(), (*flags, "several_values")
    parts = _long_enough(_SEPARATORS.split(clean))
    if _ADDRESS.search(clean):
        return PhoneText(parts[0], parts, flags) if parts else NOT_A_PHONE
    whole = _without_extension(_LABEL.sub("", clean))
    return PhoneText(whole, parts if len(parts) > 1 else [whole], flags)


def cut_apart(text: str) -> list[tuple[str, bool]]:
    """The parts of a text that is no number as a whole: between signs, between words, between slashes and spaces."""
    if _ONE_NUMBER.match(text):
        return []
    for parts in (
        _long_enough(_SEPARATORS.split(text)),
        _long_enough(_SEPARATORS.split(_WORDS.sub(";", text))),
        _long_enough(text.split("/"), FEWEST_DIGITS + 1),
        _long_enough(text.split(" "), _FEWEST_TOGETHER),
    ):
        if parts and parts[0][0] != text:
            return parts
    return []


def _long_enough(parts: list[str], fewest: int = FEWEST_DIGITS) -> list[tuple[str, bool]]:
    return [made_ready(part) for part in parts if digits_in(part) >= fewest and not _ADDRESS.search(part)]


def digits_in(text: str) -> int:
    """How many digits a text has."""
    return sum(map(str.isdigit, text))


def made_ready(text: str) -> tuple[str, bool]:
    """A piece of a cell without a label before it and an extension behind it; whether there was one."""
    return _without_extension(_LABEL.sub("", text.strip()))


def _without_extension(text: str) -> tuple[str, bool]:
    extension = _EXTENSION.search(text)
    if extension and digits_in(text[: extension.start()]) >= FEWEST_DIGITS:
        return text[: extension.start()], True
    return text, False


def _with_plain_digits(text: str) -> str:
    """Full-width, Arabic-Indic and other digits as ASCII ones, full-width signs likewise."""
    if text.isascii():
        return text
    return "".join(_plain(character) for character in text)


def _plain(character: str) -> str:
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    if "\uff01" <= character <= "\uff5e":
        return chr(ord(character) - 0xFEE0)
    if character in "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u30fc":
        return "-"
    return "+" if character in "\ufe62\u207a" else character


def _from_scientific(match: re.Match[str]) -> PhoneText | Normalized:
    """4.91701234567E+11 has lost nothing: twelve digits for a number of twelve digits."""
    sign, first, rest, exponent = match.groups()
    digits = first + (rest or "")
    if sign != "-" and len(digits) == int(exponent) + 1 > FEWEST_DIGITS:
        return PhoneText((digits, False), [(digits, False)], ("scientific_notation",))
    return Normalized(None, ("scientific_notation",))
