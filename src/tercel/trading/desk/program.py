"""What was asked of a desk in one instrument, and what it cost from the moment it was asked for.

Fills are booked to the oldest open order first, against the mid at which that order came in: lots that sizing held back
keep their first arrival price, so that waiting is part of the cost.
"""

from collections import deque
from dataclasses import dataclass

from tercel.core.errors import OrderError


@dataclass(slots=True)
class _Open:
    lots: int
    mid2: int


class Program:
    """Orders to one side of one instrument.

    Parameters
    ----------
    side : int
        +1 buy, -1 sell.

    >>> program = Program(1)
    >>> program.ask(10, mid2=2000)
    >>> program.ask(10, mid2=2010)
    >>> program.fill(15, 15 * 2020)
    >>> program.open, program.cost2, round(program.cost_bps(2040), 2)
    (5, 250, 99.75)
    """

    def __init__(self, side: int) -> None:
        self.side = side
        self.cost2 = 0
        """Cost of the filled lots, half-ticks x lots."""
        self.asked2 = 0
        """Value of everything asked for at its arrival mid, half-ticks x lots."""
        self._open: deque[_Open] = deque()

    def ask(self, lots: int, mid2: int) -> None:
        """An order comes in at a mid."""
        if lots <= 0 or mid2 <= 0:
            raise OrderError("lots above 0 at a two-sided market", f"{lots} lots at {mid2} half ticks", "wait for one")
        self._open.append(_Open(lots, mid2))
        self.asked2 += lots * mid2

    @property
    def open(self) -> int:
        """Lots not filled."""
        return sum(order.lots for order in self._open)

    def fill(self, lots: int, paid2: int) -> None:
        """Lots were filled for `paid2`, the sum of doubled prices x lots.

        Raises
        ------
        OrderError
            For more lots than are open.
        """
        if lots > self.open:
            raise OrderError(
                f"at most the {self.open} lots that are open", f"{lots} filled", "reconcile with the venue"
            )
        self.cost2 += self.side * paid2
        while lots:
            oldest = self._open[0]
            part = min(lots, oldest.lots)
            self.cost2 -= self.side * part * oldest.mid2
            oldest.lots -= part
            lots -= part
            if not oldest.lots:
                self._open.popleft()

    def cost_bps(self, mid2: int) -> float:
        """Cost of the whole program, bps of its arrival value; what is open is marked at `mid2`."""
        waiting = sum(self.side * (mid2 - order.mid2) * order.lots for order in self._open)
        return 1e4 * (self.cost2 + waiting) / self.asked2 if self.asked2 else 0.0
