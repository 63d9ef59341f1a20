"""Delivery of alerts by e-mail: at most one mail in an interval, which lists all alerts since the last one.

A thread of its own sends, so that a slow server delays no trading, no kill, no log and no webhook.
"""

import logging
import ssl
import time
from collections import Counter
from concurrent.futures import Future
from contextlib import closing, suppress
from email.header import Header
from email.mime.text import MIMEText
from email.utils import formatdate, make_msgid
from functools import partial
from pathlib import Path
from smtplib import SMTP, SMTP_SSL, SMTPException, SMTPResponseException
from threading import Lock, Thread
from typing import Annotated, Final, Literal, Self, get_args

from pydantic import Field, model_validator

from tercel.core.errors import ConfigError, TercelError
from tercel.core.secrets import Secret, mask_secrets
from tercel.core.system import PeriodicThread
from tercel.core.validation import ASCII, EMAIL_ADDRESS, WORD, TomlTable
from tercel.desk.trading.alerts import POLL_INTERVAL_S

Level = Literal["info", "warning", "critical"]
TIMEOUT_S: Final = 8.0
"""For one answer of the server, and for the mails as the desk ends."""
MAIL_TIMEOUT_S: Final = 20.0
"""For a mail in all, from the look-up of the server's name on."""
MOST_LISTED: Final = 200
"""Alerts in a mail; of more, the latest of the code that has the most are counted only."""
MOST_LETTERS: Final = 500
"""Of an alert's text in a mail."""

_log = logging.getLogger("tercel.alerts")


Address = Annotated[str, Field(pattern=EMAIL_ADDRESS)]


class EmailSection(TomlTable):
    """Section [alerts.email]: an SMTP server, mailboxes, and the levels of the alerts that are sent to them."""

    server: str = Field(pattern=WORD)
    """Host, without scheme and port."""
    port: int = Field(default=587, ge=1, le=65_535)
    """As a rule 587 for `starttls`, 465 for `tls`."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """`none`: in clear, without a login. The server's certificate is always verified."""
    user: str = Field(default="", pattern=ASCII)
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

    def read_password(self, folder: Path) -> str:
        """The password from its place, "" without one; `folder` is that of a relative file.

        Raises
        ------
        ConfigError
            It is not there, others may read it, or it is not in ASCII.
        """
        name = "the password of [alerts.email]"
        password = "" if self.password is None else self.password.read(name, folder)
        if not password.isascii():
            raise ConfigError(f"{name} in ASCII", "other characters (not shown)", "change it")
        return password


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
        As `EmailSection.read_password`.
    """

    def __init__(self, section: EmailSection, desk: str, folder: Path = Path()) -> None:
        super().__init__("email-alerts", POLL_INTERVAL_S, self.send_pending)
        self._section = section
        self._desk = desk
        self._password = section.read_password(folder)
        self._lock = Lock()
        self._waiting: list[str] = []
        """Lines of the next mail: level, code and text of an alert each."""
        self._sending: list[str] = []
        """Lines of the mail on its way."""
        self._unlisted = 0
        """Alerts that the next mail only counts."""
        self._next_s = 0.0
        self._attempt = Thread()
        """Sends a mail; an attempt that takes too long is left to its end, and none begins before."""
        self._has_problem = False

    def add(self, level: str, text: str) -> None:
        """Let an alert be sent if its level is chosen; returns at once."""
        if level in self._section.levels:
            with self._lock:
                self._keep(_printable(f"{level} {text[:MOST_LETTERS]}"))

    def stop(self, within_s: float | None = TIMEOUT_S) -> None:
        """Let the thread send what waits, waiting at most `within_s` seconds; tell what is not sent by then."""
        super().stop(within_s)
        if self.is_alive():
            self._fail("no end of a mail as the desk ends")

    def run(self) -> None:
        """Send at intervals until :meth:`stop`, then once more."""
        super().run()
        self.send_pending()

    def send_pending(self) -> None:
        """Send one mail of all alerts that wait, if the interval is over or the thread is; a failure is kept and logged."""
        if not self._waiting or (time.monotonic() < self._next_s and not self.over):
            return
        with self._lock:
            self._sending, self._waiting = self._waiting, []
            unlisted = self._unlisted
        try:
            problem = self._send(self._compose(self._sending, unlisted))
            with self._lock:
                self._unlisted -= unlisted
        except (OSError, ValueError) as error:
            problem = str(error) or repr(error)
            with self._lock:
                later, self._waiting = self._waiting, self._sending
                for line in later:
                    self._keep(line)
        self._sending = []
        self._next_s = time.monotonic() + self._section.interval_s
        if problem:
            self._fail(problem)
        self._has_problem = bool(problem)

    def _keep(self, line: str) -> None:
        """Let a line wait; of too many, only count the latest of the level and code that have the most."""
        self._waiting.append(line)
        if len(self._waiting) > MOST_LISTED:
            codes = [tuple(line.split(" ", 2)[:2]) for line in self._waiting]
            counts = Counter(codes)
            most = max(reversed(counts), key=lambda code: (counts[code], -_rank(code[0])))
            del self._waiting[len(codes) - 1 - codes[::-1].index(most)]
            self._unlisted += 1

    def _fail(self, problem: str) -> None:
        """Log that alerts were not mailed; keep it as the failure if it is the first."""
        waiting = len(self._sending) + len(self._waiting) + self._unlisted
        failure = TercelError(
            f"alerts mailed to {', '.join(self._section.to)} by {self._section.server}:{self._section.port}",
            mask_secrets(problem, (self._password,) if self._password else ()),
            f"correct [alerts.email] or that server; {waiting} alerts wait",
        )
        _log.warning("%s", failure)
        if not self._has_problem:
            self.failure = failure

    def _send(self, mail: MIMEText) -> str:
        """Send a mail within `MAIL_TIMEOUT_S`, which a socket's timeout cannot see to: it begins anew at each byte, and does
        not count the look-up of the server's name. Returns which mailboxes the server refused, "" for none.

        Raises
        ------
        OSError, ValueError
            Nobody has got the mail: no connection, TLS or login, all mailboxes were refused, or no end of it in time.
        """
        if self._attempt.is_alive():
            raise TimeoutError("timed out: the server still holds the mail before")
        outcome = Future[str]()
        self._attempt = Thread(target=self._deliver, args=(mail, outcome), daemon=True)
        self._attempt.start()
        self._attempt.join(MAIL_TIMEOUT_S)
        if self._attempt.is_alive():
            raise TimeoutError(f"timed out: {MAIL_TIMEOUT_S:g} s for a mail")
        return outcome.result()

    def _deliver(self, mail: MIMEText, outcome: "Future[str]") -> None:
        """Hand a mail over to the server; the outcome is as `_send` says."""
        section = self._section
        # `create_default_context` verifies certificate and name; `starttls` raises where the server does not offer it.
        tls = ssl.create_default_context()
        client = partial(SMTP_SSL, context=tls) if section.security == "tls" else SMTP
        try:
            with closing(client(section.server, section.port, timeout=TIMEOUT_S)) as smtp:
                if section.security == "starttls":
                    smtp.starttls(context=tls)
                if section.user:
                    self._login(smtp)
                refused = smtp.send_message(mail)
                with suppress(OSError):  # the server has taken the mail
                    smtp.quit()
            outcome.set_result(f"refused mailboxes: {refused}" if refused else "")
        except Exception as error:  # which is raised where it is waited for
            outcome.set_exception(error)

    def _login(self, smtp: SMTP) -> None:
        """Log in; the error does not repeat the server's words, which may hold the password."""
        try:
            smtp.login(self._section.user, self._password)
        except SMTPException as error:
            code = error.smtp_code if isinstance(error, SMTPResponseException) else ""
            raise OSError(f"login: {type(error).__name__} {code}") from None

    def _compose(self, lines: list[str], unlisted: int) -> MIMEText:
        """The mail of these lines; its subject has the first of the highest level."""
        first = max(lines, key=lambda line: _rank(line.partition(" ")[0]))
        count = "" if len(lines) + unlisted == 1 else f"{len(lines) + unlisted} alerts, "
        # `Header` parses nothing, so no text can make it raise; no reader finds an encoded word in the broken `=?`.
        subject = _printable(f"[{self._desk}] {count}{first}")[:150].replace("=?", "= ?")
        more = [f"{unlisted} more alerts are not listed"] if unlisted else []
        mail = MIMEText("\n".join([*more, *lines]) + "\n", "plain", "utf-8")
        mail["Subject"] = Header(subject, "utf-8", header_name="Subject").encode()
        mail["From"] = self._section.sender
        mail["To"] = ", ".join(self._section.to)
        mail["Date"] = formatdate()
        # With a domain given, no look-up of this machine's name can block.
        mail["Message-ID"] = make_msgid(domain=self._section.sender.rpartition("@")[2])
        return mail


def _printable(text: str) -> str:
    """A text without control characters, line breaks and lone surrogates, which may come from a venue."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _rank(level: str) -> int:
    """The severity of a level, 0 for the least."""
    return get_args(Level).index(level)
