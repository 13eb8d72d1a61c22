"""Mails that ask for a confirmation: taken with a lease, sent over one line to the mail server, tried again until the
link expires. A mail holds the question and the link, and nothing else of anybody.
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from sqlalchemy import Connection

from pipeline.crypto.encryption import open_evidence
from pipeline.errors import ConfigurationError
from pipeline.identity.evidence_cache import unpack
from pipeline.logs import get_logger
from pipeline.privacy.asking.consent_links import CONFIRM, address_of, confirmation_token
from pipeline.privacy.asking.consent_words import WORDS, language_of, question_words
from pipeline.settings.consent_settings import MailSettings
from pipeline.settings.loading import settings
from pipeline.store.confirmations import confirmations
from pipeline.store.confirmations.confirmations import Confirmation, Tick
from pipeline.store.engine import transaction
from pipeline.store.people.people import read_people
from pipeline.values.emails.matching import match_form

_AT_ONCE = 50
_SECONDS = 20.0  # for each answer of the mail server
_log = get_logger(__name__)


def send_confirmations() -> int:
    """Send what is due; gives how many mails the server took. Nothing where no mail server is set."""
    mail = settings().consent.mail
    if mail is None:
        return 0
    with transaction() as connection:
        due = confirmations.take_due(connection, limit=_AT_ONCE)
        letters = [(found, _letter(connection, found, mail)) for found in due]
    sent = 0
    for confirmation, letter in letters:
        error = "no_address" if letter is None else None
        if letter is not None:
            error = _send(mail, letter)
            sent += error is None
        with transaction() as connection:
            confirmations.note_asked(connection, confirmation.confirmation_id, error)
    if len(letters) > sent:
        _log.warning("confirmations_not_sent", count=len(letters) - sent)
    return sent


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


def _send(mail: MailSettings, letter: EmailMessage) -> str | None:
    """None: the server took it; else the code of what it said, which holds no address."""
    try:
        with _line(mail) as line:
            line.send_message(letter)
    except smtplib.SMTPResponseException as error:
        return f"smtp_{error.smtp_code}"
    except smtplib.SMTPRecipientsRefused as error:
        return f"refused_{next(iter(error.recipients.values()))[0]}"
    except (smtplib.SMTPException, OSError) as error:
        return type(error).__name__
    except ConfigurationError:
        return "password_missing"
    return None


@contextmanager
def _line(mail: MailSettings) -> Iterator[smtplib.SMTP]:
    context = ssl.create_default_context()
    if mail.security == "tls":
        opened: smtplib.SMTP = smtplib.SMTP_SSL(mail.host, mail.port, timeout=_SECONDS, context=context)
    else:
        opened = smtplib.SMTP(mail.host, mail.port, timeout=_SECONDS)
    with opened as line:
        if mail.security == "starttls":
            line.starttls(context=context)
        if mail.user:
            line.login(mail.user, settings().mail_password())
        yield line
