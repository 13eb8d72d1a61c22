"""Where things lie: tests move from folder to folder, the checkout's root stays."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
