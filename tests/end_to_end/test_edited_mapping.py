"""A mapping is corrected while the whole house runs."""

from __future__ import annotations

import pytest

from tests.support.checkouts import make_checkout
from tests.support.system import System

pytestmark = pytest.mark.long  # a whole system, for a minute


def test_an_edited_mapping_holds_for_the_next_import_without_a_restart(tmp_path):
    checkout = make_checkout(tmp_path / "checkout")
    mapping = checkout / "mappings" / "sources" / "datablist.yaml"
    (tmp_path / "first.csv").write_text("Email 1,First Name,Company\nada@example.org,Ada,Acme\n")
    (tmp_path / "second.csv").write_text("Email 1,Nickname,Company\neva@example.org,Evita,Acme\n")
    (tmp_path / "third.csv").write_text("Email 1,First Name,Company\nida@example.org,Ida,Acme\n")

    with System(tmp_path / "data", root=checkout, workers=1) as system:
        system.cli("import", str(tmp_path / "first.csv"), "--source", "datablist", "--wait")
        right = mapping.read_text()
        assert "{from: First Name}" in right
        mapping.write_text(right.replace("{from: First Name}", "{from: Nickname}"))
        system.cli("import", str(tmp_path / "second.csv"), "--source", "datablist", "--wait")
        mapping.write_text(right.replace("  first_name:", "  frist_name:"))
        problems = system.json("status")["problems"]
        doctor = system.cli("doctor", check=False)
        mapping.write_text(right)
        system.cli("import", str(tmp_path / "third.csv"), "--source", "datablist", "--wait")
        people = {person["email"]: person for person in system.lines("people", "export")}

    assert people["ada@example.org"]["first_name"] == "Ada"
    assert people["eva@example.org"]["first_name"] == "Evita"
    assert people["ida@example.org"]["first_name"] == "Ida"
    assert any("frist_name" in problem for problem in problems)
    assert "frist_name" in doctor.stdout + doctor.stderr
