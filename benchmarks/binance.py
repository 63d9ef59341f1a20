"""``benchmarks binance``: from a market update to an order at a Binance venue, through a gate; how much it carries.

Three processes: the exchange (our server in Binance's words, ten symbols, and a feed that sends updates as told), the
gate with the adapter in it, and this one, which trades as a desk does. Clocks are the machine's own, so they agree
between processes. An order's latency runs from the update's sending to the order's arrival at the exchange: two ways
over loopback, both WebSockets, the book, the gate's checks and journal. The reference is the same order and answer
sent by a bare WebSocket. Run it with nothing else on the machine: three processes share its cores.
"""

import asyncio
import json
import multiprocessing
import os
import tempfile
import time
from contextlib import closing, contextmanager, suppress
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from time import perf_counter, perf_counter_ns
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from benchmarks import measured, packaged_limits
from benchmarks.endurance import rss_mb
from exchange.binance.accounts import ApiKey
from exchange.binance.limits import RateLimits
from exchange.binance.opened import endow, open_exchange
from exchange.binance.serve import serve_binance
from tercel.cli import say
from tercel.core import MonotonicClock, Pace, orders as o
from tercel.desk.gate import GateProcess
from tercel.market.flow import DEFAULT, load
from tercel.market.simulator import reactive
from tercel.venues import ApiSigner, connect
from tercel.venues.exchange import MarketSpec
from tercel.venues.wire import RemoteVenue

if TYPE_CHECKING:
    from collections.abc import Iterator

SYMBOLS: Final = 10
ORDERS: Final = 2000
UPDATES_S: Final = 5000
LAG_S: Final = 20.0
BURST: Final = 50
SESSIONS: Final = 5
SESSION_S: Final = 130.0
"""A day of 6.5 hours of ten symbols that are changed 2.8 times a second each, at `UPDATES_S`."""
KEY, SECRET, NAME = "k" * 64, "s" * 64, "BENCH"
_MANY: Final = 10**9
_FREE: Final = RateLimits(
    weight=_MANY, orders=_MANY, orders_a_day=_MANY, requests=_MANY, messages=10**5
)
_WIDE: Final = dict.fromkeys(("messages", "executions"), "1_000_000")
_FAR: Final = 300
"""Ticks behind the touch of the level that updates change."""


def bench(orders: int = ORDERS, lag_s: float = LAG_S) -> list[dict[str, Any]]:
    """Latency of orders, orders a second, lag of updates."""
    with _trading() as (desk, gate):
        took = _reactions(desk, orders)
        _bursts(desk, 5 * orders)
        early = rss_mb(gate)  # what is kept of orders that are over has its full length
        burst = _bursts(desk, 5 * orders)
        lags = _lags(desk, lag_s)
        late = rss_mb(gate)
        bare = _bare(desk, orders)
    other = "a bare WebSocket, order to answer"
    ways = [
        measured(
            f"binance.order_p{share}_ms", _at(took, share), "ms", other, _at(bare, share), less=True
        )
        for share in (50, 99)
    ]
    flow = [
        measured(f"binance.lag_p{share}_ms", _at(lags, share), f"ms, {UPDATES_S} updates/s")
        for share in (50, 99)
    ]
    more = f"MB of the gate, {5 * orders:,} orders and {round(UPDATES_S * lag_s):,} updates later"
    return [
        *ways,
        measured("binance.orders_per_s", burst, f"orders/s, {BURST} in the air"),
        *flow,
        measured("binance.rss_mb", late, more, f"after {6 * orders:,} orders", early, less=True),
    ]


def week(
    sessions: int = SESSIONS, orders: int = 5 * ORDERS, seconds: float = SESSION_S
) -> list[dict[str, Any]]:
    """Memory of a process that holds the adapter alone, after a session of so many orders and seconds of updates, and
    after the last one. What a gate keeps beside it is bounded by time: `tercel certify week` measures that.
    """
    with (
        _exchanging() as (exchange, address),
        tempfile.TemporaryDirectory(prefix="tercel-bench-") as store,
        closing(connect(address, [NAME], Path(store))) as venue,
    ):
        desk, rss = _Desk(venue, exchange), []
        for number in range(sessions):
            _bursts(desk, orders)
            _run(desk, seconds)
            rss.append(rss_mb())
            say(f"session {number + 1} of {sessions}: {rss[-1]:.0f} MB")
    each = f"{orders:,} orders and {round(UPDATES_S * seconds):,} updates"
    about = f"MB of the adapter's process after {sessions} times {each}"
    return [measured("binance_week.rss_mb", rss[-1], about, "after the first", rss[0], less=True)]


def _at(values: list[float], percent: int) -> float:
    return float(np.percentile(values, percent))


# -- this process: a desk's side --------------------------------------------------------------------------------------
class _Desk:
    """A session of the gate, the touches that it was shown first, and the pipe to the exchange."""

    def __init__(self, venue: Any, exchange: Connection) -> None:
        self.venue, self.exchange = venue, exchange
        self.symbols = [one.instrument for one in venue.listings()]
        self.names = count()
        self._bid: dict[str, int] = {}
        for name in self.symbols:
            venue.subscribe(name)
            if (gate := venue.capabilities.parents) is not None:
                gate.announce(name, name, NAME, 1, 10**8)
        exchange.send(("open", 0))
        until = perf_counter() + 60
        while len(self._bid) < len(self.symbols):
            for event in self.heard():
                self.updated(event)
            if perf_counter() > until:
                raise TimeoutError(f"books of {len(self._bid)} of {len(self.symbols)} symbols came")

    def heard(self) -> list[o.VenueEvent]:
        """What came, within a moment."""
        events: list[o.VenueEvent] = (
            self.venue.step(self.venue.now_ns) if self.venue.poll(0.05) else []
        )
        return events

    def updated(self, event: o.VenueEvent) -> str:
        """The symbol of an update; "": it is none, or the book with which a symbol begins."""
        if not isinstance(event, o.MarketRows):
            return ""
        if event.instrument not in self._bid:
            rows = event.rows
            self._bid[event.instrument] = int(rows[rows[:, o.M_SIDE] == 1, o.M_PRICE].max())
            return ""
        return event.instrument

    def shown(self, number: int) -> tuple[int, str]:
        """Have the exchange send an update and wait for it: when it was sent, and its symbol."""
        sent, symbol = int(self.ask("one", number)), ""
        while not symbol:
            symbol = next((name for name in map(self.updated, self.heard()) if name), "")
        return sent, symbol

    def order(self, name: str, symbol: str, number: int) -> None:
        """Send an order that takes nothing and rests nowhere."""
        price = self._bid[symbol] - 5 - number % 20
        self.venue.send(
            o.NewOrder(name, symbol, 1, 1, price, o.Tif.IOC, NAME, symbol, self.venue.now_ns)
        )

    def ended(self, count: int) -> None:
        """Wait until so many orders have had their last word.

        Raises
        ------
        ValueError
            One was refused.
        """
        while count > 0:
            for one in self.heard():
                if isinstance(one, o.Report) and one.leaves_qty == 0:
                    count -= 1
                    if one.exec_type is o.ExecType.REJECTED:
                        raise ValueError(f"{one.cl_ord_id} was refused: {one.text}")

    def ask(self, what: str, value: float = 0.0) -> Any:
        """The exchange's answer."""
        self.exchange.send((what, value))
        return self.exchange.recv()


def _reactions(desk: _Desk, orders: int) -> list[float]:
    """Milliseconds from an update's sending to the arrival of the order that answers it, one at a time."""
    sent: list[int] = []
    for number in range(orders):
        at, symbol = desk.shown(number)
        sent.append(at)
        desk.order(f"r{number}", symbol, number)
        desk.ended(1)
    arrivals = desk.ask("arrivals")
    return [(there - at) / 1e6 for there, at in zip(arrivals, sent, strict=True)][orders // 10 :]


def _bursts(desk: _Desk, orders: int) -> float:
    """Orders a second to their last word, so many in the air."""
    began, bursts = perf_counter(), max(orders // BURST, 1)
    for number in range(bursts):
        desk.shown(number)  # a price that is old lets no order leave
        for n in range(BURST):
            desk.order(f"b{next(desk.names)}", desk.symbols[n % len(desk.symbols)], n)
        desk.ended(BURST)
    return bursts * BURST / (perf_counter() - began)


def _lags(desk: _Desk, seconds: float) -> list[float]:
    """Milliseconds from an update's sending to its coming here, at `UPDATES_S` of them a second."""
    desk.exchange.send(("flow", seconds))
    came: dict[str, list[int]] = {name: [] for name in desk.symbols}
    total, until = 0, perf_counter() + 5 * seconds
    while total < round(UPDATES_S * seconds) and perf_counter() < until:
        for event in desk.heard():
            if symbol := desk.updated(event):
                came[symbol].append(perf_counter_ns())
                total += 1
    sent: dict[str, list[int]] = desk.exchange.recv()
    if any(len(came[name]) != len(sent[name]) for name in came):
        raise ValueError(f"{sum(map(len, sent.values()))} updates were sent, {total} came")
    return [(b - a) / 1e6 for name in came for a, b in zip(sent[name], came[name], strict=True)]


def _run(desk: _Desk, seconds: float) -> None:
    """Follow a flow of updates for so long."""
    desk.exchange.send(("run", seconds))
    left, until = round(UPDATES_S * seconds), perf_counter() + 5 * seconds
    while left and perf_counter() < until:
        left -= sum(map(bool, map(desk.updated, desk.heard())))
    desk.exchange.recv()
    if left:
        raise ValueError(f"{left} updates did not come")


def _bare(desk: _Desk, orders: int) -> list[float]:
    """Milliseconds from an order to its answer, by a WebSocket that signs and does nothing else."""
    from websockets.sync.client import connect

    url, symbol, price = desk.ask("where")
    took, signer = [], ApiSigner(KEY, secret=SECRET)
    with connect(url) as socket:
        for number in range(orders):
            params = {
                "newClientOrderId": f"w{number}", "price": price, "quantity": "1", "side": "BUY",
                "symbol": symbol, "timeInForce": "IOC", "timestamp": time.time_ns() // 10**6, "type": "LIMIT",
            }  # fmt: skip
            asked = json.dumps(
                {"id": number, "method": "order.place", "params": signer.sign_params(params)}
            )
            began = perf_counter_ns()
            socket.send(asked)
            answer = json.loads(socket.recv())
            took.append((perf_counter_ns() - began) / 1e6)
            if answer["status"] != 200:
                raise ValueError(str(answer))
    return took[orders // 10 :]


@contextmanager
def _trading() -> "Iterator[tuple[_Desk, int]]":
    """A desk's connection to a gate that trades at an exchange, each in a process of its own."""
    with (
        _exchanging() as (exchange, address),
        tempfile.TemporaryDirectory(prefix="tercel-bench-") as name,
    ):
        folder = Path(name)
        (folder / "limits.toml").write_text(packaged_limits(_WIDE))
        with GateProcess(
            folder, address, [NAME], folder / "limits.toml", folder / "KILLED"
        ) as gate:
            venue = RemoteVenue(str(gate.listen), [NAME])
            try:
                yield _Desk(venue, exchange), gate._process.pid
            finally:
                venue.close()


@contextmanager
def _exchanging() -> "Iterator[tuple[Connection, str]]":
    """The pipe to an exchange in a process of its own, and its address."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_exchange, args=(theirs,), daemon=True)
    process.start()
    with tempfile.TemporaryDirectory(prefix="tercel-bench-") as name:
        urls = ours.recv()
        os.environ["BENCH_BINANCE_KEY"], os.environ["BENCH_BINANCE_SECRET"] = KEY, SECRET
        words = [f'{key} = "{value}"\n' for key, value in urls.items()]
        keys = '[key]\napi_key = { env = "BENCH_BINANCE_KEY" }\nsecret = { env = "BENCH_BINANCE_SECRET" }\n'
        (Path(name) / "venue.toml").write_text("".join(words) + keys)
        yield ours, f"binance:{Path(name) / 'venue.toml'}"
    ours.send(("end", 0))
    process.join(20)


# -- the exchange's process -------------------------------------------------------------------------------------------
def _exchange(pipe: Connection) -> None:
    """Serve until the other end says so."""
    source = reactive(load(DEFAULT))
    engine = open_exchange(
        {f"A{n}": MarketSpec(source, 1, n) for n in range(SYMBOLS)},
        {},
        wall_ns=time.time_ns(),
        fee=100_000,
    )
    endow(engine, NAME, ())
    engine.advance(engine.now_ns + 10**9)
    arrivals: list[int] = []
    place = engine.place

    def place_timed(*arguments: Any, **options: Any) -> Any:
        arrivals.append(perf_counter_ns())
        return place(*arguments, **options)

    engine.place = place_timed  # type: ignore[method-assign]
    pace = Pace(MonotonicClock(), 1.0)
    pace.begin(engine.now_ns)
    server = serve_binance(
        engine, [ApiKey(KEY, NAME, SECRET)], pace=pace, limits=_FREE, wall_ns=lambda: pace.now_ns
    ).start()
    touches = {name: max(market.middle - _FAR, 1) for name, market in engine.markets.items()}
    prices = {name: engine.rules[name].price(ticks) for name, ticks in touches.items()}
    feed = _Feed(list(engine.rules), prices)
    urls = {"rest_url": server.url, "ws_api_url": server.ws_api_url, "ws_url": feed.url}
    pipe.send(urls)
    with server:
        while True:
            what, value = pipe.recv()
            if what == "end":
                feed.close()
                return
            if what == "arrivals":
                pipe.send(list(arrivals))
            elif what == "where":
                pipe.send((server.ws_api_url, next(iter(prices)), next(iter(prices.values()))))
            else:
                done = asyncio.run_coroutine_threadsafe(feed.told(what, value), feed.loop).result()
                if what != "open":
                    pipe.send(done)


class _Feed:
    """Streams of depth updates that come when they are told to: each changes one level far from the touch."""

    def __init__(self, names: list[str], prices: dict[str, str]) -> None:
        self._names, self._prices = names, prices
        self._last = dict.fromkeys(names, 0)
        self._sockets: list[Any] = []
        self.loop = asyncio.new_event_loop()
        self.url = ""
        self._thread = Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self.loop).result()

    async def _listen(self) -> None:
        from websockets.asyncio.server import serve

        self._server = await serve(self._subscribed, "127.0.0.1", 0, compression=None)
        self.url = f"ws://127.0.0.1:{next(iter(self._server.sockets)).getsockname()[1]}"

    async def _subscribed(self, socket: Any) -> None:
        self._sockets.append(socket)
        with suppress(Exception):
            async for message in socket:
                await socket.send(json.dumps({"result": None, "id": json.loads(message)["id"]}))

    def _frame(self, name: str) -> str:
        first = self._last[name] + 1
        last = self._last[name] = first + (
            10**12 if first == 1 else 0
        )  # the first one spans any snapshot
        level = [self._prices[name], f"{1 + last % 1000}.00000000"]
        update = {
            "e": "depthUpdate",
            "E": time.time_ns() // 10**6,
            "s": name,
            "U": first,
            "u": last,
            "b": [level],
            "a": [],
        }
        return json.dumps({"stream": f"{name.lower()}@depth@100ms", "data": update})

    async def told(self, what: str, value: float) -> Any:
        """Send: the first update of every symbol, one, or a flow of them for so many seconds; `run` notes no times."""
        if what == "one":
            return await self._send(self._names[int(value) % len(self._names)])
        if what == "open":
            while not self._sockets:
                await asyncio.sleep(0.01)
            await asyncio.sleep(
                1.0
            )  # every stream is subscribed to by then; the snapshot waits for an update
            for name in self._names:
                await self._send(name)
            return None
        sent: dict[str, list[int]] = {name: [] for name in self._names}
        began, total = perf_counter(), round(UPDATES_S * value)
        for number in range(total):
            if (early := began + number / UPDATES_S - perf_counter()) > 0.001:
                await asyncio.sleep(early)
            name = self._names[number % len(self._names)]
            at = await self._send(name)
            if what == "flow":
                sent[name].append(at)
        return sent

    async def _send(self, name: str) -> int:
        frame, at = self._frame(name), perf_counter_ns()
        for socket in self._sockets:
            await socket.send(frame)
        return at

    def close(self) -> None:
        """End the loop."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
