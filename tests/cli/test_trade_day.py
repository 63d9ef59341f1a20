"""`tercel trade day`: the file, and the mail as a real SMTP server receives it."""

import json
import shutil
import socket
import sqlite3
import ssl
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from tests.api.test_desk_day import EVIL, busy, kept
from tests.fix.certificates import authority, certificate
from typer.testing import CliRunner

from tercel.api.desk_mail import PASSWORD, MailError, MailServer, message, send
from tercel.cli import app
from tercel.core.errors import ConfigError

SECRET = "correcthorse"
runner = CliRunner()
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")


class Inbox:
    """Keeps what comes; refuses an address that begins with "nobody"."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, list[str], EmailMessage]] = []
        self.users: list[tuple[bytes, bool]] = []

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if address.startswith("nobody"):
            return "550 no such person"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append((envelope.mail_from, list(envelope.rcpt_tos), mail))
        return "250 OK"

    def login(
        self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any
    ) -> AuthResult:
        good = (data.login, data.password) == (b"ann", SECRET.encode())
        self.users.append((data.login, good))
        return AuthResult(success=good, handled=False)


Serve = Callable[..., tuple[Inbox, int]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts SMTP servers on loopback."""
    running: list[Controller] = []

    def start(**words: Any) -> tuple[Inbox, int]:
        inbox = Inbox()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        login = (
            {"authenticator": inbox.login, "auth_required": True}
            if words.pop("login", False)
            else {}
        )
        one = Controller(inbox, hostname="127.0.0.1", port=port, **login, **words)
        one.start()
        running.append(one)
        return inbox, port

    yield start
    for one in running:
        one.stop()


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    return kept(tmp_path / "d1", busy())


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's side of TLS, by an authority that this process trusts."""
    ca = authority(tmp_path / "ca")
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(ca, "localhost"))
    return context


def day(*words: Any) -> Any:
    return runner.invoke(app, ["trade", "day", *map(str, words)])


def to(port: int, *addresses: str, user: str = "", scheme: str = "smtp") -> list[str]:
    where = f"{scheme}://{user}{'@' if user else ''}127.0.0.1:{port}"
    return [
        *(word for one in addresses for word in ("--mail", one)),
        "--smtp",
        where,
        "--sender",
        "desk@desk.example",
    ]


def test_the_file_and_the_mail_say_the_same(serve: Serve, desk: Path, tmp_path: Path) -> None:
    inbox, port = serve()
    out = tmp_path / "day.html"
    result = day(desk, "--out", out, *to(port, "head@desk.example", "ann@desk.example"))
    assert result.exit_code == 0, result.output
    ((sender, receivers, mail),) = inbox.mails
    assert (sender, receivers) == ("desk@desk.example", ["head@desk.example", "ann@desk.example"])
    assert mail["subject"].startswith("The day of d1: ")
    assert mail["subject"].endswith("things need a person")
    assert (mail["from"], mail["to"]) == (
        "desk@desk.example",
        "head@desk.example, ann@desk.example",
    )
    assert mail["date"]
    assert mail.get_content_type() == "multipart/alternative"
    text, html = (part.get_content().replace("\r\n", "\n") for part in mail.iter_parts())
    assert html.strip() == out.read_text().strip()
    assert text.strip() == result.stdout.strip()
    assert mail["bcc"] is None
    assert "sent to head@desk.example" in result.stderr


def test_json_is_one_object_with_what_became_of_the_mail(serve: Serve, desk: Path) -> None:
    _, port = serve()
    result = day(desk, "--json", *to(port, "head@desk.example"))
    found = json.loads(result.stdout)
    assert found["mail"] == {"to": ["head@desk.example"], "sent": True, "error": None}
    assert found["file"] == str(desk / "day.html")
    assert found["all"]["needs"] == [f"d1: {need}" for need in found["desks"][0]["needs"]]
    assert json.loads(day(desk, "--json").stdout)["mail"] is None


def test_a_password_goes_over_loopback_and_tls_alone(
    serve: Serve, desk: Path, trusted: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSWORD, SECRET)
    plain = serve(login=True, auth_require_tls=False)
    tls = serve(login=True, auth_require_tls=False, ssl_context=trusted)
    later = serve(login=True, tls_context=trusted, require_starttls=True)
    for (inbox, port), scheme in ((plain, "smtp"), (tls, "smtps"), (later, "smtp+starttls")):
        result = day(desk, *to(port, "head@desk.example", user="ann", scheme=scheme))
        assert result.exit_code == 0, (scheme, result.output)
        assert (len(inbox.mails), inbox.users[-1]) == (1, (b"ann", True))
        assert SECRET not in result.output
    result = day(desk, "--mail", "head@desk.example", "--smtp", "smtp://ann@192.0.2.1:25")
    assert result.exit_code == 2
    assert "smtps://" in result.stderr
    assert SECRET not in result.output
    assert (desk / "day.html").is_file()


def test_a_server_that_nobody_vouches_for_gets_no_password(
    serve: Serve, desk: Path, trusted: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox, port = serve(login=True, ssl_context=trusted)
    monkeypatch.setenv(PASSWORD, SECRET)
    monkeypatch.delenv("SSL_CERT_FILE")
    result = day(desk, *to(port, "head@desk.example", user="ann", scheme="smtps"))
    assert result.exit_code == 2
    assert "certificate" in result.stderr.lower()
    assert (inbox.users, inbox.mails) == ([], [])


def test_what_cannot_be_sent_is_said_and_the_file_is_written(
    serve: Serve, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox, port = serve(login=True, auth_require_tls=False)
    open_inbox, open_port = serve()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        gone = closed.getsockname()[1]
    monkeypatch.setenv(PASSWORD, "wronghorse")
    asked = {
        "does not take the password of ann": to(port, "head@desk.example", user="ann"),
        "no such person": to(open_port, "head@desk.example", "nobody@desk.example"),
        "refused": to(gone, "head@desk.example"),
    }
    for why, words in asked.items():
        (desk / "day.html").unlink(missing_ok=True)
        result = day(desk, "--json", *words)
        assert result.exit_code == 2
        found = json.loads(result.stdout)
        assert found["mail"]["sent"] is False
        assert why in found["mail"]["error"]["received"]
        assert "to go on" in result.stderr
        assert "wronghorse" not in result.output
        assert (desk / "day.html").is_file()
    assert inbox.mails == []
    assert [receivers for _, receivers, _ in open_inbox.mails] == [["head@desk.example"]]
    monkeypatch.delenv(PASSWORD)
    assert PASSWORD in day(desk, *to(port, "head@desk.example", user="ann")).stderr


def test_a_damaged_and_a_missing_desk(serve: Serve, desk: Path, tmp_path: Path) -> None:
    inbox, port = serve()
    damaged = Path(shutil.copytree(desk, tmp_path / "d2"))
    with sqlite3.connect(damaged / "journal.db") as database:
        database.execute("update journal set body = replace(body, 'COLLAR', 'COLOUR')")
    out = tmp_path / "all.html"
    result = day(desk, damaged, tmp_path / "none", "--out", out, *to(port, "head@desk.example"))
    assert result.exit_code == 2
    assert "not read: d2, none" in result.stderr
    text = inbox.mails[0][2].get_body(("plain",))
    assert text is not None
    assert "d2: its journal cannot be read" in text.get_content()
    assert "d1: " in out.read_text()


@pytest.mark.parametrize(
    "address",
    [
        "a@b.example\r\nBcc: c@d.example",
        "a@b.example, c@d.example",
        "Ann <a@b.example>",
        "a b@c.example",
        "a@",
        "",
        "@b",
    ],
)
def test_addresses_that_are_none_are_refused_before_anything_is_read(
    address: str, desk: Path
) -> None:
    result = day(desk, "--mail", address, "--smtp", "smtp://127.0.0.1:25")
    assert result.exit_code == 2
    assert "NAME@HOST" in result.stderr
    assert not (desk / "day.html").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["--mail", "a@b.example"], ["--smtp", "smtp://127.0.0.1"], ["--date", "26.11.2026"], ["--date", "1960-01-01"],
        ["--date", "2026-11-26", "--session"], ["--session", "--from-ns", 5], ["--from-ns", 5, "--to-ns", 4],
        ["--mail", "a@b.example", "--smtp", "http://127.0.0.1"], ["--mail", "a@b.example", "--smtp", "smtp://x:port"],
        ["--mail", "a@b.example", "--smtp", "smtp://127.0.0.1/x"],
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(words: list[Any], desk: Path) -> None:
    result = day(desk, *words)
    assert result.exit_code == 2
    assert "to go on" in result.stderr
    assert result.stdout == ""


def test_a_password_in_an_address_is_refused_and_not_repeated(desk: Path) -> None:
    result = day(desk, "--mail", "a@b.example", "--smtp", f"smtps://ann:{SECRET}@mail.example")
    assert result.exit_code == 2
    assert PASSWORD in result.stderr
    assert SECRET not in result.output


def test_a_header_is_one_line_whatever_a_desk_is_called(serve: Serve, tmp_path: Path) -> None:
    inbox, port = serve()
    folder = kept(tmp_path / "d1\r\nBcc: x@y.example\r\n\r\n<b>hi", busy())
    result = day(folder, *to(port, "head@desk.example"))
    assert result.exit_code == 0, result.output
    ((_, receivers, mail),) = inbox.mails
    assert (receivers, mail["bcc"]) == (["head@desk.example"], None)
    assert mail["subject"].startswith("The day of d1 Bcc: x@y.example <b>hi: ")
    html = mail.get_body(("html",))
    assert html is not None
    assert "<b>hi" not in html.get_content()
    assert EVIL.split("\r")[0] not in html.get_content()


def test_the_default_desk_a_date_and_a_session(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERCEL_DESK", str(desk))
    assert "d1: 4 parents" in day().stdout
    assert "d1: 4 parents" in day("--session").stdout
    assert "d1: 4 parents" in day("--date", "1970-01-01").stdout
    assert "no parent was analysed" in day("--date", "2026-11-26").stdout
    assert "d1: 2 parents" in day("--from-ns", 8 * 10**9).stdout


def test_a_mail_says_whom_it_does_not_reach() -> None:
    made = message("a@b.example", ["c@d.example"], "s", "t", "<p>t</p>", 0.0)
    with pytest.raises(MailError, match="to take the mail"):
        send(MailServer("smtp", "127.0.0.1", 1), made)
    with pytest.raises(ConfigError, match="NAME@HOST"):
        message("a@b.example\nBcc: x@y.example", ["c@d.example"], "s", "t", "<p>t</p>", 0.0)
