"""A server in this process that speaks Binance's words and lies as it is told, on a clock that a test moves.

What it does is drawn from a seed; its true book walks on beneath, so that what a desk sees can be held against it.
"""

import random
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from pathlib import Path
from selectors import DefaultSelector
from typing import Any, Final

from tests.desk.trading.desk_of_two import WIDE

from tercel.core import orders as o
from tercel.core.errors import TapeError
from tercel.core.link.connection import WaitLimits
from tercel.desk.limits import LimitGate, parse
from tercel.desk.limits.quotes import BestQuotes
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.memory import MemoryJournal
from tercel.desk.trading.parent_orders.follower import follower_of
from tercel.desk.trading.parent_orders.parent import acceptance_entry
from tercel.desk.trading.parent_orders.parent_request import ParentRequest
from tercel.desk.trading.reconciliation.refold import refold
from tercel.desk.trading.risk.cancels import KillCanceller
from tercel.desk.trading.risk.kill_switch import KillLatch
from tercel.desk.trading.risk.limit_keeper import LimitKeeper
from tercel.venues.binance_venue.api_key import ApiSigner
from tercel.venues.binance_venue.channel import ApiChannel
from tercel.venues.binance_venue.connections import SpotConnections
from tercel.venues.binance_venue.links import request_snapshot
from tercel.venues.binance_venue.opening import log_on
from tercel.venues.binance_venue.requests import BinanceApi
from tercel.venues.binance_venue.terms import BinanceTerms
from tercel.venues.binance_venue.venue import BinanceVenue
from tercel.venues.binance_venue.venue_clock import VenueClock
from tercel.venues.binance_venue.weight_budget import WeightBudget

NAME, AGENT, S = "ABCUSDT", "ann", 10**9
BEGAN_NS: Final = 1_790_000_000 * S
TICK_S: Final = 0.1
AGE_S: Final = 3.0
"""The desk's limit of a reference's age."""
LIMITS: Final = WIDE.replace(
    "reference_age_ms = 60_000", f"reference_age_ms = {round(AGE_S * 1000)}"
)
DAY_MS: Final = 86_400_000
Bend = Callable[["Server", dict[str, Any]], Iterable[Any]]
"""What is said in place of a message."""


class Clock:
    """Seconds since the beginning, moved by hand."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s

    @property
    def ns(self) -> int:
        return BEGAN_NS + round(self.s * S)


class Server:
    """A market that walks, streams of it, and orders that rest."""

    up, down_reason, refusal = True, "", ""
    on_feed_lost: Any = None

    def __init__(self, clock: Clock, seed: int) -> None:
        self.clock, self.rng = clock, random.Random(seed)
        self.followed: list[str] = []
        self.channel: Any = None
        self.last, self.trade, self.bid = 1000, 500, 10_000
        self.book = self._levels()
        self.history = deque([(0.0, self.touch)], maxlen=600)
        self.market: deque[tuple[float, Any]] = deque()
        self.answers: deque[tuple[float, Any]] = deque()
        self.user: list[Any] = []
        self.renewed = 0
        self.subscribed_s = 0.0
        self.asked: list[tuple[float, str, Mapping[str, Any]]] = []
        self.bend: Bend | None = None
        self.bend_answer: Callable[[Server, str, dict[str, Any]], dict[str, Any] | None] | None = (
            None
        )
        self.numbers = count(1)

    @property
    def ms(self) -> int:
        return self.clock.ns // 10**6

    @property
    def touch(self) -> tuple[int, int]:
        return self.bid, self.bid + 1

    def _levels(self) -> dict[tuple[str, int], int]:
        rng = self.rng
        bids = {("b", self.bid - n): rng.randint(1, 50) for n in range(5)}
        return bids | {("a", self.bid + 1 + n): rng.randint(1, 50) for n in range(5)}

    def tick(self) -> None:
        """A moment of the market: its book moves, and is told."""
        before, self.bid = self.book, self.bid + self.rng.choice((-1, 0, 1))
        self.book = self._levels()
        changed = dict.fromkeys(before.keys() - self.book.keys(), 0)
        changed |= {at: lots for at, lots in self.book.items() if before.get(at) != lots}
        first, self.last = self.last + 1, self.last + self.rng.randint(1, 5)
        sides = {side: [level(p, n) for (s, p), n in changed.items() if s == side] for side in "ba"}
        self.history.append((self.clock.s, self.touch))
        self.trade += 1
        self.say({"e": "trade", "s": NAME, "E": self.ms, "T": self.ms, "t": self.trade, "m": True,
                  "p": price_of(self.bid), "q": "0.001"})  # fmt: skip
        self.say({"e": "depthUpdate", "s": NAME, "E": self.ms, "U": first, "u": self.last} | sides)

    def say(self, message: dict[str, Any], late_s: float = 0.0) -> None:
        if self.followed and self.clock.s >= self.subscribed_s:
            bent = [message] if self.bend is None else self.bend(self, message)
            self.market.extend((self.clock.s + late_s, one) for one in bent)

    # -- as links -----------------------------------------------------------------------------------------------------
    def follow(self, name: str) -> None:
        if name not in self.followed:
            self.followed.append(name)

    def renew(self, name: str) -> None:
        self.renewed += 1
        self.subscribed_s = self.clock.s + 0.5

    def poll(self) -> tuple[list[Any], list[Any]]:
        while self.answers and self.answers[0][0] <= self.clock.s:
            self.channel.receive(self.answers.popleft()[1])
        user, self.user = self.user, []
        market = [one for due, one in self.market if due <= self.clock.s]
        self.market = deque(each for each in self.market if each[0] > self.clock.s)
        return user, [one for one in market if isinstance(one, dict)]

    def request_book(self, name: str, book: Any, now_s: float, on_snapshot: Any) -> None:
        request_snapshot(self.channel, 1000, name, book, now_s, on_snapshot)

    def close(self) -> None:
        """Nothing is open."""

    # -- as the WebSocket API -----------------------------------------------------------------------------------------
    def send(self, message: Mapping[str, Any]) -> None:
        method, asked = message["method"], message["params"]
        self.asked.append((self.clock.s, method, asked))
        told: dict[str, Any] | None = {
            "id": message["id"],
            "status": 200,
            "result": self._answer(method, asked),
        }
        if self.bend_answer is not None:
            told = self.bend_answer(self, method, told or {})
        if told is not None:
            self.answers.append((self.clock.s + 0.05, told))

    def _answer(self, method: str, asked: Mapping[str, Any]) -> Any:
        if method == "depth":
            return self.snapshot()
        if method == "order.place":
            row = {
                "symbol": NAME,
                "orderId": next(self.numbers),
                "clientOrderId": asked["newClientOrderId"],
            }
            row |= {
                "transactTime": self.ms,
                "status": "NEW",
                "executedQty": "0",
                "origQty": asked["quantity"],
            }
            event = {
                "e": "executionReport",
                "E": self.ms,
                "T": self.ms,
                "s": NAME,
                "i": row["orderId"],
                "x": "NEW",
            }
            self.user.append(
                event
                | {"c": row["clientOrderId"], "C": "", "X": "NEW", "z": "0", "q": row["origQty"]}
            )
            return row
        if method == "order.cancel":
            return {
                "orderId": asked["orderId"],
                "status": "CANCELED",
                "executedQty": "0",
                "transactTime": self.ms,
            }
        if method == "order.status":
            row = {
                "orderId": asked.get("orderId", 0),
                "clientOrderId": "",
                "status": "NEW",
                "executedQty": "0",
            }
            return row | {"time": self.ms, "updateTime": self.ms, "origQty": "0.001"}
        if method == "time":
            return {"serverTime": self.ms}
        return self.ask({"exchangeInfo": "/api/v3/exchangeInfo"}.get(method, "/api/v3/account"), 1)

    def snapshot(self) -> dict[str, Any]:
        sides = {
            side: [level(p, n) for (s, p), n in self.book.items() if s == side] for side in "ba"
        }
        return {"lastUpdateId": self.last, "bids": sides["b"], "asks": sides["a"]}

    # -- as REST ------------------------------------------------------------------------------------------------------
    def ask(
        self,
        path: str,
        weight: int,
        params: Any = None,
        *,
        signed: bool = False,
        method: str = "GET",
    ) -> Any:
        if path.endswith("/time"):
            return {"serverTime": self.ms}
        if path.endswith("/exchangeInfo"):
            return {
                "symbols": [
                    {
                        "symbol": NAME,
                        "baseAsset": "ABC",
                        "quoteAsset": "USDT",
                        "filters": tick("0.01"),
                    }
                ]
            }
        if path.endswith("/account"):
            return {
                "canTrade": True,
                "balances": [{"asset": "USDT", "free": "1000", "locked": "0"}],
            }
        return {"enableWithdrawals": False} if "Restrictions" in path else []


def price_of(ticks: int) -> str:
    return f"{ticks // 100}.{ticks % 100:02d}"


def level(ticks: int, lots: int) -> list[Any]:
    return [price_of(ticks), f"{lots // 1000}.{lots % 1000:03d}"]


def lied_to(
    server: Server,
    store: Path | None = None,
    patience: WaitLimits | None = None,
    **more: Any,
) -> BinanceVenue:
    """The adapter with the server in the place of its connections."""
    terms = BinanceTerms(**more)
    clock = VenueClock(lambda: server.clock.ns, lambda: server.clock.ns - BEGAN_NS)
    budget = WeightBudget(6000, server.clock, terms.longest_wait_s)
    signer = ApiSigner("K" * 64, secret="S" * 64)
    channel = ApiChannel(
        signer,
        budget,
        clock.now_ms,
        5000,
        server.clock,
        wall_ms=clock.wall_ms,
        jump_ms=terms.clock_ms,
    )
    channel.socket = server  # type: ignore[assignment]
    server.channel = channel
    api = BinanceApi(channel, server)  # type: ignore[arg-type]
    connections = SpotConnections("hostile", api, server, DefaultSelector())
    limits = patience or WaitLimits(logon_s=5.0)
    venue = log_on(BinanceVenue, terms, connections, store, clock, limits)
    venue._watch._clock = venue.inquiry._clock = server.clock
    venue._watch._clock_due_s = venue._watch._account_due_s = venue._watch._rules_due_s = 60.0
    for one in venue.inquiry.open.values():
        one.due_s = server.clock()
    return venue


class Desk:
    """A gateway with limits, a follower and a latch before the venue, and an agent that always wants to trade."""

    def __init__(self, folder: Path, seed: int, **terms: Any) -> None:
        self.clock = Clock()
        self.server = Server(self.clock, seed)
        self.venue = lied_to(self.server, **terms)
        self.limits = LimitGate(parse(LIMITS), self.venue.listings(), [AGENT])
        self.latch = KillLatch(folder / "kill")
        self.limits.killed = self.latch.kill_reason
        self.journal = MemoryJournal()
        self._names = count(1)
        self.gateway = OrderGateway(
            self.venue, self.journal, self.limits, refold(self.journal, self.limits), self.name
        )
        self.stopper = KillCanceller(self.gateway, self.latch)
        self.keeper = LimitKeeper(
            self.gateway, self.latch, lambda: self.stopper.poll_latch([AGENT])
        )
        self.keeper.begin()
        self.follower = follower_of(self.venue, self.venue.listings()[0])
        request = ParentRequest("p", NAME, 1, 20_000, 10**15, 1, "drawn", AGENT)
        self.limits.register_parent("p", NAME, AGENT, 1, request.lots)
        self.gateway.write([acceptance_entry(request, self.venue.now_ns)])
        self.passed, self.stale = list[float](), list[float]()
        self.denials = list[str]()
        self.venue.subscribe(NAME)

    def name(self) -> str:
        return f"x{next(self._names)}"

    def turn(self, trades: bool = True) -> None:
        """A tenth of a second of all of it."""
        self.clock.s = round(self.clock.s + TICK_S, 6)
        self.server.tick()
        events = self.venue.step(self.venue.now_ns)
        self.gateway.receive(events)
        for event in events:
            if isinstance(event, o.MarketRows):
                try:
                    self.follower.on_market(event)
                except TapeError:
                    self.venue.subscribe(NAME)
                self.limits.mark(NAME, self.follower.quotes, event.dated_ns, self.venue.now_ns)
        self.keeper.watch()
        self.stopper.poll_latch([AGENT])
        self.stopper.follow_up()
        if trades:
            self._trade()

    def _trade(self) -> None:
        bid = self.follower.quotes.bid
        new = o.NewOrder(
            self.name(), NAME, 1, 1, (bid or 10_000) - 40, o.Tif.DAY, AGENT, "p", self.venue.now_ns
        )
        outcome = self.gateway.submit([new])
        self.denials += [denial.code for _, denial in outcome.denied]
        if outcome.sent:
            self.passed.append(self.clock.s)
            if not self.sees():
                self.stale.append(self.clock.s)

    def sees(self, within_s: float = AGE_S) -> bool:
        """Whether what the desk sees is what was true at some time not longer ago."""
        return any(
            BestQuotes(*touch) == self.follower.quotes
            for s, touch in self.server.history
            if s >= self.clock.s - within_s - 1e-6
        )

    def alerts(self, since_s: float, until_s: float = 1e9) -> list[Mapping[str, Any]]:
        found = [entry for _, entry in self.journal.read(kinds=(kinds.ALERT,))]
        at = [(entry.ns - BEGAN_NS) / S for entry in found]
        return [
            one.body for s, one in zip(at, found, strict=True)
            if since_s - 1e-6 <= s <= until_s + 1e-6 and one.body["severity"] != "info"
        ]  # fmt: skip

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> float:
        """Let time pass; the clock after it."""
        ends = self.clock.s + seconds
        while self.clock.s < ends - 1e-6 and not until():
            self.turn()
        return self.clock.s


# -- lies -------------------------------------------------------------------------------------------------------------
class Lie:
    """What a server does for a while.

    Parameters
    ----------
    says : str
        In words.
    bend : Bend, optional
        What it says in place of a message of the market.
    answer : callable, optional
        What it answers in place of an answer; None: nothing.
    gap : bool
        Whether it leaves out an update first, so that a snapshot is asked for.
    seconds : float
    """

    def __init__(
        self,
        says: str,
        bend: Bend | None = None,
        answer: Any = None,
        gap: bool = False,
        seconds: float = 10.0,
    ):
        self.says, self.bend, self.answer, self.gap, self.seconds = says, bend, answer, gap, seconds


def depths(
    change: Callable[["Server", dict[str, Any]], dict[str, Any] | None], part: float = 1.0
) -> Bend:
    """Some of the updates, changed; None: left out."""

    def bend(server: Server, message: dict[str, Any]) -> Iterable[Any]:
        if message["e"] != "depthUpdate" or server.rng.random() >= part:
            return [message]
        changed = change(server, message)
        return [] if changed is None else [changed]

    return bend


def trades(**fields: Any) -> Bend:
    return lambda server, message: [message | fields] if message["e"] == "trade" else [message]


def snapshots(change: Callable[["Server", dict[str, Any]], Any]) -> Any:
    """Answers to questions for a snapshot, changed."""

    def answer(server: Server, method: str, told: dict[str, Any]) -> dict[str, Any] | None:
        return told if method != "depth" else change(server, told)

    return answer


def once(bend: Bend) -> Bend:
    """The lie of one update alone."""
    left = [1]

    def bent(server: Server, message: dict[str, Any]) -> Iterable[Any]:
        if message["e"] != "depthUpdate" or not left:
            return [message]
        left.clear()
        return bend(server, message)

    return bent


def shifted(by: int, first: bool = True, last: bool = True) -> Any:
    return lambda server, told: told | {"U": told["U"] + by * first, "u": told["u"] + by * last}


def levels(*bids: Any, asks: Any = ()) -> Any:
    return lambda server, told: told | {"b": [*told["b"], *bids], "a": [*told["a"], *asks]}


def crossed(above: int) -> Bend:
    """A bid that stands at or above the asks, as long as it lies."""

    def change(server: Server, told: dict[str, Any]) -> dict[str, Any]:
        return told | {"b": [*told["b"], level(server.bid + 1 + above, 7)]}

    return depths(change)


def doubled(server: Server, message: dict[str, Any]) -> Iterable[Any]:
    return [message, message]


def reordered() -> Bend:
    held: list[Any] = []

    def bend(server: Server, message: dict[str, Any]) -> Iterable[Any]:
        if message["e"] != "depthUpdate":
            return [message]
        held.append(message)
        if len(held) < 2:
            return []
        return [held.pop(), held.pop()]

    return bend


def late(by_s: float, ahead_ms: int = 0) -> Bend:
    def bend(server: Server, message: dict[str, Any]) -> Iterable[Any]:
        server.market.append((server.clock.s + by_s, message | {"E": message["E"] + ahead_ms}))
        return []

    return bend


def first_ahead(ahead_ms: int, then: Bend) -> Bend:
    """One update that is dated ahead, and then another lie."""
    left = [1]

    def bend(server: Server, message: dict[str, Any]) -> Iterable[Any]:
        if message["e"] != "depthUpdate" or not left:
            return then(server, message)
        left.clear()
        return [message | {"E": message["E"] + ahead_ms}]

    return bend


def own_trades(**fields: Any) -> Bend:
    """Reports on the first order of the desk, beside a market that is right."""

    def bend(server: Server, message: dict[str, Any]) -> Iterable[Any]:
        if message["e"] == "trade":
            name = next(
                asked["newClientOrderId"]
                for _, method, asked in server.asked
                if method == "order.place"
            )
            told = {
                "e": "executionReport",
                "E": server.ms,
                "T": server.ms,
                "s": NAME,
                "i": 1,
                "c": name,
                "C": "",
            }
            told |= {
                "x": "TRADE",
                "X": "PARTIALLY_FILLED",
                "z": "0.001",
                "q": "0.001",
                "t": server.trade,
            }
            server.user.append(told | {"L": "99.60", "l": "0.001", "n": "0", "N": "USDT"} | fields)
        return [message]

    return bend


def tick(size: str) -> list[dict[str, str]]:
    return [
        {"filterType": "PRICE_FILTER", "tickSize": size},
        {"filterType": "LOT_SIZE", "stepSize": "0.001"},
    ]


def listed(wrong: Mapping[str, Any]) -> Any:
    """Answers about the symbol, changed."""

    def change(server: Server, method: str, told: dict[str, Any]) -> dict[str, Any]:
        if method != "exchangeInfo":
            return told
        return told | {"result": {"symbols": [told["result"]["symbols"][0] | wrong]}}

    return change


def result(**fields: Any) -> Any:
    return lambda server, told: told | {"result": told["result"] | fields}


def refused(status: int, code: int, retry_ms: int = 0) -> Any:
    """A refusal of every request."""

    def change(server: Server, method: str, told: dict[str, Any]) -> dict[str, Any]:
        data = {"serverTime": server.ms, "retryAfter": server.ms + retry_ms}
        return {
            "id": told["id"],
            "status": status,
            "error": {"code": code, "msg": "no", "data": data},
        }

    return change


def to_user(*events: dict[str, Any]) -> Bend:
    """Events of the account, beside a market that is right."""

    def bend(server: Server, message: dict[str, Any]) -> Iterable[Any]:
        if message["e"] == "trade":
            server.user += [{"E": server.ms} | one for one in events]
        return [message]

    return bend


ODD: Final = ("NaN", "Infinity", "-Infinity", "-1", "1e400", "1e30", "1e9", "", "abc", None, [], {}, True, -1.0, "0x10",
              "\u0661", "1_000", float("nan"))  # fmt: skip


def drawn(seed: int) -> Lie:
    """A lie by its number: its kind in turn, all else by chance."""
    rng = random.Random(seed)
    far = rng.choice((1, 50, 10**4, 10**6, 10**9, 10**12, 2**63))
    odd, seconds = rng.choice(ODD), rng.choice((0.3, 3.0, 8.0, 20.0))
    part, ms = rng.choice((0.1, 0.5, 1.0)), rng.choice((11_000, 3_600_000, DAY_MS, 10**15))
    bad = [odd, "1.000"] if rng.random() < 0.5 else ["99.99", odd]
    made = [
        Lie(f"ids of one update {far} ahead", once(depths(shifted(far)))),
        Lie(f"last id of one update {far} ahead", once(depths(shifted(far, first=False)))),
        Lie(f"ids of all updates {far} ahead", depths(shifted(far)), seconds=seconds),
        Lie(f"ids of {part:g} of all {far} back", depths(shifted(-far), part), seconds=seconds),
        Lie("a last id below the first", depths(shifted(-10, first=False), part), seconds=seconds),
        Lie(f"{part:g} of all updates left out", depths(lambda server, told: None, part), seconds=seconds),
        Lie(f"crossed by {far % 997}", crossed(far % 997), seconds=seconds),
        Lie("snapshots of long ago", answer=snapshots(result(lastUpdateId=1)), gap=True, seconds=seconds),
        Lie(f"snapshots {far} ahead", answer=snapshots(
            lambda server, told: result(lastUpdateId=server.last + far)(server, told)), gap=True, seconds=seconds),
        Lie("empty snapshots", answer=snapshots(result(bids=[], asks=[])), gap=True, seconds=seconds),
        Lie(f"snapshots of {bad!r}", answer=snapshots(result(bids=[bad])), gap=True, seconds=seconds),
        Lie("no answer about a snapshot", answer=snapshots(lambda server, told: None), gap=True, seconds=3.0),
        Lie("a fault for each snapshot", answer=snapshots(
            lambda server, told: refused(503, -1000)(server, "depth", told)), gap=True, seconds=seconds),
        Lie(f"{seconds:g} s late", late(seconds), seconds=15.0),
        Lie(f"dated {ms} ms ago", depths(lambda server, told: told | {"E": told["E"] - ms}, part), seconds=seconds),
        Lie(f"dated {ms} ms ahead", depths(lambda server, told: told | {"E": told["E"] + ms}, part), seconds=seconds),
        Lie(f"a level of {bad!r}", depths(levels(bad), part), seconds=seconds),
        Lie("no levels", depths(lambda server, told: {k: told[k] for k in told if k != "b"}, part), seconds=seconds),
        Lie(f"an id of {odd!r}", depths(lambda server, told: told | {"u": odd}, part), seconds=seconds),
        Lie("levels twice, with other sizes", depths(
            lambda server, told: told | {"b": [[p, "0.900"] for p, _ in told["b"]] + told["b"]}), seconds=seconds),
        Lie("each update twice", doubled, seconds=seconds),
        Lie("updates in another order", reordered(), seconds=seconds),
        Lie("all levels taken off", depths(lambda server, told: told | {
            s: told[s] + [level(p, 0) for (of, p) in server.book if of == s] for s in "ba"}), seconds=seconds),
        Lie(f"trades numbered {far} ahead", trades(t=far + 10**4), seconds=seconds),
        Lie(f"trades at {odd!r}", trades(p=odd), seconds=seconds),
        Lie(f"trades dated {ms} ms ahead", trades(T=(BEGAN_NS // 10**6) + ms + 60_000), seconds=seconds),
        Lie("silence", lambda server, message: [], seconds=seconds),
        Lie("what is no message", lambda server, message: [5, None, {"s": NAME}, {"s": NAME, "e": "depthUpdate"}]
            if server.rng.random() < part else [message], seconds=seconds),
        Lie(f"a report dated {ms} ms ahead, and one of {odd!r}", to_user(
            {"e": "executionReport", "s": NAME, "i": 1, "c": "x", "C": "", "x": "NEW", "X": "NEW", "z": odd,
             "T": BEGAN_NS // 10**6 + ms, "E": BEGAN_NS // 10**6 + ms}), seconds=seconds),
        Lie(f"balances of {odd!r} and of 1e19", to_user(
            {"e": "outboundAccountPosition", "B": [{"a": "USDT", "f": odd, "l": "0"}]},
            {"e": "outboundAccountPosition", "B": [{"a": "USDT", "f": "1e19", "l": "0"}]}), seconds=seconds),
    ]  # fmt: skip
    return made[seed % len(made)]
