"""A team's database, for the tests of the kind `sql`.

`target`  one without a table. `writer`: a writer to its table, which is made.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.target_database import Target


@pytest.fixture
def target(empty_database) -> Target:
    return Target(empty_database)


@pytest.fixture
def writer(target: Target) -> Iterator[Any]:
    target.make_table()
    opened = target.writer()
    yield opened
    opened.close()
