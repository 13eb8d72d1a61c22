"""What an access export says besides the data: purposes, recipients, where each value is from, how long it is kept, and
which rights there are; and all of it as a page that people read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]

_RIGHTS = (
    "to have what is wrong put right (article 16), what is held erased (17), its use restricted (18)",
    "to be given what you provided in a form that programs read (20): it is in data.json",
    "to object to direct marketing at any time, and to other use on grounds of your own (21)",
    "to take back a consent at any time, which changes nothing of what was done before",
    "to complain to a supervisory authority",
)
_DECISIONS = (
    "What you sent us is checked by rules (whether it is a test or an advertisement) and put together with what came"
    " from you before, by addresses, numbers and names. None of it decides anything about you by itself with legal or"
    " similar effect."
)
_RETENTION = "Until it is erased, or the periods that this installation sets for it end (`retention` in its settings)."


def extras_of(tables: Mapping[str, Sequence[Row]]) -> dict[str, Any]:
    """What article 15 (1) asks for, from what is stored."""
    return {
        "purposes": sorted(
            {f"{row['purpose']} by {row['channel']}" for row in tables.get("consents", ())}
            | ({"answering and following up what you sent us"} if tables.get("events") else set())
        ),
        "recipients": _recipients(tables),
        "sources": sorted({str(row["source"]) for row in tables.get("events", ())}),
        "retention": _RETENTION,
        "rights": list(_RIGHTS),
        "automated_decisions": _DECISIONS,
    }


def _recipients(tables: Mapping[str, Sequence[Row]]) -> list[dict[str, Any]]:
    told: dict[str, list[Any]] = {}
    for row in tables.get("deliveries", ()):
        if row["loaded_at"] is not None:
            told.setdefault(str(row["destination"]), []).append(row["loaded_at"])
    for row in tables.get("webhook_messages", ()):
        if row["state"] == "delivered":
            told.setdefault(f"webhook {row['endpoint']}", []).append(row["ended_at"] or row["created_at"])
    return [{"recipient": name, "last_told_at": max(moments)} for name, moments in sorted(told.items())]


def summary_of(data: Mapping[str, Any]) -> str:
    """The export as Markdown."""
    about, tables = data["about"], data["tables"]
    lines = ["# What we hold of you", "", f"Made on {data['made_at']:%Y-%m-%d %H:%M} (UTC).", ""]
    for row in tables.get("people", ()):
        lines += ["## Your profile", "", "| field | value | from | since |", "|---|---|---|---|"]
        for name, known in (row["profile"] or {}).items():
            for field in known if isinstance(known, list) else (known,):
                cells = (name, field["value"], field["source"], f"{field['at']:%Y-%m-%d}")
                lines.append(f"| {' | '.join(_text(cell) for cell in cells)} |")
        lines.append("")
    lines += _section("What you told us", [_event(row) for row in tables.get("events", ())])
    lines += _section("What you said of consent", [_consent(row) for row in tables.get("consents", ())])
    lines += _section(
        "Who was told", [f"{row['recipient']}, last on {row['last_told_at']:%Y-%m-%d}" for row in about["recipients"]]
    )
    lines += _section("What for", about["purposes"])
    lines += [
        "## How long",
        "",
        about["retention"],
        "",
        "## Decisions by programs",
        "",
        about["automated_decisions"],
        "",
    ]
    lines += _section("Your rights", about["rights"])
    lines += ["Everything, by table, is in `data.json`; each table is a file in `tables/` too.", ""]
    return "\n".join(lines)


def _event(row: Row) -> str:
    return f"{row['received_at']:%Y-%m-%d %H:%M} by {row['source']} ({row['state']})"


def _consent(row: Row) -> str:
    said = {True: "granted", False: "refused", None: "not answered"}[row["granted"]]
    return f"{row['at']:%Y-%m-%d}: {row['purpose']} by {row['channel']}: {said}"


def _section(title: str, entries: Sequence[str]) -> list[str]:
    return [f"## {title}", "", *(f"- {_text(entry)}" for entry in entries or ("nothing",)), ""]


def _text(value: Any) -> str:
    """One line of Markdown, whatever the value holds."""
    return " ".join(str(value).split()).replace("|", "\\|").replace("<", "&lt;")
