"""Alerts reach mailboxes through a real SMTP server, all of them, in few mails, and never in the way of trading."""

import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from smtplib import SMTP, SMTPAuthenticationError
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope
from tests.desk.console.test_hanging import said
from tests.desk.trading.desk_of_two import S, asked, bodies, exchange_of, session_of
from tests.fix.certificates import authority, certificate
from tests.waiting import DEADLINE_S, until

from tercel.api.desk.desk import open_desk
from tercel.cli.operator import kill
from tercel.core.errors import ConfigError
from tercel.core.ports import Entry
from tercel.desk.trading import email_alerts
from tercel.desk.trading.alerts import AlertSender
from tercel.desk.trading.email_alerts import MOST_LETTERS, MOST_LISTED, AlertMailer, EmailSection
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.risk.kill_switch import KillLatch

SMALL: dict[str, Any] = {
    "desk.warmup_s": 60, "risk.posture": "off", "signals.model": "off", "instrument": [{"name": "X"}],
    "agent": [{"name": "ann", "strategy": "twap_take"}],
}  # fmt: skip
WORD = "correct-horse-7"
CLOSED_PORT = 1


class MailServer(Controller):
    """An SMTP server in this process, on a free port, that keeps the mails it has taken."""

    def __init__(self, refuses: str = "", **options: Any) -> None:
        super().__init__(self, hostname="127.0.0.1", port=0, server_hostname="localhost", **options)
        self.refuses = refuses
        self.mails: list[EmailMessage] = []

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.refuses and self.refuses in address:
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"

    def texts(self) -> list[list[str]]:
        """Lines of every mail."""
        return [mail.get_content().splitlines() for mail in self.mails]


@contextmanager
def serving(**options: Any) -> Iterator[MailServer]:
    server = MailServer(**options)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def silent(answer: bytes | None = None) -> Iterator[tuple[int, threading.Event]]:
    """A server that takes connections and says nothing, or `answer` and good-bye; port, and whether one came."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening, ExitStack() as stack:
        came = threading.Event()

        def accept() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                if answer is None:
                    stack.enter_context(connection)
                else:
                    connection.sendall(answer)
                    connection.close()
                came.set()

        threading.Thread(target=accept, daemon=True).start()
        yield listening.getsockname()[1], came
        listening.shutdown(socket.SHUT_RDWR)


def section(port: int, **keys: Any) -> EmailSection:
    given = {"server": "localhost", "port": port, "security": "none", "sender": "desk@x.org"}
    return EmailSection.model_validate(given | {"to": ["ann@x.org"]} | keys)


def mailer_to(port: int, **keys: Any) -> AlertMailer:
    return AlertMailer(section(port, **keys), "night")


def login(security: str) -> dict[str, Any]:
    return {"security": security, "user": "desk", "password": {"env": "MAIL_WORD"}}


@pytest.fixture
def word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_WORD", WORD)


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """TLS of a server whose authority this machine trusts."""
    ca = authority(tmp_path / "ca")
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*map(str, certificate(ca, "localhost")))
    return context


def test_a_flood_is_one_mail_at_once_and_one_an_interval_with_all_in_order() -> None:
    with serving() as server:
        mailer = mailer_to(server.port, interval_s=3600)
        mailer.start()
        mailer.add("critical", "KILL latched: all")
        until(lambda: server.mails, what="the first mail")
        for number in range(30):
            mailer.add("critical", f"LIMIT number {number}")
            mailer.send_pending()
        assert len(server.mails) == 1
        mailer.stop()
        mailer.stop()
    assert server.texts() == [
        ["critical KILL latched: all"],
        [f"critical LIMIT number {number}" for number in range(30)],
    ]
    subjects = [str(mail["Subject"]) for mail in server.mails]
    assert subjects == [
        "[night] critical KILL latched: all",
        "[night] 30 alerts, critical LIMIT number 0",
    ]
    assert {(mail["From"], mail["To"]) for mail in server.mails} == {("desk@x.org", "ann@x.org")}


def test_levels_are_those_chosen_and_the_gravest_is_in_the_subject() -> None:
    with serving() as server:
        mailer = mailer_to(server.port, levels=["warning", "critical"])
        for level in ("info", "warning", "critical", "odd"):
            mailer.add(level, f"{level} one")
        mailer.send_pending()
    assert server.texts() == [["warning warning one", "critical critical one"]]
    assert server.mails[0]["Subject"] == "[night] 2 alerts, critical critical one"


def test_what_a_venue_writes_makes_no_header_and_stops_no_mail() -> None:
    with serving() as server:
        mailer = mailer_to(server.port)
        mailer.add(
            "critical", "a\r\nBcc: eve@x.org\r\n\r\n.\r\n\x00 \udc80 \u00fc\u2028" + 9000 * "x"
        )
        mailer.send_pending()
        assert mailer.failure is None
    ((line,),) = server.texts()
    assert line.startswith("critical a  Bcc: eve@x.org")
    assert "\u00fc" in line
    assert len(line) == len("critical ") + MOST_LETTERS
    assert "Bcc" not in server.mails[0]


@pytest.mark.usefixtures("word")
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_login_is_sent_under_tls(tls: ssl.SSLContext, security: str) -> None:
    given = []

    def check(mechanism: str, user: bytes, password: bytes) -> bool:
        given.append((user.decode(), password.decode()))
        return True

    options: dict[str, Any] = (
        {"ssl_context": tls, "auth_require_tls": False}
        if security == "tls"
        else {"tls_context": tls, "require_starttls": True}
    )
    with serving(auth_callback=check, **options) as server:
        mailer = mailer_to(server.port, **login(security))
        mailer.add("critical", "KILL all")
        mailer.send_pending()
        assert mailer.failure is None
    assert given == [("desk", WORD)]
    assert server.texts() == [["critical KILL all"]]


@pytest.mark.usefixtures("word")
def test_no_word_goes_out_where_tls_is_not_offered_or_not_trusted(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []

    def check(*login: object) -> bool:
        given.append(login)
        return True

    for options, part in (
        ({"auth_require_tls": False}, "STARTTLS"),
        ({"tls_context": tls}, "certificate verify failed"),
    ):
        with serving(auth_callback=check, **options) as server:
            monkeypatch.delenv("SSL_CERT_FILE")
            mailer = mailer_to(server.port, **login("starttls"))
            mailer.add("critical", "KILL all")
            mailer.send_pending()
            assert part in str(mailer.failure)
            monkeypatch.setenv("SSL_CERT_FILE", "")
        assert (server.mails, given) == ([], [])


@pytest.mark.usefixtures("word")
@pytest.mark.parametrize(
    ("options", "keys", "part"),
    [
        ({"refuses": "ann"}, {}, "550"),
        ({"require_starttls": True}, {}, "STARTTLS"),
        ({"auth_callback": lambda *login: False}, login("starttls"), "535"),
    ],
    ids=["recipient", "wants TLS", "login"],
)
def test_what_a_server_refuses_is_told_once_waits_and_arrives_later(
    tls: ssl.SSLContext,
    options: dict[str, Any],
    keys: dict[str, Any],
    part: str,
) -> None:
    with serving(tls_context=tls, **options) as server:
        mailer = mailer_to(server.port, **keys)
        mailer.add("critical", "KILL one")
        mailer.send_pending()
        assert part in str(mailer.failure)
        assert "1 alerts wait" in str(mailer.failure)
        assert WORD not in str(mailer.failure)
        mailer.failure = None
        mailer.add("critical", "KILL two")
        mailer._next_s = 0.0
        mailer.send_pending()
        assert (mailer.failure, server.mails) == (None, []), "it was told already"
    with serving() as server:
        mailer._section = section(server.port)
        mailer.start()
        mailer.stop()
    assert server.texts() == [["critical KILL one", "critical KILL two"]]


def test_one_mailbox_that_is_refused_keeps_the_mail_from_no_other_and_is_told_once() -> None:
    with serving(refuses="bob") as server:
        mailer = mailer_to(server.port, to=["ann@x.org", "bob@x.org"])
        for number in range(2):
            mailer.add("critical", f"number {number}")
            mailer._next_s = 0.0
            mailer.send_pending()
            failure, mailer.failure = mailer.failure, None
            assert ("bob@x.org" in str(failure)) == (number == 0)
    assert server.texts() == [["critical number 0"], ["critical number 1"]]


@pytest.mark.parametrize(
    ("answer", "part"), [(None, "timed out"), (b"", "closed"), (b"421 busy\r\n", "421")]
)
def test_a_server_that_is_slow_or_closes_is_told(
    monkeypatch: pytest.MonkeyPatch, answer: bytes | None, part: str
) -> None:
    monkeypatch.setattr(email_alerts, "TIMEOUT_S", 0.2)
    with silent(answer) as (port, _):
        mailer = mailer_to(port)
        mailer.add("critical", "KILL all")
        mailer.send_pending()
    assert part in str(mailer.failure)
    assert f"localhost:{port}" in str(mailer.failure)


def test_a_flood_drops_no_alert_of_another_code_and_what_is_left_out_is_counted() -> None:
    mailer = mailer_to(CLOSED_PORT, levels=["warning", "critical"])
    mailer.add("critical", "KILL ann")
    for number in range(2 * MOST_LISTED):
        mailer.add("critical", f"LIMIT {number}")
    mailer.send_pending()
    assert f"{2 * MOST_LISTED + 1} alerts wait" in str(mailer.failure)
    for line in ("critical KILL bob", "warning LAG one"):
        mailer.add(*line.split(" ", 1))
    with serving() as server:
        mailer._section = section(server.port)
        mailer.start()
        mailer.stop()
    ((told, *lines),) = server.texts()
    assert told == f"{MOST_LISTED + 3} more alerts are not listed"
    limits = [f"critical LIMIT {number}" for number in range(MOST_LISTED - 3)]
    assert lines == ["critical KILL ann", *limits, "critical KILL bob", "warning LAG one"]
    subject = server.mails[0]["Subject"]
    assert subject == f"[night] {2 * MOST_LISTED + 3} alerts, critical KILL ann"


def test_of_too_many_codes_the_least_severe_is_not_listed() -> None:
    with serving() as server:
        mailer = mailer_to(server.port, levels=["warning", "critical"])
        for number in range(MOST_LISTED + 1):
            mailer.add("warning" if number == 7 else "critical", f"CODE{number} text")
        mailer.send_pending()
    ((_, *lines),) = server.texts()
    assert len(lines) == MOST_LISTED
    assert not [line for line in lines if "warning" in line]


@pytest.mark.parametrize("desk", ["night", "=?utf-8?q?a=0D=0ABcc:_eve@x.org?=\r\n\udc80"])
@pytest.mark.parametrize("text", [
    "=?utf-8?q?x=0D=0AReply-To:_eve@x.org=0D=0A=0D=0A<b>all_is_fine</b>?=",
    '"\u00e9=?zlib?b?aa?= \u00e9,=?utf-8*en?q?a?==?utf-8?b?xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'
    "xxxxxxxxxxxxxxxx?==?ISO-2022-JP?b?=?base64?q?a?==?rot13?q?a?==0D=0A",
    "=??utf-8?q?x?=" + 400 * "\u4e2d",
])  # fmt: skip
def test_an_encoded_word_makes_no_header_and_stops_no_mail(desk: str, text: str) -> None:
    with serving() as server:
        mailer = AlertMailer(section(server.port), desk)
        mailer.add("critical", text)
        mailer.send_pending()
        assert mailer.failure is None
    (mail,) = server.mails
    assert mail.get_content() == f"critical {text}\n"
    assert "=?" not in mail["Subject"]
    assert not {"Reply-To", "Bcc"} & set(mail.keys())


@contextmanager
def dripping(piece: bytes) -> Iterator[int]:
    """A server that sends a piece again and again, faster than any timeout of one answer; its port."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        over = threading.Event()

        def drip(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                while not over.wait(0.05):
                    connection.sendall(piece)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    threading.Thread(target=drip, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listening.getsockname()[1]
        over.set()
        listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("piece", "security"), [(b"2", "none"), (b"220-hi\r\n", "none"), (b"\x16", "tls")]
)
def test_a_server_that_drips_bytes_is_told(
    monkeypatch: pytest.MonkeyPatch, piece: bytes, security: str
) -> None:
    monkeypatch.setattr(email_alerts, "MAIL_TIMEOUT_S", 0.15 if security == "tls" else 0.4)
    with dripping(piece) as port:
        mailer = mailer_to(port, security=security)
        mailer.add("critical", "KILL all")
        mailer.start()
        until(lambda: mailer.failure, what="the failure")
        mailer.stop(DEADLINE_S)
    assert "timed out" in str(mailer.failure)
    assert "1 alerts wait" in str(mailer.failure)


def test_a_name_that_is_looked_up_for_long_is_told_and_only_once_under_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A look-up has no timeout of its own; a second attempt would leave a second thread behind."""
    over = threading.Event()
    looked_up: list[object] = []

    def look_up(*names: object, **_: object) -> list[object]:
        looked_up.append(names)
        over.wait(DEADLINE_S)
        raise OSError("no such name")

    monkeypatch.setattr(email_alerts, "MAIL_TIMEOUT_S", 0.1)
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    mailer = mailer_to(25)
    mailer.add("critical", "KILL all")
    for part in ("0.1 s for a mail", "still holds the mail before"):
        mailer._next_s, mailer._has_problem = 0.0, False
        mailer.send_pending()
        assert part in str(mailer.failure)
        assert "1 alerts wait" in str(mailer.failure)
    assert len(looked_up) == 1
    over.set()


def test_the_desk_ends_while_a_server_drips_bytes_and_what_is_not_sent_is_told() -> None:
    with dripping(b"220-hi\r\n") as port:
        mailer = mailer_to(port)
        mailer._next_s = float("inf")
        mailer.start()
        for number in range(MOST_LISTED + 5):
            mailer.add("critical", f"number {number}")
        ends = threading.Thread(target=mailer.stop, args=(0.5,), daemon=True)
        ends.start()
        ends.join(DEADLINE_S)
        assert not ends.is_alive()
        assert f"{MOST_LISTED + 5} alerts wait" in str(mailer.failure)
    mailer.join(DEADLINE_S)


@pytest.mark.usefixtures("word")
def test_a_failed_login_is_told_without_the_words_of_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*login: object) -> None:
        raise SMTPAuthenticationError(535, b64encode(WORD.encode()))

    monkeypatch.setattr(SMTP, "login", refuse)
    monkeypatch.setattr(SMTP, "starttls", lambda *args, **keys: None)
    with serving() as server:
        mailer = mailer_to(server.port, **login("starttls"))
        mailer.add("critical", "KILL all")
        mailer.send_pending()
    assert "login: SMTPAuthenticationError 535" in str(mailer.failure)
    assert b64encode(WORD.encode()).decode() not in str(mailer.failure)


def test_a_desk_journals_that_mails_fail_once_and_goes_on() -> None:
    session = session_of(exchange_of(), warm_s=1)
    mailer = mailer_to(CLOSED_PORT, levels=["warning", "critical"])
    session.threads["MAIL_FAILED"] = mailer
    sender = AlertSender(session.journal, add_email=mailer.add)
    for number in range(3):
        session.gateway.alert("critical", "test", f"number {number}")
        sender.deliver_pending()
        mailer._next_s = 0.0
        mailer.send_pending()
        session.run_until(session.now_ns + S)
    told = [one for one in bodies(session, kinds.ALERT) if one["code"] == "MAIL_FAILED"]
    assert [one["severity"] for one in told] == ["warning"]
    assert "Connection refused" in told[0]["text"]
    assert "ann@x.org" in told[0]["text"]
    with serving() as server:
        mailer._section = section(server.port)
        mailer.start()
        mailer.stop()
    ((*lines,),) = server.texts()
    assert [line.split()[1] for line in lines] == ["test", "MAIL_FAILED", "test", "test"]
    session.close()


def test_a_kill_waits_for_no_mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(email_alerts, "TIMEOUT_S", DEADLINE_S)
    latch = KillLatch(tmp_path / "kill.json")
    session = session_of(exchange_of(), latch=latch)
    session.manager.accept(asked())
    session.run_until(session.now_ns + 20 * S)
    with silent() as (port, came):
        session.threads["MAIL_FAILED"] = mailer = mailer_to(port)
        sender = AlertSender(session.journal, add_email=mailer.add)
        mailer.start()
        session.gateway.alert("critical", "test", "before the kill")
        sender.deliver_pending()
        assert came.wait(DEADLINE_S), "the mail is on its way, and gets no answer"
        latch.kill("it errs", by="ann", at_ns=1)
        session.run_until(session.now_ns + 5 * S)
        sender.deliver_pending()
        events = [body["event"] for body in bodies(session, kinds.KILL)]
        assert "confirmed" in events
        assert not session.ledger.orders.live("ann")
        assert mailer.failure is None, "nobody has answered"
    mailer.stop(DEADLINE_S)
    assert "alerts wait" in str(mailer.failure)
    session.close()


def test_an_alert_of_the_journal_is_mailed_with_its_agent_and_number() -> None:
    told: list[tuple[str, str]] = []
    session = session_of(exchange_of(), warm_s=1)
    sender = AlertSender(
        session.journal, after=session.ledger.last, add_email=lambda *alert: told.append(alert)
    )
    session.journal.append(
        [
            Entry(
                kinds.KILL,
                7,
                agent="ann",
                body={"event": "latched", "scope": "ann", "by": "bob", "reason": "test"},
            )
        ]
    )
    sender.deliver_pending()
    sender.send_urgent("JOURNAL_DOWN", "the disk is full")
    ((level, text), urgent) = told
    assert level == "critical"
    assert text.startswith("KILL latched: ann by bob: test (agent 'ann'")
    assert urgent == ("critical", "JOURNAL_DOWN the disk is full")


@pytest.mark.parametrize(("value", "part"), [("", "MAIL_WORD"), ("caf\u00e9", "ASCII")])
def test_a_password_that_cannot_be_sent_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, value: str, part: str
) -> None:
    monkeypatch.setenv("MAIL_WORD", value)
    with pytest.raises(ConfigError, match=part) as refused:
        mailer_to(587, **login("starttls"))
    assert not value or value not in str(refused.value)


def test_a_desk_mails_what_it_alerts_before_it_ends(tmp_path: Path) -> None:
    with serving() as server:
        settings = SMALL | {
            "alerts.email": section(server.port, interval_s=3600).model_dump(exclude_defaults=True)
        }
        with open_desk(settings=settings, folder=tmp_path / "desk") as desk:
            desk.submit("X", "buy", 20, agent="ann", horizon="10min")
            kill("it errs", desk=tmp_path / "desk")
            until(lambda: said(tmp_path / "desk", kinds.KILL), what="the kill, journaled")
    lines = [line.split(" (")[0] for text in server.texts() for line in text]
    assert lines[0] == "critical KILL latched: ann by root: it errs"
    assert len(server.mails) <= 2, "the first at once, the rest as the desk ends"


def test_a_password_that_is_missing_starts_no_desk(tmp_path: Path) -> None:
    settings = SMALL | {"alerts.email": section(587).model_dump(exclude_none=True) | login("tls")}
    with pytest.raises(ConfigError, match="set MAIL_WORD"):
        open_desk(settings=settings, folder=tmp_path / "desk")
    assert list(tmp_path.iterdir()) == []
