"""A folder that another project lies in, with modules of the names that ours and Celery's have."""

from __future__ import annotations

from pathlib import Path

_MODULES = ("celeryconfig.py", "flowerconfig.py", "redbeat.py", "pipeline/__init__.py", "connectors/__init__.py")


def put_foreign_modules(folder: Path) -> None:
    """Each ends whoever imports it."""
    for name in _MODULES:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'raise SystemExit("{name} of another project was run")\n', encoding="utf-8")
