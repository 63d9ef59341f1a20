"""Executions at prices that cannot be: booked as told, and counted at the worse of price and reference until confirmed.

The fuzz has a venue say whatever it likes through a real gateway, and holds limits against a plain ledger of its own:
once the loss by the reference has passed the limit, no order leaves.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from itertools import count
from random import Random

import pytest
from tests.desk.limits.test_gate import WIDE

from tercel.core.capabilities import Capabilities
from tercel.core.fixed_point import ONE, PAID_ONE
from tercel.core.orders import ExecType, Listing, NewOrder, OrdStatus, Report, Tif
from tercel.core.ports import Entry
from tercel.desk.limits import LimitGate, parse
from tercel.desk.limits.quotes import BestQuotes
from tercel.desk.limits.units import DAY_NS, MONEY
from tercel.desk.trading.archive import ArchiveIndex
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.heartbeat import heartbeat_entries
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import OperatorEntry
from tercel.desk.trading.journal.codec import entry_out
from tercel.desk.trading.journal.memory import MemoryJournal
from tercel.desk.trading.ledger import Ledger
from tercel.desk.trading.parent_orders.parent import acceptance_entry
from tercel.desk.trading.parent_orders.parent_request import ParentRequest
from tercel.desk.trading.reconciliation.positions import PositionKeeper
from tercel.desk.trading.reconciliation.refold import refold
from tercel.desk.trading.reconciliation.snapshot import canonical_lines, restore
from tercel.desk.trading.report_booking import IMPLAUSIBLE
from tercel.desk.trading.risk.trading_state import StateReason

LIST = [Listing("A", 1.0, 1)]
"""A tick of a lot is worth one unit of money."""
LOSS, BAND = 1000, 500
"""What an agent may lose in a day, and how far an execution may be from the mid, in ten thousandths."""
MID = 1000
KILLS = {"daily_loss", "drawdown"}
"""What a latch remembers, which is not here."""
LIMITS = WIDE.replace("long_lots = 10_000", "long_lots = 100_000_000").replace(
    'hours = "always"', f'hours = "always"\nfill_band_bps = {BAND}'
)


class Away:
    """A venue that takes what is sent, and says what a test has it say."""

    name, capabilities = "away", Capabilities(answers_questions=False)

    def __init__(self):
        self.now_ns, self.sent = DAY_NS // 2, []

    def listings(self):
        return LIST

    def subscribe(self, instrument):
        pass

    def send(self, command):
        self.sent.append(command)

    def step(self, until_ns):
        return []

    def close(self):
        pass


class Bench:
    """A gateway at such a venue; a day's loss of `LOSS` stops an agent."""

    def __init__(self, loss=LOSS, mid=MID):
        text = LIMITS if loss is None else LIMITS.replace("100_000_000\n[inst", f"{loss}\n[inst")
        at = text.index("[agents")
        self.limits_text = text[:at] + text[at:].replace(
            "daily_loss = 100_000_000", f"daily_loss = {loss}"
        )
        self.venue, self.journal, self.names = Away(), MemoryJournal(chained=False), count(1)
        self.open()
        for agent in "xy":
            for side, sign in ((1, "+"), (-1, "-")):
                self.limits.register_parent(f"{agent}{sign}", "A", agent, side, 10_000_000)
                request = ParentRequest(
                    f"{agent}{sign}", "A", side, 10_000_000, 10**15, 1, "by hand", agent
                )
                self.gateway.write([acceptance_entry(request, self.venue.now_ns)])
        if mid is not None:
            self.mark(mid)

    def open(self):
        """Begin, or begin anew from the journal."""
        self.limits = LimitGate(parse(self.limits_text), LIST, ["x", "y"])
        self.gateway = OrderGateway(
            self.venue, self.journal, self.limits, refold(self.journal, self.limits)
        )
        self.keeper = PositionKeeper(self.gateway, lambda: ("x", "y"))

    def mark(self, mid):
        self.venue.now_ns += 10**6
        self.gateway.write(
            [Entry(kinds.MARKET, self.venue.now_ns, "A", body={"bid": mid - 1, "ask": mid + 1})]
        )
        self.limits.mark("A", BestQuotes(mid - 1, mid + 1), self.venue.now_ns)

    def send(self, side=1, lots=10, price=None, agent="x"):
        """Why an order does not leave; "": it did, as the last of `venue.sent`."""
        name = f"{agent}{'+' if side > 0 else '-'}"
        self.venue.now_ns += 10**9
        self.mark_again()
        new = NewOrder(
            f"{name}.{next(self.names)}",
            "A",
            side,
            lots,
            price,
            Tif.DAY,
            agent,
            name,
            self.venue.now_ns,
        )
        denied = self.gateway.submit([new]).denied
        return denied[0][1].code if denied else ""

    def mark_again(self):
        at = self.limits.instruments["A"]
        if at.sane:
            self.limits.mark("A", at.quotes, self.venue.now_ns)

    def say(self, of, kind=ExecType.TRADE, px=MID, qty=10, exec_id=None, ref="", **more):
        """A report in ticks and lots; its name."""
        self.venue.now_ns += 1
        name = f"e{next(self.names)}" if exec_id is None else exec_id
        words = {
            "account": of.account,
            "cl_ord_id": of.cl_ord_id,
            "side": of.side,
            "price": of.price,
        }
        words |= {
            "cum_qty": 0,
            "leaves_qty": 0,
            "status": OrdStatus.FILLED if qty >= of.lots else OrdStatus.NEW,
        } | more
        words = {"exec_id": name, "last_qty": round(qty * ONE), "last_px": round(px * ONE), **words}
        said = Report(
            exec_type=kind, orig="", order_id="", instrument="A", lots=of.lots, ns=self.venue.now_ns, ref=ref, **words
        )  # fmt: skip
        self.gateway.receive([said])
        return name

    def confirm(self, *names):
        """A person's word on executions."""
        asked, number = {"executions": list(names)}, next(self.names)
        self.keeper.settle(
            OperatorEntry("settle", asked, by="ann", reason="asked the venue", id=number)
        )

    def loss(self, agent="x"):
        """The day's loss of an agent as it counts."""
        return float(Fraction(self.limits.agents[agent].lost, MONEY * PAID_ONE))

    def alerts(self):
        found = [entry.body for _, entry in self.journal.read(kinds=[kinds.ALERT])]
        return [body["execution"] for body in found if body["code"] == IMPLAUSIBLE]

    def counts(self):
        """What a restart must not change."""
        doubts = {
            key: (one.held, one.position, one.day_ends_ns)
            for key, one in self.limits.doubts.items()
        }
        scopes = {
            (one.room, one.name): (one.equity, one.opening, one.gross)
            for one in self.limits.scopes()
        }
        return (
            doubts,
            scopes,
            {name: one.stops.keys() - KILLS for name, one in self.limits.agents.items()},
        )


@pytest.fixture
def bench():
    return Bench()


def filled(bench, side=1, lots=10, **words):
    """An order at the market, and an execution of ten lots of it; the order and the execution's name for people."""
    assert bench.send(side, lots) == ""
    order = bench.venue.sent[-1]
    return order, f"{order.cl_ord_id}:{bench.say(order, **words)}"


@pytest.mark.parametrize(
    ("side", "px", "stops", "lost"),
    [
        *(
            (1, 950, False, -500),
            (1, 949.99, True, 0),
            (1, 0, True, 0),
            (1, -5, True, 0),
            (1, 1e-8, True, 0),
        ),
        *((1, 1050, False, 500), (1, 1050.01, True, 500.1), (1, 1250, True, 2500)),
        *(
            (-1, 1050, False, -500),
            (-1, 1050.01, True, 0),
            (-1, 9e9, True, 0),
            (-1, 949, True, 510),
            (-1, 0, True, 10_000),
        ),
    ],
)
def test_an_execution_beyond_the_band_counts_at_the_worse_of_price_and_mid(
    bench, side, px, stops, lost
):
    _, name = filled(bench, side, px=px)
    held = bench.gateway.ledger.positions.of("x", "A")
    assert (held.lots, held.cash2) == (10 * side, -2 * side * 10 * ONE * round(px * ONE)), (
        "booked as it was told"
    )
    assert bench.loss() == pytest.approx(lost)
    assert bench.alerts() == ([name] if stops else [])
    assert (bench.send() == "STOPPED") == stops
    assert bench.send(agent="y") == ""


def test_a_person_confirms_one_execution_and_its_agent_goes_on_with_the_last(bench):
    order, first = filled(bench, lots=20, px=500)
    second = f"{order.cl_ord_id}:{bench.say(order, px=400)}"
    bench.confirm(first)
    assert (bench.loss(), bench.send()) == (-5000, "STOPPED")
    bench.keeper._apply_differences({})
    assert bench.send() == "STOPPED", "that positions agree says nothing of a price"
    bench.confirm(second)
    assert (bench.loss(), bench.send()) == (-11_000, "")
    (rearm, _) = [entry.body for _, entry in bench.journal.read(kinds=[kinds.REARM])]
    assert (rearm["ends"], rearm["by"], rearm["reason"]) == ([first], "ann", "asked the venue")
    with pytest.raises(Exception, match="confirmation: none;"):
        bench.confirm(first)


def test_what_is_confirmed_on_another_day_is_no_profit_of_that_day(bench):
    _, name = filled(bench, px=500)
    bench.venue.now_ns += DAY_NS
    bench.mark(MID)
    bench.confirm(name)
    assert (bench.loss(), bench.limits.agents["x"].drawn) == (0, 0)
    bench.open()
    assert bench.loss() == 0


@pytest.mark.parametrize(
    ("px", "corrected", "doubted", "lost"),
    [
        *(
            (1000, 960, 0, -400),
            (1000, 940, 1, 0),
            (1000, 1060, 1, 600),
            (990, 941, 0, -590),
            (990, 940, 1, -100),
        ),
        *((0, 1000, 2, 0), (0, 1010, 2, 100), (0, 0, 2, 0)),
    ],
)
def test_a_correction_is_held_against_the_first_price_or_its_reference(
    bench, px, corrected, doubted, lost
):
    order, name = filled(bench, px=px)
    exec_id = name.partition(":")[2]
    for ref in (exec_id, "c1"):
        bench.say(
            order, ExecType.CORRECTED, corrected, exec_id="c1" if ref == exec_id else "c2", ref=ref
        )
    assert len(bench.alerts()) == (doubted and doubted + 1)
    assert set(bench.alerts()) <= {name}, "each is of the execution that was first reported"
    assert bench.loss() == pytest.approx(lost)
    if doubted:
        bench.confirm(name)
    assert bench.loss() == pytest.approx(10 * (corrected - 1000))


@pytest.mark.parametrize(
    ("px", "mid", "lost"),
    [(1040, 1000, 0), (1040, 950, 900), (1000, 1100, 0), (0, 1000, 0), (0, 900, 1000)],
)
def test_a_bust_takes_no_loss_back_that_is_beyond_the_band(bench, px, mid, lost):
    order, name = filled(bench, px=px)
    held_by_lots = [one.position for one in bench.limits.doubts.values()]
    assert held_by_lots == [0] * len(bench.alerts()), "the reference stands for the lots"
    bench.mark(mid)
    bench.say(order, ExecType.BUSTED, 0, 0, exec_id="b", ref=name.partition(":")[2])
    assert bench.gateway.ledger.positions.of("x", "A").lots == 0
    assert bench.loss() == lost
    if bench.alerts():
        assert bench.send() == "STOPPED"
        bench.confirm(name)
    assert bench.loss() == 0


def test_a_correction_of_a_correction_that_came_before_its_execution_is_doubted(bench):
    assert bench.send() == ""
    order = bench.venue.sent[-1]
    bench.say(order, ExecType.CORRECTED, 1001, exec_id="c1", ref="e")
    bench.say(order, ExecType.CORRECTED, 1, exec_id="c2", ref="c1")
    bench.say(order, exec_id="e")
    assert (bench.loss(), bench.alerts()) == (0, 2 * [f"{order.cl_ord_id}:c1"])
    bench.confirm(f"{order.cl_ord_id}:c1")
    assert bench.loss() == -9990


def test_an_execution_that_is_said_again_is_doubted_once_and_one_without_a_name_each_time(bench):
    order, name = filled(bench, lots=30, px=1, exec_id="e")
    bench.say(order, px=1, exec_id="e")
    bench.say(order, px=2, exec_id="e")
    assert (bench.alerts(), bench.loss()) == ([name], 0)
    for _ in range(2):
        bench.say(order, px=1, exec_id="")
    assert bench.gateway.ledger.positions.of("x", "A").lots == 30
    assert bench.loss() == 0
    bench.say(order, px=1500, exec_id="")
    assert bench.loss() == 5000, "another's gain makes up for no loss"


@pytest.mark.parametrize(
    ("price", "px", "doubted"),
    [
        (1000, 960, False),
        (1000, 940, True),
        (None, 0, True),
        (None, 5, True),
        (None, 1e9, True),
        (None, -3, True),
    ],
)
def test_before_any_mark_an_execution_is_held_against_the_limit_price(price, px, doubted):
    bench = Bench(mid=None)
    order = NewOrder("x+.1", "A", 1, 10, price, Tif.DAY, "x", "x+", bench.venue.now_ns)
    bench.gateway.write([entry_out(order)])
    bench.limits.count_sent(order)
    bench.say(order, px=px, exec_id="e")
    assert bench.alerts() == (["x+.1:e"] if doubted else [])
    bench.mark(1000)
    assert bench.loss() == pytest.approx(max(0, 10 * (px - 1000)) if doubted else -10 * (1000 - px))
    bench.mark(1001)
    assert bench.loss() == pytest.approx(
        max(0, 10 * (px - 1000)) - 10 if doubted else -10 * (1001 - px)
    ), "its lots do"


@pytest.mark.parametrize(("side", "px"), [(-1, 1e9), (1, 1e-8), (1, 0.01)])
@pytest.mark.parametrize("after", [(), (1e-8, 1000), (1e-8, 1e9)])
def test_nobodys_execution_before_any_mark_brings_no_gain_at_the_first(side, px, after):
    bench = Bench(mid=None)
    words = {"price": None, "tif": Tif.DAY, "account": "x", "parent": "", "sent_ns": 0}
    bench.say(NewOrder("v1", "A", side, 10, **words), px=px, exec_id="e")
    if after:
        bench.say(NewOrder("v2", "A", -side, 10, **words), qty=after[0], px=after[1], exec_id="e")
    bench.keeper._apply_differences({})
    bench.mark(1000)
    assert (bench.alerts()[0], bench.send()) == ("v1:e", ""), (
        "once positions agree its agent goes on, without the gain"
    )
    scopes = bench.limits.scopes()
    assert min(one.lost for one in scopes) >= 0
    assert max(one.high for one in scopes) == 0
    bench.mark(1000 + side)
    assert -10.1 < bench.loss() < 100, "the market of later counts"
    for name in bench.alerts():
        bench.confirm(name)
    assert bench.loss() == pytest.approx(-10 * side * (1000 + side - px), abs=20)


@pytest.mark.parametrize(
    ("first", "mid", "after", "lost"),
    [
        ((20, 1000), 890, [(1, 1000)], 2200),
        ((20, 1000), 890, [(1e-8, 1000), (20, 1000)], 2200),
        ((1e-8, 1000), 1100, [(20, 1000)], 0),
        ((20, 500), 1200, [(1e-8, 500), (20, 500)], 0),
        ((20, 1000), 910, [(20, 951), (10, 951)], 1800),
        ((10, 1000), 910, [(10, 951), (0, 0)], 900),
        ((10, 1000), 850, [(10, 1049), (0, 0)], 1990),
        ((10, 1000), 1040, [(20, 1000)], -800),
        ((20, 1000), 960, [(10, 1000)], 400),
        ((20, 1000), 960, [(10, 955)], -50),
    ],
)
def test_no_correction_of_lots_or_bust_after_one_takes_a_loss_back(first, mid, after, lost):
    bench = Bench()
    order, name = filled(bench, lots=20, qty=first[0], px=first[1])
    bench.mark(mid)
    for qty, px in after:
        kind = ExecType.CORRECTED if qty else ExecType.BUSTED
        bench.say(order, kind, px, qty=qty, exec_id="", ref=name.partition(":")[2])
    assert bench.loss() == pytest.approx(lost, abs=0.01)
    held = bench.limits.doubts
    assert bench.send() == ("STOPPED" if held else "")
    if held:
        bench.confirm(name)
    qty, px = after[-1]
    assert bench.loss() == pytest.approx(-qty * (mid - px), abs=0.01)


def test_what_is_said_in_one_batch_is_judged_one_after_the_other(bench):
    order, name = filled(bench, lots=20, qty=20)
    bench.mark(910)
    held, one = bench.gateway.receive, []
    bench.gateway.receive = one.extend
    bench.say(order, ExecType.CORRECTED, 951, qty=20, exec_id="c", ref=name.partition(":")[2])
    bench.say(order, ExecType.CORRECTED, 910, qty=20, exec_id="d", ref="c")
    held(one)
    assert (bench.loss(), bench.alerts()) == (1800, [name])


def test_a_stop_is_told_by_the_code_that_its_reason_begins_with(bench):
    bench.limits.stop("x", "GAP of one")
    bench.limits.resume("x", ["of"])
    assert bench.send() == "STOPPED"
    bench.limits.resume("x", ["GAP"])
    assert bench.send() == ""


def test_a_snapshot_keeps_what_waits_for_a_person(bench):
    _, name = filled(bench, px=1)
    kept, counts = list(canonical_lines(bench.gateway.ledger, bench.limits)), bench.counts()
    bench.limits = LimitGate(bench.limits.limits, LIST, ["x", "y"])
    restore(iter(kept), Ledger(ArchiveIndex(bench.journal), bench.limits), bench.limits)
    assert bench.counts() == counts
    bench.limits.confirm_execution("x", name)
    assert bench.loss() == -9990


@pytest.mark.parametrize(
    ("px", "qty"), [(2**64, 10), (-(2**64), 10), (1000, 2**64), (1000, 0), (1000, -5)]
)
def test_what_no_position_can_hold_is_unreadable(bench, px, qty):
    order, _ = filled(bench)
    bench.say(order, px=px, qty=qty)
    assert bench.gateway.ledger.positions.of("x", "A").lots == 10
    bench.open()
    assert bench.gateway.ledger.positions.of("x", "A").lots == 10


# -- the fuzz ----------------------------------------------------------------------------------------------------------


@dataclass
class Deal:
    """An execution as the plain ledger has it, in 10^-8 of a lot and of a tick. `sums`: what the reports since it is
    doubted have made of it in all, each at the mid when it came, after every one; the worst of them counts."""

    order: NewOrder
    name: str
    first: int
    qty: int = 0
    px: int = 0
    sums: list[int] = field(default_factory=list)
    day: int = 0

    @property
    def cash(self):
        return -self.order.side * self.qty * self.px

    @property
    def counts(self):
        return self.cash - (self.sums[-1] - min(self.sums) if self.sums else 0)

    def change(self, qty, px, mid, day, doubted):
        """Executed, corrected or busted (no lots)."""
        side = self.order.side
        taken, was = (
            max(0, side * self.qty * (self.first - self.px)),
            self.cash + side * self.qty * mid,
        )
        self.qty, self.px = qty, px
        made = self.cash + side * qty * mid - was
        if self.sums:
            self.sums.append(self.sums[-1] + made)
        elif doubted:  # beside this report's, what corrections within the band took back before
            self.sums, self.day = [0, taken + made], day


@dataclass
class Plain:
    """A plain ledger of one agent: no sum is kept but the day's opening."""

    deals: list[Deal] = field(default_factory=list)
    opening: int = 0
    day: int = 0

    def equity(self, mid):
        return sum(one.order.side * one.qty * mid + one.counts for one in self.deals)

    def lost(self, mid):
        return self.opening - self.equity(mid)

    def begin(self, day, mid):
        if day > self.day:
            self.day, self.opening = day, self.equity(mid)

    def trade(self, order, name, qty, px, mid, early=None):
        """Executed; its bust or correction may have come before it, which was doubted if it was far from the mid."""
        self.deals.append(one := Deal(order, name, px))
        stands = early[:2] if early else (qty, px)
        beyond = stands[0] > self.left(order)
        one.change(
            *stands, mid, self.day, any(far(each, mid) for each in (px, stands[1])) or beyond
        )

    def left(self, order):
        """Lots of an order that nothing has filled; nobody's has no end."""
        filled = sum(one.qty for one in self.deals if one.order is order)
        return order.lots * ONE - filled if order.parent else 10**40

    def correct(self, one, qty, px, mid):
        """Busted, without lots, or corrected."""
        doubted = far(px, one.first) if qty else False
        if qty != one.qty:
            doubted |= any(far(each, mid) for each in (one.first, one.px, *([px] if qty else [])))
        beyond = qty - one.qty > self.left(one.order)
        one.change(qty, px if qty else one.px, mid, self.day, doubted or (qty > 0 and beyond))

    def confirm(self, one):
        self.opening += one.cash - one.counts if one.day < self.day else 0
        one.sums = []


def lots(one):
    """Lots of executions that are believed."""
    return {each.qty for each in one.deals if not each.sums}


def far(px, reference):
    return px <= 0 or abs(px - reference) * 10_000 > reference * BAND


EDGES = (949, 950, 951, 1049, 1050, 1051)
IMPOSSIBLE = (0, -5 * ONE, 1, -1, ONE, 10**18, -(10**18), 10**316, -(10**316))
QUANTITIES = (
    ONE,
    ONE,
    ONE,
    2 * ONE,
    3 * ONE,
    ONE // 2,
    1,
    20 * ONE,
    500 * ONE,
    0,
    -3 * ONE,
    10**38,
)


def price(rng, mid):
    """One that may be, one at the edge of the band, one that cannot be."""
    near = mid + rng.randint(-2000, 2000) * ONE // 100
    edge = mid * rng.choice(EDGES) // 1000 + rng.randint(-1, 1)
    return rng.choice(
        [near, near, near, edge, edge, rng.choice(IMPOSSIBLE), rng.randint(1, 3 * mid)]
    )


def fuzzed(seed, reports):
    """Have a venue say so many things; how often an order left, none could, there was a doubt, a desk began anew."""
    rng, bench, plain, mid = Random(seed), Bench(), {agent: Plain() for agent in "xy"}, MID
    seen, orders = {"left": 0, "shut": 0, "doubted": 0, "restarts": 0}, list[NewOrder]()
    for turn in range(reports):
        bench.venue.now_ns += DAY_NS // 3 if rng.random() < 0.01 else 0
        mid = max(200, mid + rng.randint(-15, 15)) if rng.random() < 0.2 else mid
        for one in plain.values():  # a day begins with what is held at the mark before
            one.begin(
                (bench.venue.now_ns + 10**6) // DAY_NS,
                bench.limits.instruments["A"].mid2 * ONE // 2,
            )
        bench.mark(mid)
        before = {agent: (one.equity(mid * ONE), lots(one)) for agent, one in plain.items()}
        say(rng, bench, plain, orders, mid * ONE)
        for (
            agent,
            one,
        ) in (
            plain.items()
        ):  # twice the band of what it is of, of the dearer of its first price and the mid
            was, had = before[agent]
            most = max([mid * ONE, *(each.first for each in one.deals if not each.sums)])
            gained = bench.limits.agents[agent].equity // MONEY - was
            assert gained * 10_000 <= 2 * BAND * most * max(had | lots(one), default=0), (
                seed,
                turn,
            )
        for agent, one in plain.items():
            of = bench.limits.agents[agent]
            assert (of.equity, of.opening) == (
                MONEY * one.equity(mid * ONE),
                MONEY * one.opening,
            ), (seed, turn)
        whole = sum(one.equity(mid * ONE) for one in plain.values())
        assert bench.limits.desk.equity == bench.limits.instruments["A"].equity == MONEY * whole, (
            seed,
            turn,
        )
        people(rng, bench, plain)
        bench.limits.watch(bench.venue.now_ns)
        for agent, one in plain.items():
            held, before = bench.gateway.ledger.positions.of(agent, "A").qty, len(bench.venue.sent)
            bench.send(1 if held >= 0 else -1, rng.randint(1, 5), agent=agent)
            new = bench.venue.sent[before:]
            shut = one.lost(mid * ONE) > LOSS * PAID_ONE
            assert not (shut and new), (seed, turn)
            orders += new
            seen["left"] += len(new)
            seen["shut"] += shut
        seen["doubted"] += bool(bench.limits.doubts)
        if rng.random() < 0.003:
            counts = bench.counts()
            bench.gateway.write(heartbeat_entries(bench.gateway, {}))
            bench.open()
            assert bench.counts() == counts, (seed, turn)
            seen["restarts"] += 1
    return seen


def say(rng, bench, plain, orders, mid):
    """One report of the venue, and what the plain ledger makes of it."""
    agent = rng.choice("xy")
    one, deals = plain[agent], plain[agent].deals
    qty, px = rng.choice(QUANTITIES), price(rng, mid)
    holds = 0 < qty < 2**63 and abs(px) < 2**63
    kind = (
        rng.choice([ExecType.TRADE] * 6 + [ExecType.CORRECTED] * 2 + [ExecType.BUSTED])
        if deals
        else ExecType.TRADE
    )
    words = {"kind": kind, "last_qty": qty, "last_px": px}
    if kind is ExecType.TRADE and deals and rng.random() < 0.1:
        again = rng.choice(deals)
        bench.say(again.order, exec_id=again.name, **words)
    elif kind is ExecType.TRADE:
        mine = [order for order in orders[-10:] if order.account == agent]
        nobodys = NewOrder(
            f"v{rng.randint(1, 10**9)}", "A", rng.choice([-1, 1]), 5, None, Tif.DAY, agent, "", 0
        )
        order = rng.choice(mine) if mine and rng.random() < 0.9 else nobodys
        early, name = (), f"t{len(deals)}{agent}"
        if holds and order.parent and rng.random() < 0.1:
            early = rng.choice(QUANTITIES[:8]), price(rng, mid)
            early = early if abs(early[1]) < 2**63 else (ONE, mid)
            bench.say(
                order,
                ExecType.CORRECTED,
                exec_id=f"c{name}",
                ref=name,
                last_qty=early[0],
                last_px=early[1],
            )
        bench.say(order, exec_id=name, **words)
        if holds:
            one.trade(order, name, qty, px, mid, early)
    else:
        deal = rng.choice(deals[-6:])
        bench.say(deal.order, ref=deal.name, **words)
        if deal.qty and kind is ExecType.BUSTED:
            one.correct(deal, 0, 0, mid)
        elif deal.qty and holds:
            one.correct(deal, qty, px, mid)


def people(rng, bench, plain):
    """Somebody confirms an execution now and then, and lets agents go on whatever stopped them but their loss."""
    if bench.limits.doubts and rng.random() < 0.1:
        agent, name = rng.choice(sorted(bench.limits.doubts))
        bench.confirm(name)
        plain[agent].confirm(
            next(one for one in plain[agent].deals if f"{one.order.cl_ord_id}:{one.name}" == name)
        )
    for agent in "xy":
        if rng.random() < 0.3:
            body = {"scope": agent, "by": "ann", "reason": "go on"}
            bench.gateway.write([Entry(kinds.REARM, bench.venue.now_ns, agent=agent, body=body)])
            bench.gateway.states.end(StateReason.BREACH, agent)


def test_a_venue_that_says_what_it_likes_forgives_no_loss():
    seen = fuzzed(13, 600)
    assert min(seen.values()) > 0, seen


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 12))
def test_no_order_leaves_beyond_the_loss_by_the_reference(seed):
    """Twenty thousand reports in all."""
    seen = fuzzed(seed, 2000)
    assert min(seen["left"], seen["shut"], seen["doubted"]) > 0, seen
