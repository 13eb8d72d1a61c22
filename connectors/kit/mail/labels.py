"""What a mail says in the form of a label and its value: lines of text, cells of HTML tables, sentences with gaps."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from connectors.kit.mail.html_tokens import tokens

_MAX_LINES = 5_000
_MAX_LINE = 2_000
_MAX_LABEL = 60
_MAX_TABLES = 40  # in each other
_BLOCKS = frozenset(("p", "div", "br", "tr", "li", "ul", "ol", "table", "hr", "blockquote", "pre", "section", "article",
                     "header", "footer", "dl", "dt", "dd", "h1", "h2", "h3", "h4", "h5", "h6"))  # fmt: skip
_CELLS = frozenset(("td", "th", "dt", "dd"))
# What stands before the address and the subject of a mail that was forwarded within the text.
_FROM = frozenset(("from", "von", "de", "da", "van", "fra", "fran", "od"))
_SUBJECT = frozenset(("subject", "betreff", "asunto", "assunto", "objet", "oggetto", "onderwerp", "emne", "amne"))
_HEADER_LINES = 12


class Said(NamedTuple):
    """`cells`: labels as they stand and values, of tables. `lines`: the text, line by line, labels among it."""

    cells: list[tuple[str, str]]
    lines: list[str]


class Forwarded(NamedTuple):
    """A mail forwarded within the text of another: who sent it and its subject, as the text says."""

    sender: str
    subject: str
    lines: list[str]


def label_key(label: str) -> str:
    """Labels are compared without case, accents and punctuation."""
    plain = unicodedata.normalize("NFKD", label[: 2 * _MAX_LABEL].casefold())
    kept = "".join(c if c.isalnum() else " " for c in plain if not unicodedata.combining(c))
    return " ".join(kept.split())


def lines_of(text: str) -> list[str]:
    """Lines without marks of quotation, bullets and blanks at their ends."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u00a0", " ").split("\n", _MAX_LINES)[:_MAX_LINES]
    return [line[:_MAX_LINE].lstrip("> \t").strip().lstrip("*•·").strip() for line in lines]


def pair_of(line: str) -> tuple[str, str] | None:
    """`Name: Ada` as its two halves."""
    label, mark, value = line.replace("：", ":", 1).partition(":")
    if not mark:
        label, mark, value = line.partition("\t")
    label, value = label.strip(" *_"), value.strip(" *_\t")
    if not mark or not label or len(label) > _MAX_LABEL or value.startswith("//"):
        return None
    return label, _bare(value)


def said_in_html(page: str) -> Said:
    """Cells beside each other are label and value; the rest is lines, in which labels may stand too."""
    pairs: list[tuple[str, str]] = []
    lines: list[str] = [""]
    outer: list[tuple[list[str], list[str] | None]] = []
    row: list[str] = []
    cell: list[str] | None = None
    for token in tokens(page):
        if token.kind == "text":
            words = " ".join(token.text.replace("\u00a0", " ").split())
            if words:
                lines[-1] = f"{lines[-1]} {words}".strip()[:_MAX_LINE]
                if cell is not None:
                    cell.append(words)
            continue
        is_open, name = token.kind == "open", token.text
        if name in _BLOCKS and lines[-1] and len(lines) < _MAX_LINES:
            lines.append("")
        if name in _CELLS:
            if cell is not None:
                row.append(" ".join(cell))
            cell = [] if is_open else None
        elif name == "br" and cell:
            cell.append("\n")
        elif name in ("tr", "dl"):
            pairs += _pairs_of_row(row + ([" ".join(cell)] if cell else []))
            row, cell = [], None
        elif name == "table" and is_open and len(outer) < _MAX_TABLES:
            outer.append((row, cell))
            row, cell = [], None
        elif name == "table" and not is_open and outer:
            pairs += _pairs_of_row(row + ([" ".join(cell)] if cell else []))
            row, cell = outer.pop()
    return Said(pairs, lines)


def pairs_of_lines(lines: Sequence[str]) -> list[tuple[str, str]]:
    return [pair for line in lines if (pair := pair_of(line)) is not None]


def forwarded_in(lines: Sequence[str]) -> Iterator[Forwarded]:
    """Mails that were forwarded within the text, the outermost first: a line `From: …` soon followed by a subject."""
    for number, line in enumerate(lines):
        pair = pair_of(line)
        if pair is None or label_key(pair[0]) not in _FROM:
            continue
        subject, last = None, number
        for further in range(number + 1, min(number + _HEADER_LINES, len(lines))):
            inner = pair_of(lines[further])
            if inner is not None and label_key(inner[0]) in _SUBJECT:
                subject, last = inner[1], further
                break
        if subject is not None:
            yield Forwarded(pair[1], subject, list(lines[last + 1 :]))


def gaps_of(pattern: str, line: str) -> dict[str, str] | None:
    """What stands in the gaps of `{full_name} from {company} asks for a quote`; None if the line is no such sentence.

    Each word of the pattern is looked for once, from left to right: there is no going back, whatever the line is.
    """
    rest = pattern
    literal, mark, rest = rest.partition("{")
    if not line.startswith(literal.lstrip()):
        return None
    place, found = len(literal.lstrip()), {}
    while mark:
        name, _, rest = rest.partition("}")
        literal, mark, rest = rest.partition("{")
        end = line.find(literal, place) if literal.strip() else len(line)
        if end < 0:
            return None
        found[name] = _bare(line[place:end].strip())
        place = end + len(literal)
    return found


def _pairs_of_row(cells: Sequence[str]) -> list[tuple[str, str]]:
    """`label, value` or `label, value, label, value`."""
    texts = [" ".join(cell.split(" ")).strip() for cell in cells]
    pairs = zip(texts[::2], texts[1::2], strict=False)
    return [
        (label.rstrip(": "), _bare(value.replace(" \n ", "\n")))
        for label, value in pairs
        if 0 < len(label) <= _MAX_LABEL
    ]


def _bare(value: str) -> str:
    """Without the link that mail programs write behind an address: `ada@example.org <mailto:ada@example.org>`."""
    before, mark, _ = value.partition("<mailto:")
    if not mark:
        before, mark, _ = value.partition("<tel:")
    return before.strip() if mark and before.strip() else value.strip()
