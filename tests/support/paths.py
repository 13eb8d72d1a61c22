"""Where things lie: tests move from folder to folder, the checkout's root stays."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"  # PROVENANCE.md there says whence it is
IDENTITY_DEV = DATA / "identity-dev"
DATABLIST = DATA / "datablist-leads-1000.csv"
