"""`afluente source play`: the provider of a source, with what goes wrong at it, to rehearse with."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from pipeline.cli.terminal.output import example

PLAY = example(
    "afluente source play typeform --many 500 --lose 5 --double 5",
    "afluente source play meta_lead_ads --batch 10 --over 3600 --speed 600 --seed 7",
)


def play_provider(
    *,
    slug: Annotated[str, typer.Argument(help="Whose provider: a source that posts.")],
    many: Annotated[int, typer.Option("--many", min=1, max=10_000, help="How many leads it has.")] = 100,
    lose: Annotated[float, typer.Option("--lose", min=0, max=100, help="Percent of deliveries that are lost.")] = 0,
    double: Annotated[float, typer.Option("--double", min=0, max=100, help="Percent that are posted twice.")] = 0,
    batch: Annotated[
        int, typer.Option("--batch", min=1, max=1_000, help="Leads in one delivery, where the source has lists.")
    ] = 1,
    days: Annotated[
        float, typer.Option("--days", min=0.01, max=60, help="Days over which they came, up to two hours ago.")
    ] = 2,
    over: Annotated[float, typer.Option("--over", min=0, help="Seconds of its clock over which it posts.")] = 0,
    speed: Annotated[
        float,
        typer.Option("--speed", min=1, max=100_000, help="How much faster its clock runs: its retries wait by it."),
    ] = 60,
    limit: Annotated[float | None, typer.Option("--limit", min=0.1, help="Calls a second that its API takes.")] = None,
    expire: Annotated[
        int | None, typer.Option("--expire", min=1, help="Calls after which a token of its API has expired.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another one: other people, other dice.")] = 0,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Of its own API, loopback only; 0 takes a free one.")
    ] = 8082,
    url: Annotated[str | None, typer.Option("--url", help="Receiver. Default: the one that runs.")] = None,
    brand: Annotated[str | None, typer.Option("--brand", help="Brand to post to, if there are several.")] = None,
) -> None:
    """Play the provider of a source: post invented leads to a running receiver, in any order.

    Signed, after the handshakes that the source makes, and tried again as the provider does until it gives up. Prints
    the address of its API, then what it did as a line of JSON; `missing_ids` are those that never came. Its API holds
    all of them, for `sources.NAME.url` and `afluente source reconcile`, until Ctrl-C. Exit 1 if a handshake is refused.
    """
    from pipeline.authoring.rehearsal import provider_start

    start = provider_start(slug, brand=brand, address=url)
    told = {
        "source": start.source, "to": start.url, "port": port, "many": many, "days": days, "lose": lose,
        "double": double, "batch": batch, "over": over, "speed": speed, "limit": limit, "expire": expire, "seed": seed,
    }  # fmt: skip
    arguments = [part for name, value in told.items() if value is not None for part in (f"--{name}", str(value))]
    os.environ.update(start.secrets)
    sys.stdout.flush()
    # The provider takes this process's place, so signals and exit codes are its own.
    os.execv(sys.executable, [sys.executable, "-m", "connectors.sandbox.providers", *arguments])  # noqa: S606 - no shell
