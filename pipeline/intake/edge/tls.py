"""TLS by the receiver itself, for whoever has no proxy. A certificate that was renewed counts without a restart."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

from pipeline.errors import ConfigurationError
from pipeline.logs import get_logger
from pipeline.settings.loading import Settings

LOOK_SECONDS = 30.0  # after this long a renewed certificate is shown to whoever connects
_log = get_logger(__name__)

Stamp = tuple[tuple[int, int, int], ...]


class ReceiverTls:
    """A certificate with its chain and its key, both files in PEM, and the port where it is shown. `host` None: on
    every address of this machine."""

    def __init__(self, certificate: Path, key: Path, *, host: str | None = None, port: int = 0) -> None:
        """Raises ConfigurationError for files that cannot be used."""
        self._certificate, self._key = certificate, key
        self.host, self.port = host, port
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        self._stamp = self._read_stamp()
        self._load(self.context)

    async def keep_current(self) -> None:
        """Look for a renewed certificate until cancelled. One that cannot be used is said, and the old one goes on."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await asyncio.to_thread(self.look)

    def look(self) -> bool:
        """Take the files over if they have changed. Whether they were."""
        try:
            stamp = self._read_stamp()
            if stamp == self._stamp:
                return False
            self._load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))  # key and certificate are written one after the other
            self._load(self.context)
        except ConfigurationError as error:
            _log.error("certificate_not_renewed", remedy=str(error))
            return False
        self._stamp = stamp
        _log.info("certificate_renewed")
        return True

    def _load(self, context: ssl.SSLContext) -> None:
        try:
            context.load_cert_chain(self._certificate, self._key, password=_no_passphrase)
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"receiver.tls: {self._certificate} and {self._key} are no certificate and key in PEM that belong"
                f" together, without a passphrase ({type(error).__name__})"
            ) from None

    def _read_stamp(self) -> Stamp:
        try:
            seen = [path.stat() for path in (self._certificate, self._key)]
        except OSError as error:
            raise ConfigurationError(f"receiver.tls: {error.filename} cannot be read ({error.strerror})") from None
        return tuple((entry.st_mtime_ns, entry.st_size, entry.st_ino) for entry in seen)


def tls_of(known: Settings) -> ReceiverTls | None:
    """As the settings say. Raises ConfigurationError."""
    told = known.receiver.tls
    if told is None:
        return None
    folder = known.config_path.absolute().parent
    return ReceiverTls(folder / told.certificate, folder / told.key, host=told.host, port=told.port)


def _no_passphrase() -> str:
    """Or OpenSSL would ask for one at the terminal."""
    return ""
