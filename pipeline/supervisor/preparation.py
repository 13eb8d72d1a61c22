"""What must hold before the programs of `afluente up` start: secrets to make, a broker, the schema, a free schedule."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from pipeline.errors import ConfigurationError, TransientError
from pipeline.settings.installation import socket_folder
from pipeline.settings.loading import Settings


def migrate_database(url: str) -> bool:
    """Bring the database to this version's schema. False if `afluente migrate` still has to bring people over, or to do
    again what the ledger says: it is a restored backup.

    Raises ConfigurationError if it does not answer, or if the ledger is not what was written.
    """
    from pipeline.identity.matching.evidence import KEYS_VERSION
    from pipeline.privacy.ledger import unknown_lines
    from pipeline.store.engine import make_engine, transaction
    from pipeline.store.identity.upgrades import is_finished
    from pipeline.store.schema import migrate

    engine = make_engine(url)
    try:
        migrate(engine)
        with transaction(on=engine) as connection:
            return is_finished(connection, KEYS_VERSION) and not unknown_lines(connection)
    except TransientError as error:
        raise ConfigurationError(
            f"{error}. AFLUENTE_DATABASE_URL must name a PostgreSQL that answers; `afluente doctor` tells more"
        ) from error
    finally:
        engine.dispose()


def find_lacking(url: str) -> list[str]:
    """Which destinations lack people who came before they were ones, as sentences; none if it takes long to know."""
    from pipeline.recompute.deliveries import lacking_now
    from pipeline.store.engine import make_engine, transaction

    engine = make_engine(url)
    try:
        return lacking_now(partial(transaction, on=engine))
    finally:
        engine.dispose()


def refuse_unknown_kinds(settings: Settings) -> None:
    """Raises ConfigurationError if a destination in use is of a kind that there is not, or has a window that is not
    complete: nothing could be sent."""
    from pipeline.delivery.accounts import quota_of

    for name, destination in sorted(settings.destinations.items()):
        if destination.enabled:
            quota_of(name, settings)


def signing_sources(settings: Settings) -> list[str]:
    """Sources, under every name they are set up, whose requests are signed: an embedded installation needs a secret for
    each."""
    from connectors.kit.sources.declarations import Webhook
    from pipeline.settings.set_up_sources import set_up_sources

    connectors = set_up_sources(settings)
    return [
        name
        for name, connector in sorted(connectors.items())
        if isinstance(connector.intake, Webhook) and connector.intake.signature is not None
    ]


def ask_broker(url: str) -> None:
    """A Redis that answers is needed to start; later it may go and come back. Raises ConfigurationError."""
    import redis

    if not url.startswith(("redis://", "rediss://")):
        return  # sentinel: kombu alone understands its addresses
    try:
        with redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5) as client:
            client.ping()
    except (redis.RedisError, OSError) as error:
        raise ConfigurationError(
            f"the broker does not answer ({type(error).__name__}). AFLUENTE_BROKER_URL must name a Redis that does;"
            " `afluente doctor` tells more"
        ) from error


def forget_former_beat(data: Path) -> None:
    """Drop the schedule's lock of a beat that was killed: nobody else runs on this folder, and the new one need not
    wait for it to run out. Raises ConfigurationError if the embedded Redis does not answer (yet)."""
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    from pipeline.app import app

    client = redis.Redis(
        unix_socket_path=str(socket_folder(data) / "redis.sock"),
        socket_timeout=5,
        socket_connect_timeout=5,
        retry=Retry(NoBackoff(), 0),  # who calls comes back by itself, and has more to do than to wait
    )
    try:
        with client:
            client.delete(app.conf.redbeat_key_prefix + ":lock")
    except redis.RedisError as error:
        raise ConfigurationError(
            f"the embedded Redis does not answer ({type(error).__name__}): beat is started once it does"
        ) from error
