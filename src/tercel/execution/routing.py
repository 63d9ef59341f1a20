"""Where to trade: book, request to dealers, or block, by expected all-in cost, learned from what was traded.

`book` works an order in the order book. `rfq` asks the best dealers for all of it at arrival, and works in the book what
no dealer gives within what the book is expected to cost. `block` works it in the book and rests what is not due yet in the
crossing session. `routed` takes for each order the way, the dealers and the split with the lowest expected cost plus
`risk` times its standard deviation.

What is known is a :class:`Knowledge`: each dealer's answers and distances beside those that its panel expects, what a
request moves the price, the share of what rests that the session crosses, and what book and session cost. It forgets, so that
dealers may change.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np

from tercel.core.arrays import Bools, Floats, Ints
from tercel.execution.intent import REST0, TAKE, Intents, View
from tercel.execution.outside import Asks, Terms
from tercel.execution.strategy import Strategy
from tercel.market.dealers.quotes import best_distance

DRAWS: Final = 512
"""Draws by which the best of several quotes is estimated; the same for every comparison."""
FORGETS: Final = 0.995
"""What an observation counts for after the next."""
PRIOR: Final = 4.0
"""Observations that what a panel expects counts for."""
SURE: Final = 0.3
"""Standard deviation of what a request leaks before any was seen, as a share of what the panel says."""
SPLIT: Final = 0.5
"""Share of a split order that dealers are asked for."""
BOOK = "book"
RFQ = "rfq"
BLOCK = "block"
ROUTED = "routed"
LEAST: Final = 1
"""Smallest quantity that is crossed, lots."""


@dataclass(frozen=True)
class Knowledge:
    """What a desk knows of its ways to trade, from terms that it expects and from what it traded.

    Attributes
    ----------
    terms : Terms
        What is expected before anything was traded; its panel's dealers are the desk's.
    weight, shift : float64 (D,)
        Quotes of each dealer, and their mean distance beyond the expected, bps.
    noise : float
        Standard deviation of a quote about its mean, bps.
    asked, answered : float64 (D,)
    drift, drifts : float
        What a loser's trading moves the price for each unit asked, bps, and how sure that is (1 / variance).
    base : mapping of (share, bool) to (float, float)
        Mean cost of a share of the order without dealers, bps of that share, and its standard deviation: in the book alone,
        and with the session too.
    crossed, rested : float
        Share of what rested that was crossed in a decision interval, beside the share in the orders that `base` is from,
        and the intervals it was seen in.
    """

    terms: Terms
    weight: Floats
    shift: Floats
    noise: float
    asked: Floats
    answered: Floats
    drift: float
    drifts: float
    base: Mapping[tuple[float, bool], tuple[float, float]]
    crossed: float = 1.0
    rested: float = PRIOR

    @classmethod
    def expected(cls, terms: Terms, base: Mapping[tuple[float, bool], tuple[float, float]]) -> Self:
        """Knowledge before the first trade."""
        panel = terms.panel
        zero = np.zeros(len(terms.panel))
        drift = panel.impact * float((panel.ahead * panel.answers).mean())
        sure = (SURE * drift + 1e-9) ** -2
        noise = float(panel.noise.mean()) * np.pi / np.sqrt(3.0)
        answered = PRIOR * panel.answers
        return cls(terms, zero + PRIOR, zero, noise, zero + PRIOR, answered, drift, sure, base)

    def without_dealers(self, share: float, block: bool) -> tuple[float, float]:
        """Expected cost of a share of the order without dealers, bps of that share, and its standard deviation; with the
        session as far as it crosses what `base` was measured with.
        """
        book, sd = self.base[share, False]
        if not block:
            return book, sd
        both, calmer = self.base[share, True]
        part = min(self.crossed, 1.5)
        return book + part * (both - book), sd + min(part, 1.0) * (calmer - sd)

    def distance(self, units: float) -> Floats:
        """Expected distance of each dealer's quote for a size, (D,), bps; what leaks comes on top."""
        panel = self.terms.panel
        cost = (panel.per_unit + 0.5 * panel.impact) * units
        return np.asarray(best_distance(panel.alpha, panel.beta, cost) + self.shift)

    def best(self, units: float) -> Ints:
        """Dealers, the best first: those who are expected to answer nearest to mid."""
        rate = self.answered / self.asked
        return np.argsort(self.distance(units) - self.noise * np.log(np.maximum(rate, 1e-3)))

    def leak(self, units: float, dealers: int) -> float:
        """What a request to so many is expected to move the price against the rest of the order, bps."""
        return self.drift * units * max(dealers - 1, 0)

    def request(self, units: float, dealers: int, within: float) -> tuple[float, float, float]:
        """Mean cost and standard deviation of a trade with the best of so many dealers, bps, and how often there is one."""
        who = self.best(units)[:dealers]
        rng = np.random.default_rng(dealers)
        noise = rng.logistic(size=(DRAWS, dealers)) * self.noise * np.sqrt(3.0) / np.pi
        there = rng.random((DRAWS, dealers)) < (self.answered / self.asked)[who]
        quotes = np.where(there, self.distance(units)[who] + noise, np.inf)
        best = np.maximum(quotes, 0.0).min(axis=1) + self.leak(units, dealers)
        traded = best <= within
        if not traded.any():
            return within, 0.0, 0.0
        return float(best[traded].mean()), float(best[traded].std()), float(traded.mean())

    def within(self, leak: float) -> float:
        """Largest distance that is accepted: what the order is expected to cost without dealers after the request, bps."""
        return min(self.without_dealers(1.0, block)[0] for block in (False, True)) + leak

    # -- learning -----------------------------------------------------------------------------------

    def saw_quotes(self, units: Floats, asked: Bools, distance: Floats) -> Self:
        """After requests: sizes (r,), whom they went to and what came, (r, D)."""
        panel = self.terms.panel
        there = np.isfinite(distance)
        leak = np.array(
            [self.leak(u, int(n)) for u, n in zip(units, asked.sum(axis=1), strict=True)]
        )
        cost = (panel.per_unit + 0.5 * panel.impact) * units[:, None]
        usual = best_distance(panel.alpha, panel.beta, cost)
        beyond = np.where(there, distance - usual - leak[:, None], 0.0)
        faded = FORGETS ** len(units)
        weight = faded * self.weight + there.sum(axis=0)
        shift = (faded * self.weight * self.shift + beyond.sum(axis=0)) / weight
        spread = np.where(there, beyond - shift, 0.0)
        total = float(self.weight.sum())
        count = float(there.sum())
        noise = np.sqrt((total * self.noise**2 + float((spread**2).sum())) / (total + count))
        return replace(
            self,
            weight=weight,
            shift=shift,
            noise=float(noise),
            asked=faded * self.asked + asked.sum(axis=0),
            answered=faded * self.answered + there.sum(axis=0),
        )

    def saw_drift(self, units: Floats, losers: Ints, moved: Floats, noise: float) -> Self:
        """After requests: how far the mid moved against the order until the next decision, bps, (r,), and what it moves anyway
        (standard deviation).
        """
        x = units * losers
        sure = self.drifts + float((x**2).sum()) / noise**2
        slope = (self.drifts * self.drift + float((x * moved).sum()) / noise**2) / sure
        return replace(self, drift=max(slope, 0.0), drifts=sure)

    def saw_rest(self, lots: Ints, crossed: Floats, expected: float) -> Self:
        """After intervals in which lots rested in the session: how many were crossed, (r,), and which share was expected."""
        some = lots > 0
        if not some.any():
            return self
        share = float((crossed[some] / lots[some]).sum()) / expected
        faded = FORGETS ** int(some.sum()) * self.rested
        total = faded + int(some.sum())
        return replace(self, crossed=(faded * self.crossed + share) / total, rested=total)


@dataclass(frozen=True)
class Way:
    """A way to trade an order: the share that dealers are asked for, how many of them, and whether the rest goes to the
    session too.
    """

    share: float = 0.0
    dealers: int = 0
    block: bool = False

    @property
    def name(self) -> str:
        """As people say it.

        >>> Way(0.5, 3, True).name, Way().name
        ('50% by request to 3, rest in book and block', 'book')
        """
        rest = "book and block" if self.block else "book"
        if not self.share:
            return rest
        if self.share == 1.0:
            return f"request to {self.dealers}, else {rest}"
        return f"{self.share:.0%} by request to {self.dealers}, rest in {rest}"


@dataclass(frozen=True)
class Costing:
    """Expected cost of a way, bps of the order, its standard deviation, and a reason in words."""

    way: Way
    mean: float
    sd: float
    why: str


def costing(known: Knowledge, way: Way, units: float) -> Costing:
    """What a way is expected to cost an order of so many units."""
    whole, sd = known.without_dealers(1.0, way.block)
    if not way.share:
        return Costing(
            way, whole, sd, "in the book and the session" if way.block else "in the book"
        )
    asked = way.share * units
    rest = 1.0 - way.share
    leak = known.leak(asked, way.dealers)
    paid, noise, often = known.request(asked, way.dealers, known.within(leak))
    left, scatter = known.without_dealers(rest, way.block) if rest else (0.0, 0.0)
    traded = way.share * paid + rest * (left + leak)
    return Costing(
        way,
        often * traded + (1.0 - often) * (whole + leak),
        often * (way.share * noise + rest * scatter) + (1.0 - often) * sd,
        f"best quote {paid:.2f} bps, {often:.0%} traded, leak {leak:.2f} bps",
    )


def ways_of(dealers: int) -> list[Way]:
    """All ways that are compared."""
    some = [n for n in (1, 2, 3, 4, 5, 6, 8, 10) if n <= dealers]
    requests = [
        Way(share, n, block) for share in (SPLIT, 1.0) for n in some for block in (False, True)
    ]
    return [Way(), Way(block=True), *requests]


@dataclass(frozen=True, eq=False)
class Routed(Strategy):
    """An order by the way that is expected to cost least.

    Parameters
    ----------
    book : Strategy
        What works an order in the book.
    known : Knowledge or None
        None: nothing is known, and all goes to the book.
    only : str
        "": every way; else `book`, `rfq` or `block` alone.
    risk : float
        bps of expected cost that a bp of standard deviation is worth.
    fixed : Way or None
        A way for every order, whatever it is expected to cost.
    """

    book: Strategy
    known: Knowledge | None = None
    only: str = ""
    risk: float = 0.0
    fixed: Way | None = None

    @property
    def name(self) -> str:
        """`routed`, or the one way that it takes."""
        return self.only or ROUTED

    def ways(self, units: float) -> list[Costing]:
        """All ways it may take for an order, the best first."""
        known = self.known
        if known is None:
            return []
        ways = ways_of(len(known.terms.panel))
        if self.only == RFQ:
            ways = [one for one in ways if one.share == 1.0 and not one.block]
        elif self.only:
            ways = [Way(block=self.only == BLOCK)]
        found = [costing(known, one, units) for one in ways]
        return sorted(found, key=lambda one: one.mean + self.risk * one.sd)

    def ask(self, view: View) -> Asks:
        """At arrival the request; what is not due in the book yet rests in the session."""
        n = view.n
        known = self.known
        dealers = len(known.terms.panel) if known else 1
        lots = np.zeros(n, np.int64)
        block = np.zeros(n, np.int64)
        asked = np.zeros((n, dealers), np.bool_)
        limit = np.zeros(n)
        if known is None:
            return Asks(lots, asked, limit, block, block)
        wanted = self.decide(view)
        later = view.left - wanted[:, TAKE] - wanted[:, REST0:].sum(axis=1)
        for size in np.unique(view.qty0):
            rows = view.qty0 == size
            units = float(size) / known.terms.lots
            way = self.fixed or self.ways(units)[0].way
            if way.block:
                block[rows] = np.maximum(later[rows], 0)
            first = rows & (view.decision == 0)
            if way.share and first.any():
                lots[first] = np.round(way.share * view.qty0[first]).astype(np.int64)
                asked[np.ix_(first, known.best(way.share * units)[: way.dealers])] = True
                limit[first] = known.within(known.leak(way.share * units, way.dealers))
        return Asks(lots, asked, limit, block, np.minimum(block, LEAST))

    def decide(self, view: View) -> Intents:
        """Intents in the book."""
        return self.book.decide(view)
