"""`python -m connectors.sandbox.providers --source SOURCE --to URL`: a provider that posts leads and lists them.

Secrets are read from the variables that the connector declares. It prints `ready ADDRESS`, then what it did as a line
of JSON, and serves what it holds until Ctrl-C or SIGTERM.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from connectors.kit.errors import AfluenteError, ConfigurationError
from connectors.kit.registry import sources
from connectors.kit.sources.declarations import Webhook
from connectors.kit.sources.handshakes import secrets_of_webhook
from connectors.sandbox.providers.greeting import greet
from connectors.sandbox.providers.holding import hold
from connectors.sandbox.providers.invented import Inventor
from connectors.sandbox.providers.posting import Address, Dice, Played, Sender
from connectors.sandbox.providers.provider import Provider
from connectors.sandbox.providers.retries import Retries, retries_of
from connectors.sandbox.providers.server import ProviderServer


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 when stopped, 1 where the receiver does not answer as it must, 2 where an argument is wrong."""
    options = _parser().parse_args(arguments)
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    try:
        webhook, secrets = _webhook(options.source)
        inventor = Inventor(sources()[options.source], seed=options.seed)
        leads = [inventor.lead(number, at) for number, at in enumerate(_times(options), 1)]
        provider = Provider(options.source, per_second=options.limit, life=options.expire)
        hold(provider, inventor, leads, listed=[])  # lists are behind: whoever asks meanwhile finds none of them lost
        with ProviderServer(provider, port=options.port) as server:
            print(f"ready {server.address}", flush=True)
            greet(webhook, options.to, secrets)
            address = Address(options.to, webhook, secrets)
            retries = retries_of(options.source)
            sender = Sender(inventor, address, retries, speed=options.speed, is_over=done.is_set)
            played = sender.play(leads, _dice(options))
            hold(provider, inventor, leads, page_size=options.page_size)
            print(orjson.dumps(_told(played, retries)).decode(), flush=True)
            done.wait()
    except (ConfigurationError, OSError) as error:
        print(f"provider: {error}", file=sys.stderr)
        return 2
    except AfluenteError as error:
        print(f"provider: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m connectors.sandbox.providers",
        description="A provider that posts invented leads and lists them. What it does wrong: docs/connectors.md.",
    )
    parser.add_argument("--source", required=True, help="whose connector declares it")
    parser.add_argument("--to", required=True, help="address to post to: http://127.0.0.1:8080/in/default/SOURCE")
    parser.add_argument("--port", type=int, default=0, help="of its own API; 0 takes a free one")
    parser.add_argument("--many", type=int, default=100, help="leads")
    parser.add_argument("--days", type=float, default=2.0, help="over which they came, up to two hours ago")
    parser.add_argument("--lose", type=float, default=0.0, help="percent of deliveries")
    parser.add_argument("--double", type=float, default=0.0, help="percent of deliveries")
    parser.add_argument("--batch", type=int, default=1, help="leads in one delivery, where the source has lists")
    parser.add_argument("--over", type=float, default=0.0, help="seconds of its clock in which it posts")
    parser.add_argument("--speed", type=float, default=60.0, help="seconds of its clock in one of ours")
    parser.add_argument("--limit", type=float, help="calls a second that its API takes")
    parser.add_argument("--expire", type=int, help="calls after which a token of its API has expired")
    parser.add_argument("--page-size", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="another one: other people, other dice")
    return parser


def _webhook(source: str) -> tuple[Webhook, Mapping[str, str]]:
    """Raises ConfigurationError."""
    connector = sources().get(source)
    if connector is None or not isinstance(connector.intake, Webhook):
        raise ConfigurationError(f"{source} is no source that posts")
    declared = secrets_of_webhook(connector.intake)
    missing = [secret.name for secret in declared if not os.environ.get(secret.name)]
    if missing:
        raise ConfigurationError(f"set {', '.join(missing)}: {source} signs with it")
    return connector.intake, {secret.name: os.environ[secret.name] for secret in declared}


def _times(options: argparse.Namespace) -> list[datetime]:
    """Evenly over its days, up to a time that lists know of."""
    end = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
    step = timedelta(days=options.days) / max(options.many, 1)
    return [end - step * place for place in reversed(range(options.many))]


def _dice(options: argparse.Namespace) -> Dice:
    return Dice(
        lose=options.lose / 100,
        double=options.double / 100,
        batch=options.batch,
        over_seconds=options.over,
        seed=options.seed,
    )


def _told(played: Played, retries: Retries) -> dict[str, Any]:
    return {
        "leads": played.leads,
        "deliveries": played.deliveries,
        "posts": played.posts,
        "retries": played.retries,
        "lost": len(played.lost),
        "doubled": len(played.doubled),
        "given_up": len(played.given_up),
        "unsent": len(played.unsent),
        "switched_off_by": played.switched_off_by,
        "answers": {str(status) if status else "none": count for status, count in sorted(played.answers.items())},
        "tries_for_hours": round(retries.hours, 1),
        "schedule_is_published": retries.is_published,
        "missing": len(played.missing),
        "missing_ids": sorted(played.missing),
    }


if __name__ == "__main__":
    sys.exit(main())
