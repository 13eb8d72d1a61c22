"""What runs or unpacks by a stranger's word is called nowhere: no shell, no code from text, no weak digest."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.support.paths import ROOT

FORBIDDEN_NAMES = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_CALLS = {
    *("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"),
    *("pickle.load", "pickle.loads", "marshal.loads", "shelve.open", "yaml.load", "yaml.unsafe_load"),
    *("Template.from_string", "environment.from_string", "random.choices"),
    *("hashlib.md5", "hashlib.sha1", "hashlib.new"),
}
# Looked at: none of them reads what a stranger wrote.
ALLOWED = {
    "pipeline/intake/posted/reader.py": "pickle.loads",  # of connectors, that the receiver itself sends to its reader
    "connectors/kit/yaml_files.py": "yaml.load",  # by a SafeLoader that refuses more
    "connectors/kit/declared_types.py": "eval",  # annotations of a connector's own code
}
XML = ("xml.etree", "xml.dom", "xml.sax", "lxml")


def faults(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in FORBIDDEN_NAMES or called in FORBIDDEN_CALLS:
                yield f"{node.lineno}: {called}"
            if any(keyword.arg == "shell" and ast.unparse(keyword.value) != "False" for keyword in node.keywords):
                yield f"{node.lineno}: a shell"
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [name.name for name in node.names]
            yield from (f"{node.lineno}: {name}" for name in names if name.startswith(XML))


def test_nothing_that_runs_is_made_of_text():
    found = [
        f"{name}:{fault}"
        for folder in ("pipeline", "connectors")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for name in [path.relative_to(ROOT).as_posix()]
        for fault in faults(path.read_text(encoding="utf-8"))
        if not fault.endswith(f" {ALLOWED.get(name)}")
    ]
    assert found == []


@pytest.mark.parametrize(
    "planted",
    ["subprocess.run(text, shell=True)", "eval(text)", "pickle.loads(body)", "import xml.etree.ElementTree"],
)
def test_a_planted_call_is_found(planted):
    assert list(faults(planted))
