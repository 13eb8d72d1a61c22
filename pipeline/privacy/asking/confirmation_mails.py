"""Mails that ask for a confirmation: taken with a lease, sent within a bounded time, tried again until the link is no
longer good. A mail holds the question and the link, and nothing else of anybody.
"""

from __future__ import annotations

import smtplib
import time
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import NamedTuple

from sqlalchemy import Connection

from pipeline.crypto.encryption import open_evidence
from pipeline.errors import ConfigurationError, TransientError, place_of
from pipeline.identity.evidence_cache import unpack
from pipeline.logs import get_logger
from pipeline.privacy.asking.consent_links import CONFIRM, address_of, confirmation_token
from pipeline.privacy.asking.consent_words import WORDS, language_of, question_words
from pipeline.privacy.asking.mail_lines import mail_line
from pipeline.settings.consent_settings import MailSettings
from pipeline.settings.loading import settings
from pipeline.store.confirmations import confirmations
from pipeline.store.confirmations.confirmations import Confirmation, Tick
from pipeline.store.engine import transaction
from pipeline.store.people.people import read_people
from pipeline.values.emails.matching import match_form

_log = get_logger(__name__)


def send_confirmations(*, budget_seconds: float = 40.0, line_seconds: float = 15.0) -> int:
    """Send what is due for about so long, a mail by a connection of its own for at most `line_seconds`; gives how many
    mails the server took. Nothing where no mail server is set. A server that is away, silent or refuses us ends it:
    the others are due still, and one of them is tried the next time.
    """
    mail = settings().consent.mail
    ends_at = time.monotonic() + budget_seconds
    sent = failed = 0
    while mail is not None and time.monotonic() < ends_at:
        with transaction() as connection:
            due = confirmations.take_due(connection, limit=1)
        if not due:
            break
        outcome = _ask(due[0], mail, min(line_seconds, max(1.0, ends_at - time.monotonic())))
        with transaction() as connection:
            confirmations.note_asked(connection, due[0].confirmation_id, outcome.error)
        sent += outcome.error is None
        failed += outcome.error is not None
        if outcome.is_of_server:
            break
    if failed:
        _log.warning("confirmations_not_sent", count=failed)
    return sent


class _Outcome(NamedTuple):
    """`error` None: the server took it; else a code that holds no address. `is_of_server`: the next mail would fare no
    better."""

    error: str | None = None
    is_of_server: bool = False


def _ask(confirmation: Confirmation, mail: MailSettings, seconds: float) -> _Outcome:
    try:
        with transaction(synchronous=False) as connection:
            letter = _letter(connection, confirmation, mail)
    except TransientError:
        raise
    except Exception as error:  # noqa: BLE001 - one that cannot be written must not stand before the others for days
        _log.error("confirmation_unwritten", confirmation=str(confirmation.confirmation_id), place=place_of(error))
        return _Outcome("unwritten")
    return _Outcome("no_address") if letter is None else _send(mail, letter, seconds)


def _letter(connection: Connection, confirmation: Confirmation, mail: MailSettings) -> EmailMessage | None:
    """None: the tick came without an e-mail, or its person was erased."""
    tick = confirmations.read_tick(connection, confirmation)
    email = None if tick is None else _address_of(connection, tick)
    if tick is None or email is None:
        return None
    language = language_of(tick.facts.get("language"), _language_of(connection, tick))  # type: ignore[arg-type]
    question = question_words((confirmation.purpose, confirmation.channel), language, settings().consent.questions)
    link = address_of(CONFIRM, confirmation_token(confirmation.confirmation_id), lang=language)
    letter = EmailMessage()
    letter["From"], letter["To"] = mail.sender, email
    letter["Subject"] = WORDS[language]["mail_subject"].format(question=question)
    letter["Date"], letter["Message-ID"] = formatdate(), make_msgid(domain=mail.sender.rpartition("@")[2].strip("<> "))
    letter["Auto-Submitted"] = "auto-generated"
    letter.set_content(WORDS[language]["mail_body"].format(question=question, link=link))
    return letter


def _address_of(connection: Connection, tick: Tick) -> str | None:
    """The e-mail that the tick came with, as its person writes it where that is known."""
    if tick.sealed is None or tick.evidence_id is None:
        return None
    email = unpack(open_evidence(tick.sealed, tick.evidence_id)).email
    values = _values(connection, tick)
    others = values.get("other_emails")
    written = [values.get("email"), *(others if isinstance(others, list) else ())]
    return next((text for text in written if isinstance(text, str) and match_form(text) == email), email)


def _language_of(connection: Connection, tick: Tick) -> str | None:
    language = _values(connection, tick).get("language")
    return language if isinstance(language, str) else None


def _values(connection: Connection, tick: Tick) -> dict[str, object]:
    person = read_people(connection, [tick.person_id], lock=False).get(tick.person_id)
    return {} if person is None else person.profile.values()


def _send(mail: MailSettings, letter: EmailMessage, seconds: float) -> _Outcome:
    try:
        with mail_line(mail, seconds=seconds) as line:
            line.send_message(letter)
    except (smtplib.SMTPDataError, smtplib.SMTPSenderRefused) as error:
        return _Outcome(f"smtp_{error.smtp_code}")
    except smtplib.SMTPRecipientsRefused as error:
        return _Outcome(f"refused_{next(iter(error.recipients.values()))[0]}")
    except smtplib.SMTPResponseException as error:
        return _Outcome(f"smtp_{error.smtp_code}", is_of_server=True)
    except (smtplib.SMTPException, OSError) as error:
        return _Outcome(type(error).__name__, is_of_server=True)
    except ConfigurationError:
        return _Outcome("password_missing", is_of_server=True)
    return _Outcome()
