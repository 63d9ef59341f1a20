"""Counters behind the limits, in integers: quantities in 10^-8 of a lot, money in 10^-16 of `MONEY` (`core.orders`).

An order keeps lots *reserved* until the venue has reported, beyond doubt, that they are gone: the most that a replace
on its way could make of it, and every lot that the venue reports as filled but whose fill has not come yet. Its end
frees nothing of a replace that is not answered: the venue may still accept it, and the order lives again (FIX 4.2
appendix D8, 4.4 C.1.c). A report that is old, doubled or about an unknown order frees nothing.
"""

import sys
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, NamedTuple

from tercel.core.executions import Executions
from tercel.core.orders import (
    ONE,
    PAID_ONE,
    TERMINAL,
    CancelOrder,
    Command,
    NewOrder,
    OrdStatus,
    ReplaceOrder,
    StatusRequest,
)
from tercel.core.quotes import QuoteRequest
from tercel.core.vocabulary import BUY, SELL
from tercel.desk.limits.file import DAY_NS, AgentLimits, DeskLimits, InstrumentLimits, ScopeLimits
from tercel.desk.limits.quotes import NO_QUOTE, OwnQuotes

NEVER_NS: Final = -sys.maxsize
HOUR_NS: Final = 3_600_000_000_000
AT_ANY_PRICE: Final = NO_QUOTE
"""Price of a market order: crosses everything."""


class Denial(NamedTuple):
    """Why a command may not leave: `code` for machines, `text` with the figures for people."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Alarm:
    """An impossible report: booked as far as it can be; `stopped` names the agent that is stopped for it."""

    code: str
    text: str
    stopped: str = ""


class Scope:
    """Counters common to every scope of limits: an instrument, an agent or the desk.

    `gross` and `equity` are money at the last mids: the worst-case positions without their signs, and cash plus
    positions. `opening` is the equity at which the day began, `high` the highest at a mark since; below the `floor`
    more than `daily_loss` was lost since the day began, or more than `drawdown` since its highest. `times`: when the
    last messages left; `requests`: time and value of the last hour's requests for quotes. `warned` and `broken` are the
    limits whose warning level, or which themselves, are passed; `levels` those at which people are warned, once known.
    """

    __slots__ = (
        *(
            "broken",
            "daily_loss",
            "drawdown",
            "equity",
            "floor",
            "gross",
            "gross_value",
            "high",
            "levels",
            "messages",
        ),
        *("name", "opening", "requests", "rfq_value", "times", "warn", "warned", "window_ns"),
    )
    room: ClassVar[str] = "desk"
    """The section of the file that limits it."""

    def __init__(self, name: str, limits: ScopeLimits) -> None:
        self.name = name
        self.gross = self.equity = self.opening = self.high = 0
        self.times: deque[int] = deque(maxlen=limits.messages)
        self.requests: deque[tuple[int, int]] = deque()
        self.warned: set[str] = set()
        self.broken: set[str] = set()
        self.take(limits, NEVER_NS)

    def take(self, limits: ScopeLimits, now_ns: int) -> None:
        """Adopt limits, perhaps changed ones; crossings of the old ones are forgotten.

        Only as many messages are remembered as could leave in a window. Where more may leave now, those that are not
        remembered count as if they had left with the oldest that is.
        """
        messages, times = limits.messages, self.times
        if times.maxlen != messages:
            if len(times) == times.maxlen:
                oldest = times[0] if times else now_ns
                times = deque([oldest] * messages + list(times), messages)
            self.times = deque(times, messages)
        self.messages = messages
        self.window_ns = limits.window_ns
        self.gross_value = limits.gross_value * PAID_ONE
        self.daily_loss = limits.daily_loss * PAID_ONE
        self.drawdown = limits.drawdown * PAID_ONE
        self.rfq_value = (
            limits.rfq_value_per_hour if isinstance(limits, DeskLimits | AgentLimits) else 0
        )
        self.warn = limits.warn
        self.levels: tuple[int, ...] = ()
        self.warned.clear()
        self.broken.clear()
        self.sink()

    def requested(self, now_ns: int) -> int:
        """Value of the requests for quotes of the hour until now, `MONEY`."""
        return sum(value for ns, value in self.requests if ns > now_ns - HOUR_NS)

    @property
    def lost(self) -> int:
        """Loss since the day's opening; negative: profit."""
        return self.opening - self.equity

    @property
    def drawn(self) -> int:
        """Drawdown from the day's highest equity."""
        return self.high - self.equity

    def begin_day(self) -> None:
        """Start a new day of loss counting."""
        self.opening = self.high = self.equity
        self.warned.clear()
        self.broken.clear()
        self.sink()

    def rise(self) -> None:
        """Raise the day's highest equity if a mark exceeded it."""
        before, self.high = self.high, max(self.high, self.equity)
        if self.high != before:
            self.sink()

    def sink(self) -> None:
        """Recompute the equity floor from the day's opening and high."""
        self.floor = max(self.opening - self.daily_loss, self.high - self.drawdown)


class AgentState(Scope):
    """Counters of one agent; `stops`: why it may send nothing new, by code; `repeated`: where it executed too often."""

    __slots__ = ("limits", "repeated", "stops")
    room = "agents"

    def __init__(self, name: str, limits: AgentLimits) -> None:
        super().__init__(name, limits)
        self.limits = limits
        self.repeated = ""
        self.stops: dict[str, str] = {}

    @property
    def stopped(self) -> str:
        """All stop reasons joined; "" when the agent is not stopped."""
        return "; ".join(self.stops.values())

    def take(self, limits: AgentLimits, now_ns: int) -> None:  # type: ignore[override]
        """See `Scope`."""
        super().take(limits, now_ns)
        self.limits = limits


class InstrumentState(Scope):
    """Counters of one instrument over all agents, and its reference: the mid in half ticks, 0 before the first.

    It is one from `good_from_ns` to `good_until_ns`: the venue's clock and ours need not agree to the ns. The last mark
    that was one came at `sane_ns`; by the clock, marks have come since `bad_ns` that leave none.
    """

    __slots__ = (
        *(
            "ask",
            "bad_ns",
            "bid",
            "buy_quotes",
            "buys",
            "dealers",
            "exposed",
            "exposure",
            "good_from_ns",
            "good_until_ns",
        ),
        *(
            "limits",
            "long_qty",
            "marked_ns",
            "mid2",
            "position",
            "sane",
            "sane_ns",
            "sell_quotes",
            "sells",
        ),
        *("short_qty", "unit"),
    )
    room = "instruments"

    def __init__(self, name: str, limits: InstrumentLimits, unit: int) -> None:
        self.unit = unit
        self.position = self.buys = self.sells = self.exposure = 0
        self.bid = self.ask = self.mid2 = 0
        self.marked_ns = self.sane_ns = self.bad_ns = NEVER_NS
        self.sane = False
        super().__init__(name, limits)
        self.buy_quotes = OwnQuotes(-1)
        self.sell_quotes = OwnQuotes(1)
        self.dealers: dict[str, None] = {}
        """Dealers that received a request for quotes today."""
        self.exposed: dict[Holding, None] = {}
        """Holdings with a worst case other than nothing."""

    def take(self, limits: InstrumentLimits, now_ns: int) -> None:  # type: ignore[override]
        """See `Scope`."""
        super().take(limits, now_ns)
        self.limits = limits
        self.long_qty = limits.long_lots * ONE
        self.short_qty = limits.short_lots * ONE
        self.age()

    def age(self) -> None:
        """Set the validity window of the reference around the time of its mark."""
        age = self.limits.reference_age_ns
        self.good_from_ns = self.marked_ns - age
        self.good_until_ns = self.marked_ns + age if self.sane else NEVER_NS


def executions_by_side() -> dict[int, deque[int]]:
    """Empty execution times for both sides."""
    return {BUY: deque(), SELL: deque()}


class Holding:
    """One agent's position in one instrument, its open buys and sells, and the worst-case exposure.

    `times` are those of its last executions by side, as many as may come in a window.
    """

    __slots__ = (
        *(
            "agent",
            "buys",
            "exposure",
            "instrument",
            "long_qty",
            "order_lots",
            "order_value",
            "position",
        ),
        *("scopes", "sells", "short_qty", "times"),
    )

    def __init__(
        self, instrument: InstrumentState, agent: AgentState, desk: Scope, limits: DeskLimits
    ) -> None:
        self.instrument = instrument
        self.agent = agent
        self.scopes: tuple[Scope, Scope, Scope] = (agent, instrument, desk)
        self.position = self.buys = self.sells = self.exposure = 0
        self.times = executions_by_side()
        self.take(limits)

    def take(self, limits: DeskLimits) -> None:
        """Adopt the limits of agent, instrument and desk."""
        agent, instrument = self.agent.limits, self.instrument.limits
        self.long_qty = agent.long_lots * ONE
        self.short_qty = agent.short_lots * ONE
        three = (instrument, agent, limits)
        self.order_lots = min(each.order_lots for each in three)
        self.order_value = min(each.order_value for each in three)

    def executed(self, side: int, ns: int) -> int:
        """Record an execution of a side; the number of executions in the window that ends with it."""
        times, limits = self.times[side], self.agent.limits
        ns = max(ns, times[-1]) if times else ns
        while times and times[0] <= ns - limits.executions_ns:
            times.popleft()
        times.append(ns)
        return len(times)


@dataclass(slots=True)
class Doubt:
    """An implausible execution that no person has confirmed.

    Its scopes count by `held` poorer than what was reported of it made them, since the day that ends at `day_ends_ns`.
    The next report of it is held against `reference`, 10^-8 of a tick, 0 before any mark; `position` is the signed lots
    that were booked then, 10^-8 of a lot.
    """

    holding: Holding
    held: int = 0
    day_ends_ns: int = 0
    position: int = 0
    reference: int = 0

    def hold(self, gain: int) -> None:
        """Hold back a gain; a loss counts as far as it exceeds the gain held back."""
        before, self.held = self.held, max(self.held + gain, 0)
        for scope in self.holding.scopes:
            scope.equity += before - self.held


class ParentLimit:
    """A parent's lots as announced to the gate; `used` are those filled or reserved by its children, `open_qty` those
    reserved. Of a pair: `first` is the first leg, whose `legs` are all parents, itself and the hedge before others."""

    __slots__ = ("first", "holding", "legs", "lots", "name", "open_qty", "side", "used")

    def __init__(self, name: str, holding: Holding, side: int, lots: int) -> None:
        self.name = name
        self.holding = holding
        self.side = side
        self.lots = lots
        self.used = self.open_qty = 0
        self.first = self
        self.legs = [self]


class OpenOrder:
    """A child order under every ClOrdID it has had; `root` is the first of them, `name` the last that was accepted.

    `base` is its state by the table of `core.lifecycle`. `lots` and `price` are the last accepted, `requested` what
    replaces on their way would make of them (by name: turn, lots, price), `taken` the last turn that the venue took.
    `probes` are cancels sent after it ended (by name: the last turn before it), `ended_ns` when the venue ended it.
    `counted_qty` is the most that the venue called filled since it last took back or corrected a fill, at
    `recounted_ns`; `cum_qty` the fills in force, `open_qty` the reserved quantity. The venue last changed its size or
    price at `changed_ns`. `worst` is the worst price at which it may fill, of all requested prices.
    """

    __slots__ = (
        *("base", "changed_ns", "counted_qty", "cum_qty", "ended_ns", "holding", "lots"),
        *("name", "open_qty", "parent", "price", "probes", "quoted", "recounted_ns", "requested"),
        *("root", "side", "taken", "turns", "worst"),
    )

    def __init__(
        self, root: str, holding: Holding, parent: ParentLimit, side: int, lots: int, price: int
    ) -> None:
        self.root = self.name = root
        self.holding = holding
        self.parent = parent
        self.side = side
        self.lots = lots
        self.price = self.worst = price
        self.requested: dict[str, tuple[int, int, int]] = {}
        self.base = OrdStatus.PENDING_NEW
        self.cum_qty = self.counted_qty = self.open_qty = self.turns = self.taken = 0
        self.probes: dict[str, int] = {}
        self.changed_ns = self.recounted_ns = self.ended_ns = NEVER_NS
        self.quoted: tuple[int, ...] = ()

    @property
    def live(self) -> bool:
        """Whether it may still trade."""
        return self.base not in TERMINAL

    @property
    def most_lots(self) -> int:
        """Largest total lots it may come to, replaces in flight included."""
        return max([self.lots, *(lots for _, lots, _ in self.requested.values())])

    def probe(self, name: str, now_ns: int) -> CancelOrder:
        """A cancel of an order that has ended, by the name that the venue knows: its refusal answers earlier replaces."""
        holding = self.holding
        instrument = holding.instrument.name
        return CancelOrder(name, self.name, instrument, self.side, holding.agent.name, now_ns)


Filled = tuple[OpenOrder | None, Holding, int, int, str]
"""What a fill changed: the order (None: unknown here), the holding, its side; its first price and its name for people,
`ORDER:EXECUTION`."""


class LimitQuery:
    """Input of a check: the command with all looked-up state. One object is reused for every command.

    Parameters
    ----------
    command, now_ns
        The command to be sent, and the time.
    holding, agent, instrument : state
        None if unknown to the gate (`check_known` refuses then, so later checks may rely on them).
    parent, order : ParentLimit, OpenOrder or None
        `order` is the one that a replace would change.
    side, lots, price : int
        `price` is None for a market order.
    extra : int
        Growth of the worst case, 10^-8 of a lot: all of a new order, the increase of a replace.
    worst_price : int
        Ticks at which its value is reckoned; known once the reference is checked.
    """

    __slots__ = (
        *(
            "agent",
            "command",
            "extra",
            "gate",
            "holding",
            "instrument",
            "lots",
            "now_ns",
            "order",
            "parent",
            "price",
        ),
        *("side", "worst_price"),
    )
    command: NewOrder | ReplaceOrder
    gate: "LimitCounts"
    now_ns: int
    holding: Holding
    agent: AgentState
    instrument: InstrumentState
    parent: ParentLimit
    order: OpenOrder | None
    side: int
    lots: int
    extra: int
    price: int | None
    worst_price: int


Check = Callable[[LimitQuery], Denial | None]
"""The port of limits: one question. `LimitConformance` of `certify/limits` checks one."""
Killed = Callable[[str], str | None]
"""Why an agent is killed, or None; `tercel.desk.trading.risk.kill_switch.KillLatch.killed` is one."""


class LimitCounts:
    """All counters of the gate; `LimitGate` lets commands and reports change them."""

    def __init__(self, desk: DeskLimits) -> None:
        self.desk = Scope("desk", desk)
        self.duplicate_ns = desk.duplicate_ns
        self.legged_value = desk.legged_value
        self.instruments: dict[str, InstrumentState] = {}
        self.agents: dict[str, AgentState] = {}
        self.holdings: dict[tuple[str, str], Holding] = {}
        self.holdings_of: dict[str, list[Holding]] = {}
        """Every agent's holdings, in all instruments."""
        self.parents: dict[str, ParentLimit] = {}
        self.orders: dict[str, OpenOrder] = {}
        self.unanswered: dict[str, OpenOrder] = {}
        """Orders that have ended while a replace that may open lots has no answer, by root."""
        self.held: dict[str, InstrumentState] = {}
        """Instruments in which some agent has a position."""
        self.names: set[str] = set()
        """Every cl_ord_id that ever left."""
        self.recent: OrderedDict[tuple[object, ...], int] = OrderedDict()
        """Contents of recent orders without their names, and when they were sent."""
        self.executions: Executions[Filled] = Executions()
        """Fills in force."""
        self.doubts: dict[tuple[str, str], Doubt] = {}
        """Implausible executions that no person has confirmed, by agent and name (`Filled`)."""
        self.fault = ""
        """Why the counts cannot be trusted any more; nothing new leaves then."""
        self.killed: Killed | None = None
        self.day_ends_ns = DAY_NS
        self.sent_ns = self.watched_ns = self.wire_ns = NEVER_NS
        """Latest time of a sent command; time of the first call of `watch`; time by the clock of messages, where that is
        ahead of the clock."""

    def count_message(self, scopes: Iterable[Scope], ns: int) -> None:
        """Count an outgoing message; time never goes back here, so the window cannot be cheated."""
        self.sent_ns = ns = max(ns, self.sent_ns)
        for scope in scopes:
            scope.times.append(ns)

    def written(self, messages: Sequence[Command | QuoteRequest], ns: int) -> None:
        """Date the messages that were counted last: their bytes had been written to the socket at a time of the clock of
        messages. They were counted before limits, journal and venue took their time."""
        counted = Counter(scope for message in messages for scope in self.scopes_of(message))
        for scope, many in counted.items():
            for back in range(1, min(many, len(scope.times)) + 1):
                scope.times[-back] = ns

    def scopes_of(self, message: Command | QuoteRequest) -> list[Scope]:
        """The scopes in which a message counts."""
        instrument = "" if isinstance(message, StatusRequest) else message.instrument
        scopes = self.desk, self.agents.get(message.account), self.instruments.get(instrument)
        return [scope for scope in scopes if scope is not None]

    def settle(self, order: OpenOrder) -> None:
        """Reserve exactly an order's remaining open lots, and quote the prices at which it may rest."""
        live = order.base not in TERMINAL
        sizes = [(order.lots, order.price)] if live else []
        for _, lots, price in order.requested.values():
            if live or lots * ONE > order.cum_qty:
                sizes.append((lots, price))
        if sizes and not live:
            self.unanswered[order.root] = order
        else:
            self.unanswered.pop(order.root, None)
        most = max([order.counted_qty, *(lots * ONE for lots, _ in sizes)])
        still = max(most - order.cum_qty, 0)
        if still != order.open_qty:
            order.parent.used += still - order.open_qty
            order.parent.open_qty += still - order.open_qty
            self.reserve(order.holding, order.side, still - order.open_qty)
            self._exposed(order.holding)
            order.open_qty = still
        quoted = tuple([price for _, price in sizes])
        if quoted != order.quoted:
            at = order.holding.instrument
            quotes = at.buy_quotes if order.side == BUY else at.sell_quotes
            for price in quoted:
                quotes.add(price)
            for price in order.quoted:
                quotes.remove(price)
            order.quoted = quoted

    def fill(self, holding: Holding, side: int, qty: int, px: int) -> int:
        """Book a fill at a price (negative: a bust), update worst cases and money; its gain at the mid."""
        at, signed = holding.instrument, side * qty
        if not at.mid2:  # a fold may meet fills before any market: a position is then worth its cost, not nothing
            self.revalue(at, 2 * px // ONE)
        holding.position += signed
        at.position += signed
        made = signed * (at.mid2 * ONE - 2 * px) * at.unit
        at.equity += made
        holding.agent.equity += made
        self.desk.equity += made
        self._exposed(holding)
        if any(one.position for one in at.exposed):
            self.held[at.name] = at
        else:
            self.held.pop(at.name, None)
        return made

    @staticmethod
    def reserve(holding: Holding, side: int, opened: int) -> None:
        """Change the reserved open lots; `fill` or `_exposed` has to follow."""
        at = holding.instrument
        if side == BUY:
            holding.buys += opened
            at.buys += opened
        else:
            holding.sells += opened
            at.sells += opened

    def _exposed(self, holding: Holding) -> None:
        """Update a holding's worst case and its value."""
        at = holding.instrument
        worst = max(holding.position + holding.buys, holding.sells - holding.position)
        grown = worst - holding.exposure
        if grown:
            holding.exposure = worst
            value = grown * at.mid2 * at.unit * ONE
            at.exposure += grown
            at.gross += value
            holding.agent.gross += value
            self.desk.gross += value
            if worst:
                at.exposed[holding] = None
            else:
                del at.exposed[holding]

    def revalue(self, at: InstrumentState, mid2: int) -> None:
        """Revalue positions and worst cases at a new mid."""
        moved = (mid2 - at.mid2) * at.unit * ONE
        at.mid2 = mid2
        if (
            at.sane_ns == NEVER_NS
        ):  # before the first mark, a doubted execution is revalued as the mid moves
            for doubt in self.doubts.values():
                doubt.hold(doubt.position * moved * (doubt.holding.instrument is at))
        for holding in at.exposed:
            agent = holding.agent
            agent.gross += holding.exposure * moved
            agent.equity += holding.position * moved
        gross, equity = at.exposure * moved, at.position * moved
        at.gross += gross
        at.equity += equity
        self.desk.gross += gross
        self.desk.equity += equity

    def rise(self, at: InstrumentState) -> None:
        """After an instrument's mark: update the day's highest equity of the scopes that hold it."""
        at.rise()
        self.desk.rise()
        for holding in at.exposed:
            holding.agent.rise()

    def tell(self, now_ns: int) -> None:
        """Advance the clock; a new day of the clock starts a new day of losses."""
        if now_ns >= self.day_ends_ns:
            self.begin_day(now_ns)

    def begin_day(self, ns: int) -> None:
        """Start a new day: losses count from here."""
        self.day_ends_ns = (ns // DAY_NS + 1) * DAY_NS
        for at in self.instruments.values():
            at.dealers.clear()
        for scope in self.scopes():
            scope.begin_day()

    def pairs(self) -> list[ParentLimit]:
        """First legs of pairs."""
        return [one for one in self.parents.values() if len(one.legs) > 1]

    def scopes(self) -> "list[Scope]":
        """All scopes: the desk, its agents, its instruments."""
        return [self.desk, *self.agents.values(), *self.instruments.values()]
