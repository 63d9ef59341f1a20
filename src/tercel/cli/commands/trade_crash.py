"""``tercel trade crashtest``: kill a session at named points, start it again, and count what is wrong.

For every point three processes: an exchange that lives on, a session that is killed (SIGKILL) when it passes the point,
and sessions that recover, two where recovery itself is killed. The exchange's own record is the truth.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

from tercel.cli.trade import CrashTest
from tercel.core.errors import ConfigError, VenueError
from tercel.core.orders import CancelOrder, Command, Listing, NewOrder, ReplaceOrder
from tercel.core.vocabulary import NS_PER_SECOND as SECOND
from tercel.core.written import write_whole
from tercel.execution.strategies import build
from tercel.limits import LimitGate, default_file, read
from tercel.market.flow.preset import load
from tercel.market.simulator.source import Source, reactive
from tercel.report.terminal import print_json, result_console, say
from tercel.trading import crashpoints
from tercel.trading.journal.memory import MemoryJournal
from tercel.trading.journal.reader import post
from tercel.trading.journal.store import SqlJournal
from tercel.trading.kill import LATCH, KillLatch
from tercel.trading.ledger import Ledger
from tercel.trading.parents import ParentRequest, ParentStatus
from tercel.trading.session import Session, SessionTerms
from tercel.venues.exchange import EntryLatency, MarketSpec, SimulatedExchange
from tercel.venues.wire import RemoteVenue, WireServer

PRESET: Final = "csco-santa-fe"
INSTRUMENTS: Final = ("X", "Y")
AGENTS: Final = ("ann", "bob")
PARENTS: Final = (
    ("p1", "ann", "X", 1, "twap_passive"),
    ("p2", "bob", "Y", -1, "random"),
    ("p3", "ann", "Y", -1, "twap_take"),
)
LOTS: Final = 240
HORIZON_S: Final = 90
LATENCY_NS: Final = 20_000_000
PATIENCE_S: Final = 60.0
_RECOVERY: Final = "recovery."


@dataclass(frozen=True)
class CrashRow:
    """What became of one crash.

    Parameters
    ----------
    point : str
        Where, and for the how manieth time it was passed.
    killed : int
        Sessions that were killed: 1, or 2 where recovery was killed too.
    orders, fills : int
        At the exchange, by its own record.
    lost, doubled : int
        Executions of the exchange that the journal lacks; that it has booked twice or invented.
    orphans : int
        Orders that worked at the exchange when the session was ready again, or when everything was over.
    twice : int
        cl_ord_ids that reached the exchange more than once.
    faults : tuple of str
        Other sums that do not agree: parents, positions, orders left open.
    ready_ms : float
        From the start of the recovering session until it was ready.
    """

    point: str
    killed: int
    orders: int
    fills: int
    lost: int
    doubled: int
    orphans: int
    twice: int
    faults: tuple[str, ...]
    ready_ms: float

    @property
    def clean(self) -> bool:
        """Killed as asked, and nothing is wrong."""
        return self.killed > 0 and not (self.lost or self.doubled or self.orphans or self.twice or self.faults)


# -- the exchange, which lives on -------------------------------------------------------------------------------------


class Witness(SimulatedExchange):
    """An exchange that remembers every name that reached it."""

    def __init__(self, source: Source, seed: int) -> None:
        markets = {name: MarketSpec(source, seed=seed + i) for i, name in enumerate(INSTRUMENTS)}
        super().__init__(markets, latency=EntryLatency("constant", LATENCY_NS))
        self.names: Counter[str] = Counter()

    def send(self, command: Command) -> None:
        """Remember, then take it."""
        if isinstance(command, NewOrder | CancelOrder | ReplaceOrder):
            self.names[f"{command.account} {command.cl_ord_id}"] += 1
        super().send(command)

    def testimony(self) -> dict[str, Any]:
        """What it knows: trades and open orders by account, names that came twice."""
        return {
            "trades": {a: [[t.exec_id, t.cl_ord_id, t.side * t.last_lots] for t in self.executions(a)] for a in AGENTS},
            "open": {a: [order.cl_ord_id for order in self._orders.open_of(a)] for a in AGENTS},
            "orders": sum(len(self._orders.of_account.get(a, [])) for a in AGENTS),
            "twice": [name for name, n in self.names.items() if n > 1],
        }


def _serve(folder: Path, source: Source, seed: int) -> None:
    """Until ``over`` appears; what it knows whenever ``probe`` does."""
    exchange = Witness(source, seed)
    server = WireServer(exchange, f"unix:{folder / 'exchange'}")

    def is_over() -> bool:
        if (folder / "probe").exists():
            _put(folder / "probe.json", exchange.testimony())
            (folder / "probe").unlink()
        return (folder / "over").exists()

    server.run(is_over)
    _put(folder / "truth.json", exchange.testimony())


# -- the session, which is killed -------------------------------------------------------------------------------------


def _trade(folder: Path, point: str, waits: bool = False) -> None:
    """Work three parents to their end, with people interfering; die at `point`. The last says when it is ready."""
    crashpoints.arm(point)
    began = time.perf_counter()
    venue = _connected(folder)
    journal, latch = SqlJournal(folder), KillLatch(folder / LATCH)
    session = _session(venue, journal, latch, list(venue.listings()))
    ready = 1000 * (time.perf_counter() - began)
    if waits:
        _put(folder / "ready.json", {"ms": ready})
        _wait((folder / "go").exists, "word to go on")
    play(session, latch, lambda what, body: post(folder, what, body, "crash test", "as written", 0))
    crashpoints.arm("")
    session.close()


def _session(venue: Any, journal: Any, latch: KillLatch, listings: list[Listing]) -> Session:
    gate = LimitGate(read(default_file()), listings, AGENTS, killed=latch.killed)
    return Session(
        venue, journal, gate, lambda name, _: build(name),
        SessionTerms(resume=True, warmup_s=30.0, heartbeat_ns=10 * SECOND, seed=1), latch=latch,
    )  # fmt: skip


def play(session: Session, latch: KillLatch, tell: Callable[[str, dict[str, Any]], object]) -> None:
    """The same play whoever comes on stage, and when: what has happened already is not done again."""
    for name in INSTRUMENTS:
        session.follow(name)
    if not len(session.ledger.parents):
        session.run_until(session.now_ns + 40 * SECOND)
    for id_, agent, name, side, strategy in PARENTS:
        if session.ledger.parents.get(id_) is None:
            session.accept(ParentRequest(id_, name, side, LOTS, HORIZON_S * SECOND, 15, strategy, agent))
    began = session.ledger.parents.must("p1").accepted_ns
    done: set[str] = set()
    while not all(parent.over for parent in session.ledger.parents):
        session.step(session.now_ns + SECOND)
        _interfere(session, latch, tell, done, (session.now_ns - began) // SECOND)
    for _ in range(5):
        session.step(session.now_ns + SECOND // 10)


def _interfere(session: Session, latch: KillLatch, tell: Any, done: set[str], second: int) -> None:
    """p1 is paused at 20 s and resumed at 25; bob is killed at 45 s and re-armed at 50."""
    p1, p2 = (session.ledger.parents.must(id_) for id_ in ("p1", "p2"))

    def once(what: str, body: dict[str, Any]) -> None:
        if f"{what} {body}" not in done:
            done.add(f"{what} {body}")
            tell(what, body)

    if 20 <= second < 25 and p1.status == ParentStatus.WORKING:
        once("pause", {"parent": "p1"})
    if second >= 25 and p1.status == ParentStatus.PAUSED:
        once("resume", {"parent": "p1"})
    history = latch.state().history
    if second >= 45 and not history:
        latch.kill("the play says so", "crash test", 0, ["bob"])
    if second >= 50 and len(history) == 1:
        latch.rearm("the play says so", "crash test", 0, ["bob"])
    if second >= 51 and p2.status == ParentStatus.PAUSED:
        once("resume", {"parent": "p2"})


# -- processes --------------------------------------------------------------------------------------------------------


def _spawned(body: Callable[[], None]) -> int:
    """Run something in a fork of this process; its number."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        body()
        status = 0
    except BaseException as error:
        say(f"{type(error).__name__}: {error}")
    finally:
        os._exit(status)


def _ended(child: int) -> int:
    """How it ended: its exit status, or minus the signal that killed it."""
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _wait(done: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + PATIENCE_S
    while not done():
        if time.monotonic() > until:
            raise VenueError(what, f"none within {PATIENCE_S:g} s", "see what the other process says")
        time.sleep(0.002)


def _connected(folder: Path) -> RemoteVenue:
    """A link to the exchange, once it listens and has noticed that the last session died."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return RemoteVenue(f"unix:{folder / 'exchange'}", 0, AGENTS)
        except VenueError:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)


def _put(file: Path, record: Any) -> None:
    write_whole(file, json.dumps(record))


# -- the table --------------------------------------------------------------------------------------------------------


def rehearse(source: Source, seed: int) -> tuple[Counter[str], Counter[str]]:
    """Play once in this process: how often each point is passed in trading, and in a recovery from mid-trade."""
    with TemporaryDirectory(prefix="tercel-crash-") as folder:
        latch = KillLatch(Path(folder) / LATCH)
        passed = crashpoints.counting()
        exchange, journal = Witness(source, seed), SqlJournal(folder)
        session = _session(exchange, journal, latch, list(exchange.listings()))
        play(session, latch, lambda what, body: post(folder, what, body, "crash test", "as written", 0))
        trading = Counter(passed)
        exchange, memory = Witness(source, seed), MemoryJournal()
        session = _session(exchange, memory, KillLatch(Path(folder) / "other.json"), list(exchange.listings()))
        for name in INSTRUMENTS:
            session.follow(name)
        session.run_until(session.now_ns + 40 * SECOND)
        session.accept(ParentRequest("p1", "X", 1, LOTS, HORIZON_S * SECOND, 15, "twap_passive", "ann"))
        session.run_until(session.now_ns + 30 * SECOND)
        passed.clear()
        _session(exchange, memory, KillLatch(Path(folder) / "other.json"), list(exchange.listings()))
        recovery = Counter({point: n for point, n in passed.items() if point.startswith(_RECOVERY)})
        crashpoints.stop_counting()
        session.journal.close()
        journal.close()
    return trading, recovery


def choose(trading: Counter[str], recovery: Counter[str], points: int, seed: int) -> list[str]:
    """`points` crashes: every point once before any comes again, each at a drawn passage."""
    rng = np.random.default_rng(seed)
    names = [*sorted(set(trading) - set(recovery)), *sorted(recovery)]
    chosen: list[str] = []
    while len(chosen) < points:
        for name in names[: points - len(chosen)]:
            most = recovery[name] if name in recovery else max(1, int(0.9 * trading[name]))
            chosen.append(f"{name}:{1 + int(rng.integers(most))}")
    return chosen


def crash(point: str, source: Source, seed: int, folder: Path) -> CrashRow:
    """One crash and what came of it."""
    recovering = point.startswith(_RECOVERY)
    exchange = _spawned(lambda: _serve(folder, source, seed))
    killed, probe = 0, {}
    try:
        first = f"gateway.sent.new:{3 + seed % 5}" if recovering else point
        for armed in (first, point) if recovering else (first,):
            killed += _ended(_spawned(lambda armed=armed: _trade(folder, armed))) == -signal.SIGKILL  # type: ignore[misc]
        last = _spawned(lambda: _trade(folder, "", killed > 0))
        if killed:
            _wait((folder / "ready.json").exists, "a session that is ready again")
            (folder / "probe").touch()
            _wait((folder / "probe.json").exists, "the exchange's word")
            probe = json.loads((folder / "probe.json").read_text())
            (folder / "go").touch()
        ended = _ended(last)
        (folder / "over").touch()
        _ended(exchange)
    except BaseException:
        os.kill(exchange, signal.SIGKILL)
        raise
    faults = [] if ended == 0 else [f"the recovering session ended with {ended}"]
    return _judge(point, killed, folder, probe, faults)


def _judge(point: str, killed: int, folder: Path, probe: dict[str, Any], faults: list[str]) -> CrashRow:
    """The journal against the exchange's own record."""
    truth = json.loads((folder / "truth.json").read_text())
    journal = SqlJournal(folder)
    ledger = Ledger.of(journal)
    journal.close()
    ours = Counter((fill.account, fill.exec_id) for fill in ledger.orders.fills)
    theirs = {(account, trade[0]): trade for account, trades in truth["trades"].items() for trade in trades}
    faults += ledger.faults()
    faults += [f"{order.root} is {order.status}" for order in ledger.orders.live()]
    faults += [f"a word on an unknown order: {word.cl_ord_id}" for word in ledger.orders.quarantined]
    for account, trades in truth["trades"].items():
        lots_here = sum(position.lots for (who, _), position in ledger.positions.all().items() if who == account)
        if lots_here != (lots := sum(trade[2] for trade in trades)):
            faults.append(f"{account} holds {lots_here} lots here, {lots} at the exchange")
    for parent in ledger.parents:
        filled = sum(abs(t[2]) for trades in truth["trades"].values() for t in trades if _parent(t[1]) == parent.id)
        if parent.filled != filled or filled > parent.lots:
            faults.append(f"parent {parent.id} of {parent.lots}: {parent.filled} filled here, {filled} at the exchange")
    ready = folder / "ready.json"
    return CrashRow(
        point=point,
        killed=killed,
        orders=truth["orders"],
        fills=len(theirs),
        lost=len(set(theirs) - set(ours)),
        doubled=sum(n - 1 for n in ours.values()) + len(set(ours) - set(theirs)),
        orphans=sum(len(names) for record in (probe, truth) for names in record.get("open", {}).values()),
        twice=len(truth["twice"]),
        faults=tuple(faults),
        ready_ms=json.loads(ready.read_text())["ms"] if ready.exists() else float("nan"),
    )


def _parent(name: str) -> str:
    return name.rpartition(".")[0]


def crash_rows(points: int, seed: int) -> Iterator[CrashRow]:
    """Crash after crash.

    Raises
    ------
    ConfigError
        Where processes cannot be forked.
    """
    if not hasattr(os, "fork"):
        raise ConfigError("a system that forks processes", sys.platform, "run it on Linux or macOS")
    source = reactive(load(PRESET), settle_s=60.0)
    for i, point in enumerate(choose(*rehearse(source, seed), points, seed)):
        with TemporaryDirectory(prefix="tercel-crash-") as folder:
            yield crash(point, source, seed + i, Path(folder))


def crashtest(request: CrashTest) -> int:
    """Print the table; 0 where every row is clean, 1 otherwise."""
    from rich import box
    from rich.table import Table

    rows, points, seed = [], request.points, request.seed
    for row in crash_rows(points, seed):
        rows.append(row)
        say(f"{len(rows)}/{points} {row.point}: {'clean' if row.clean else 'NOT CLEAN'}")
    dirty = [row for row in rows if not row.clean]
    if request.as_json:
        sums = {name: sum(getattr(row, name) for row in rows) for name in ("lost", "doubled", "orphans", "twice")}
        print_json(
            {"points": len(rows), "clean": len(rows) - len(dirty), **sums, "rows": [asdict(row) for row in rows]}
        )
        return 1 if dirty else 0
    names = ("killed at", "kills", "orders", "fills", "lost", "doubled", "orphans", "twice", "ms")
    title = f"Sessions killed at {points} points, seed {seed}"
    about = "twice: names that came twice; ms: until the next session was ready"
    table = Table(title=title, caption=about, box=box.SIMPLE_HEAD, padding=0, show_edge=False)
    for i, name in enumerate(names):
        table.add_column(name, justify="left" if i == 0 else "right", no_wrap=True)
    for row in rows:
        counts = (row.killed, row.orders, row.fills, row.lost, row.doubled, row.orphans, row.twice)
        table.add_row(row.point, *map(str, counts), f"{row.ready_ms:.0f}")
    result_console().print(table)
    for row in dirty:
        result_console().print(f"{row.point}: killed {row.killed} times; {'; '.join(row.faults) or 'see its row'}")
    return 1 if dirty else 0
