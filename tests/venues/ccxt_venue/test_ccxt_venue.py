"""What `ccxt:EXCHANGE` says, refuses and keeps to itself, and orders whose fate is not known."""

import asyncio
import logging
import selectors
import sqlite3
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.desk.trading.desk_of_two import WIDE
from tests.exchange.binance.conftest import ACCOUNT, KEY, SECRET
from tests.venues.binance_venue.conftest import Served
from tests.venues.binance_venue.test_account import hear, of, order, said
from tests.venues.ccxt_venue.conftest import ByCcxt
from tests.waiting import until

from tercel.core import orders as o
from tercel.core.errors import ConfigError, TercelError, VenueError
from tercel.core.fixed_point import ONE
from tercel.core.installation import PROOF_PATH, simulation_proof
from tercel.desk.limits import LimitGate, parse
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.journal.store import SqlJournal
from tercel.desk.trading.reconciliation.refold import refold
from tercel.feeds.ccxt_exchange import urls_of
from tercel.feeds.ccxt_messages import name_of, number_of, plain
from tercel.feeds.ccxt_streams import CcxtStreams
from tercel.venues.address import parse_address, resolve_profile_path, why_money_at
from tercel.venues.address_proof import check_still_test
from tercel.venues.binance_venue.spot_api import OrderKey
from tercel.venues.ccxt_venue.exchange import CcxtExchange
from tercel.venues.ccxt_venue.requests import CcxtApi
from tercel.venues.ccxt_venue.terms import CcxtTerms, exchange_of, missing_features, urls_at

Serve = Callable[..., ByCcxt]


# -- addresses and files ----------------------------------------------------------------------------------------------
def test_an_address_names_exchange_and_file(tmp_path: Path) -> None:
    assert [
        parse_address(f"ccxt:kraken{rest}").profile for rest in ("", ":testnet", ":my.toml")
    ] == [
        "",
        "testnet",
        "my.toml",
    ]
    (tmp_path / "my.toml").write_text('net = "production"\n')
    assert (
        resolve_profile_path("ccxt:kraken:my.toml", tmp_path)
        == f"ccxt:kraken:{tmp_path / 'my.toml'}"
    )
    for wrong in ("ccxt", "ccxt:"):
        with pytest.raises(ConfigError, match=r"ccxt:EXCHANGE"):
            parse_address(wrong)


@pytest.mark.long
def test_every_url_of_the_exchange_as_ccxt_has_it_is_a_tests_or_money_is_there(
    tmp_path: Path,
) -> None:
    assert why_money_at("ccxt:binance") == ""
    assert why_money_at("ccxt:bybit") == "", "https://bybit-exchange.github.io/docs/v5/guide"
    for venue in ("ccxt:binance:production", "ccxt:kraken:production"):
        assert "which counts as production" in why_money_at(venue)
    known = urls_of(exchange_of("binance", CcxtTerms(), tmp_path).urls["api"])
    name = next(one for one, url in known if "ws-api" in url)
    (tmp_path / "one.toml").write_text(
        f'[urls]\n"{name}" = "wss://ws-api.binance.com:443/ws-api/v3"\n'
    )
    assert "which counts as production" in why_money_at("ccxt:binance:one.toml", tmp_path), (
        "one is enough"
    )


def test_an_exchange_that_nobody_knows_or_that_has_no_sandbox_is_refused() -> None:
    with pytest.raises(TercelError, match="binance"):
        urls_at("binanse", "")
    with pytest.raises(ConfigError, match="a sandbox of kraken"):
        urls_at("kraken", "")


def test_without_ccxt_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ccxt.pro", None)
    with pytest.raises(ConfigError, match=r"tercel\[ccxt\]"):
        urls_at("binance", "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f'[key]\nsecret = "{SECRET}"\n', "by its place"),
        ('[key]\npassword = { file = "open" }\n', "mode 0644"),
        ('[urls]\npublic = "http://api.binance.com/api/v3"\n', "https://"),
        ('[urls]\n"ws.spot" = "ws://stream.binance.com/ws"\n', "wss://"),
        ('[urls]\npublic = "https://me:pass@api.binance.com"\n', "not shown"),
        ('net = "tesnet"\n', "net"),
        ("nett = 1\n", "net"),
    ],
)
def test_a_file_that_will_not_do_says_why(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "open").write_text(SECRET)
    (tmp_path / "open").chmod(0o644)
    (tmp_path / "venue.toml").write_text(text)
    with pytest.raises(ConfigError, match=words) as caught:
        CcxtTerms.read(tmp_path / "venue.toml")
    assert SECRET not in str(caught.value)


def test_only_urls_that_are_used_are_kept_and_others_cannot_be_named(tmp_path: Path) -> None:
    made = exchange_of("binance", CcxtTerms(net="production"), tmp_path)
    assert {name for name, _ in urls_of(made.urls["api"])} == {
        "public",
        "private",
        "sapi",
        "ws.spot",
        "ws.ws-api.spot",
    }
    with pytest.raises(TercelError, match="publik"):
        exchange_of("binance", CcxtTerms(urls={"publik": "https://a.example"}), tmp_path)


# -- words ------------------------------------------------------------------------------------------------------------
def test_names_of_orders_are_numbers_and_back() -> None:
    for name in (
        "1",
        "28457",
        "OABC-7",
        "007",
        "9f1c2d3e-0000-4000-8000-000000000000",
        "0",
        "12345678901234567890123",
    ):
        assert name_of(number_of(name)) == name
    assert [plain(one) for one in (1e-08, "0.10", 12, None, 61837.63)] == [
        "0.00000001",
        "0.10",
        "12",
        "0",
        "61837.63",
    ]


def test_what_an_exchange_lacks_is_said() -> None:
    import ccxt.pro

    assert missing_features(ccxt.pro.binance()) == [
        "no cancel on disconnect: open orders stay open when the link breaks"
    ]
    poor = "; ".join(missing_features(ccxt.pro.kraken()))
    assert "no change of an order in its place" in poor
    assert "searched in lists" in poor


class Refusing:
    """An exchange of ccxt without a network."""

    id, has = "binance", {"fetchOrder": True}
    last_response_headers: Any = {"Retry-After": "7"}  # noqa: RUF012


def test_an_error_that_does_not_say_that_nothing_was_done_leaves_it_open() -> None:
    import ccxt

    calls = CcxtExchange(Refusing(), lambda text: text.replace(SECRET, "***"), lambda: 1000)

    def told(error: Exception, method: str = "order.place") -> tuple[int, int, str]:
        found = calls.refusal(method, error)
        return found["status"], found["error"]["code"], found["error"]["msg"]

    body = '{"code":-2010,"msg":"Account has insufficient balance for requested action."}'
    words = "Account has insufficient balance for requested action."
    assert told(ccxt.InsufficientFunds(f"binance {body}")) == (400, -2010, words)
    for unsure in (
        ccxt.RequestTimeout("binance"),
        ccxt.ExchangeNotAvailable("binance 503"),
        KeyError("id"),
        OSError("x"),
    ):
        assert told(unsure)[0] == 500
    assert told(ccxt.ExchangeError('binance {"code":-1007,"msg":"Timeout"}'))[:2] == (400, -1007)
    assert told(ccxt.OrderNotFound("gone"), "order.status")[1] == -2013
    assert told(ccxt.OrderNotFound("gone"), "order.cancel")[1] == -2011
    assert told(ccxt.DDoSProtection("binance 418 I'm a teapot"))[0] == 418
    limited = calls.refusal("order.place", ccxt.RateLimitExceeded("slow"))
    assert (limited["status"], limited["error"]["data"]) == (
        429,
        {"serverTime": 1000, "retryAfter": 8000},
    )
    leaky = told(ccxt.NetworkError(f"GET https://h.example/order?signature=abc&key=1 {SECRET}"))[2]
    assert leaky == "GET https://h.example/order ***"


def test_an_exchange_without_such_questions_is_searched() -> None:
    """No question about one order, names of orders that are no numbers, and numbers that ccxt has as floats."""
    rows = [
        {
            "id": "OAB-1",
            "clientOrderId": "L1",
            "status": "open",
            "amount": 1e-05,
            "filled": 0.0,
            "price": 0.1,
        }
    ]

    class Lists(Refusing):
        id, has = "poor", {"fetchOpenOrders": True}

        async def fetch_open_orders(self, symbol: str) -> Any:
            return rows

        async def fetch_closed_orders(self, symbol: str, since: Any) -> Any:
            return []

    exchange = CcxtExchange(Lists(), str, lambda: 1000)
    exchange.unified = {"BTC-USD": "BTC/USD"}
    calls = CcxtApi(exchange, None, None)  # type: ignore[arg-type]
    for number, name in ((0, "L1"), (number_of("OAB-1"), "")):
        row = asyncio.run(calls.order(OrderKey("BTC-USD", number, name)).work())
        assert (name_of(row.number), row.status, row.quantity) == ("OAB-1", "NEW", 1000)
    told = asyncio.run(calls._answer(0, calls.order(OrderKey("BTC-USD", 0, "no"))))
    assert told["error"]["code"] == -2013


# -- at our server ----------------------------------------------------------------------------------------------------
def test_it_says_at_start_what_it_does_without(by_ccxt: Serve) -> None:
    venue = by_ccxt().venue()
    notes = [one.text for one in venue.step(venue.now_ns) if isinstance(one, o.LinkStatus)]
    assert any(
        "ccxt:binance passed the conformance kit; no cancel on disconnect" in note for note in notes
    )


@pytest.mark.parametrize("how", ["binance", "ccxt"])
def test_logon_refuses_what_it_must(
    how: str, served: Callable[..., Served], by_ccxt: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    one: Any = by_ccxt() if how == "ccxt" else served()
    with pytest.raises(TercelError, match=r"NOSUCH|-1121"):
        one.venue(symbols=("NOSUCH",))
    server = one.served.server if how == "ccxt" else one.server
    endpoint = server.desk.by_path["GET", "/sapi/v1/account/apiRestrictions"]
    before = endpoint.answer
    rich = lambda account, params: before(account, params) | {"enableWithdrawals": True}  # noqa: E731
    object.__setattr__(endpoint, "answer", rich)
    with pytest.raises(ConfigError, match="withdraw"):
        one.venue()
    venue = one.venue(allow_withdrawals=True, symbols=("CSCOUSDT",))
    assert (venue.up, [each.instrument for each in venue.listings()]) == (True, ["CSCOUSDT"])
    object.__setattr__(endpoint, "answer", before)
    monkeypatch.setenv("BINANCE_SECRET", "t" * 64)
    with pytest.raises(VenueError, match=r"-1022.*check that the secret") as caught:
        one.venue()
    assert "t" * 64 not in str(caught.value)
    monkeypatch.setenv("BINANCE_KEY", "z" * 64)
    with pytest.raises(VenueError, match="-2015"):
        one.venue()
    monkeypatch.delenv("BINANCE_KEY")
    with pytest.raises(ConfigError, match="BINANCE_KEY"):
        one.venue()


def test_executions_and_fees_explain_balances_and_strange_hands_are_told(by_ccxt: Serve) -> None:
    one = by_ccxt(speed=5.0)
    venue = one.venue()
    order(venue, "buy", 900)
    order(venue, "sell", 400, side=-1)
    hear(
        venue,
        lambda heard: sum(report.leaves_qty == 0 for report in of(heard, o.ExecType.TRADE)) >= 2,
    )
    venue._watch._account_due_s = 0.0
    hear(venue, lambda _: venue.ledger.reported == venue.ledger.expected)
    held = one.served.engine.account(ACCOUNT).balances
    assert venue.ledger.expected["CSCO"] == held.free["CSCO"] + held.locked["CSCO"]
    one.served.engine.deposit(ACCOUNT, "USDT", -5 * ONE)
    venue._watch._account_due_s = 0.0
    heard = hear(
        venue, lambda heard: said(heard, "do not explain"), what="a balance that nothing explains"
    )
    assert "USDT" in said(heard, "do not explain")[0].why


def test_an_answer_that_is_lost_is_asked_for(by_ccxt: Serve) -> None:
    """The order is there; its answer never comes; nothing is sent again."""
    one = by_ccxt(speed=20.0)
    venue = one.venue()
    placed: list[str] = []
    place = one.served.engine.place

    def recorded(account: Any, asked: Any) -> Any:
        placed.append(asked.client_id)
        return place(account, asked)

    one.served.engine.place = recorded  # type: ignore[method-assign]
    create = venue._links.exchange.create_order

    async def lost(*words: Any, **more: Any) -> Any:
        await create(*words, **more)
        import ccxt

        raise ccxt.RequestTimeout(
            "binance POST https://h.example/order?signature=abc request timed out"
        )

    venue._links.exchange.create_order = lost
    order(venue, "a", 3)
    heard = hear(
        venue, lambda heard: any(report.leaves_qty == 0 for report in of(heard, o.ExecType.TRADE))
    )
    assert len(placed) == 1
    assert sum(report.last_qty for report in of(heard, o.ExecType.TRADE)) == 3 * ONE

    async def never(*_: Any, **__: Any) -> Any:
        import ccxt

        raise ccxt.RequestTimeout("binance request timed out")

    venue._links.exchange.create_order = never
    order(venue, "b", 3)
    heard = hear(venue, lambda heard: of(heard, o.ExecType.REJECTED), what="that it never arrived")
    assert "never arrived" in of(heard, o.ExecType.REJECTED)[0].text
    assert len(placed) == 1


@pytest.mark.parametrize("how", ["binance", "ccxt"])
def test_no_secret_is_told(
    how: str,
    served: Callable[..., Served],
    by_ccxt: Serve,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Journal, store, log, output, errors and reprs of a venue that trades, is refused, and loses its link."""
    caplog.set_level(logging.DEBUG)
    one: Any = by_ccxt() if how == "ccxt" else served()
    server, text = one.served.server if how == "ccxt" else one.server, list[str]()
    journal = SqlJournal(tmp_path / "desk", "test")
    venue = one.venue(tmp_path / "store")
    limits = LimitGate(parse(WIDE), venue.listings(), ["ann"])
    gateway = OrderGateway(venue, journal, limits, refold(journal, limits))
    order(venue, "a", 2)
    order(venue, "b", 0)
    order(venue, "c", 10**9, side=-1)
    heard: list[o.VenueEvent] = []

    def turn() -> bool:
        events = venue.step(venue.now_ns + 10**8)
        gateway.receive(events)
        heard.extend(events)
        return len({event.cl_ord_id for event in heard if isinstance(event, o.Report)}) == 3

    until(turn, what="three answers")
    server.close()
    until(lambda: gateway.receive(venue.step(venue.now_ns + 10**8)) or not venue.up, what="a cut")
    with pytest.raises(VenueError) as caught:
        order(venue, "d", 1)
    text += [repr(caught.value), repr(venue), repr(venue.__dict__), repr(venue._channel.__dict__)]
    text.append(repr(getattr(venue, "_signer", "")))
    journal.close()
    for file in tmp_path.rglob("*"):
        text.append(file.read_bytes().decode("latin-1") if file.is_file() else "")
    text += sqlite3.connect(next((tmp_path / "desk").glob("*.db"))).iterdump()
    text += [caplog.text, *capfd.readouterr(), Path("/proc/self/cmdline").read_text()]
    whole = "\n".join(text)
    assert len(whole) > 10_000
    assert KEY not in whole
    assert SECRET not in whole


def test_levels_beyond_what_is_exact_are_refused(by_ccxt: Serve) -> None:
    """A price or quantity finer than 1e-8 is told, and the book begins anew."""
    venue = by_ccxt().venue()
    name = venue.listings()[0].instrument
    venue._on_market(
        {"s": name, "E": 1, "lastUpdateId": 1, "bids": [["1.000000001", "1"]], "asks": []}
    )
    venue._on_market({"e": "depthUpdate", "s": name, "E": 1, "U": 2, "u": 2, "b": [], "a": []})
    assert said(venue._events, name)
    assert venue._books[name].snapshot_wanted


def cut_all(exchange: Any) -> None:
    """Break its streams, and the connections that it keeps for its next requests."""
    for one in [
        protocol for kept in exchange.tcp_connector._conns.values() for protocol, *_ in kept
    ]:
        one.close()
    for client in list(exchange.clients.values()):
        client.on_error(OSError("cut"))


def test_a_cut_is_told_and_what_happened_is_found_then_and_by_the_next_process(
    by_ccxt: Serve, tmp_path: Path
) -> None:
    one = by_ccxt(speed=5.0)
    venue = one.venue(tmp_path / "store")
    symbol = venue.listings()[0].instrument
    venue.subscribe(symbol)
    hear(venue, lambda heard: any(isinstance(event, o.MarketRows) for event in heard))
    book = venue._books[symbol]
    shown, bid = book.shown_book, max(ticks for side, ticks in book._totals if side == 1)
    order(venue, "a", 5, bid - 5, tif=o.Tif.DAY)
    hear(venue, lambda heard: of(heard, o.ExecType.NEW))
    venue._links.loop.call_soon_threadsafe(cut_all, venue._links.exchange)
    hear(venue, lambda heard: [e for e in heard if isinstance(e, o.LinkStatus) and not e.up])
    hear(venue, lambda heard: venue.up)
    order(venue, "c", 1)
    heard = hear(venue, lambda heard: of(heard, o.ExecType.TRADE))
    assert shown is venue._books[symbol].shown_book
    assert [one.sent.name for one in venue.tracker.working_orders("")] == ["a"]
    venue.close()
    again = one.venue(tmp_path / "store").executions("ann")
    told = [
        [(one.exec_id, one.last_qty, one.last_px) for one in each]
        for each in (again, of(heard, o.ExecType.TRADE))
    ]
    assert told[0] == told[1]


@pytest.mark.parametrize("how", ["binance", "ccxt"])
def test_a_stream_that_breaks_is_not_opened_again_where_money_is(
    how: str, served: Callable[..., Served], by_ccxt: Serve
) -> None:
    production: list[str] = []
    refused: list[str] = []

    def allow(url: str) -> None:
        if production:
            refused.append(url)
            raise VenueError("a test", "it counts as production", "wait")

    venue: Any = (by_ccxt() if how == "ccxt" else served()).venue(allow=allow)

    def cut() -> None:
        if how == "binance":
            venue._links._api.socket.close("cut")
        else:
            venue._links.loop.call_soon_threadsafe(cut_all, venue._links.exchange)

    def told(up: bool) -> Callable[[list[o.VenueEvent]], object]:
        words = "logged on" if up else "production"
        return lambda heard: any(
            isinstance(one, o.LinkStatus) and one.up is up and words in one.text for one in heard
        )

    production.append("yes")
    cut()
    # A stream of ccxt's that opens late is cut, too.
    late = cut if how == "ccxt" else lambda: None
    heard = hear(venue, lambda heard: told(False)(heard) or late(), what="an alert")
    hear(venue, lambda _: len(refused) > 2, what="further tries")
    assert not venue.up
    assert (
        len([one for one in heard if isinstance(one, o.LinkStatus) and "production" in one.text])
        == 1
    )
    production.clear()
    hear(venue, told(True), what="the link")


class Redirects(BaseHTTPRequestHandler):
    """Proves to be a test's, and sends whoever asks for more to another server."""

    def do_POST(self) -> None:
        parts = urlsplit(self.path)
        proved = (
            simulation_proof("binance", parse_qs(parts.query)["nonce"][0]).encode()
            if parts.path == PROOF_PATH
            else b""
        )
        self.send_response(200 if proved else 307)
        self.send_header("Location", f"{self.server.other}{self.path}")  # type: ignore[attr-defined]
        self.send_header("Content-Length", f"{len(proved)}")
        self.end_headers()
        self.wfile.write(proved)

    do_GET = do_POST  # noqa: N815

    def log_message(self, *_: Any) -> None:
        pass


def test_no_order_follows_a_redirect_to_where_money_is(tmp_path: Path) -> None:
    servers: list[Any] = [ThreadingHTTPServer(("127.0.0.1", 0), Redirects) for _ in range(2)]
    first, other = (f"127.0.0.1:{one.server_port}" for one in servers)
    got: list[str] = []

    class Production(Redirects):
        def do_POST(self) -> None:
            got.append(f"{self.headers.get('X-MBX-APIKEY')} {self.path}")
            self.send_error(404)

        do_GET = do_POST  # noqa: N815

    servers[1].RequestHandlerClass, servers[0].other = Production, f"http://{other}"
    urls = dict.fromkeys(("public", "private", "sapi"), f"http://{first}/api/v3")
    made = exchange_of("binance", CcxtTerms(urls=urls), tmp_path, {"apiKey": KEY, "secret": SECRET})
    with selectors.DefaultSelector() as selector, ExitStack() as stack:
        for one in servers:
            threading.Thread(
                target=one.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
            ).start()
            stack.callback(one.server_close)
            stack.callback(one.shutdown)
        streams = CcxtStreams(made, selector, lambda: 0, str, check_still_test)
        stack.callback(streams.close)
        order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "1"}
        with pytest.raises(VenueError, match=f"{other}, which counts as production"):
            streams.run(made.private_post_order(order)).result(30)
    assert not [one for one in got if KEY in one]
