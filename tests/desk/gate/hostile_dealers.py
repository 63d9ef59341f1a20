"""Dealers over FIX that say whatever a test has them say, a gate before them, and a desk's session behind it."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from tests.desk.gate.wall import turning
from tests.desk.trading.desk_of_two import session_of
from tests.desk.trading.quoting import asking, routing
from tests.fix.plain_venue import Fields, PlainVenue
from tests.waiting import DEADLINE_S, until

from tercel.desk.gate.config import GateConfig, GateTerms
from tercel.desk.gate.opening import open_gate
from tercel.desk.gate.server import Gate
from tercel.desk.trading.journal.store import SqlJournal
from tercel.desk.trading.parent_orders.parent_request import ParentRequest
from tercel.desk.trading.risk.kill_switch import KillLatch
from tercel.desk.trading.session import Session
from tercel.venues.wire import RemoteVenue

S = 10**9
DEALERS = ("D1", "D2", "D3")
PROFILE = """base = "generic-44"
[session]
sender = "DESK"
target = "VENUE"
host = "127.0.0.1"
port = {port}
[orders]
quotes = "{quotes}"
[[symbol]]
name = "XYZ"
tick = 0.01
lot = 1
currency = "USD"
{more}
"""


def stamp(seconds: float = 0.0) -> str:
    """A UTCTimestamp so many seconds from now."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y%m%d-%H:%M:%S.%f")[:-3]


def name_of(take: dict[int, str]) -> str:
    """The name of an order that takes a quote."""
    return take.get(11) or take[693]


class HostileDealers(PlainVenue):
    """A venue whose dealers a test plays; orders of the book rest."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_for: list[dict[int, str]] = []
        """Requests (R) that came."""
        self.taken: list[dict[int, str]] = []
        """Orders that take a quote (D with 117, AJ with 694=1), as they came."""
        self.answer: Callable[[dict[int, str]], object] = lambda take: None
        """Called with each of them."""

    def say(self, kind: str, fields: Fields) -> None:
        """Send a message of any type."""
        with self._lock:
            self._say(kind, fields)

    def respond(self, request: str, name: str, dealer: str = "D1", **changed: object) -> None:
        """A quote of the side that was asked for; `_TAG` sets a field, None leaves it out."""
        asked = next(one for one in self.asked_for if one[131] == request)
        side = asked.get(54, "")
        said: dict[int, object] = {131: request, 117: name}
        if dealer:
            said |= {453: 1, 448: dealer, 447: "D", 452: 35}
        said |= {55: "XYZ", 54: side, 38: asked[38]}
        said |= {132: "9.99"} if side != "1" else {}
        said |= {133: "10.01"} if side != "2" else {}
        said |= {62: stamp(30)}
        said |= {int(tag[1:]): value for tag, value in changed.items()}
        self.say("S", [(tag, value) for tag, value in said.items() if value not in (None, "")])

    def report(self, take: dict[int, str], kind: str, status: str, **changed: object) -> None:
        """An execution report on an order that takes a quote."""
        self._ids += 1
        lots = int(take[38])
        filled = lots if status == "2" else 0
        name = name_of(take)
        said: dict[int, object] = {37: f"V{name}", 11: name, 17: f"E{self._ids}"}
        said |= {150: kind, 39: status, 1: take.get(1, "ann"), 55: "XYZ", 54: take[54]}
        said |= {38: lots, 44: take[44]} | ({32: lots, 31: take[44]} if kind == "F" else {})
        said |= {14: filled, 151: 0 if status in "248C" else lots, 6: 0, 60: stamp()}
        said |= {int(tag[1:]): value for tag, value in changed.items()}
        self.say("8", [(tag, value) for tag, value in said.items() if value not in (None, "")])

    def _request(self, said: dict[int, str]) -> None:
        self.asked_for.append(said)

    def _take_quote(self, said: dict[int, str]) -> None:
        self.taken.append(said)
        self.answer(said)

    def _order(self, said: dict[int, str]) -> None:
        if 117 in said:
            self._take_quote(said)
        else:
            self._new(said)

    def _response(self, said: dict[int, str]) -> None:
        if said.get(694) == "1":
            self._take_quote(said)

    def _cancel_all(self, said: dict[int, str]) -> None:
        super()._cancel_all(said)
        for take in self.taken:
            self.report(take, "4", "4")

    def _status(self, said: dict[int, str]) -> None:
        take = next((one for one in self.taken if name_of(one) == said[11]), None)
        if take is None:
            super()._status(said)
        else:
            self.report(take, "I", "4")

    _answers: ClassVar[dict[str, Callable[..., None]]] = {
        **PlainVenue._answers, "D": _order, "R": _request, "AJ": _response,
        "q": _cancel_all, "H": _status,
    }  # fmt: skip


class Chain:
    """The whole path: dealers over FIX, a gate in a thread of its own, a session that the test turns."""

    def __init__(self, folder: Path, stack: ExitStack, quotes: str = "order", **options: Any):
        self.venue = stack.enter_context(HostileDealers())
        self.folder = folder
        folder.mkdir(exist_ok=True)
        more = options.pop("more", "")
        profile = PROFILE.format(port=self.venue.port, quotes=quotes, more=more)
        (folder / "venue.toml").write_text(profile)
        limits = asking(**options.pop("limits", {}))
        (folder / "limits.toml").write_text(limits)
        terms = GateTerms(
            venue="fix:venue.toml",
            accounts=("ann", "bob", "cat"),
            limits="limits.toml",
            silence_s=60.0,
            latch="desk/kill.json",
        )
        self.gate: Gate = stack.enter_context(open_gate(GateConfig(gate=terms), folder, "a test"))
        stack.enter_context(turning(self.gate.run))
        self._stack, self._limits, self._options = stack, limits, options
        self._parents = 0
        self.open()

    def open(self) -> None:
        """Begin a session on the desk's journal."""
        desk = self.folder / "desk"
        desk.mkdir(exist_ok=True)
        self.latch = KillLatch(desk / "kill.json")
        venue = RemoteVenue(self.gate.path, ("ann",))
        options = {"strategies": routing, "dealers": DEALERS, "warm_s": 0, **self._options}
        self.session: Session = session_of(
            venue, SqlJournal(desk), limits=self._limits, latch=self.latch,
            killed=self.latch.kill_reason, **options,
        )  # fmt: skip
        self.until(lambda: self.session.limits.instruments["XYZ"].sane, "a market")

    def close(self) -> None:
        """End the session."""
        self.session.close()

    def step(self, seconds: float = 0.01) -> bool:
        """One step of the session; whether anything came."""
        return bool(self.session.step(self.session.now_ns + round(seconds * S)))

    def until(self, holds: Callable[[], object], what: str) -> None:
        """Step until something holds."""
        until(lambda: (self.step(), holds())[1], DEADLINE_S, what)

    def parent(
        self,
        lots: int = 100,
        side: int = 1,
        strategy: str = "rfq",
        horizon_s: int = 600,
        **more: Any,
    ) -> str:
        """Accept a parent order; its name."""
        self._parents += 1
        name = f"s{self.session.number}p{self._parents}"
        terms = lots, horizon_s * S, 10, strategy, "ann"
        self.session.manager.accept(ParentRequest(name, "XYZ", side, *terms, **more))
        return name

    def asked(self, lots: int = 100, side: int = 1, **more: Any) -> str:
        """A request of a parent that has reached the dealers; its name there."""
        many = len(self.venue.asked_for)
        self.parent(lots, side, **more)
        self.until(lambda: len(self.venue.asked_for) > many, "a request")
        return self.venue.asked_for[-1][131]

    def quoted(self, lots: int = 5) -> str:
        """A request that a dealer has answered by the quote `q1`; its name there."""
        name = self.asked(lots)
        self.venue.respond(name, "q1")
        self.until(lambda: "q1" in self.session.quotes.book.quotes, "a quote")
        return name

    def rest(self) -> None:
        """An order that rests at the venue."""
        many = len(self.venue.open)
        name = self.parent(10, strategy="peg_behind")
        self.until(lambda: len(self.venue.open) > many, f"an order of {name}")

    def kill(self) -> tuple[float, float]:
        """Kill the agent, until the venue has confirmed it: seconds of the processor, and of the clock."""
        wall_s, cpu_s = time.monotonic(), time.process_time()
        self.latch.kill("a test", "eve", time.time_ns(), ["ann"])
        stopper = self.session.stopper
        self.until(lambda: "ann" in stopper.killed and not stopper.open, "a confirmed kill")
        return time.process_time() - cpu_s, time.monotonic() - wall_s

    def rearm(self) -> None:
        """Let the agent trade again."""
        self.latch.rearm("a test", "eve", time.time_ns(), ["ann"])
        self.until(lambda: not self.session.stopper.killed, "a re-armed agent")


@contextmanager
def chain(folder: Path, **options: Any) -> Iterator[Chain]:
    """A chain that is closed at the end."""
    with ExitStack() as stack:
        made = Chain(folder, stack, **options)
        stack.callback(made.close)
        yield made
