"""Counters of one parent order, of one open order, and of one implausible execution."""

from dataclasses import dataclass
from typing import Final

from tercel.core.orders import TERMINAL, CancelOrder, OrdStatus
from tercel.desk.limits.quotes import NO_QUOTE
from tercel.desk.limits.scopes import NEVER_NS, Holding

AT_ANY_PRICE: Final = NO_QUOTE
"""Price of a market order: crosses everything."""


@dataclass(slots=True)
class Doubt:
    """An implausible execution that no person has confirmed, with the gain held back for it.

    Its scopes count by `held` poorer than what was reported of it made them, since the day that ends at `day_ends_ns`.
    The next report of it is held against `reference`, 10^-8 of a tick, 0 before any mark; `position` is the signed lots
    that were booked then, 10^-8 of a lot.
    """

    holding: Holding
    held: int = 0
    day_ends_ns: int = 0
    position: int = 0
    reference: int = 0

    def hold_back(self, gain: int) -> None:
        """Hold a gain back from the scopes' equity; a loss (negative) counts only as far as it exceeds the gain held back."""
        previous = self.held
        self.held = max(self.held + gain, 0)
        for scope in self.holding.scopes:
            scope.equity += previous - self.held


class ParentLimit:
    """Lots of a parent order announced to the gate, and how many its children have used.

    `used` are those filled or reserved by its children, `open_qty` those reserved. Of a pair: `first` is the first leg,
    whose `legs` are all parents, itself and the hedge before others.
    """

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
    """A child order with all its ClOrdIDs, requested changes and reserved quantity.

    `root` is its first ClOrdID, `name` the last that was accepted.

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
        """Whether the order may still trade."""
        return self.base not in TERMINAL

    @property
    def most_lots(self) -> int:
        """Largest total lots that the order may come to, replaces in flight included."""
        return max([self.lots, *(lots for _, lots, _ in self.requested.values())])

    def probe(self, name: str, now_ns: int) -> CancelOrder:
        """Cancel command for an order that has ended, whose refusal settles replaces that are still unanswered."""
        holding = self.holding
        instrument = holding.instrument.name
        return CancelOrder(name, self.name, instrument, self.side, holding.agent.name, now_ns)


Filled = tuple[OpenOrder | None, Holding, int, int, str]
"""What a fill changed: the order (None: unknown here), the holding, its side; its first price and its name for people,
`ORDER:EXECUTION`."""
