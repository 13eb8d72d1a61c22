"""E-mail addresses in one spelling: trimmed, bare, domain in lower-case IDNA, local part in lower case.

An address is never corrected by guessing: a slip in its domain is flagged, and `suggestion` says what was likely meant.
What else is known of an address: `email_domains`, `email_local_parts`; how two are compared: `email_matching`.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from pipeline.values.emails.cells import addresses_in, is_label
from pipeline.values.emails.domains import domain_flags, suggested_domain
from pipeline.values.emails.local_parts import is_placeholder, is_role
from pipeline.values.emails.matching import mailbox
from pipeline.values.normalized import NOTHING, Normalized
from pipeline.values.text.text import clean_line, raw_excerpt, text_before_last

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

# RFC 5321 limits: 64 octets before the @, 254 in all. Labels with two hyphens in third place (Punycode) and names that
# are no addresses (RFC 6761, 6762, 7686) are left to the library below; what passes here, passes there (tested).
_PLAIN_DOMAIN = (
    r"@(?:(?!..--)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?!(?:arpa|invalid|local|localhost|onion)\Z)[a-z]{2,63}\Z"
)
_PLAIN = re.compile(
    r"(?=.{6,254}\Z)(?=[^@]{1,64}@)"
    r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*" + _PLAIN_DOMAIN
)
# The same with letters of Latin script before the @ (josé@), short enough for the limits in octets: precomposed
# letters only, so nothing is left to compose.
_PLAIN_LATIN = re.compile(
    r"(?=.{6,120}\Z)(?=[^@]{1,32}@)"
    r"[a-z0-9_+\xdf-\xf6\xf8-\xff\u0101-\u017e-]+(?:\.[a-z0-9_+\xdf-\xf6\xf8-\xff\u0101-\u017e-]+)*" + _PLAIN_DOMAIN
)
_TOP_LEVEL = re.compile(r"\.(?:[a-z]{2,63}|xn--[a-z0-9-]{2,59})\Z")
_ANGLE = re.compile(r"<([^<>]*@[^<>]*)>")
_MAILTO = re.compile(r"mailto:([^\s\"'<>?()\[\]]+)", re.IGNORECASE)
_SEPARATORS = re.compile(r"[;,|/]")
_LABEL = re.compile(
    r"^(?:(?:e-?mail|mail|correo(?: electr[oó]nico)?|courriel|contacto?|contato|kontakt)\s*[:=]\s*)|\s*\([^()@]*\)$",
    re.IGNORECASE,
)
_COMMENT = re.compile(r"\s*\([^()@]*\)\s*(?=@)|(?<=@)\s*\([^()@]*\)\s*")  # ada(work)@example.org: RFC 5322, 3.2.2
_AROUND_AT = re.compile(r"\s*@\s*")
_AROUND_DOTS = re.compile(r"\s+(?=\.)|(?<=\.)\s+")
# ada(at)example.org, ada [dot] brandt: in brackets it means nothing else. Bare words only if the whole cell is one
# address: `ada at example dot org`.
_BRACKETED_AT = re.compile(r"\s*[(\[{<]\s*(?:at|arroba|ät|chez)\s*[)\]}>]\s*", re.IGNORECASE)
_BRACKETED_DOT = re.compile(r"\s*[(\[{<]\s*(?:dot|punto|ponto|punkt|point)\s*[)\]}>]\s*", re.IGNORECASE)
_SPOKEN = re.compile(r"(\S+) (?:at|arroba) (\S+(?: (?:dot|punto|ponto|punkt|point) \S+)+)", re.IGNORECASE)
_SPOKEN_DOT = re.compile(r" (?:dot|punto|ponto|punkt|point) ", re.IGNORECASE)
_LEADING_WORD = re.compile(r"[^\W\d]?\d{0,2}[^\w@]+\Z|.*:\Z")  # 1) jane@…, E: jane@…
_TRAILING_WORD = re.compile(r"\w{3}|[^\w\s.@]")  # not `ada@example.co m`: that is one address, torn
_WRAPPING = "\"'<>()[]{},;: \u201c\u201d\u2018\u2019`\u00ab\u00bb\u2022\u00b7"
_TRAILING = "./\\|*!?\u2026"
# full-width forms, as East Asian keyboards write them, and their full stops
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3002: ".", 0xFF61: ".", 0xFE6B: "@"}
_CELL_LIMIT = 4_000  # characters of a cell that are looked at
_ADDRESS_LIMIT = 20  # addresses taken from one cell
_TEMPLATE = re.compile(r"\{\{|\}\}|[$%#]\{|\{\w+\}@|%%\w+%%")  # {{email}}@x.org: nobody filled it in
_GLUED = re.compile(r"\.[a-z]{2,}[A-Z][a-z]+\Z")  # ada@example.comTel: where the domain ends is a guess
_PLACEHOLDER = Normalized(None, ("placeholder",))
_INVALID = Normalized(None, ("invalid_email",))


class _Found(NamedTuple):
    address: str
    flag: str | None = None


class _Cell(NamedTuple):
    """The addresses of a cell in order, repeated ones too, and what was noticed on the way."""

    addresses: list[str]
    flags: list[str]


def normalize_email(text: str) -> Normalized:
    """The address in one spelling; others of the same cell in `others`.

    Flags without a value: `invalid_email`, `placeholder`. With one: `several_values`, `deobfuscated` ((at), [dot]),
    `text_removed` (words after the address); of the address itself: `free_mail`, `disposable`, `domain_typo` (ask
    `suggestion`), `role_address`. `partly_read`: an @ of the cell belongs to no address that came out; `truncated`: the
    cell holds more than is looked at.
    """
    normalized = _normalize(text) if len(text) <= _CELL_LIMIT else _of_long(text)
    if normalized.value == text:
        return normalized
    return normalized if normalized is NOTHING else normalized._replace(raw=raw_excerpt(text))


def domain_of(email: str) -> str:
    """What stands after the last @, in lower case; empty if there is none."""
    return email.rpartition("@")[2].lower() if "@" in email else ""


def suggestion(email: str) -> str | None:
    """The address most likely meant, if the domain of this one is a slip: ada@gmial.com -> ada@gmail.com.

    For people to decide on; nothing here changes an address.
    """
    local, at, domain = email.rpartition("@")
    meant = suggested_domain(domain.lower()) if at else None
    return f"{local}@{meant}" if meant else None


def _of_long(text: str) -> Normalized:
    """Of the beginning of a cell, up to a sign between two addresses: none is cut in two."""
    beginning = _normalize(text_before_last(text, " \t\n,;|/", _CELL_LIMIT))
    return beginning._replace(flags=(*(beginning.flags or ("invalid_email",)), "truncated"))


@lru_cache(maxsize=8192)
def _normalize(text: str) -> Normalized:
    stripped = text.strip()
    lowered = stripped.lower()
    if (("{" in lowered or "%%" in lowered) and _TEMPLATE.search(lowered)) or (
        lowered != stripped and _GLUED.search(stripped)
    ):
        return _INVALID
    if (_PLAIN.match(lowered) and lowered[0] not in "*{") or (not lowered.isascii() and _PLAIN_LATIN.match(lowered)):
        return _PLACEHOLDER if _is_placeholder(lowered) else Normalized(lowered, _flags_of(lowered))
    clean = clean_line(text.translate(_FULL_WIDTH) if not text.isascii() else text)
    if not clean:
        return NOTHING if not text else _INVALID
    return _answer(_found_in(clean))


def _answer(found: _Cell) -> Normalized:
    """The first address that is more than a placeholder, described; the rest beside it."""
    real = [address for address in found.addresses if not _is_placeholder(address)]
    if not real:
        return _PLACEHOLDER if found.addresses else _INVALID
    first, *others = dict.fromkeys(real)
    if len(others) >= _ADDRESS_LIMIT:
        others = others[: _ADDRESS_LIMIT - 1]
        found.flags.append("truncated")
    flags = (*found.flags, *_flags_of(first))
    return Normalized(first, ("several_values", *flags) if others else flags, None, tuple(others))


def _flags_of(address: str) -> tuple[str, ...]:
    local, _, domain = address.rpartition("@")
    return (*domain_flags(domain), "role_address") if is_role(local) else domain_flags(domain)


def _is_placeholder(address: str) -> bool:
    # A tag or a dot makes no person of it: asdf+1@, a.s.d.f@gmail.com.
    local, _, domain = address.rpartition("@")
    return is_placeholder(*mailbox(local, domain))


def _found_in(clean: str) -> _Cell:
    if _TEMPLATE.search(clean):
        return _Cell([], [])
    clean = _LABEL.sub("", clean)
    if clean[:7].lower() == "mailto:":
        clean = unquote(clean[7:].partition("?")[0])
    if "@" not in clean:
        spelled_out = _deobfuscated(clean)
        if spelled_out:
            return _Cell([spelled_out], ["deobfuscated"])
    plain, count = _BRACKETED_AT.subn("@", clean)
    if count:
        whole = _several(_BRACKETED_DOT.sub(".", plain))
        if len(whole.addresses) > 1 and "partly_read" not in whole.flags:
            return _Cell(whole.addresses, ["deobfuscated", *whole.flags])
    return _several(clean) if clean.count("@") > 1 else _one(clean)


def _one(clean: str) -> _Cell:
    entries = [entry for entry in map(_in_part, _parts(clean)) if entry]
    entries = entries or [_Found(address) for address in map(_address, _MAILTO.findall(clean)) if address]
    return _Cell(
        [entry.address for entry in entries], [flag for entry in entries[:1] if (flag := entry.flag) is not None]
    )


def _several(clean: str) -> _Cell:
    """Of a line with two @ and more: all of its addresses, or a flag that says that one is missing."""
    whole = _address(clean)
    if whole:  # quoted: `"a@b"@example.org`
        return _Cell([whole], [])
    around = addresses_in(clean)
    addresses = [address for address in map(_address, around.texts) if address]
    flags = ["text_removed"] if around.has_words and "<" not in clean else []
    missing = around.has_unread or len(addresses) < len(around.texts)
    if missing:
        other = _one(clean)
        if len(other.addresses) > len(addresses):
            addresses, flags = other.addresses, other.flags
        if len(addresses) < clean.count("@"):
            flags = [*flags, "partly_read"]
    return _Cell(addresses, flags)


def _parts(clean: str) -> list[str]:
    """What may hold one address each: what stands in angle brackets, else the whole cell, else its pieces."""
    angled = _ANGLE.findall(clean)
    if angled:
        beside = [word for word in re.split(r"[\s;,|/]+", _ANGLE.sub(" ", clean)) if "@" in word]
        return [*angled, *beside]
    if clean.count("@") == 1:
        return [clean]
    parts: list[str] = []
    for part in _SEPARATORS.split(clean):
        words = part.split()
        # Words are addresses of their own only if all of them are: of `john smith@x.org` none is.
        parts += words if all("@" in word for word in words) else [part]
    return parts


def _in_part(text: str) -> _Found | None:
    whole = _address(text)
    if whole:
        return _Found(whole)
    words = text.split()
    place = next((place for place, word in enumerate(words) if "@" in word), None)
    if place is None or len(words) < 2:
        return None
    # `john smith@x.org` may be one local part, torn; words after an address are only words.
    before_is_label = not place or _LEADING_WORD.match(words[place - 1]) or is_label(words[place - 1])
    after_is_text = place == len(words) - 1 or _TRAILING_WORD.match(words[place + 1])
    address = _address(words[place]) if before_is_label and after_is_text else None
    return _Found(address, "text_removed") if address else None


def _address(text: str) -> str | None:
    """The one address this text is, with nothing but signs around it."""
    text = text.strip()
    if text.startswith("*"):  # bold, or a bullet
        text = text.strip("*").strip()
    is_quoted = text.startswith('"') and '"@' in text
    wrapping = " " if is_quoted else _WRAPPING
    text = text.strip(wrapping)
    if text[:7].lower() == "mailto:":
        text = text[7:].partition("?")[0].strip(wrapping)
    if not is_quoted and "(" in text:
        text = _COMMENT.sub("", text)
    text = _AROUND_AT.sub("@", text).rstrip(_TRAILING).strip(wrapping)
    joined = _AROUND_DOTS.sub("", text)
    if _GLUED.search(joined):
        return None
    # `ada@example. org` is torn; `ada@example.org. Thanks` is not.
    if joined != text and not _is_top_level(joined.rpartition(".")[2].lower()):
        return None
    lowered = joined.lower()
    if _PLAIN.match(lowered):
        return lowered
    return _international(joined)


def _deobfuscated(text: str) -> str | None:
    spoken = _SPOKEN.fullmatch(text)
    if spoken:
        return _address(f"{spoken[1]}@{_SPOKEN_DOT.sub('.', spoken[2])}")
    written, count = _BRACKETED_AT.subn("@", text)
    return _address(_BRACKETED_DOT.sub(".", written)) if count else None


def _international(text: str) -> str | None:
    """Addresses beyond plain ASCII, and quoted local parts, by the rules of the library made for them."""
    if not 6 <= len(text) <= 254 or "@" not in text:
        return None
    from email_validator import EmailNotValidError, validate_email

    try:
        validated = validate_email(
            text,
            check_deliverability=False,
            allow_quoted_local=True,
            globally_deliverable=False,
            strict=True,
            test_environment=True,  # .test is reserved for tests; installations made for testing use it
        )
    except (EmailNotValidError, ValueError):
        return None
    domain = validated.ascii_domain.lower()
    if not _TOP_LEVEL.search(domain):
        return None
    address = f"{unicodedata.normalize('NFC', validated.local_part.lower())}@{domain}"
    return address if len(address) <= 254 else None


@cache
def _suffixes() -> PublicSuffixList:
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList(accept_unknown=False, only_icann=True)


def _is_top_level(label: str) -> bool:
    return bool(_suffixes().publicsuffix(label))
