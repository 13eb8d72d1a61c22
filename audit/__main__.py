"""`make audit`: writes the bill of materials, and asks which parts are known to have holes.

    python -m audit [--tools FOLDER] [--offline] [--bill FILE]

Exit 0: nothing is known against any part. 1: something is. 2: nobody could be asked what is known today; what is kept
here (audit/advisories.json) knows of nothing. With `--offline` nobody is asked, and that is no fault.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from audit.advisories import NotAskedError, as_of, ask, kept_holes
from audit.bill import bill_of_materials, wrong_versions
from audit.parts import images, inside_packages, packages

SOUND, HOLED, UNKNOWN = 0, 1, 2


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m audit", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tools", type=Path, default=Path(".venv-audit"), help="an environment with pip-audit")
    parser.add_argument("--offline", action="store_true", help="ask nobody; exit 0 if what is kept here knows nothing")
    parser.add_argument("--bill", type=Path, default=Path("sbom.cdx.json"), help="where the bill of materials goes")
    options = parser.parse_args(arguments)
    options.bill.write_text(json.dumps(bill_of_materials(), indent=2) + "\n")
    python = packages()
    parts = [*python, *inside_packages(), *images()]
    _say(f"{options.bill}: {len(parts)} parts, CycloneDX 1.6")
    for sentence in wrong_versions(python):
        _say(f"not what was tested: {sentence}")
    holes, is_asked = kept_holes(parts), False
    if options.offline:
        _say(f"nobody was asked; advisories as of {as_of()}")
    else:
        try:
            known = {id_ for hole in holes for id_ in hole.ids}
            holes += [hole for hole in ask(options.tools, python) if not known.intersection(hole.ids)]
            is_asked = True
            _say("asked the advisory service of PyPI, and what is kept here for servers")
        except NotAskedError as error:
            _say(f"NOT ASKED what is known today: {error}; advisories as of {as_of()} are all there is")
    for hole in holes:
        _say(str(hole))
    if any(hole.accepted is None for hole in holes):
        return HOLED
    if not is_asked and not options.offline:
        _say("nothing is known of by then; run it again where there is a network, or with --offline")
        return UNKNOWN
    _say("nothing is known against any part" + (", but what is accepted" if holes else ""))
    return SOUND


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
