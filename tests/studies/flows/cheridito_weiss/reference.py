"""The law of Cheridito & Weiss once more, written from the paper and its code: lists of orders, NumPy's generator."""

from dataclasses import dataclass, field

import numpy as np

from studies.flows.cheridito_weiss.preset import CheriditoWeissPreset

STARTING, NOISE, HIDDEN = "starting", "noise", "hidden"


@dataclass
class Order:
    owner: str
    lots: int


@dataclass
class Reference:
    """One market from its first book on; orders by side and price, oldest first."""

    preset: CheriditoWeissPreset
    rng: np.random.Generator
    book: dict[int, dict[int, list[Order]]] = field(default_factory=lambda: {1: {}, -1: {}})
    traded: int = 0

    def __post_init__(self) -> None:
        p = self.preset
        for side, price, lots in p.first_orders():
            self.rest(side, price, STARTING, lots)
        self.direction = int(self.rng.choice([1, -1]))
        self.limit, self.cancel = np.asarray(p.limit_rate), np.asarray(p.cancel_rate)

    def best(self, side: int) -> int:
        return max(self.book[1]) if side > 0 else min(self.book[-1])

    def rest(self, side: int, price: int, owner: str, lots: int) -> None:
        self.book[side].setdefault(price, []).append(Order(owner, lots))

    def lots(self, side: int, price: int) -> int:
        return sum(order.lots for order in self.book[side].get(price, []))

    def trade(self, side: int, lots: int) -> None:
        while lots > 0 and self.book[-side]:
            queue = self.book[-side][self.best(-side)]
            done = min(lots, queue[0].lots)
            queue[0].lots -= done
            lots -= done
            self.traded += done
            self._tidy(-side, self.best(-side))

    def _tidy(self, side: int, price: int) -> None:
        queue = [order for order in self.book[side][price] if order.lots > 0]
        if queue:
            self.book[side][price] = queue
        else:
            del self.book[side][price]

    def size(self) -> int:
        return int(np.rint(np.clip(1 + abs(self.rng.normal(0, 2)), 1, 20)))

    def factors(self) -> dict[int, float]:
        weights = np.exp(-self.preset.damping * np.arange(30))
        heavy = {
            s: sum(weights[j] * self.lots(s, self.best(s) - s * j) for j in range(30))
            for s in (1, -1)
        }
        imbalance = (heavy[1] - heavy[-1]) / (heavy[1] + heavy[-1])
        return {s: 1 + self.preset.reaction * max(0.0, s * imbalance) for s in (1, -1)}

    def noise(self) -> float:
        """One act of the noise trader; returns the wait until its next one."""
        p, f = self.preset, self.factors()
        levels = np.arange(1, len(self.limit) + 1)
        cancels = {
            s: self.cancel * [self.lots(s, self.best(-s) - s * i) for i in levels] * f[-s]
            for s in (1, -1)
        }
        rates = [
            f[-1] * p.market_rate,
            f[1] * p.market_rate,
            f[1] * self.limit.sum(),
            f[-1] * self.limit.sum(),
        ]
        rates += [cancels[1].sum(), cancels[-1].sum()]
        wait = self.rng.exponential(1 / sum(rates))
        what = self.rng.choice(6, p=np.asarray(rates) / sum(rates))
        lots = self.size()
        if what < 2:
            self.trade(-1 if what == 0 else 1, lots)
        elif what < 4:
            side = 1 if what == 2 else -1
            i = self.rng.choice(levels, p=self.limit / self.limit.sum())
            self.rest(side, self.best(-side) - side * int(i), NOISE, lots)
        else:
            side = 1 if what == 4 else -1
            i = self.rng.choice(levels, p=cancels[side] / cancels[side].sum())
            self.withdraw(side, self.best(-side) - side * int(i), lots)
        return float(wait)

    def withdraw(self, side: int, price: int, lots: int) -> None:
        for order in self.book[side][price][::-1]:
            if order.owner == NOISE:
                done = min(lots, order.lots)
                order.lots -= done
                lots -= done
        self._tidy(side, price)

    def hidden(self) -> None:
        side, p = self.direction, self.preset
        price = self.best(-side) - side
        self.trade(side, p.strategic_market)
        self.rest(side, price, HIDDEN, p.strategic_limit)

    def run(self, seconds: float) -> None:
        now, strategic = 0.0, 0.0 if self.preset.strategic_s else np.inf
        while min(now, strategic) <= seconds:
            if now <= strategic:
                now += self.noise()
            else:
                self.hidden()
                strategic += self.preset.strategic_s

    def mid(self) -> float:
        return (self.best(1) + self.best(-1)) / 2

    def spread(self) -> int:
        return self.best(-1) - self.best(1)
