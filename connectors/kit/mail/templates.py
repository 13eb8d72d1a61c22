"""Templates: which mails are a supplier's, and where each field stands in them. YAML files, read again when changed.

They lie in `mappings/mail_templates/`, the company's before the shipped ones. There are no regular expressions in them:
a pattern that a supplier's mail makes slow would hold up everybody's leads.
"""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from connectors.kit.errors import ConfigurationError
from connectors.kit.folders import find_files
from connectors.kit.mail.attachments import FORMATS
from connectors.kit.mail.labels import label_key
from connectors.kit.yaml_files import read_yaml

FOLDER = "mappings/mail_templates"
IDENTIFYING = ("email", "phone", "linkedin_url", "external_id")
_KEYS = {
    "template",
    "version",
    "supplier",
    "match",
    "fields",
    "lines",
    "number",
    "text",
    "stop",
    "attachments",
    "needs",
}
_REFRESH_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Template:
    """One supplier's mails. `labels`: label as compared -> field. `lines`: sentences with gaps. `text`: fields that go
    on over the lines after their label. `number`: labels of the supplier's own number of the lead. `is_general`: for
    whatever no other template is for."""

    name: str
    version: str
    supplier: str
    senders: tuple[str, ...] = ()
    subject: str = ""
    is_general: bool = False
    labels: dict[str, str] = field(default_factory=dict)
    lines: tuple[str, ...] = ()
    number: frozenset[str] = frozenset()
    text: frozenset[str] = frozenset()
    stop: tuple[str, ...] = ()
    attachments: tuple[str, ...] = ()
    needs: tuple[str, ...] = IDENTIFYING

    def fits(self, sender: str, subject: str) -> bool:
        """Whether a mail of this sender and subject, as compared (`label_key`), is the supplier's. Both are free text:
        they choose a template, and prove nothing."""
        if self.is_general:
            return False
        is_sender = not self.senders or any(
            sender == wanted or (wanted.startswith("@") and sender.endswith(wanted)) for wanted in self.senders
        )
        return is_sender and self.subject in subject


class _Templates:
    """The templates in force. A file that became wrong changes nothing: the version before stays."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._looked_at = -_REFRESH_SECONDS
        self._stamps: dict[str, tuple[str, int, int]] = {}
        self._read: dict[str, Template] = {}
        self._wrong: dict[str, str] = {}

    def all(self) -> list[Template]:
        """By name, the general ones last."""
        self._refresh()
        return sorted(self._read.values(), key=lambda template: (template.is_general, template.name))

    def wrong(self) -> dict[str, str]:
        """Files that cannot be read as they are now, and why."""
        self._refresh()
        return dict(self._wrong)

    def _refresh(self) -> None:
        with self._lock:
            if time.monotonic() - self._looked_at < _REFRESH_SECONDS:
                return
            self._looked_at = time.monotonic()
            files = find_files(FOLDER, "*.yaml")
            for name in set(self._read) | set(self._wrong):
                if name not in files:
                    self._read.pop(name, None)
                    self._wrong.pop(name, None)
                    self._stamps.pop(name, None)
            for name, path in files.items():
                about = path.stat()
                stamp = (str(path), about.st_mtime_ns, about.st_size)
                if self._stamps.get(name) == stamp:
                    continue
                self._stamps[name] = stamp
                self._wrong.pop(name, None)
                try:
                    self._read[name] = read_template(path)
                except ConfigurationError as error:
                    self._wrong[name] = str(error)


@cache
def _in_force() -> _Templates:
    return _Templates()


def templates() -> list[Template]:
    """Those in force, in the order in which they are tried."""
    return _in_force().all()


def wrong_templates() -> dict[str, str]:
    """File -> why it cannot be read."""
    return _in_force().wrong()


def forget_templates() -> None:
    """Look at the files at once the next time."""
    _in_force.cache_clear()


def read_template(path: Path) -> Template:
    """Raises ConfigurationError with file, key and what is allowed there."""
    content = read_yaml(path)
    place = f"{FOLDER}/{path.name}"
    if not isinstance(content, dict) or content.get("template") != path.stem:
        raise ConfigurationError(f"{place}: `template` must be {path.stem!r}, the file's name")
    if unknown := set(content) - _KEYS:
        raise ConfigurationError(f"{place}: unknown {', '.join(sorted(unknown))}; allowed: {', '.join(sorted(_KEYS))}")
    match = _table(content, "match", place)
    if unknown := set(match) - {"from", "subject", "any"}:
        raise ConfigurationError(f"{place}: match.{min(unknown)} is unknown; allowed: from, subject, any")
    senders = tuple(sender.lower() for sender in _texts(match, "from", place))
    subject = label_key(str(match.get("subject") or ""))
    is_general = match.get("any") is True
    if not senders and not subject and not is_general:
        raise ConfigurationError(f"{place}: match must say `from`, `subject` or both, or `any: true`")
    labels = {}
    for name, given in _table(content, "fields", place).items():
        for label in given if isinstance(given, list) else [given]:
            labels[label_key(str(label))] = str(name)
    lines = tuple(_texts(content, "lines", place))
    if any("}{" in line or line.count("{") != line.count("}") for line in lines):
        raise ConfigurationError(f"{place}: in `lines` words must stand between two gaps")
    attachments = tuple(_texts(content, "attachments", place))
    if unknown := set(attachments) - set(FORMATS):
        raise ConfigurationError(f"{place}: attachments has {min(unknown)!r}; allowed: {', '.join(FORMATS)}")
    version = f"{content.get('version', 1)}+{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}"
    return Template(
        name=path.stem,
        version=version,
        supplier=str(content.get("supplier") or ""),
        senders=senders,
        subject=subject,
        is_general=is_general,
        labels=labels,
        lines=lines,
        number=frozenset(label_key(label) for label in _texts(content, "number", place)),
        text=frozenset(_texts(content, "text", place)),
        stop=tuple(label_key(line) for line in _texts(content, "stop", place)),
        attachments=attachments,
        needs=tuple(_texts(content, "needs", place)) or IDENTIFYING,
    )


def _table(content: dict[str, Any], key: str, place: str) -> dict[str, Any]:
    held = content.get(key) or {}
    if not isinstance(held, dict):
        raise ConfigurationError(f"{place}: {key} must be a table")
    return held


def _texts(content: dict[str, Any], key: str, place: str) -> list[str]:
    held = content.get(key) or []
    listed = [held] if isinstance(held, str) else held
    if not isinstance(listed, list) or not all(isinstance(entry, str) for entry in listed):
        raise ConfigurationError(f"{place}: {key} must be a text or a list of texts")
    return listed
