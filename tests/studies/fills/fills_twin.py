"""A ghost in plain Python: the whole book as a dict of orders, walked from the first row on for every ghost."""

from dataclasses import dataclass

from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.tape import Events, schema as kind

NEVER = 1e18
YOUNG_S = 30.0


@dataclass
class Fate:
    """What became of it, as `fills_kernel.FILLED` to `BEHIND_S` have it."""

    filled: float = NEVER
    away: float = NEVER
    back: float = NEVER
    cancel_ahead: float = 0.0
    cancel_behind: float = 0.0
    ahead_s: float = 0.0
    behind_s: float = 0.0


class Ghost:
    """One ghost beside the book of the tape's orders: id -> [side, price, lots], in order of arrival."""

    def __init__(self, side: int, lots: int, distance: int) -> None:
        self.side, self.left, self.distance = side, lots, distance
        self.book: dict[int, list[int]] = {}
        self.price, self.ahead, self.earlier = 0, 0, set[int]()
        self.joined, self.halted = False, False
        self.fate = Fate()

    def best(self, side: int) -> int | None:
        prices = [price for s, price, _ in self.book.values() if s == side]
        return (max(prices) if side > 0 else min(prices)) if prices else None

    def here(self) -> int:
        return sum(
            lots for s, price, lots in self.book.values() if s == self.side and price == self.price
        )

    def join(self) -> bool:
        """Whether there is a touch to join."""
        bid, ask = self.best(1), self.best(-1)
        if bid is None or ask is None or bid >= ask:
            return False
        self.price = (bid if self.side > 0 else ask) - self.side * self.distance
        mine = {
            o: lots
            for o, (s, price, lots) in self.book.items()
            if (s, price) == (self.side, self.price)
        }
        self.earlier, self.ahead, self.joined = set(mine), sum(mine.values()), True
        return True

    def stay(self, begin_s: float, end_s: float) -> None:
        """Time passes."""
        lasted = min(end_s, YOUNG_S) - min(begin_s, YOUNG_S)
        if self.best(self.side) == self.price:
            self.fate.ahead_s += lasted * self.ahead
            self.fate.behind_s += lasted * (self.here() - self.ahead)

    def meet(self, what: int, order: int, side: int, price: int, lots: int, age: float) -> None:
        """A row comes before the book changes."""
        worse = (self.price - price) * self.side
        if side == -self.side and what == kind.ADD and worse >= 0:
            self.left = 0
        if (
            side == self.side
            and worse > 0
            and (what == kind.TRADE_HIDDEN or (what == kind.EXECUTE and not self.halted))
        ):
            self.left = 0
        if side != self.side or worse != 0:
            return
        if what == kind.EXECUTE and not self.halted:
            self.left -= max(lots - self.ahead, 0)
            self.ahead = max(self.ahead - lots, 0)
        elif what in (kind.REDUCE, kind.DELETE, kind.EXECUTE):
            near = min(lots, self.ahead) if order in self.earlier else 0
            self.ahead -= near
            if what != kind.EXECUTE and age <= YOUNG_S and self.best(self.side) == self.price:
                self.fate.cancel_ahead += near
                self.fate.cancel_behind += lots - near

    def apply(self, what: int, order: int, side: int, price: int, lots: int) -> None:
        """The book changes."""
        if what == kind.STATUS:
            self.halted = price != 1
        elif what == kind.ADD:
            self.book[order] = [side, price, lots]
        elif what in (kind.REDUCE, kind.DELETE, kind.EXECUTE):
            self.book[order][2] -= lots
            if self.book[order][2] == 0:
                del self.book[order]

    def look(self, age: float) -> None:
        """After a row: is it filled, has the touch moved away, is it back?"""
        best = self.best(self.side)
        if self.left <= 0:
            self.fate.filled = age
        elif best is not None and (best - self.price) * self.side > 0:
            self.fate.away = min(self.fate.away, age)
        elif self.fate.away < NEVER:
            self.fate.back = min(self.fate.back, age)


def run_ghost(
    events: Events, start_ns: int, side: int, lots: int, distance: int, wait_s: float
) -> Fate | None:
    """The fate of one ghost; None where it cannot join."""
    ghost, last = Ghost(side, lots, distance), 0.0
    for i in range(events.n):
        row = (
            int(events.kind[i]), int(events.order_id[i]), int(events.side[i]), int(events.price_ticks[i]),
            int(events.qty_lots[i]),
        )  # fmt: skip
        age = (int(events.exch_ns[i]) - start_ns) / NS_PER_SECOND
        if age > 0.0 and not ghost.joined and not ghost.join():
            return None
        if age > wait_s or ghost.left <= 0:
            break
        if ghost.joined:
            ghost.stay(last, age)
            ghost.meet(*row, age)
            last = age
        ghost.apply(*row)
        if ghost.joined:
            ghost.look(age)
    return ghost.fate
