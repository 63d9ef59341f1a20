"""What a desk knows of one instrument: its flow and what it cost, its market, sizes, shares, forecast and posture.

Fills are booked to the oldest open order first, against the mid at which that order came in: lots that sizing held back
keep their first arrival price, so that waiting is part of the cost.
"""

from array import array
from collections import deque
from dataclasses import dataclass, field

from tercel.core.errors import OrderError
from tercel.core.messages import Alpha, Posture
from tercel.core.orders import ONE, PAID_ONE, floored, text
from tercel.desk.engine.forecasts import Outlook
from tercel.desk.engine.monitor import MarketMonitor
from tercel.desk.engine.sizing import FlowShares, Sizing
from tercel.signals.risk.posture import PosturePolicy


@dataclass(slots=True)
class _Open:
    qty: int
    mid2: int


class FlowShortfall:
    """Orders received to one side of one instrument, and their cost.

    Parameters
    ----------
    side : int
        +1 buy, -1 sell.

    >>> flow = FlowShortfall(1)
    >>> flow.ask(10, mid2=2000)
    >>> flow.ask(10, mid2=2010)
    >>> flow.fill(15 * ONE, 15 * 2020 * PAID_ONE)
    >>> flow.open, flow.cost2 // PAID_ONE, round(flow.cost_bps(2040), 2)
    (5, 250, 99.75)
    """

    def __init__(self, side: int) -> None:
        self.side = side
        self.cost2 = 0
        """Cost of what is filled, 10^-16 half ticks x lots (`core.orders`)."""
        self.asked2 = 0
        """Value of everything asked for at its arrival mid, in the same."""
        self._open: deque[_Open] = deque()

    def ask(self, lots: int, mid2: int) -> None:
        """Add an order with its arrival mid."""
        if lots <= 0 or mid2 <= 0:
            raise OrderError(
                "lots above 0 at a two-sided market",
                f"{lots} lots at {mid2} half ticks",
                "wait for one",
            )
        self._open.append(_Open(lots * ONE, mid2))
        self.asked2 += lots * mid2 * PAID_ONE

    @property
    def open(self) -> int:
        """Unfilled whole lots."""
        return floored(self.open_qty)

    @property
    def open_qty(self) -> int:
        """Unfilled quantity, 10^-8 of a lot."""
        return sum(order.qty for order in self._open)

    def fill(self, qty: int, paid2: int) -> None:
        """Book a fill of `qty` (10^-8 of a lot), oldest order first; `paid2` is the sum of doubled prices x quantities.

        Raises
        ------
        OrderError
            For more than is open.
        """
        if qty > self.open_qty:
            raise OrderError(
                f"at most the {text(self.open_qty)} lots that are open",
                f"{text(qty)} filled",
                "reconcile with the venue",
            )
        self.cost2 += self.side * paid2
        while qty:
            oldest = self._open[0]
            part = min(qty, oldest.qty)
            self.cost2 -= self.side * part * oldest.mid2 * ONE
            oldest.qty -= part
            qty -= part
            if not oldest.qty:
                self._open.popleft()

    def cost_bps(self, mid2: int) -> float:
        """Cost of the whole program, bps of its arrival value; open lots are marked at `mid2`."""
        waiting = sum(self.side * (mid2 - order.mid2) * order.qty * ONE for order in self._open)
        return 1e4 * (self.cost2 + waiting) / self.asked2 if self.asked2 else 0.0


@dataclass
class DeskInstrument:
    """What the desk knows of one instrument."""

    flow: FlowShortfall
    monitor: MarketMonitor
    sizing: Sizing
    weights: FlowShares
    policy: PosturePolicy | None
    outlook: Outlook | None = None
    posture: Posture | None = None
    round_costs: dict[str, float] = field(default_factory=dict)
    begun_mid2: int = 0
    """The mid at the start of the round, half ticks."""
    pending: dict[int, tuple[float, int]] = field(default_factory=dict)
    """Forecasts that are not yet due, by when they are: what was expected until then, and the mid at that time."""
    share_path: "array[float]" = field(default_factory=lambda: array("d"))
    """The agents' shares after every round, one round after the other."""

    @property
    def alpha(self) -> Alpha | None:
        """The forecast that agents read."""
        return None if self.outlook is None else self.outlook.alpha
