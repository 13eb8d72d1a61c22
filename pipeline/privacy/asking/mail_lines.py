"""A connection to the mail server that ends when its time is up, whatever the server does: one that accepts and is
silent, or answers a letter a minute, holds up nobody."""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pipeline.settings.consent_settings import MailSettings
from pipeline.settings.loading import settings


class _EndsInTime(smtplib.SMTP):
    """`seconds`: of its whole life. `timeout` of the library is about each single read, which a slow server stretches
    without end."""

    def __init__(self, host: str, port: int, *, seconds: float, **more: Any) -> None:
        self._end = threading.Timer(seconds, self._cut)
        self._end.daemon = True
        self._end.start()
        try:
            super().__init__(host, port, timeout=seconds, **more)
        except BaseException:
            self._end.cancel()
            raise

    def _cut(self) -> None:
        open_now = self.sock
        if open_now is not None:
            with contextlib.suppress(OSError):  # whoever reads or writes at this moment hears that it is closed
                open_now.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._end.cancel()
        super().close()


class _EndsInTimeByTls(_EndsInTime, smtplib.SMTP_SSL):
    pass


@contextmanager
def mail_line(mail: MailSettings, *, seconds: float) -> Iterator[smtplib.SMTP]:
    """Ready for letters. Raises OSError or SMTPException, ConfigurationError where the password cannot be had."""
    context = ssl.create_default_context()
    if mail.security == "tls":
        opened: smtplib.SMTP = _EndsInTimeByTls(mail.host, mail.port, seconds=seconds, context=context)
    else:
        opened = _EndsInTime(mail.host, mail.port, seconds=seconds)
    with opened as line:
        if mail.security == "starttls":
            line.starttls(context=context)
        if mail.user:
            line.login(mail.user, settings().mail_password())
        yield line
