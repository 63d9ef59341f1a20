"""All counters behind the limits (`LimitCounts`), and a check's input (`LimitQuery`) and answer (`Denial`).

All are integers: quantities in 10^-8 of a lot, money in 10^-16 of `MONEY` (`core.orders`).

An order keeps lots *reserved* until the venue has reported, beyond doubt, that they are gone: the most that a replace
on its way could make of it, and every lot that the venue reports as filled but whose fill has not come yet. Its end
frees nothing of a replace that is not answered: the venue may still accept it, and the order lives again (FIX 4.2
appendix D8, 4.4 C.1.c). A report that is old, doubled or about an unknown order frees nothing.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tercel.core.executions import Executions
from tercel.core.fixed_point import ONE
from tercel.core.orders import TERMINAL, Command, NewOrder, ReplaceOrder, StatusRequest
from tercel.core.quotes import QuoteRequest
from tercel.core.venue_rules import VenueRules
from tercel.core.vocabulary import BUY
from tercel.desk.limits.limit_sets import Limits
from tercel.desk.limits.order_counts import Doubt, Filled, OpenOrder, ParentLimit
from tercel.desk.limits.scopes import NEVER_NS, AgentState, Holding, InstrumentState, Scope
from tercel.desk.limits.units import DAY_NS

Killed = Callable[[str], str | None]
"""Why an agent is killed, or None; `tercel.desk.trading.risk.kill_switch.KillLatch.kill_reason` is one."""


class Denial(NamedTuple):
    """Reason why a command may not leave: `code` for machines, `text` with the figures for people."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Alarm:
    """An impossible report: booked as far as it can be; `stopped` names the agent that is stopped for it."""

    code: str
    text: str
    stopped: str = ""


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


class LimitCounts:
    """All counters of the gate: scopes, holdings, parents, orders, executions."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.desk = Scope("desk", limits.desk)
        self.instruments: dict[str, InstrumentState] = {}
        self.rules: dict[str, VenueRules] = {}
        """Of the instruments whose venue does not take every order, at any time."""
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

    def date_messages(self, messages: Sequence[Command | QuoteRequest], ns: int) -> None:
        """Set the time of the last counted messages to when their bytes were written to the socket.

        They were counted before limits, journal and venue took their time.
        """
        counted = Counter(scope for message in messages for scope in self.scopes_of(message))
        for scope, n_messages in counted.items():
            for position in range(1, min(n_messages, len(scope.times)) + 1):
                scope.times[-position] = ns

    def scopes_of(self, message: Command | QuoteRequest) -> list[Scope]:
        """The scopes in which a message counts."""
        instrument = "" if isinstance(message, StatusRequest) else message.instrument
        scopes = self.desk, self.agents.get(message.account), self.instruments.get(instrument)
        return [scope for scope in scopes if scope is not None]

    def settle(self, order: OpenOrder) -> None:
        """Set an order's reserved quantity to what may still fill, and its prices among the own quotes."""
        live = order.base not in TERMINAL
        sizes = [(order.lots, order.price)] if live else []
        for _, lots, price in order.requested.values():
            if live or lots * ONE > order.cum_qty:
                sizes.append((lots, price))
        if sizes and not live:
            self.unanswered[order.root] = order
        else:
            self.unanswered.pop(order.root, None)
        reserved_max = max([order.counted_qty, *(lots * ONE for lots, _ in sizes)])
        reserved_qty = max(reserved_max - order.cum_qty, 0)
        if reserved_qty != order.open_qty:
            order.parent.used += reserved_qty - order.open_qty
            order.parent.open_qty += reserved_qty - order.open_qty
            self.reserve(order.holding, order.side, reserved_qty - order.open_qty)
            self._update_exposure(order.holding)
            order.open_qty = reserved_qty
        quoted = tuple([price for _, price in sizes])
        if quoted != order.quoted:
            instrument = order.holding.instrument
            quotes = instrument.buy_quotes if order.side == BUY else instrument.sell_quotes
            for price in quoted:
                quotes.add(price)
            for price in order.quoted:
                quotes.remove(price)
            order.quoted = quoted

    def fill(self, holding: Holding, side: int, qty: int, px: int) -> int:
        """Book a fill in 10^-8 lots (negative: a bust) and 10^-8 ticks; its gain at the mid, in 10^-16 of `MONEY`."""
        instrument = holding.instrument
        signed = side * qty
        if not instrument.mid2:  # a fold may meet fills before any market: a position is then worth its cost, not nothing
            self.revalue(instrument, 2 * px // ONE)
        holding.position += signed
        instrument.position += signed
        gain = signed * (instrument.mid2 * ONE - 2 * px) * instrument.unit
        instrument.equity += gain
        holding.agent.equity += gain
        self.desk.equity += gain
        self._update_exposure(holding)
        if any(exposed_holding.position for exposed_holding in instrument.exposed):
            self.held[instrument.name] = instrument
        else:
            self.held.pop(instrument.name, None)
        return gain

    @staticmethod
    def reserve(holding: Holding, side: int, qty: int) -> None:
        """Change a holding's reserved open quantity of a side; `fill` or `_update_exposure` has to follow."""
        instrument = holding.instrument
        if side == BUY:
            holding.buys += qty
            instrument.buys += qty
        else:
            holding.sells += qty
            instrument.sells += qty

    def _update_exposure(self, holding: Holding) -> None:
        """Update a holding's worst-case position and its value in all scopes."""
        instrument = holding.instrument
        worst = max(holding.position + holding.buys, holding.sells - holding.position)
        grown = worst - holding.exposure
        if grown:
            holding.exposure = worst
            value = grown * instrument.mid2 * instrument.unit * ONE
            instrument.exposure += grown
            instrument.gross += value
            holding.agent.gross += value
            self.desk.gross += value
            if worst:
                instrument.exposed[holding] = None
            else:
                del instrument.exposed[holding]

    def revalue(self, instrument: InstrumentState, mid2: int) -> None:
        """Revalue positions and worst cases at a new mid."""
        change = (mid2 - instrument.mid2) * instrument.unit * ONE
        instrument.mid2 = mid2
        if (
            instrument.sane_ns == NEVER_NS
        ):  # before the first mark, a doubted execution is revalued as the mid moves
            for doubt in self.doubts.values():
                doubt.hold_back(doubt.position * change * (doubt.holding.instrument is instrument))
        for holding in instrument.exposed:
            agent = holding.agent
            agent.gross += holding.exposure * change
            agent.equity += holding.position * change
        gross = instrument.exposure * change
        equity = instrument.position * change
        instrument.gross += gross
        instrument.equity += equity
        self.desk.gross += gross
        self.desk.equity += equity

    def update_highs(self, instrument: InstrumentState) -> None:
        """After an instrument's mark: update the day's highest equity of the scopes that hold it."""
        instrument.update_high()
        self.desk.update_high()
        for holding in instrument.exposed:
            holding.agent.update_high()

    def advance_clock(self, now_ns: int) -> None:
        """Advance the clock; a new day of the clock starts a new day of losses."""
        if now_ns >= self.day_ends_ns:
            self.begin_day(now_ns)

    def begin_day(self, ns: int) -> None:
        """Start a new day of losses and of dealers at a time, ns."""
        self.day_ends_ns = (ns // DAY_NS + 1) * DAY_NS
        for instrument in self.instruments.values():
            instrument.dealers.clear()
        for scope in self.scopes():
            scope.begin_day()

    def pairs(self) -> list[ParentLimit]:
        """First legs of pairs."""
        return [parent for parent in self.parents.values() if len(parent.legs) > 1]

    def scopes(self) -> "list[Scope]":
        """All scopes: the desk, its agents, its instruments."""
        return [self.desk, *self.agents.values(), *self.instruments.values()]
