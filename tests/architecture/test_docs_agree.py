"""What the pages promise exists: commands, options, settings, files. And what exists is on the pages."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from pipeline.cli.reference import render_reference, walk_commands
from pipeline.settings import declarations
from pipeline.settings.access_settings import AccessSettings
from pipeline.settings.consent_settings import ConsentSettings, MailSettings
from pipeline.settings.edges import declared
from pipeline.settings.edges.register import RegisterSettings
from pipeline.settings.privacy_settings import PrivacySettings
from pipeline.settings.retention_settings import RetentionRule
from pipeline.settings.sign_in_settings import SignInSettings
from tests.support.paths import ROOT

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMANDS = dict(walk_commands())
SETTINGS_PAGE = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")

# What issue and interface promise of the first release. `erase` comes with the privacy issue.
PROMISED = {
    "up": ["--data", "--port", "--workers"],
    "status": ["--json"],
    "import": ["--source", "--brand", "--wait", "--dry-run", "--json"],
    "balance": ["--json"],
    "leads export": ["--format", "--source", "--out"],
    "people export": ["--format", "--out"],
    "deliveries export": ["--format", "--out"],
    "explain": ["--json"],
    "quarantine list": ["--json"],
    "quarantine show": ["--json"],
    "quarantine fix": ["--set"],
    "quarantine replay": ["--reason", "--source", "--all"],
    "quarantine discard": ["--why"],
    "source list": ["--json"],
    "source new": ["--from-sample"],
    "source check": [],
    "source send": [],
    "mapping check": [],
    "mapping preview": ["--json"],
    "sandbox": ["--port", "--dialect", "--faults"],
    "doctor": ["--json"],
}


def options_of(command) -> set[str]:
    return {name for one in command.params for name in (*one.opts, *one.secondary_opts) if name.startswith("-")}


def written_commands() -> list[tuple[Path, str]]:
    """Every `afluente …` that stands in a code span or code block of a page."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        spans = re.findall(r"`(afluente [^`\n]+)`", text)
        blocks = re.findall(r"^```[a-z]*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
        lines = [line.strip().removeprefix("$ ") for block in blocks for line in block.splitlines()]
        spans += [line for line in lines if line.startswith("afluente ")]
        found += [(page, span) for span in spans]
    return found


def test_the_promised_commands_and_options_exist():
    missing = [path for path in PROMISED if path not in COMMANDS]
    assert missing == []
    absent = [
        f"{path} {option}"
        for path, options in PROMISED.items()
        for option in options
        if option not in options_of(COMMANDS[path])
    ]
    assert absent == []


def test_every_command_on_a_page_exists_with_its_options():
    wrong = []
    for page, text in written_commands():
        words = [word for word in text.split(" | ")[0].split()[1:] if word not in {"…", "COMMAND"}]
        if not words or words[0].startswith("-"):
            continue
        path = next((" ".join(words[:size]) for size in (3, 2, 1) if " ".join(words[:size]) in COMMANDS), None)
        if path is None:
            is_group = any(name.startswith(f"{words[0]} ") for name in COMMANDS)
            if not (is_group and len(words) == 1):
                wrong.append(f"{page.name}: {text}")
            continue
        used = {word.split("=")[0] for word in words if word.startswith("--")} - {"--help"}
        wrong += [f"{page.name}: {text}: {option}" for option in used - options_of(COMMANDS[path])]
    assert wrong == []


@pytest.mark.parametrize("path", COMMANDS)
def test_a_command_says_what_it_does_and_gives_an_example(path):
    command = COMMANDS[path]
    assert command.help, "no description"
    assert command.epilog, "no example"
    assert f"afluente {path}" in command.epilog
    undescribed = [one.name for one in command.params if not getattr(one, "help", None)]
    assert undescribed == []


def test_the_command_line_page_is_not_behind():
    page = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    assert page == render_reference(), "run: python -m pipeline.cli.reference > docs/command-line.md"


def test_every_variable_the_code_reads_is_on_the_settings_page():
    read = set()
    for folder in ("pipeline", "connectors"):
        for path in (ROOT / folder).rglob("*.py"):
            read |= set(re.findall(r"\bAFLUENTE_[A-Z_]+[A-Z]\b", path.read_text(encoding="utf-8")))
    assert read - set(re.findall(r"AFLUENTE_[A-Z_]+[A-Z]", SETTINGS_PAGE)) == set()


def test_every_variable_on_the_settings_page_is_read():
    source = (ROOT / "pipeline" / "settings" / "loading.py").read_text(encoding="utf-8")
    documented = set(re.findall(r"AFLUENTE_[A-Z_]+[A-Z]", SETTINGS_PAGE))
    # The variants with _FILE are made of the name and the suffix where the secret is read.
    unread = {name for name in documented if f'"{name}"' not in source}
    assert unread == set()


@pytest.mark.parametrize(
    ("heading", "struct"),
    [
        ("brands", declarations.BrandSettings),
        ("sources", declarations.SourceSettings),
        ("destinations", declarations.DestinationSettings),
        ("windows", declarations.WindowSettings),
        ("tuning", declarations.Tuning),
        ("secrets", declarations.SecretSettings),
        ("receiver", declared.ReceiverSettings),
        ("outgoing", declared.OutgoingSettings),
        ("register", RegisterSettings),
        ("webhooks", declarations.WebhookSettings),
        ("hooks", declarations.HookSettings),
        ("privacy", PrivacySettings),
        ("access", AccessSettings),
        ("sign_in", SignInSettings),
        ("retention", RetentionRule),
        ("consent", ConsentSettings),
        ("consent.mail", MailSettings),
    ],
)
def test_each_key_of_the_settings_file_is_described(heading, struct):
    section = re.search(rf"^### {heading}\n(.*?)(?=^### |\Z)", SETTINGS_PAGE, flags=re.MULTILINE | re.DOTALL)
    assert section is not None
    first_cells = " ".join(line.split("|")[1] for line in section[1].splitlines() if line.startswith("| `"))
    assert set(re.findall(r"`(\w+)`", first_cells)) == {field.name for field in msgspec.structs.fields(struct)}


def test_the_defaults_on_the_settings_page_are_those_of_the_code():
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([\d.]+) \|$", SETTINGS_PAGE, flags=re.MULTILINE)
    assert {name: float(value) for name, value in rows} == {
        name: float(value) for name, value in msgspec.to_builtins(declarations.Tuning()).items()
    }


def test_no_page_points_to_a_file_that_is_not_there():
    broken = []
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == []


def test_every_page_can_be_reached_from_the_index():
    seen, waiting = set(), [ROOT / "README.md", ROOT / "docs" / "index.md"]
    while waiting:
        page = waiting.pop().resolve()
        if page in seen or not page.exists() or page.suffix != ".md":
            continue
        seen.add(page)
        waiting += [page.parent / target for target in re.findall(r"\]\(([^)#:\s]+)", page.read_text(encoding="utf-8"))]
    lost = {page.resolve() for page in PAGES if "decisions" not in page.parts and page.name != "CHANGELOG.md"} - seen
    assert lost == set()


def test_help_is_shown_without_loading_what_only_commands_need():
    heavy = ("pandas", "sqlalchemy", "celery", "psycopg2", "phonenumbers", "alembic", "requests", "rich", "redis")
    program = (
        "import sys\nfrom pipeline.cli import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr.strip() == "[]"
    assert "quarantine" in done.stdout


def test_the_reference_names_the_values_of_options_that_take_few():
    page = render_reference()
    assert "One of `channel`, `campaign`, `source`." in page, "of report attribution --by"
    assert "One of `table`, `csv`, `json`, `xlsx`." in page, "of report attribution --format"
