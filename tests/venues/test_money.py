"""Where money counts as being: at every host that does not prove, or is not known, to be a test's."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.core.test_installation import NOBODY
from tests.fix.plain_venue import PlainVenue
from tests.waiting import until

from certify.faults.proxy import Proxy
from certify.tiny import TinyVenue
from exchange.fix.server import serve_fix
from tercel.core import installation
from tercel.core.capabilities import Capabilities
from tercel.core.errors import ConfigError, VenueError
from tercel.core.orders import LinkStatus
from tercel.venues import address, address_proof
from tercel.venues.address import connect, why_money_at
from tercel.venues.address_proof import TEST_NETWORKS, check_still_test, why_money

PRODUCTION = "which counts as production"


def test_a_host_is_on_the_list_by_its_whole_name_alone() -> None:
    for host in TEST_NETWORKS:
        assert why_money(f"https://{host}") == why_money(f"fixs://{host.upper()}:9000") == ""
        for other in (
            f"{host}.example",
            f"{host}.",
            f"x.{host}",
            f"x{host}",
            "testnet.example",
            f"example/{host}",
        ):
            assert PRODUCTION in why_money(f"https://{other}"), other


@pytest.mark.parametrize(
    "url", ["https://api.binance.com", "fix://fix-oe.binance.com:9000", "wss://10.0.0.1", "", "x"]
)
def test_a_host_that_nobody_knows_counts_as_production_and_is_asked_nothing(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address_proof, "_proves_simulated", None)
    assert PRODUCTION in why_money(url)


@contextmanager
def listening(answer: Callable[[socket.socket], object]) -> Iterator[int]:
    """A port whose connections are answered so, one after the other."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    link, _ = listener.accept()
                except OSError:
                    return
                with link:
                    answer(link)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def echo(link: socket.socket) -> None:
    link.sendall(link.recv(4096))


def page(link: socket.socket) -> None:
    link.recv(4096)
    link.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"proof": ""}')


@pytest.mark.parametrize("answer", [echo, page, lambda link: None, lambda link: link.recv(4096)])
@pytest.mark.parametrize("scheme", ["fix", "http", "ws"])
def test_a_server_on_this_machine_that_does_not_answer_rightly_counts_as_production(
    answer: Callable[[socket.socket], object], scheme: str
) -> None:
    with listening(answer) as port:
        for host in ("127.0.0.1", "localhost"):
            assert f"{host}:{port}, {PRODUCTION}" in why_money(f"{scheme}://{host}:{port}")


def test_a_server_that_says_nothing_counts_as_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address_proof, "_PATIENCE_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert PRODUCTION in why_money(f"fix://127.0.0.1:{listener.getsockname()[1]}")
    with pytest.raises(VenueError, match=r"a FIX server at 127.0.0.1:1; .*start it"):
        why_money("fix://127.0.0.1:1")


def test_a_fix_server_proves_what_its_venue_is() -> None:
    class Real(TinyVenue):
        @property
        def capabilities(self) -> Capabilities:
            return Capabilities(positions=self)

    for venue, found in ((TinyVenue(), ""), (Real(), PRODUCTION)):
        with serve_fix(venue, 0, ["TRADER"]) as server:
            where = f"fix://TRADER@127.0.0.1:{server.port}"
            assert found in why_money_at(where)
            assert (why_money_at(where) == "") == (found == "")
            if not found:
                connect(where, ["TRADER"]).close()  # type: ignore[attr-defined]


def test_a_tunnel_to_a_real_venue_counts_as_production_and_no_logon_goes_through(
    tmp_path: Path,
) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    _, told = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    over = threading.Event()
    with PlainVenue() as venue:
        venue.proves = False
        where = f"fix://D@127.0.0.1:{listener.getsockname()[1]}?profile=generic-44"
        thread = threading.Thread(
            target=Proxy(listener, venue.port, told, 1).run, args=(over.is_set,), daemon=True
        )
        thread.start()
        with pytest.raises(
            ConfigError, match=rf"provably a test; received 127.0.0.1:\d+, {PRODUCTION}.*test_hosts"
        ):
            connect(where, ["D"], tmp_path)
        assert "A" not in venue.kinds(), "no logon"
        venue.proves = True
        assert why_money_at(where) == "", "a tunnel to a test is none to money"
        over.set()
        thread.join(10)


PLAIN = """base = "generic-44"
[session]
sender = "DESK"
target = "VENUE"
[[symbol]]
name = "XYZ"
tick = 0.01
lot = 1
currency = "USD"
"""


def test_whoever_takes_the_place_of_a_test_is_asked_before_the_session_goes_on(
    tmp_path: Path,
) -> None:
    (tmp_path / "plain.toml").write_text(PLAIN)
    with PlainVenue() as server:
        where = f"fix://127.0.0.1:{server.port}?profile=plain.toml"
        venue: Any = connect(where, ["DESK"], tmp_path, tmp_path)
        told: list[LinkStatus] = []

        def hears(up: bool, text: str) -> bool:
            venue.poll(0.02)
            told.extend(one for one in venue.step(venue.now_ns) if isinstance(one, LinkStatus))
            return any(one.up is up and text in one.text for one in told)

        server.proves = False
        server.cut()
        until(lambda: hears(False, PRODUCTION), what="an alert")
        tries = server.asked
        until(
            lambda: hears(False, PRODUCTION) and server.asked > tries + 1, what="two further tries"
        )
        assert server.kinds().count("A") == 1, "no logon"
        assert sum(PRODUCTION in one.text for one in told) == 1, "people are told once"
        server.proves = True
        until(lambda: hears(True, "logged on"), what="the link")
        assert server.kinds().count("A") == 2
        venue.close()


@pytest.mark.parametrize("money", ["", "production"])
@pytest.mark.parametrize("where", ["fix://D@127.0.0.1:9", "binance", "ccxt:binance"])
def test_a_session_that_opens_at_a_test_asks_again_and_one_where_money_is_does_not(
    where: str, money: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    for opener in (
        "tercel.fix.opening.open_fix_venue",
        "tercel.venues.binance_venue.opening.open_binance_venue",
        "tercel.venues.ccxt_venue.opening.open_ccxt_venue",
    ):
        monkeypatch.setattr(opener, lambda *_, allow=None, **__: asked.append(allow))
    monkeypatch.setattr(address, "why_money_at", lambda *_: money)
    connect(where, ["D"], agree=lambda _: {})
    assert asked == [None if money else check_still_test]


def test_the_session_of_the_market_data_has_to_be_a_tests(tmp_path: Path) -> None:
    (tmp_path / "market.toml").write_text(
        f'{PLAIN.partition("[[")[0]}host = "elsewhere.example"\nport = 9\n'
    )
    (tmp_path / "both.toml").write_text(f'{PLAIN}[market]\nsession = "market.toml"\n')
    with PlainVenue() as server:
        told = why_money_at(f"fix://127.0.0.1:{server.port}?profile=both.toml", tmp_path)
    assert f"elsewhere.example:9, {PRODUCTION}" in told


def test_the_installations_list_is_of_hosts_and_ports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "installation.toml"
    file.write_text('test_hosts = ["uat.bank.example:9000", "uat.bank.example:443"]\n')
    monkeypatch.setattr(installation, "FILE", file)
    monkeypatch.setattr(installation.os, "geteuid", lambda: NOBODY)
    assert why_money("fix://uat.bank.example:9000") == why_money("wss://UAT.bank.example/ws") == ""
    assert PRODUCTION in why_money("fix://uat.bank.example:9001")
    file.chmod(0o666)
    with pytest.raises(ConfigError, match="which the user who trades cannot write"):
        why_money("fix://uat.bank.example:9000")


def test_every_url_of_a_venue_has_to_be_a_tests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("rest_url", "ws_url", "ws_api_url")
    for name in names:
        kind = "https" if name == "rest_url" else "wss"
        (tmp_path / "venue.toml").write_text(f'{name} = "{kind}://elsewhere.example"\n')
        assert f"elsewhere.example:443, {PRODUCTION}" in why_money_at(
            "binance:venue.toml", tmp_path
        ), name
    assert why_money_at("binance") == ""
    assert PRODUCTION in why_money_at("binance:production")
    monkeypatch.setattr(address, "urls_of", lambda *_: [])
    assert PRODUCTION in why_money_at("binance"), "nothing known is nothing proved"
