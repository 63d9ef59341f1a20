"""Positions and their cost basis, folded from fills, in integers.

Quantities are 10^-8 of a lot, prices 10^-8 of a tick (`core.orders`). Cash is in 10^-16 half ticks x lots, as a mid lies
on a half tick: a buy of q at p costs 2 p q.
"""

from array import array
from dataclasses import dataclass

from tercel.core.fixed_point import ONE, PAID_ONE, to_number
from tercel.core.hash_index import hash_names


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution of an own order, booked once.

    Parameters
    ----------
    exec_id, order : str
        The venue's name of the execution; the order's first cl_ord_id.
    parent, account, instrument : str
    side, qty, px, ns : int
    passive : bool
        The order was resting.
    """

    exec_id: str
    order: str
    parent: str
    account: str
    instrument: str
    side: int
    qty: int
    px: int
    ns: int
    passive: bool = False


Move = tuple[Fill | None, Fill | None]
"""A fill that was booked (before: None), busted (after: None) or corrected."""


@dataclass(frozen=True, slots=True)
class Position:
    """Position of an account in an instrument, with its cash and cost basis.

    Parameters
    ----------
    qty : int
        Positive: long.
    cash2 : int
        Half ticks x lots received less paid, 10^-16.
    basis2 : int
        Cost of the open position by the method of average cost, in the unit of cash, signed as `qty`. Closing a part takes
        its share of the basis, rounded towards zero to whole half ticks x lots; the rounding remainder stays with the open
        position and is realised with the last of it.
    bought, sold : int
        Ever.

    >>> held = Position().after(1, 10 * ONE, 100 * ONE).after(1, 10 * ONE, 103 * ONE).after(-1, 5 * ONE, 110 * ONE)
    >>> held.lots, held.average, held.realised2 // PAID_ONE
    (15, 101.5, 85)
    """

    qty: int = 0
    cash2: int = 0
    basis2: int = 0
    bought: int = 0
    sold: int = 0

    @property
    def lots(self) -> int | float:
        """Signed position in lots, for people."""
        return to_number(self.qty)

    @property
    def average(self) -> float:
        """Average price of the open position, ticks; 0 when flat."""
        return self.basis2 / (2 * self.qty * ONE) if self.qty else 0.0

    @property
    def realised2(self) -> int:
        """Realised profit in the unit of cash: cash plus the signed cost basis of the open position."""
        return self.cash2 + self.basis2

    def worth2(self, mid2: int) -> int:
        """Total profit with the open position marked at `mid2` half ticks, in the unit of cash."""
        return self.cash2 + self.qty * mid2 * ONE

    def after(self, side: int, qty: int, px: int) -> "Position":
        """Position after one more fill of a side, a quantity (10^-8 of a lot) and a price (10^-8 of a tick); this one is
        unchanged."""
        traded = side * qty
        closing = min(qty, abs(self.qty)) if self.qty * traded < 0 else 0
        basis2 = self.basis2
        if closing:
            share = (
                abs(self.basis2)
                if closing == abs(self.qty)
                else (abs(self.basis2) * closing // (abs(self.qty) * PAID_ONE) * PAID_ONE)
            )
            basis2 -= share if self.basis2 > 0 else -share
        return Position(
            qty=self.qty + traded,
            cash2=self.cash2 - 2 * traded * px,
            basis2=basis2 + 2 * side * (qty - closing) * px,
            bought=self.bought + (qty if side > 0 else 0),
            sold=self.sold + (qty if side < 0 else 0),
        )


class Positions:
    """Positions of accounts in instruments, and the executions behind them, 24 bytes each."""

    def __init__(self) -> None:
        self._positions: dict[tuple[str, str], Position] = {}
        self._tapes: dict[tuple[str, str], array[int]] = {}
        """Signed quantity, price and hash of every execution in force, in the order of booking."""

    def book(self, fill: Fill) -> None:
        """Add a fill to its account's position."""
        key = (fill.account, fill.instrument)
        self._positions[key] = self._positions.get(key, Position()).after(
            fill.side, fill.qty, fill.px
        )
        self._tapes.setdefault(key, array("q")).extend(
            (fill.side * fill.qty, fill.px, _fill_tag(fill))
        )

    def rebook(self, before: Fill, after: Fill | None) -> None:
        """Remove a booked fill (`after` None) or replace it, and fold the position's fills again."""
        key = (before.account, before.instrument)
        tag = _fill_tag(before)
        tape = self._tapes[key]
        index = next(index for index in range(len(tape) - 3, -1, -3) if tape[index + 2] == tag)
        tape[index : index + 3] = array(
            "q", () if after is None else (after.side * after.qty, after.px, tag)
        )
        if not tape:
            del self._positions[key], self._tapes[key]
            return
        position = Position()
        for qty, px in zip(tape[::3], tape[1::3], strict=True):
            position = position.after(1 if qty > 0 else -1, abs(qty), px)
        self._positions[key] = position

    def of(self, account: str, instrument: str) -> Position:
        """Position of an account in an instrument; an empty one if there is none."""
        return self._positions.get((account, instrument), Position())

    def all(self) -> dict[tuple[str, str], Position]:
        """Positions by (account, instrument), in the order of their first fills."""
        return dict(self._positions)

    def qty(self) -> dict[str, dict[str, int]]:
        """Signed quantity, 10^-8 of a lot, by account and instrument."""
        quantities: dict[str, dict[str, int]] = {}
        for (account, instrument), position in self._positions.items():
            quantities.setdefault(account, {})[instrument] = position.qty
        return quantities

    def lots(self) -> dict[str, dict[str, int | float]]:
        """Signed quantity in lots, as shown to people and journaled in heartbeats."""
        return {
            account: {instrument: to_number(qty) for instrument, qty in quantities.items()}
            for account, quantities in self.qty().items()
        }


def _fill_tag(fill: Fill) -> int:
    """Number by which a booked fill is found again: a hash of its order and execution."""
    return hash_names(fill.exec_id, fill.order) >> 1
