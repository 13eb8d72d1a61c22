"""The table of docs/access.md says what the code says."""

from __future__ import annotations

import re

from pipeline.permissions.roles import PERMISSIONS, ROLES
from tests.support.paths import ROOT

_ROW = re.compile(r"^\| `([a-z_]+\.[a-z_]+)` \| [^|]+ \|((?: x? ?\|)+)$", re.MULTILINE)


def test_the_page_shows_each_permission_with_the_roles_that_have_it():
    page = (ROOT / "docs" / "access.md").read_text(encoding="utf-8")
    shown = {
        permission: {role for role, cell in zip(ROLES, cells.split("|"), strict=False) if "x" in cell}
        for permission, cells in _ROW.findall(page)
    }
    assert shown == {permission: roles & set(ROLES) for permission, roles in PERMISSIONS.items()}
