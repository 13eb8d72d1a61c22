"""Text in one spelling: NFC, no control or invisible characters, bounded length."""

from __future__ import annotations

import re
import unicodedata

from pipeline.stages.values import NOTHING, Normalized

LINE_LIMIT = 255  # characters; longer cells are truncated and flagged, the raw text is kept
URL_LIMIT = 2_048
PARAGRAPHS_LIMIT = 32_000
RAW_LIMIT = 32_000  # of the text as it came; the stored body holds the rest

_FOLDED_ASCII = {code: chr(code).lower() if chr(code).isalnum() else " " for code in range(128)}
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
    """A cell of text of at most `limit` characters."""
    return _bounded(clean_line(text), text, limit)


def normalize_url(text: str) -> Normalized:
    """An address, left as it is but for invisible characters and length."""
    return normalize_line(text, limit=URL_LIMIT)


def normalize_paragraphs(text: str) -> Normalized:
    """A message: line breaks kept."""
    return _bounded(clean_paragraphs(text), text, PARAGRAPHS_LIMIT)


def fold(text: str) -> str:
    """For comparing only: no case, no accents, letters and digits with single spaces between them."""
    if text.isascii():
        return " ".join(text.translate(_FOLDED_ASCII).split())
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    folded = "".join(character for character in decomposed if not unicodedata.combining(character))
    return " ".join("".join(character if character.isalnum() else " " for character in folded).split())


def raw_excerpt(text: str) -> str:
    """The text as it came, bounded, without what no database or message could carry (lone surrogates)."""
    return text[:RAW_LIMIT].encode("utf-8", "replace").decode("utf-8")


def _visible(text: str) -> str:
    # Removing comes before composing: a letter and its accent may stand on both sides of an invisible character.
    return unicodedata.normalize("NFC", _STRAY_JOINERS.sub("", _INVISIBLE.sub("", text)))


def _bounded(clean: str, text: str, limit: int) -> Normalized:
    if not clean:
        return NOTHING if not text else Normalized(None, ("blank",), raw_excerpt(text))
    if len(clean) > limit:
        return Normalized(clean[:limit].rstrip(), ("truncated",), raw_excerpt(text))
    return Normalized(clean) if clean == text else Normalized(clean, (), raw_excerpt(text))
