"""K01 to K12: controls over FIX. What they deny never reaches the peer, which records every byte.

Numbers are rows of `docs/reference/controls.md`.
"""

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

from certify.fix.case import Bench, case, expect, holds
from certify.fix.wall import XYZ, Wall
from tercel import TercelError
from tercel.core import NS_PER_SECOND, Entry, JournalError, MassCancel, ReplaceOrder, VenueError
from tercel.desk.gate import GateConfig, GateTerms, open_gate as opened
from tercel.desk.trading import KillLatch
from tercel.fix import tags as t, utc_ns
from tercel.venues.wire import RemoteVenue

_ORDERS: Final = (t.NEW_ORDER, t.REPLACE)
_CANCELS: Final = (t.CANCEL, t.MASS_CANCEL)


def expect_denied(wall: Wall, command: Any, code: str) -> None:
    """See that a command is denied, and that nothing of it reaches the peer."""
    before = len(wall.venue.of_kind(*_ORDERS))
    outcome = wall.submit(command)
    expect([denial.code for _, denial in outcome.denied], [code], f"denial of {command.cl_ord_id}")
    wall.settle()
    expect(len(wall.venue.of_kind(*_ORDERS)), before, "orders that the peer saw")


def new_replace(wall: Wall, name: str, lots: int, price: int) -> ReplaceOrder:
    """A replace that nobody has sent yet."""
    order = wall.state(name)
    new = wall.new()
    return ReplaceOrder(
        f"r{new.cl_ord_id}", order.name, XYZ, order.side, lots, price, "ann", order.parent, 0
    )


@case("K01", "3: price collar, a tick on each side", "initiator")
def collar(bench: Bench) -> str:
    """500 bps around 10.00: 950 to 1050."""
    with Wall(bench) as wall:
        for side, inside, outside in (
            (1, 1050, 1051),
            (-1, 950, 949),
            (1, 950, 949),
            (-1, 1050, 1051),
        ):
            expect_denied(wall, wall.new(1, outside, side), "COLLAR")
            name = wall.live(1, inside, side)
            expect_denied(wall, new_replace(wall, name, 1, outside), "COLLAR")
            wall.say(wall.cancel(name).get(t.CL_ORD_ID), "4", "4", orig=name)
        return "4 passed, 8 denied"


@case("K02", "4: order value, of limit and market orders and replaces", "initiator")
def order_value(bench: Bench) -> str:
    """At most 100: ten at 10.00; a market order counts at its worst price."""
    with Wall(bench, agents={"order_value": 100}) as wall:
        expect_denied(wall, wall.new(11, 1000), "ORDER_VALUE")
        expect_denied(wall, wall.new(10, None), "ORDER_VALUE")
        name = wall.live(10, 1000)
        expect_denied(wall, new_replace(wall, name, 10, 1001), "ORDER_VALUE")
        expect_denied(wall, new_replace(wall, name, 11, 1000), "ORDER_VALUE")
        return "1 passed, 4 denied"


@case("K03", "5: order volume", "initiator")
def order_volume(bench: Bench) -> str:
    """At most 10 lots."""
    with Wall(bench, agents={"order_lots": 10}) as wall:
        expect_denied(wall, wall.new(11), "ORDER_LOTS")
        name = wall.live(10)
        expect_denied(wall, new_replace(wall, name, 11, 1000), "ORDER_LOTS")
        return "1 passed, 2 denied"


@case("K04", "6: messages in any window; cancels always pass", "initiator")
def message_rate(bench: Bench) -> str:
    """A flood of 60, ten times what may leave in a second."""
    with Wall(bench, agents={"messages": 6, "window_ms": 1000}) as wall:
        wall.until(
            lambda: wall.gateway.limits.check(wall.new(), wall.fix.now_ns) is None,
            "an empty window",
        )
        before = len(wall.venue.of_kind(*_CANCELS))
        codes = [denial.code for _ in range(60) for _, denial in wall.submit(wall.new(1)).denied]
        expect(set(codes), {"MESSAGES"}, "denials")
        wall.submit(*(MassCancel(f"m{n}", "ann", "", wall.fix.now_ns) for n in range(10)))
        wall.settle()
        times = sorted(
            utc_ns(message.get(t.TRANSACT_TIME)) or 0 for message in wall.venue.of_kind(t.NEW_ORDER)
        )
        worst = max(sum(0 <= ns - first < NS_PER_SECOND - 10**6 for ns in times) for first in times)
        holds(worst <= 6, f"at most 6 orders in a second, not {worst}")
        many = 10 if bench.terms.profile.orders.mass_cancel != "none" else 10 * len(times)
        expect(
            len(wall.venue.of_kind(*_CANCELS)) - before, many, "cancels at the peer, past the limit"
        )
        return f"{len(times)} of 60 orders, 10 of 10 cancels"


@case("K05", "7: reserved as it is sent; kept while its fate is unknown", "initiator")
def reserved_at_once(bench: Bench) -> str:
    """Two orders in one batch, together over the limit."""
    with Wall(bench, agents={"long_lots": 15}) as wall:
        first = wall.new(10)
        second = wall.new(10)
        outcome = wall.submit(first, second)
        expect([denial.code for _, denial in outcome.denied], ["POSITION"], "denials")
        wall.settle()
        wall.venue.refuse(wall.cancel(first.cl_ord_id), t.NOT_KNOWN, status="8")
        wall.settle()
        wall.expect_order(first.cl_ord_id, "unknown", 0, 10)
        expect_denied(wall, wall.new(6), "POSITION")
        expect(len(wall.venue.of_kind(t.NEW_ORDER)), 1, "orders that the peer saw")
        return "1 passed, 2 denied"


@case(
    "K06", "8: repeated executions stop the agent until a named person lets it go on", "initiator"
)
def repeated_executions(bench: Bench) -> str:
    """Three in a window; a restart clears nothing."""
    with Wall(bench, agents={"executions": 3, "executions_ms": 60_000}) as wall:
        name = wall.live(10)
        for _ in range(4):
            wall.say(name, "F", "1", last=1, px=10)
        wall.until(lambda: wall.gateway.limits.killed("ann"), "the kill")
        wall.say(name, "4", "4")
        expect_denied(wall, wall.new(), "KILLED")
        wall.restart()
        expect_denied(wall, wall.new(), "KILLED")
        _rearm(wall)
        expect(len(wall.submit(wall.new()).sent), 1, "orders once a person let it go on")
        wall.settle()
        (cleared,) = wall.entries("rearm")
        expect(
            (cleared.body["by"], cleared.body["reason"]), ("bea", "looked at it"), "who, and why"
        )
        return "stopped, still stopped after a restart, cleared by bea"


def _rearm(wall: Wall) -> None:
    KillLatch(wall.folder / "kill.json").rearm("looked at it", "bea", wall.fix.now_ns)
    wall.turn()
    wall.turn()


@case("K07", "9: position and gross, open orders included", "initiator")
def exposure(bench: Bench) -> str:
    """The worst case of what is held and what is open."""
    with Wall(bench, agents={"long_lots": 20, "short_lots": 5}, desk={"gross_value": 250}) as wall:
        name = wall.live(10)
        wall.say(name, "F", "2", last=10, px=10)
        open_ = wall.live(8, 999)
        expect_denied(wall, wall.new(3), "POSITION")
        expect_denied(wall, wall.new(16, 1002, -1), "POSITION")
        wall.say(open_, "4", "4")
        wall.order(10, 1000)
        expect_denied(wall, wall.new(1, 1000), "POSITION")
        return "held and open together"


@case("K08", "10: loss and drawdown kill, cancel, and stay", "initiator")
def losses(bench: Bench) -> str:
    """Marked at the mid; a restart clears nothing."""
    for limit in ("daily_loss", "drawdown"):
        with Wall(
            Bench(bench.terms, bench.folder / limit[:2]), agents={limit: 5}
        ) as wall:  # a socket has a short path
            name = wall.live(10)
            open_ = wall.live(5, 1040, -1)
            wall.say(name, "F", "2", last=10, px=10)
            holds(wall.gateway.limits.killed("ann") is None, "no false trip")
            request = wall.venue.of_kind(t.MARKET_DATA_REQUEST)[-1].get(t.MD_REQ_ID)
            wall.venue.snapshot(request, "9.39", "9.41")
            wall.until(lambda: wall.gateway.limits.killed("ann"), "the kill")
            wall.until(lambda: wall.venue.of_kind(*_CANCELS), "the cancel of what is open")
            wall.say(open_, "4", "4")
            expect_denied(wall, wall.new(1, 940), "KILLED")
            wall.restart()
            expect_denied(wall, wall.new(1, 990), "KILLED")
    return "both killed, cancelled, and stayed"


@case("K09", "11: the same order again", "initiator")
def duplicates(bench: Bench) -> str:
    """The same name ever, also after a restart; the same content within T."""
    with Wall(bench, desk={"duplicate_ms": 60_000}) as wall:
        name = wall.live(7)
        expect_denied(wall, wall.new(8, name=name), "DUPLICATE_ID")
        expect_denied(wall, wall.new(7), "DUPLICATE")
        wall.say(name, "4", "4")
        wall.restart()
        expect_denied(wall, wall.new(9, name=name), "DUPLICATE_ID")
        return "3 denied"


@case("K10", "12: children never exceed their parent", "initiator")
def conservation(bench: Bench) -> str:
    """What is filled and open of the children, at the last hop."""
    with Wall(bench) as wall:
        wall.announce("small", "ann", 1, 20)
        first = wall.live(12, parent="small")
        expect_denied(wall, wall.new(9, parent="small"), "CHILDREN")
        wall.say(first, "F", "1", last=5, px=10)
        wall.say(wall.cancel(first).get(t.CL_ORD_ID), "4", "4", orig=first)
        second = wall.live(15, parent="small")
        expect_denied(wall, wall.new(1, parent="small"), "CHILDREN")
        expect_denied(wall, new_replace(wall, second, 16, 1000), "CHILDREN")
        expect_denied(wall, wall.new(1, parent="nobody's"), "UNKNOWN_PARENT")
        expect_denied(wall, wall.new(1, 1000, -1, parent="small"), "NOT_THE_PARENTS")
        return "5 denied"


class _FullDisk:
    """A journal on a disk that is full."""

    def __init__(self, journal: Any) -> None:
        self._journal = journal

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    def append(self, entries: Sequence[Entry], *, sync: bool = True) -> int:
        """It has no room."""
        raise JournalError(
            "room for entries", f"[Errno {errno.ENOSPC}] no space left on device", "make room"
        )


@contextmanager
def _full_disk(wall: Wall) -> Iterator[None]:
    journal = wall.gateway.journal
    wall.gateway.journal = _FullDisk(journal)
    try:
        yield
    finally:
        wall.gateway.journal = journal


@case(
    "K11",
    "16: kill an agent, the desk; with a loop that hangs; with a journal that is full",
    "initiator",
)
def kill(bench: Bench) -> str:
    """New orders are blocked first; what is open is cancelled, until the venue confirms."""
    with Wall(bench, ("ann", "bob")) as wall:
        latch = KillLatch(wall.folder / "kill.json")
        hers = wall.live()
        his = wall.live(account="bob")
        latch.kill("runaway", "bea", wall.fix.now_ns, ("ann",))
        expect_denied(wall, wall.new(), "KILLED")
        wall.until(lambda: wall.venue.of_kind(*_CANCELS), "the cancel")
        wall.expect_order(his, "new", 0, 10)
        wall.say(hers, "4", "4")
        wall.until(lambda: _confirmed_agents(wall) == ["ann"], "the kill confirmed")
        _rearm(wall)
        again = wall.live()
        seen = len(wall.venue.of_kind(*_CANCELS))
        wall.gate.watch.start()  # nobody turns the gate from here on: its second thread alone looks
        latch.kill("everything", "bea", wall.fix.now_ns)
        wall.venue.wait_for(
            lambda: len(wall.venue.of_kind(*_CANCELS)) > seen + 1, "cancels while the loop hangs"
        )
        wall.gate.watch.stop(1.0)
        wall.say(again, "4", "4")
        wall.say(his, "4", "4")
        wall.until(
            lambda: sorted(_confirmed_agents(wall)) == ["ann", "ann", "bob"], "both kills confirmed"
        )
        expect_denied(wall, wall.new(account="bob"), "KILLED")
        _rearm(wall)
        last = wall.live()
        seen = len(wall.venue.of_kind(*_CANCELS))
        with _full_disk(wall):
            latch.kill("again", "bea", wall.fix.now_ns, ("ann",))
            with suppress(JournalError):
                wall.turn()
            wall.venue.wait_for(
                lambda: len(wall.venue.of_kind(*_CANCELS)) > seen, "the cancel with a full disk"
            )
        wall.say(last, "4", "4")
        return "an agent, the desk with a hanging loop, an agent with a full disk"


def _confirmed_agents(wall: Wall) -> list[str]:
    return [entry.agent for entry in wall.entries("kill") if entry.body["event"] == "confirmed"]


@case(
    "K12", "2: no reference, no limits, a failing check, no gate: denied; cancels pass", "initiator"
)
def fails_closed(bench: Bench) -> str:
    """What is missing is a denial."""
    with Wall(Bench(bench.terms, bench.folder / "quiet"), quiet=True) as wall:
        expect_denied(wall, wall.new(), "NO_REFERENCE")
        expect_denied(wall, wall.new(account="eve", parent="pann1"), "UNKNOWN_AGENT")
        outcome = wall.submit(MassCancel("m1", "ann", "", wall.fix.now_ns))
        expect((len(outcome.sent), outcome.denied), (1, []), "a cancel")
    with Wall(Bench(bench.terms, bench.folder / "wall")) as wall:

        def breaks(query: object) -> None:
            raise ZeroDivisionError("a check of a person's own")

        checks = wall.gateway.limits.checks
        wall.gateway.limits.checks = (breaks,)
        expect_denied(wall, wall.new(), "CHECK_FAILED")
        wall.gateway.limits.checks = checks
        path = wall.gate.path
        seen = len(wall.venue.heard)
        wall.close()
        _expect_refused(lambda: RemoteVenue(path, ["ann"]), "a session without a gate")
        nothing = GateConfig(gate=GateTerms(venue="fix:x", accounts=("ann",), limits="none.toml"))
        with opened_or_not(nothing, wall) as error:
            holds(error is not None, "a gate without limits does not open")
        wall.open()
        expect(
            [message for message in wall.venue.heard[seen:] if message.kind in _ORDERS],
            [],
            "orders that the peer saw",
        )
    return "6 of 6"


def _expect_refused(attempt: Any, subject: str) -> None:
    try:
        attempt()
    except VenueError:
        return
    holds(False, f"{subject} is refused")


@contextmanager
def opened_or_not(config: GateConfig, wall: Wall) -> Iterator[TercelError | None]:
    """Try to open a gate; the error that kept it closed."""
    failure = None
    try:
        with opened(config, wall.folder / "other", "certification", reach=wall.reach):
            pass
    except TercelError as error:
        failure = error
    yield failure
