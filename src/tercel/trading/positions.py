"""Positions: the fold over fills, in whole numbers.

Cash is in half-ticks x lots, as costs are (a mid lies on a half tick): a buy of q lots at p ticks costs 2 p q.
"""

from array import array
from dataclasses import dataclass, replace

from tercel.trading.past import hash_of


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution of an own order, booked once.

    Parameters
    ----------
    exec_id, order : str
        The venue's name of the execution; the order's first cl_ord_id.
    parent, account, instrument : str
    side, lots, price, ns : int
    passive : bool
        The order was resting.
    """

    exec_id: str
    order: str
    parent: str
    account: str
    instrument: str
    side: int
    lots: int
    price: int
    ns: int
    passive: bool = False


@dataclass(frozen=True, slots=True)
class Position:
    """What is held of an instrument by an account.

    Parameters
    ----------
    lots : int
        Positive: long.
    cash2 : int
        Half-ticks x lots received less paid.
    basis2 : int
        What the open lots cost by the method of average cost, half-ticks x lots, signed as `lots`. Closing a part takes
        its share of the basis, rounded towards zero; what rounding leaves stays with the open lots and is
        realised with the last of them.
    bought, sold : int
        Lots ever.

    >>> held = Position().after(1, 10, 100).after(1, 10, 103).after(-1, 5, 110)
    >>> held.lots, held.average, held.realised2
    (15, 101.5, 85)
    """

    lots: int = 0
    cash2: int = 0
    basis2: int = 0
    bought: int = 0
    sold: int = 0

    @property
    def average(self) -> float:
        """Average price of the open lots, ticks; 0 when flat."""
        return self.basis2 / (2 * self.lots) if self.lots else 0.0

    @property
    def realised2(self) -> int:
        """Profit of what was closed, half-ticks x lots: cash less what the open lots cost."""
        return self.cash2 + self.basis2

    def worth2(self, mid2: int) -> int:
        """Profit with the open lots at a mid of `mid2` half ticks."""
        return self.cash2 + self.lots * mid2

    def after(self, side: int, lots: int, price: int) -> "Position":
        """The position after a fill."""
        traded = side * lots
        closing = min(lots, abs(self.lots)) if self.lots * traded < 0 else 0
        kept2 = self.basis2
        if closing:
            share = abs(self.basis2) * closing // abs(self.lots)
            kept2 -= share if self.basis2 > 0 else -share
        return Position(
            lots=self.lots + traded,
            cash2=self.cash2 - 2 * traded * price,
            basis2=kept2 + 2 * side * (lots - closing) * price,
            bought=self.bought + (lots if side > 0 else 0),
            sold=self.sold + (lots if side < 0 else 0),
        )


class Positions:
    """Positions of accounts in instruments, and the executions that they follow from, 24 bytes each."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], Position] = {}
        self._tapes: dict[tuple[str, str], array[int]] = {}
        """Signed lots, price and hash of every execution that stands, in the order of booking."""

    def book(self, fill: Fill) -> None:
        """Add a fill."""
        key = (fill.account, fill.instrument)
        self._held[key] = self._held.get(key, Position()).after(fill.side, fill.lots, fill.price)
        self._tapes.setdefault(key, array("q")).extend((fill.side * fill.lots, fill.price, _tag(fill)))

    def rebook(self, before: Fill, now: Fill | None) -> None:
        """A fill never was (None), or was another: an average cost depends on all of them, in their order."""
        key, tag = (before.account, before.instrument), _tag(before)
        tape = self._tapes[key]
        at = next(at for at in range(len(tape) - 3, -1, -3) if tape[at + 2] == tag)
        tape[at : at + 3] = array("q", () if now is None else (now.side * now.lots, now.price, tag))
        if not tape:
            del self._held[key], self._tapes[key]
            return
        held = Position()
        for lots, price in zip(tape[::3], tape[1::3], strict=True):
            held = held.after(1 if lots > 0 else -1, abs(lots), price)
        self._held[key] = held

    def of(self, account: str, instrument: str) -> Position:
        """What an account holds."""
        return self._held.get((account, instrument), Position())

    def total(self, instrument: str) -> Position:
        """What all accounts hold together; its `basis2` is the sum of theirs."""
        sums = Position()
        for (_, name), held in self._held.items():
            if name == instrument:
                sums = replace(
                    sums,
                    lots=sums.lots + held.lots,
                    cash2=sums.cash2 + held.cash2,
                    basis2=sums.basis2 + held.basis2,
                    bought=sums.bought + held.bought,
                    sold=sums.sold + held.sold,
                )
        return sums

    def all(self) -> dict[tuple[str, str], Position]:
        """By (account, instrument), in the order of their first fills."""
        return dict(self._held)

    def lots(self) -> dict[str, dict[str, int]]:
        """Signed lots by account and instrument, as a heartbeat keeps them."""
        found: dict[str, dict[str, int]] = {}
        for (account, instrument), held in self._held.items():
            found.setdefault(account, {})[instrument] = held.lots
        return found


def _tag(fill: Fill) -> int:
    return hash_of(fill.exec_id, fill.order) >> 1
