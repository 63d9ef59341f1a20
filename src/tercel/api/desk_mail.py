"""A report by mail: the server that is named, the message with a text and an HTML part, and its sending.

The password is that of `TERCEL_SMTP_PASSWORD` and stands nowhere else: in no address, no error, no journal.
"""

import re
import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from typing import Final
from urllib.parse import unquote, urlsplit

from tercel.api.desk_day_words import one_line
from tercel.core.errors import ConfigError, TercelError
from tercel.venues.listening import is_loopback

PASSWORD: Final = "TERCEL_SMTP_PASSWORD"
PORTS: Final = {"smtp": 25, "smtps": 465, "smtp+starttls": 587}
TIMEOUT_S: Final = 20.0
HOW: Final = "smtp://[USER@]HOST:PORT, smtps://... or smtp+starttls://..."
_ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")


class MailError(TercelError):
    """A mail that could not be sent."""


def checked(address: str) -> str:
    """A mail address as it is, refused where it could be more than one address.

    >>> checked("head@desk.example")
    'head@desk.example'

    Raises
    ------
    ConfigError
        For anything but NAME@HOST in plain letters: no line ends, lists, or names beside it.
    """
    if not _ADDRESS.fullmatch(address):
        raise ConfigError(
            "a mail address NAME@HOST", repr(address[:100]), "give one address to each option"
        )
    return address


@dataclass(frozen=True)
class MailServer:
    """An SMTP server as its address names it.

    >>> MailServer.of("smtps://ann@mail.example")
    MailServer(scheme='smtps', host='mail.example', port=465, user='ann')
    """

    scheme: str
    host: str
    port: int
    user: str = ""

    @classmethod
    def of(cls, address: str) -> "MailServer":
        """Read an address.

        Raises
        ------
        ConfigError
            For one that makes no sense, or that holds a password; what stands in it is not repeated then.
        """
        try:
            parts = urlsplit(address)
            port = parts.port
        except ValueError:
            raise ConfigError(
                f"a mail server {HOW}", "an address that does not read", "correct it"
            ) from None
        if parts.password is not None:
            raise ConfigError(
                f"a mail server {HOW}",
                "an address with a password",
                f"put the password into {PASSWORD}",
            )
        if (
            parts.scheme not in PORTS
            or not parts.hostname
            or parts.path.strip("/")
            or parts.query
            or parts.fragment
        ):
            raise ConfigError(f"a mail server {HOW}", repr(address[:100]), "correct it")
        return cls(
            parts.scheme, parts.hostname, port or PORTS[parts.scheme], unquote(parts.username or "")
        )

    @property
    def shown(self) -> str:
        """Its address for people."""
        return f"{self.scheme}://{self.host}:{self.port}"


def message(
    sender: str, to: Sequence[str], subject: str, text: str, html: str, wall_s: float
) -> EmailMessage:
    """A message with two parts that say the same.

    >>> message("a@b.example", ["c@d.example"], "The day\\nBcc: e@f.example", "t", "<p>t</p>", 0.0)["subject"]
    'The day Bcc: e@f.example'
    """
    made = EmailMessage(policy=SMTP)
    made["From"], made["To"] = checked(sender), ", ".join(map(checked, to))
    made["Subject"], made["Date"] = one_line(subject), formatdate(wall_s)
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(text)
    made.add_alternative(html, subtype="html")
    return made


def send(server: MailServer, mail: EmailMessage, password: str = "") -> None:
    """Send a mail.

    Raises
    ------
    ConfigError
        A user without a password, or a password that would leave this machine in the clear.
    MailError
        The server cannot be reached, is not who it says, or does not take the mail for everybody.
    """
    if server.user and not password:
        raise ConfigError(
            f"the password of {server.user} in {PASSWORD}", "none", "set it, or leave the user out"
        )
    if server.user and server.scheme == "smtp" and not is_loopback(server.host):
        raise ConfigError(
            "TLS for a password",
            f"a password for {server.shown}, which is not encrypted",
            "use smtps:// or smtp+starttls://",
        )
    try:
        refused = _sent(server, mail, password)
    except (
        smtplib.SMTPAuthenticationError
    ) as error:  # what the server says of it may repeat the password
        raise _failed(
            server, f"it does not take the password of {server.user} ({error.smtp_code})"
        ) from None
    except smtplib.SMTPRecipientsRefused as error:
        refused = error.recipients
    except (smtplib.SMTPException, OSError) as error:
        why = one_line(error) or type(error).__name__
        raise _failed(server, why.replace(password, "***") if password else why) from None
    if refused:
        said = "; ".join(
            f"{address}: {code} {_said(text)}" for address, (code, text) in refused.items()
        )
        raise _failed(server, f"refused for {one_line(said)}")


def _sent(server: MailServer, mail: EmailMessage, password: str) -> dict[str, tuple[int, bytes]]:
    context = None if server.scheme == "smtp" else ssl.create_default_context()
    if server.scheme == "smtps":
        link: smtplib.SMTP = smtplib.SMTP_SSL(
            server.host, server.port, timeout=TIMEOUT_S, context=context
        )
    else:
        link = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_S)
    with link:
        if server.scheme == "smtp+starttls":
            link.starttls(context=context)
        if server.user:
            link.login(server.user, password)
        return link.send_message(mail)


def _said(text: object) -> str:
    return text.decode(errors="replace") if isinstance(text, bytes) else str(text)


def _failed(server: MailServer, why: str) -> MailError:
    return MailError(
        f"{server.shown} to take the mail", why, "see to the server and send the report again"
    )
