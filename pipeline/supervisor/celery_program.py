"""`celery -A pipeline.app …` as `afluente up` starts it: whatever else lies in the current folder is left alone.

Celery puts the current folder first on the import path while it looks for modules, unless the folder is on the path
already. There it comes last here, so that a `pipeline/` or a `redbeat.py` of another project is not taken for ours.
"""

from __future__ import annotations

import os
import sys

from celery.__main__ import main

if __name__ == "__main__":
    sys.path.append(os.getcwd())  # noqa: PTH109 - the very text that Celery compares
    main()
