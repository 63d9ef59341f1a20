"""Delivery of alerts by e-mail: at most one mail in an interval, which lists all alerts since the last one.

A thread of its own sends, so that a slow server delays no trading, no kill, no log and no webhook.
"""

import logging
import ssl
import time
from collections import deque
from contextlib import closing, suppress
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from queue import SimpleQueue
from re import fullmatch
from smtplib import SMTP, SMTP_SSL
from typing import Annotated, Final, Literal, Self, get_args

from pydantic import AfterValidator, Field, model_validator

from tercel.core.errors import ConfigError, TercelError
from tercel.core.secrets import Secret, mask_secrets
from tercel.core.system import PeriodicThread
from tercel.core.validation import TomlTable
from tercel.desk.trading.alerts import POLL_INTERVAL_S

Level = Literal["info", "warning", "critical"]
TIMEOUT_S: Final = 8.0
"""For one answer of the server, and for a mail on its way as the desk ends."""
MOST_LISTED: Final = 200
"""Alerts in a mail: the latest."""

_log = logging.getLogger("tercel.alerts")


def _check_address(text: str) -> str:
    """The text unchanged; ValueError if it is no e-mail address in ASCII."""
    if not fullmatch(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9.-]+", text):
        raise ValueError("an e-mail address such as ann@example.com")
    return text


Address = Annotated[str, AfterValidator(_check_address)]


class EmailSection(TomlTable):
    """Section [alerts.email]: an SMTP server, mailboxes, and the levels of the alerts that are sent to them."""

    server: str = Field(pattern=r"^[A-Za-z0-9._-]+$")
    """Host, without scheme and port."""
    port: int = Field(default=587, ge=1, le=65_535)
    """As a rule 587 for `starttls`, 465 for `tls`."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """`none`: in clear, without a login. The server's certificate is always verified."""
    user: str = Field(default="", pattern=r"^[ -~]*$")
    password: Secret | None = None
    sender: Address
    to: tuple[Address, ...] = Field(min_length=1, max_length=20)
    levels: tuple[Level, ...] = Field(default=("critical",), min_length=1)
    """Any of info, warning, critical."""
    interval_s: float = Field(default=60.0, ge=1, le=86_400)
    """At most one mail in so many seconds, which lists all alerts since the last one."""

    @model_validator(mode="after")
    def _check_login(self) -> Self:
        """Return the section; refuse a user without a password, a password without a user, and either in clear."""
        if bool(self.user) != (self.password is not None) or (
            self.user and self.security == "none"
        ):
            raise ValueError(
                'user and password together, with security = "starttls" or "tls"; or neither'
            )
        return self


class AlertMailer(PeriodicThread):
    """Sends alerts of the chosen levels by e-mail, from a thread: the first at once, later ones together.

    Alerts that could not be sent wait, at most `MOST_LISTED`, and are tried again after each interval.

    Parameters
    ----------
    section : EmailSection
    desk : str
        Name of the desk, for the subject.
    folder : Path
        Folder of a relative file of the password.

    Raises
    ------
    ConfigError
        The password is not there, others may read it, or it is not in ASCII.
    """

    def __init__(self, section: EmailSection, desk: str, folder: Path = Path()) -> None:
        super().__init__("email-alerts", POLL_INTERVAL_S, self.send_pending)
        self._section = section
        self._desk = desk
        name = "the password of [alerts.email]"
        self._password = "" if section.password is None else section.password.read(name, folder)
        if not self._password.isascii():
            raise ConfigError(f"{name} in ASCII", "other characters (not shown)", "change it")
        self._added: SimpleQueue[str] = SimpleQueue()
        self._waiting: deque[str] = deque(maxlen=MOST_LISTED)
        """Lines of the next mail: level and text of an alert each. The sending thread's alone."""
        self._next_s = 0.0
        self._has_problem = False
        self.failure: TercelError | None = None
        """First failure after a mail that reached everybody; the session journals it and sets None. The thread keeps trying."""

    def add(self, level: str, text: str) -> None:
        """Let an alert be sent if its level is chosen; returns at once."""
        if level in self._section.levels:
            # Texts may come from a venue: no control character, line break or lone surrogate may reach a header or the server.
            self._added.put(
                "".join(letter if letter.isprintable() else " " for letter in f"{level} {text}")
            )

    def stop(self, within_s: float | None = TIMEOUT_S) -> None:
        """Stop the thread, waiting for a mail on its way, and send what waits unless that mail still is."""
        super().stop(within_s)
        if not self.is_alive():
            self.send_pending()

    def send_pending(self) -> None:
        """Send one mail of all alerts that wait, if the interval is over or the thread is; a failure is kept and logged."""
        while not self._added.empty():
            self._waiting.append(self._added.get())
        if not self._waiting or (time.monotonic() < self._next_s and not self.over):
            return
        try:
            problem = self._send()
            self._waiting.clear()
        except (OSError, ValueError) as error:
            problem = str(error) or repr(error)
        self._next_s = time.monotonic() + self._section.interval_s
        if problem:
            failure = TercelError(
                f"alerts mailed to {', '.join(self._section.to)} by {self._section.server}:{self._section.port}",
                mask_secrets(problem, (self._password,) if self._password else ()),
                f"correct [alerts.email] or that server; {len(self._waiting)} alerts wait",
            )
            _log.warning("%s", failure)
            if not self._has_problem:
                self.failure = failure
        self._has_problem = bool(problem)

    def _send(self) -> str:
        """Send the mail of what waits; returns which mailboxes the server refused, "" for none.

        Raises
        ------
        OSError, ValueError
            Nobody has got the mail: no connection, TLS or login, or all mailboxes were refused.
        """
        section = self._section
        # `create_default_context` verifies certificate and name; `starttls` raises where the server does not offer it.
        tls = ssl.create_default_context()
        with closing(
            SMTP_SSL(section.server, section.port, timeout=TIMEOUT_S, context=tls)
            if section.security == "tls"
            else SMTP(section.server, section.port, timeout=TIMEOUT_S)
        ) as smtp:
            if section.security == "starttls":
                smtp.starttls(context=tls)
            if section.user:
                smtp.login(section.user, self._password)
            refused = smtp.send_message(self._compose())
            with suppress(OSError):  # the server has taken the mail
                smtp.quit()
        return f"refused mailboxes: {refused}" if refused else ""

    def _compose(self) -> EmailMessage:
        """The mail of all alerts that wait; its subject has the first of the highest level."""
        first = max(self._waiting, key=lambda line: get_args(Level).index(line.partition(" ")[0]))
        count = "" if len(self._waiting) == 1 else f"{len(self._waiting)} alerts, "
        headers = {
            "Subject": f"[{self._desk}] {count}{first}"[:150],
            "From": self._section.sender,
            "To": ", ".join(self._section.to),
            "Date": formatdate(),
            # With a domain given, no look-up of this machine's name can block.
            "Message-ID": make_msgid(domain=self._section.sender.rpartition("@")[2]),
        }
        message = EmailMessage()
        for name, value in headers.items():
            message[name] = value
        message.set_content("\n".join(self._waiting) + "\n")
        return message
