"""A stress test of the gate by random commands, reports and marks, with an auditor beside it.

Several agents on several instruments, under limits so tight that all of them bind. The test aims at them: it asks for
exactly the lots that are left and one more, for prices on the collar and beyond it, at the last ns of a window and
the first after it. Its venue injects faults: reports come late, twice and out of order, now and then it fills
more than it was given, takes fills back, corrects them, restates orders. Clocks jump forth and back, people tighten
limits and take that back, kill agents and let them go on. What the venue really filled is held against the limits too.
"""

import random
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Final

from certify.limits.audit import Auditor
from certify.limits.faults import FaultInjectingVenue, VenueOrder
from tercel.core import (
    ONE,
    CancelOrder,
    CancelReject,
    Command,
    Listing,
    NewOrder,
    ReplaceOrder,
    Tif,
    ceil_units,
)
from tercel.desk.limits import DAY_NS, MONEY, MS, BestQuotes, LimitGate, Limits, parse, with_changes

TIGHT: Final = """
[desk]
order_lots = 60
order_value = 90_000
gross_value = 450_000
messages = 60
window_ms = 400
daily_loss = 9_000
drawdown = 8_000
duplicate_ms = 3
[instruments."*"]
order_lots = 50
order_value = 80_000
gross_value = 220_000
long_lots = 150
short_lots = 140
messages = 40
window_ms = 300
daily_loss = 6_000
drawdown = 5_500
collar_bps = 150
reference_age_ms = 900
hours = "always"
[instruments.C]
hours = ["02:00:00", "22:00:00"]
[agents."*"]
order_lots = 40
order_value = 60_000
gross_value = 160_000
long_lots = 70
short_lots = 60
messages = 25
window_ms = 250
daily_loss = 4_000
drawdown = 3_500
executions = 6
executions_ms = 400
[agents.b]
short_lots = 80
"""
AGENTS: Final = ("a", "b", "c", "d")
LISTINGS: Final = (Listing("A", 0.01, 100), Listing("B", 0.05, 10), Listing("C", 0.0005, 1000))
START: Final = {"A": 1500, "B": 3000, "C": 2000}
PLANTS: Final[dict[str, int]] = {
    **{"order_lots": 1, "order_value": 50 * MONEY, "gross_value": 500 * MONEY, "messages": 1},
    **{"daily_loss": 50 * MONEY, "drawdown": 50 * MONEY, "long_lots": 1, "short_lots": 1},
    **{"collar_bps": 1, "executions": 1},
    **{"duplicate_ns": -1, "window_ns": -1, "reference_age_ns": 1},
}
"""Limits that a gate can be given too generous by a step, to see that the auditor finds it."""
TIGHTENED: Final = tuple(name for name in PLANTS if not name.endswith("_ns"))
"""Limits that people tighten while it runs: all but times. Their order is part of what a seed does."""
_MONEY: Final = ("order_value", "gross_value", "daily_loss", "drawdown")


def plant_limit(limits: Limits, name: str) -> Limits:
    """The limits with one of them, wherever it stands, more generous by a step."""

    def more(scope: Any) -> Any:
        return (
            replace(scope, **{name: getattr(scope, name) + PLANTS[name]})
            if hasattr(scope, name)
            else scope
        )

    instruments = {key: more(each) for key, each in limits.instruments.items()}
    agents = {key: more(each) for key, each in limits.agents.items()}
    return replace(limits, desk=more(limits.desk), instruments=instruments, agents=agents)


@dataclass(slots=True)
class StressTally:
    """What a stress test has come to.

    Parameters
    ----------
    actions, sent, checks : int
        Things done, commands that left, questions asked.
    breaches : Counter
        Limits that were broken, by the auditor's name for them; empty is what is wanted.
    denials : Counter
        By code.
    alarms : Counter
        Reports that made no sense, by code.
    check_ns : list of int
        Time of every question.
    """

    actions: int = 0
    sent: int = 0
    breaches: Counter[str] = field(default_factory=Counter)
    denials: Counter[str] = field(default_factory=Counter)
    alarms: Counter[str] = field(default_factory=Counter)
    check_ns: list[int] = field(default_factory=list)


class StressTest:
    """Random actions against a gate and its auditor.

    Parameters
    ----------
    seed : int
    timer : callable
        Nanoseconds of some clock, for the time of a question.
    make : callable
        Makes the gate from limits, listings, agents and the kill switch; a test hands in a gate that is wrong.
    plant : str
        A name of `PLANTS` to give the gate wrong limits, "" for none.
    """

    def __init__(
        self,
        seed: int,
        timer: Callable[[], int],
        make: Callable[..., LimitGate] = LimitGate,
        plant: str = "",
    ) -> None:
        self.rng = random.Random(seed)
        self.timer = timer
        self.limits = parse(TIGHT, "the limits of the stress test")
        given = plant_limit(self.limits, plant) if plant else self.limits
        self.killed: dict[str, str] = {}
        self.gate = make(given, LISTINGS, AGENTS, self.killed.get)
        self.auditor = Auditor(self.limits, LISTINGS, AGENTS)
        self.venue = FaultInjectingVenue(self.rng)
        self.tally = StressTally()
        self.now = DAY_NS // 4
        self._names = 0
        self.parents: dict[tuple[str, str], str] = {}
        self.most: dict[str, int] = {}
        self.mid = dict(START)
        self.mute: dict[str, int] = dict.fromkeys(START, 0)
        self.recent: deque[NewOrder] = deque(maxlen=4)
        self.names: deque[str] = deque(maxlen=200)
        self.given = self.limits
        self._plant = plant
        """The limits as their file had them; people tighten them and take that back."""
        commands = (self._new, self._replace, self._cancel)
        self._acts = (*commands, self._venue, self._receive, self._mark, self._watch, self._people)
        self._odds = (0.36, 0.47, 0.51, 0.72, 0.885, 0.955, 0.965, 1.0)
        for name in START:
            self._quote(name)

    def run(self, actions: int) -> StressTally:
        """Do so many actions more."""
        random_ = self.rng.random
        odds = self._odds
        acts = self._acts
        for _ in range(actions):
            self.now += int(random_() * 2 * MS) if random_() < 0.8 else 0
            acts[bisect_right(odds, random_())]()
        self.tally.actions += actions
        return self.tally

    # -- commands -------------------------------------------------------------------------------------------------

    def _submit(self, command: Command) -> bool:
        """Ask the gate; what it lets through is counted, audited and sent, or lost on a way that is down."""
        timer = self.timer
        began = timer()
        denial = self.gate.check(command, self.now)
        self.tally.check_ns.append(timer() - began)
        if denial is not None:
            self.tally.denials[denial.code] += 1
            return False
        self.tally.sent += 1
        self.gate.count_sent(command, self.now)
        self.tally.breaches.update(self.auditor.judge_sent(command, self.now))
        malformed = isinstance(command, NewOrder | ReplaceOrder) and (
            type(command.lots) is not int or command.lots < 1
        )
        if malformed or self.rng.random() < 0.01:
            self.gate.release_unsent(command)
            self.auditor.unsent(command)
        else:
            self.venue.send(command)
            self.names.append(command.cl_ord_id)
        return True

    def _new(self) -> None:
        rng = self.rng
        agent = rng.choice(AGENTS)
        name = rng.choice("ABC")
        if rng.random() < 0.05 and self.recent:
            again = rng.choice(self.recent)
            within = self.limits.desk.duplicate_ns
            self.now = max(self.now, again.sent_ns + within - rng.randint(0, 1))
            self._submit(replace(again, cl_ord_id=self._name(), sent_ns=self.now))
            return
        if rng.random() < 0.05:
            self._to_an_edge(agent, name)
        parent = self._parent(agent, name)
        side = self.auditor.parents[parent][2]
        if rng.random() < 0.01:
            agent, name, side = rng.choice(
                (("zoe", name, side), (agent, "Z", side), (agent, name, -side))
            )
        price = self._price(name, side) if name in START else 1000
        lots = self._lots(agent, name, side, parent, price)
        tif = Tif.IOC if rng.random() < 0.2 else Tif.DAY
        cl_ord_id = rng.choice(self.names) if self.names and rng.random() < 0.01 else self._name()
        parent = "nobody's" if rng.random() < 0.003 else parent
        order = NewOrder(cl_ord_id, name, side, lots, price, tif, agent, parent, self.now)
        if self._submit(order):
            self.recent.append(order)

    def _replace(self) -> None:
        order = self._some_open()
        if order is None:
            return
        price = self._price(order.instrument, order.side) or 1000
        price = order.price if order.price is not None and self.rng.random() < 0.4 else price
        lots = self._lots(order.agent, order.instrument, order.side, order.parent, price)
        if self.rng.random() < 0.3 and type(lots) is int:
            lots += order.lots
        orig = (
            self.rng.choice(self.names) if self.names and self.rng.random() < 0.05 else order.name
        )
        fields = (
            orig,
            order.instrument,
            order.side,
            lots,
            price,
            order.agent,
            order.parent,
            self.now,
        )
        self._submit(ReplaceOrder(self._name(), *fields))

    def _cancel(self) -> None:
        order = self._some_open()
        if order is not None:
            fields = (order.name, order.instrument, order.side, order.agent, self.now)
            if not self._submit(CancelOrder(self._name(), *fields)):
                self.tally.breaches["CANCEL_REFUSED"] += 1

    def _some_open(self) -> VenueOrder | None:
        live = self.venue.live
        if not live:
            return None
        return live[next(islice(live, self.rng.randrange(len(live)), None))]

    def _price(self, name: str, side: int) -> int | None:
        chance = self.rng.random()
        mid2 = self.auditor.marks[name].mid2
        if chance < 0.08:
            return None
        if chance < 0.2:  # on the collar, and one tick past it
            bps = self.limits.instruments.get(name, self.limits.instruments["*"]).collar_bps
            if self.rng.random() < 0.5:
                return mid2 * (10_000 + bps) // 20_000 + self.rng.randint(0, 1)
            return -(mid2 * (10_000 - bps) // -20_000) - self.rng.randint(0, 1)
        return mid2 // 2 - side * self.rng.randint(-1, 6)

    def _lots(self, agent: str, name: str, side: int, parent: str, price: int | None) -> Any:
        """Some; or as many as a limit leaves, and one more."""
        rng = self.rng
        chance = rng.random()
        if chance < 0.01:
            return rng.choice((0, -1, True, 2.0, float("nan"), None, 10**30))
        of_agent = self.limits.of_agent(agent)
        instrument_limits = self.limits.of_instrument(name)
        if (
            chance < 0.5
            or of_agent is None
            or instrument_limits is None
            or agent not in AGENTS
            or name not in START
        ):
            return rng.randint(1, 12)
        more = rng.randint(0, 1)
        if chance < 0.6:
            return of_agent.order_lots + more
        room = self._room(chance, agent, name, side, parent, price) + more
        return room if 0 < room <= of_agent.order_lots else rng.randint(1, 12)

    def _room(
        self, chance: float, agent: str, name: str, side: int, parent: str, price: int | None
    ) -> int:
        """The lots that one of the limits leaves."""
        auditor = self.auditor
        of_agent = self.limits.of_agent(agent)
        instrument_limits = self.limits.of_instrument(name)
        assert of_agent is not None
        assert instrument_limits is not None
        if chance < 0.7:
            return of_agent.order_value // (2 * (price or START[name]) * auditor.unit[name])
        if chance < 0.8:
            return auditor.parents[parent][3] - ceil_units(auditor.used_qty(parent))
        table = auditor.exposures()
        rows = [table[each, name] for each in ((agent,) if chance < 0.9 else AGENTS)]
        limits = of_agent if chance < 0.9 else instrument_limits
        if side > 0:
            return limits.long_lots - ceil_units(sum(row.position + row.buys for row in rows))
        return limits.short_lots - ceil_units(sum(row.sells - row.position for row in rows))

    def _name(self) -> str:
        self._names += 1
        return f"o{self._names}"

    def _parent(self, agent: str, name: str) -> str:
        """A parent with room, mostly."""
        parent = self.parents.get((agent, name), "")
        if parent and len(self.auditor.children[parent]) < 40 and self.rng.random() < 0.97:
            return parent
        held = self.auditor.fills.get((agent, name), (0, 0))[0]
        buys = 0.5 - held / (150 * ONE)
        self.parents[agent, name] = parent = f"p{len(self.most)}"
        side = 1 if self.rng.random() < buys else -1
        lots = self.rng.randint(20, 150)
        self._give(parent, name, agent, side, lots)
        return parent

    def _give(self, parent: str, name: str, agent: str, side: int, lots: int) -> None:
        if parent in self.most:
            self.gate.amend(parent, lots)
        else:
            self.gate.register_parent(parent, name, agent, side, lots)
        self.auditor.parent(parent, name, agent, side, lots)
        self.most[parent] = max(lots, self.most.get(parent, 0))

    def _to_an_edge(self, agent: str, name: str) -> None:
        """Move to the last ns at which something forbids, or the first at which it does not."""
        of_agent = self.limits.of_agent(agent)
        instrument_limits = self.limits.of_instrument(name)
        assert of_agent is not None
        assert instrument_limits is not None
        times = self.auditor.messages["agent " + agent]
        marked = self.auditor.marks[name].ns
        if self.rng.random() < 0.7 and len(times) >= of_agent.messages:
            edge = times[-of_agent.messages] + of_agent.window_ns - 1
        else:
            edge = (marked or 0) + instrument_limits.reference_age_ns
        self.now = max(self.now, edge + self.rng.randint(0, 1))

    # -- the venue, the market, people ----------------------------------------------------------------------------

    def _venue(self) -> None:
        traded = self.venue.act(self.now)
        if traded is None:
            return
        filled = self.venue.filled
        extra = self.venue.overfilled
        known = self.venue.is_settled(traded.instrument)
        name = traded.instrument
        instrument_limits = self.given.of_instrument(name)
        assert instrument_limits is not None
        bounds = [
            (
                instrument_limits.short_lots,
                instrument_limits.long_lots,
                sum(filled[each, name] for each in AGENTS),
            )
        ]
        for agent in AGENTS:
            of_agent = self.given.of_agent(agent)
            assert of_agent is not None
            bounds.append((of_agent.short_lots, of_agent.long_lots, filled[agent, name]))
        within = all(
            -short * ONE - extra[name] <= held <= long * ONE + extra[name]
            for short, long, held in bounds
        )
        if within and known:
            self.venue.forget(name)
        elif known and not self.venue.is_unsettled(name):
            self.tally.breaches["REALLY_HELD"] += 1
        if (
            self.venue.children[traded.parent]
            > self.most[traded.parent] * ONE + extra[traded.parent]
        ):
            self.tally.breaches["REALLY_FILLED"] += 1

    def _receive(self) -> None:
        message = self.venue.deliver()
        if isinstance(message, CancelReject):
            self.gate.cancel_reject(message)
            self.auditor.cancel_reject(message)
        elif message is not None:
            alarm = self.gate.report(message, self.now)
            self.auditor.report(message, self.now)
            if alarm is not None:
                self.tally.alarms[alarm.code] += 1

    def _mark(self) -> None:
        name = self.rng.choice("ABC")
        if self.now < self.mute[name]:
            return
        self.mid[name] = max(START[name] // 2, self.mid[name] + self.rng.randint(-3, 3))
        if abs(self.mid[name] - START[name]) > START[name] // 10:
            self.mid[name] = START[name]
        self._quote(name)

    def _quote(self, name: str) -> None:
        chance = self.rng.random()
        mid = self.mid[name]
        ns = self.now
        touch: tuple[int | None, int | None] = (mid - 1, mid + self.rng.randint(1, 2))
        if chance < 0.02:
            touch = self.rng.choice(
                ((None, mid), (mid, None), (mid, mid), (mid + 1, mid), (0, mid))
            )
        elif chance < 0.04:
            ns -= self.rng.randint(1, 500) * MS
        quotes = BestQuotes(*touch)
        self.gate.mark(name, quotes, ns, self.now)
        self.auditor.update_mark(name, quotes, ns, self.now)

    def _people(self) -> None:
        rng = self.rng
        chance = self.rng.random()
        agent = rng.choice(AGENTS)
        name = rng.choice("ABC")
        if chance < 0.02:
            self.killed[agent] = "a drill"
            self.auditor.killed.add(agent)
        elif chance < 0.75:
            self.killed.pop(agent, None)
            self.auditor.killed.discard(agent)
            self.gate.resume(agent)
            self.auditor.resume(agent)
        elif chance < 0.92 and (parent := self.parents.get((agent, name))):
            self._give(parent, name, agent, self.auditor.parents[parent][2], rng.randint(0, 150))
        elif chance < 0.93:
            self.mute[name] = self.now + 2000 * MS
        elif chance < 0.96:
            self.now += rng.randint(1, 1200) * MS
        elif chance < 0.965:
            self.now -= rng.randint(1, 400 * MS)
        elif chance < 0.98:
            self._other_limits()
        else:
            self.now += rng.randint(1, DAY_NS * 2 // 3)

    def _watch(self) -> None:
        """Limits notice what was passed; whoever has to stop for it is stopped."""
        self.gate.watch(self.now, self.rng.random() < 0.5)
        self.auditor.watch(self.now)
        for agent in self.auditor.stopped:
            if not self.gate.agents[agent].stopped:
                self.tally.breaches["NOT_STOPPED"] += 1

    def _other_limits(self) -> None:
        """A person tightens a limit, or two take back what was tightened."""
        rng = self.rng
        limits = self.limits
        if rng.random() < 0.5:
            limits = self.given
        else:
            path, scope = rng.choice(
                [
                    *(("desk", limits.desk), ("agents." + rng.choice(AGENTS), limits.agents["*"])),
                    ("instruments." + rng.choice("ABC"), limits.instruments["*"]),
                ]
            )
            key, value = rng.choice(
                [(key, getattr(scope, key)) for key in TIGHTENED if hasattr(scope, key)]
            )
            value //= MONEY if key in _MONEY else 1
            limits = with_changes(limits, {f"{path}.{key}": str(value * rng.randint(5, 10) // 10)})
        self.limits = limits
        self.gate.enforce(plant_limit(limits, self._plant) if self._plant else limits)
        self.auditor.enforce(limits)
