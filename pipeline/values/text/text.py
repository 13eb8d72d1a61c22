"""Text in one spelling: NFC, no control or invisible characters, no mojibake, no HTML, bounded length."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache

from pipeline.values.normalized import NOTHING, Normalized
from pipeline.values.text.markup import may_hold_markup, remove_markup
from pipeline.values.text.mojibake import repair_mojibake

LINE_LIMIT = 255  # characters; longer cells are truncated and flagged, the raw text is kept
URL_LIMIT = 2_048
PARAGRAPHS_LIMIT = 32_000
RAW_LIMIT = 32_000  # of the text as it came; the stored body holds the rest
_WORK_LIMIT = 131_072  # characters that are looked at for mojibake and HTML; no mapped text is longer
_LONGEST_BLANK = 24  # of the words in the vocabulary
_STEPS = 8
_NO_MARKUP = dict.fromkeys(map(ord, "<>&"))

_SPACES = re.compile(r"[^\S\n]+")
_LINE_BREAKS = re.compile(r"\r\n?|[\u0085\u2028\u2029\v\f]")
_BLANK_LINES = re.compile(r"\n{3,}")
# C0 and C1 controls (but tab and line feed), soft hyphen, zero-width and direction marks, non-characters, surrogates,
# tags
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ufdd0-\ufdef\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f]"
)
# Joiners shape words in Arabic and Indic scripts and hold emoji together; beside other letters they only hide.
_STRAY_JOINERS = re.compile(
    "(?<![\u0590-\U0010ffff])[\u200c\u200d]++|[\u200c\u200d]++(?![\u0590-\u200b\u200e-\U0010ffff])"
)


def clean_line(text: str) -> str:
    """One line: visible characters only, runs of white space as one space, trimmed."""
    if text.isascii() and text.isprintable():  # the common case, 20 times cheaper
        return text.strip() if "  " not in text else " ".join(text.split())
    text = _LINE_BREAKS.sub(" ", text)
    return " ".join(_visible(text).split())


def clean_paragraphs(text: str) -> str:
    """Several lines: as `clean_line`, but line breaks are kept, at most one blank line in a row."""
    if text.isascii() and text.isprintable():
        return clean_line(text)
    text = _visible(_LINE_BREAKS.sub("\n", text))
    lines = "\n".join(_SPACES.sub(" ", line).strip() for line in text.split("\n"))
    return _BLANK_LINES.sub("\n\n", lines).strip()


def normalize_line(text: str, *, limit: int = LINE_LIMIT) -> Normalized:
    """A cell of text of at most `limit` characters, names included: `Null` and `None` stay, they may be somebody's."""
    return _normalize(text, clean_line, limit, _blanks()[0])


def normalize_cell(text: str) -> Normalized:
    """A cell that is no name: words such as NULL and None say nothing there."""
    return _normalize(text, clean_line, LINE_LIMIT, _blanks()[1])


def normalize_identifier(text: str) -> Normalized:
    """A source's own id. `true`, `false` and noughts alone are no ids: they would make one person of strangers."""
    cell = normalize_cell(text)
    if cell.value is not None and (not cell.value.strip("0.,-") or cell.value.lower() in ("true", "false")):
        return Normalized(None, ("placeholder",), raw_excerpt(text))
    return cell


def normalize_url(text: str) -> Normalized:
    """An address, left as it is but for invisible characters and length."""
    clean = clean_line(text)
    return _blank(text) if clean.lower() in _blanks()[1] else _bounded(clean, (), text, URL_LIMIT)


def normalize_paragraphs(text: str) -> Normalized:
    """A message: line breaks kept."""
    return _normalize(text, clean_paragraphs, PARAGRAPHS_LIMIT, _blanks()[1])


def is_blank(text: str) -> bool:
    """True for what says nothing in a cell that holds no name: nothing visible, `N/A`, `-`, `NULL`, `#REF!`."""
    clean = clean_line(text)
    return not clean or clean.lower() in _blanks()[1]


def text_before_last(text: str, signs: str, limit: int) -> str:
    """What stands before the last of `signs` in the first `limit` characters; nothing where none of them does."""
    return text[: max(0, *(text.rfind(sign, 0, limit) for sign in signs))]


def raw_excerpt(text: str) -> str:
    """The text as it came, bounded, without what no database or message could carry (lone surrogates)."""
    return text[:RAW_LIMIT].encode("utf-8", "replace").decode("utf-8")


def _visible(text: str) -> str:
    # Removing comes before composing: a letter and its accent may stand on both sides of an invisible character.
    return unicodedata.normalize("NFC", _STRAY_JOINERS.sub("", _INVISIBLE.sub("", text)))


def _normalize(text: str, clean: Callable[[str], str], limit: int, blanks: frozenset[str]) -> Normalized:
    cleaned, flags = _settled(text, clean)
    if len(cleaned) <= _LONGEST_BLANK and cleaned.lower() in blanks:
        return _blank(text)
    return _bounded(cleaned, flags, text, limit, clean)


def _settled(text: str, clean: Callable[[str], str]) -> tuple[str, tuple[str, ...]]:
    """Cleaned until nothing changes: what is left of one repair may be what another one looks for (`Ã&copy;`)."""
    if text.isascii() and not may_hold_markup(text):
        return clean(text), ()
    flags: dict[str, None] = {}
    text = text[:_WORK_LIMIT]
    for step in range(_STEPS + 1):
        before = text
        if not text.isascii() and (repaired := repair_mojibake(text)) != text:
            text, flags["mojibake"] = repaired, None
        if may_hold_markup(text) and (shown := remove_markup(text)) != text:
            text, flags["html_removed"] = shown, None
        if step == _STEPS:  # nested like this by hand only
            text = text.translate(_NO_MARKUP)
        text = clean(text)
        if text == before:
            break
    return text, tuple(flags)


def _bounded(
    clean: str, flags: tuple[str, ...], text: str, limit: int, clean_again: Callable[[str], str] = clean_line
) -> Normalized:
    if not clean:
        return _blank(text) if not flags else Normalized(None, (*flags, "blank"), raw_excerpt(text))
    if len(clean) > limit:
        cut, _ = _settled(clean[:limit].rstrip(), clean_again)
        return Normalized(cut or None, (*flags, "truncated"), raw_excerpt(text))
    return Normalized(clean) if clean == text else Normalized(clean, flags, raw_excerpt(text))


def _blank(text: str) -> Normalized:
    return NOTHING if not text else Normalized(None, ("blank",), raw_excerpt(text))


@cache
def _blanks() -> tuple[frozenset[str], frozenset[str]]:
    """Small letters: what says nothing in any text, and what says nothing in one that is no name."""
    from pipeline.values.vocabularies import vocabulary  # which folds its words with this module

    listed = vocabulary("blanks")
    signs = frozenset(word.lower() for word in listed["signs"])
    return signs, signs | {word.lower() for word in listed["words"]}
