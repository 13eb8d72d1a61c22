"""dlt's own documented way from a CSV file to PostgreSQL, for scale: `python -m benchmarks.plain_dlt FILE URL`."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def main(path: str, url: str) -> None:
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    import dlt

    @dlt.resource(name="plain_leads", write_disposition="replace")
    def leads() -> Iterator[list[dict[str, Any]]]:
        with Path(path).open(newline="", encoding="utf-8") as file:
            page: list[dict[str, Any]] = []
            for row in csv.DictReader(file):
                page.append(row)
                if len(page) == 1000:
                    yield page
                    page = []
            yield page

    pipeline = dlt.pipeline(
        pipeline_name="plain_csv",
        destination=dlt.destinations.postgres(url),
        dataset_name="plain",
        pipelines_dir=path + ".dlt",
    )
    pipeline.run(leads())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
