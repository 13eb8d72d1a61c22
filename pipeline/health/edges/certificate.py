"""The certificate that the receiver shows by itself: is it there, does it fit its key, and how long is it good for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from cryptography import x509

from pipeline.health.checks import Check, failed, passed
from pipeline.settings.loading import Settings

WARN_DAYS = 14  # whoever renews by itself has done so by then
_NAME = "certificate"


def check_certificate(known: Settings) -> Iterator[Check]:
    """Nothing where a proxy speaks TLS."""
    told = known.receiver.tls
    if told is None:
        return
    path = known.config_path.absolute().parent / told.certificate
    remedy = "renew it and put it in place of the file: the receiver takes it over by itself"
    try:
        found = x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        yield failed(_NAME, f"{told.certificate} cannot be read ({error.strerror})", "correct receiver.tls.certificate")
        return
    except ValueError:
        yield failed(_NAME, f"{told.certificate} is no certificate in PEM", "correct receiver.tls.certificate")
        return
    days = (found.not_valid_after_utc - datetime.now(UTC)).days
    if days < 0:
        yield failed(_NAME, f"ended on {found.not_valid_after_utc:%Y-%m-%d}: senders refuse it", remedy)
    elif days < WARN_DAYS:
        yield failed(_NAME, f"ends on {found.not_valid_after_utc:%Y-%m-%d}", remedy)
    else:
        yield passed(_NAME, f"good until {found.not_valid_after_utc:%Y-%m-%d}; port {told.port}")
