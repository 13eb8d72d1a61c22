"""What a beginner reads is true: the same commands in each language, messages of the program, links that live."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.support.paths import ROOT

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
COUNTERPARTS = {
    "README.md": ("docs/es/README.md", "docs/pt/README.md"),
    "docs/try-it.md": ("docs/es/primeros-pasos.md", "docs/pt/primeiros-passos.md"),
    "docs/import-a-file.md": ("docs/es/importar-un-archivo.md", "docs/pt/importar-um-arquivo.md"),
    "docs/errors.md": ("docs/es/errores.md", "docs/pt/erros.md"),
}
PAIRS = [(english, other) for english, others in COUNTERPARTS.items() for other in others]
REQUIREMENTS = (
    "Python 3.11 or newer and make; a C compiler only where a library has no ready-made build (wheel) for your machine."
)


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def shown_commands(page: str) -> list[str]:
    """Each command of the page's code blocks as a shell would see it: without comments, goes on lines joined."""
    blocks = re.findall(r"^```(?:\w*)\n(.*?)^```", read(page), flags=re.MULTILINE | re.DOTALL)
    joined = "".join(blocks).replace("\\\n", " ")
    return [" ".join(re.sub(r"\s#\s.*", "", line).split()) for line in joined.splitlines() if line.strip()]


def cells(page: str, heading: str | None = None) -> list[list[str]]:
    """Cells of the rows of the page's tables, without heads; only below `heading` if it is given."""
    text = read(page)
    if heading is not None:
        text = re.split(r"^## ", text.split(f"## {heading}\n")[1], flags=re.MULTILINE)[0]
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows if "`" in row.split("|")[1]]


def spans(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


@pytest.mark.parametrize(("english", "other"), PAIRS)
def test_a_translation_shows_the_commands_of_the_english_page_and_no_others(english, other):
    assert shown_commands(other) == shown_commands(english)


@pytest.mark.parametrize("other", COUNTERPARTS["docs/errors.md"])
def test_each_message_has_the_same_remedy_in_each_language(other):
    def remedies(page: str) -> list[tuple[str, list[str]]]:
        return [(row[0], [one for one in spans(row[2]) if one.startswith("afluente ")]) for row in cells(page)]

    assert remedies(other) == remedies("docs/errors.md")


def said_by_the_program() -> str:
    """All texts of the code and of the rules that come along, one after the other."""
    texts = []
    for folder in ("pipeline", "connectors"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    texts.append(node.value)
    return "\n".join(texts)


@pytest.mark.long
def test_the_messages_of_the_page_of_errors_are_those_of_the_program():
    said = said_by_the_program()
    pieces = [piece.strip() for row in cells("docs/errors.md") for one in spans(row[0]) for piece in one.split("…")]
    assert len(pieces) > 80
    assert [piece for piece in pieces if piece and piece not in said] == []


def test_the_page_of_errors_knows_each_code_that_the_other_pages_name():
    named = {
        one for row in cells("docs/import-a-file.md") for one in spans(row[0]) if re.fullmatch(r"[a-z]+_[a-z_]+", one)
    }
    for row in cells("docs/replay-what-failed.md"):
        named |= {one for one in spans(row[0]) if re.fullmatch(r"[a-z]+(_[a-z_]+)?", one)}
    assert {"ragged_row", "nothing_to_identify", "too_long", "bug"} <= named
    assert named - {one for row in cells("docs/errors.md") for one in spans(row[0])} == set()


def test_the_page_of_errors_knows_each_check_of_doctor():
    checks = set()
    for path in (ROOT / "pipeline" / "health").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"failed", "Check"} and node.args:
                name = node.args[0]
                if isinstance(name, ast.Constant):
                    checks.add(name.value)
                elif isinstance(name, ast.JoinedStr):
                    checks.add("".join(one.value if isinstance(one, ast.Constant) else "…" for one in name.values))
    assert len(checks) > 12
    known = [spans(row[0])[0] for row in cells("docs/errors.md", "FAIL in `afluente doctor`")]
    assert checks - set(known) == set()


def test_the_requirements_are_said_in_the_same_words_everywhere():
    for name in ("README.md", "docs/try-it.md", "Makefile"):
        sentences = re.findall(r"[^\n|]*Python 3\.11[^\n]*", read(name))
        assert len([one for one in sentences if REQUIREMENTS in one]) == 1, name
    assert "nothing to install" not in read("docs/try-it.md")


def test_files_that_commands_of_the_first_pages_name_are_there():
    named = {
        word
        for page in ("README.md", "docs/try-it.md", "docs/es/README.md", "docs/pt/README.md")
        for line in shown_commands(page)
        for word in line.split()
        if re.search(r"\.(csv|json|jsonl|xlsx)$", word)
    }
    assert "samples/datablist/typical.csv" in named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_steps_ask_for_the_address_once_instead_of_writing_a_port_that_may_be_taken():
    for page in ("docs/try-it.md", *COUNTERPARTS["docs/try-it.md"]):
        assert [line for line in shown_commands(page) if "127.0.0.1:8080" in line] == []
        assert len([line for line in shown_commands(page) if line.startswith("URL=")]) == 1


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    found = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", one)).strip().lower().replace(" ", "-")
        for one in found
    }


def test_every_link_of_a_page_leads_to_a_page_and_to_a_heading_of_it():
    broken = []
    for page in PAGES:
        text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        for path, anchor in re.findall(r"\]\(([^)#:\s]*)(?:#([^)\s]+))?\)", text):
            target = (page.parent / path).resolve() if path else page
            if not target.exists():
                broken.append(f"{page.name}: {path}")
            elif anchor and target.suffix == ".md" and anchor not in anchors(target):
                broken.append(f"{page.name}: {path}#{anchor}")
    assert broken == []


def test_the_index_names_every_page():
    linked = set(re.findall(r"\]\(([^)#:\s]+)", read("docs/index.md")))
    pages = {str(page.relative_to(DOCS)) for page in DOCS.glob("*.md")} - {"index.md"}
    assert pages - linked == set()
    assert {"es/README.md", "pt/README.md", "decisions/README.md"} <= linked


@pytest.mark.parametrize("language", ["es", "pt"])
def test_every_page_of_a_language_is_linked_from_its_first(language):
    folder = DOCS / language
    linked = set(re.findall(r"\]\(([^)#:\s]+)", (folder / "README.md").read_text(encoding="utf-8")))
    assert {page.name for page in folder.glob("*.md")} - linked == {"README.md"}


def test_the_list_of_decisions_has_each_page_once_by_its_title():
    listed = re.findall(r"^\| (\d+) \| \[(.+)\]\((.+)\) \|$", read("docs/decisions/README.md"), flags=re.MULTILINE)
    pages = sorted((DOCS / "decisions").glob("0*.md"))
    titles = [re.match(r"# (\d+)\. (.+)\n", page.read_text(encoding="utf-8")) for page in pages]
    assert listed == [(title[1], title[2], page.name) for title, page in zip(titles, pages, strict=True) if title]
