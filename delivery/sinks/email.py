"""A digest by e-mail: plain text, over TLS."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

from delivery.answer import Failed, Refused, reason
from delivery.deadline import within
from delivery.secret import needed, tls
from delivery.sinks.sink import Sink
from delivery.words import by_rule_and_agent, count, highest, line
from schemas.secret import secret_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from delivery.message import Message
    from schemas.delivery_settings import EmailSink

# Of so many findings the explanation is told; of the others the title and the id.
EXPLAINED = 20


class Email(Sink):
    """Sends all that is due as one digest."""

    most = 200

    def __init__(self, name: str, settings: EmailSink, now: Callable[[], datetime]) -> None:
        """Read the password and the certificates. Raises SettingsError; it does not connect yet."""
        key = f"delivery.sinks.{name}"
        self._settings, self._now = settings, now
        self._tls = tls(settings.ca_file, key)
        self._password: str | None = None
        if settings.username is not None:
            self._password = needed(
                secret_of(settings.password, settings.password_file, f"{key}.password"), f"{key}.password"
            )
        self.per_minute = settings.per_minute

    def send(self, message: Message) -> None:
        """Send the digest to all recipients."""
        mail = self.mail(message)
        told = f"{self._settings.host}:{self._settings.port}"
        try:
            refused = self._send(mail)
        except smtplib.SMTPRecipientsRefused as error:
            refused = error.recipients
        except (
            smtplib.SMTPResponseException
        ) as error:  # a login that is refused may be mended, so it is tried again
            if error.smtp_code >= 500 and not isinstance(error, smtplib.SMTPAuthenticationError):
                raise Refused(f"{told} answered {error.smtp_code}") from error
            raise Failed(f"{told} answered {error.smtp_code}") from error
        except ssl.SSLCertVerificationError as error:
            raise Failed(
                f"{told} shows a certificate that is not trusted ({error.verify_message}): check ca_file"
            ) from error
        except smtplib.SMTPNotSupportedError as error:
            raise Failed(f"{told} lacks STARTTLS, a login or UTF-8: check port and tls") from error
        except (OSError, smtplib.SMTPException, ValueError) as error:
            raise Failed(f"{told} did not take it ({reason(error)})") from error
        if refused:
            codes = [code for code, _ in refused.values()]
            what = f"{told} refused {len(codes)} of {len(self._settings.recipients)} recipients ({codes[0]})"
            raise Refused(what) if min(codes) >= 500 else Failed(what)

    def mail(self, message: Message) -> EmailMessage:
        """The digest. No word of a log is in a header."""
        states = message.states
        mail = EmailMessage(policy=SMTP)
        mail["From"], mail["To"] = self._settings.sender, ", ".join(self._settings.recipients)
        mail["Subject"] = f"Counterfoil: {count(states)}, highest level {highest(states)}"
        mail["Date"] = format_datetime(self._now())
        mail["Message-ID"] = f"<{message.id}@{self._settings.sender.rpartition('@')[2]}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(text(message), cte="quoted-printable")
        return mail

    def _send(self, mail: EmailMessage) -> dict[str, tuple[int, bytes]]:
        settings, seconds = self._settings, self._settings.timeout.total_seconds()
        client: Any = (
            smtplib.SMTP_SSL(timeout=seconds, context=self._tls)
            if settings.tls == "tls"
            else smtplib.SMTP(timeout=seconds)
        )

        with within(3 * seconds, lambda: client.sock):
            try:
                # Both look at this name when they check the certificate.
                client._host = settings.host  # noqa: SLF001 - connect() does not set it
                client.connect(settings.host, settings.port)
                if settings.tls == "starttls":
                    client.starttls(context=self._tls)
                if settings.username is not None and self._password is not None:
                    client.login(settings.username, self._password)
                refused: dict[str, tuple[int, bytes]] = client.send_message(
                    mail, settings.sender, settings.recipients
                )
            except BaseException:
                client.close()
                raise
            try:
                client.quit()
            except (OSError, smtplib.SMTPException):
                client.close()  # it has taken the mail; how it says good-bye does not matter
        return refused


def text(message: Message) -> str:
    """The digest in plain text, by rule and agent."""
    states = message.states
    lines = [f"{count(states)}, highest level {highest(states)}."]
    if message.limited:
        lines.append("They came faster than the rate limit allows, so they are in one message.")
    explained = EXPLAINED
    for (rule, name, agent), group in by_rule_and_agent(states).items():
        lines += ["", f"Rule {rule} {line(name)}, agent {line(agent or 'unnamed')}: {count(group)}", ""]
        for state in group:
            lines.append(f"- [{state['level']}, {state['status']}] {line(state['title'])}")
            lines.append(f"  finding {state['finding_id']}, revision {state['revision']}")
            if explained > 0:
                lines.append(f"  {line(state['explanation'], 2000)}")
            explained -= 1
    return "\n".join(lines) + "\n"
