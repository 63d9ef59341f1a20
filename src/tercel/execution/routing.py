"""Router of an order to book, request to dealers, or block, by expected all-in cost, learned from own trades.

`book` works an order in the order book. `rfq` sends the best dealers a request for all of it at arrival, and works the
rest in the book if no quote is within the book's expected cost. `block` works it in the book and rests lots that are
not due yet in the crossing session. `routed` takes for each order the way, the dealers and the split with the lowest
expected cost plus `risk` times its standard deviation.

Estimates are in a :class:`Knowledge`: each dealer's answers and distances against those that its panel expects, price
moves by requests and dealers' hedges, lots that the session crosses (Kaplan-Meier), and costs of book and session. Old
observations lose weight, so that dealers may change. A learning strategy sometimes explores other dealers
(:func:`explored`), within a budget.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Self

import numpy as np

from tercel.core.arrays import Bools, Floats, Ints
from tercel.execution.intent import REST0, TAKE, Intents, View
from tercel.execution.outside import Asks, Terms
from tercel.execution.strategy import Strategy
from tercel.market.blocks import ends, survival
from tercel.market.dealers.panel import DealerPanel
from tercel.market.dealers.quotes import best_distance

DRAWS: Final = 512
"""Draws by which the best of several quotes is estimated; the same for every comparison."""
FORGETS: Final = 0.995
"""Decay of an order's observations with each later order."""
PRIOR: Final = 4.0
"""Weight of the expectation of a panel, in quotes of a dealer."""
SURE: Final = 0.3
"""Prior standard deviation of the price moves by dealers, as a share of the panel's value."""
SPLIT: Final = 0.5
"""Share of a split order that goes to dealers in a request."""
BUDGET_BPS: Final = 0.5
"""Largest expected cost of exploration per order, bps."""
OFTEN: Final = 0.5
"""Share of orders that explore at most."""
TRIES: Final = 6
"""Ways of which the one from which most is learned is explored."""
STEP: Final = 0.25
"""Units between two points of the curve of what the session crosses."""
STEPS: Final = 128
BOOK = "book"
RFQ = "rfq"
BLOCK = "block"
ROUTED = "routed"
LEAST: Final = 1
"""Smallest quantity that is crossed, lots."""

Counts = tuple[Floats, Floats]
"""Intervals in which exactly k and at least k steps were crossed while more rested (`blocks.ends`), k from 0."""
UNSEEN: Final[Counts] = (np.zeros(STEPS), np.zeros(STEPS))
Base = Mapping[tuple[float, bool], tuple[float, float]]
"""Share of an order, and whether the session helped, to its mean cost, bps of that share, and its standard deviation."""


@dataclass(frozen=True, eq=False)
class Knowledge:
    """Estimates of a desk's ways to trade, from prior terms and from its own trades.

    Attributes
    ----------
    terms : Terms
        Prior terms, before the first trade; its panel's dealers are the desk's.
    weight, shift, noise : float64 (D,)
        Quotes of each dealer, their mean distance beyond the expected, bps, and their standard deviation.
    asked, answered : float64 (D,)
    moves : float64 (2,)
        Price moves against the rest of an order, bps: per unit that a dealer quoted for and lost, and per unit that the
        winner hedges (:func:`hedged`).
    sure : float64 (2, 2)
        Precision of `moves` (inverse of the covariance).
    base : mapping of (share, bool) to (float, float)
        Mean cost of a share of the order without dealers, bps of that share, and its standard deviation: in the book alone,
        and with the session too.
    crosses, usual : (float64 (K,), float64 (K,))
        Lots that the session crossed, and those of the orders that `base` is from (:data:`Counts`).
    rests : float
        Units that rested in those on average.
    follows : float
        Cost, bps, for the remaining lots of an order per bp that dealers move the price after arrival: impact decays,
        and own trades move a moved price less.
    """

    terms: Terms
    weight: Floats
    shift: Floats
    noise: Floats
    asked: Floats
    answered: Floats
    moves: Floats
    sure: Floats
    base: Base
    crosses: Counts = UNSEEN
    usual: Counts = UNSEEN
    rests: float = 1.0
    follows: float = 1.0

    @classmethod
    def expected(cls, terms: Terms, base: Base) -> Self:
        """Knowledge before the first trade."""
        panel = terms.panel
        zero = np.zeros(len(terms.panel))
        moves = panel.impact * np.array([float(panel.ahead.mean()), 1.0])
        sure = np.diag((SURE * moves + 1e-9) ** -2)
        noise = panel.noise * np.pi / np.sqrt(3.0)
        answered = PRIOR * panel.answers
        return cls(terms, zero + PRIOR, zero, noise, zero + PRIOR, answered, moves, sure, base)

    @property
    def crossed(self) -> float:
        """Ratio of the session's fill of a usual resting order to its fill in the orders that `base` is from."""
        upto = max(int(self.rests / STEP), 1)
        area, usual = (float(survival(*one)[:upto].sum()) for one in (self.crosses, self.usual))
        return area / usual if usual else 1.0

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

    def distance(self, units: Floats | float) -> Floats:
        """Expected distance of each dealer's quote for sizes that broadcast, bps, without leakage."""
        panel = self.terms.panel
        cost = (panel.per_unit + 0.5 * panel.impact) * units
        return best_distance(panel.alpha, panel.beta, cost) + self.shift

    def leak(self, units: float, dealers: int) -> float:
        """Expected price move of a request to `dealers` dealers against the rest of the order, bps."""
        rate = float(self.answered.sum() / self.asked.sum())
        return float(self.moves[0]) * rate * units * max(dealers - 1, 0)

    def request(
        self, units: float, who: Sequence[int], within: float
    ) -> tuple[float, float, float]:
        """Mean cost and standard deviation of a trade with the best of some dealers, bps, and how often there is one."""
        quotes = sampled(self, units)[:, list(who)]
        best = np.maximum(quotes, 0.0).min(axis=1) + self.leak(units, len(who))
        traded = best <= within
        if not traded.any():
            return within, 0.0, 0.0
        return float(best[traded].mean()), float(best[traded].std()), float(traded.mean())

    def within(self, leak: float) -> float:
        """Largest distance that is accepted: what the order is expected to cost without dealers after a request that costs
        it `leak`, bps.
        """
        return min(self.without_dealers(1.0, block)[0] for block in (False, True)) + leak

    # -- learning -----------------------------------------------------------------------------------

    def saw_quotes(self, units: Floats, asked: Bools, distance: Floats) -> Self:
        """After requests: sizes (r,), whom they went to and what came, (r, D)."""
        there = np.isfinite(distance)
        leak = np.array(
            [self.leak(u, int(n)) for u, n in zip(units, asked.sum(axis=1), strict=True)]
        )
        usual = self.distance(units[:, None]) - self.shift
        beyond = np.where(there, distance - usual - leak[:, None], 0.0)
        faded = FORGETS ** len(units)
        weight = faded * self.weight + there.sum(axis=0)
        shift = (faded * self.weight * self.shift + beyond.sum(axis=0)) / weight
        spread = np.where(there, beyond - shift, 0.0)
        # a shift that moves leaves what was known of the spread about it
        squares = faded * self.weight * self.noise**2 + (spread**2).sum(axis=0)
        return replace(
            self,
            weight=weight,
            shift=shift,
            noise=np.sqrt(squares / weight),
            asked=faded * self.asked + asked.sum(axis=0),
            answered=faded * self.answered + there.sum(axis=0),
        )

    def saw_drift(
        self, units: Floats, losers: Ints, traded: Bools, moved: Floats, noise: float
    ) -> Self:
        """After requests, (r,): how many quoted and lost, whether somebody traded, how far the mid moved against the order
        until the next decision, bps, and what it moves anyway (standard deviation).
        """
        x = np.stack([units * losers, traded * hedged(self.terms.panel, units)], axis=1)
        sure = self.sure + x.T @ x / noise**2
        moves = np.linalg.solve(sure, self.sure @ self.moves + x.T @ moved / noise**2)
        return replace(self, moves=np.maximum(moves, 0.0), sure=sure)

    def saw_rest(self, units: Floats, crossed: Floats, orders: int) -> Self:
        """After intervals of so many orders in which units rested in the session: how many were crossed, (r,) each."""
        some = units > 0
        sent = np.ceil(units[some] / STEP).astype(np.int64)
        whole = crossed[some] >= units[some] * (1.0 - 1e-9)
        filled = np.where(whole, sent, np.floor(crossed[some] / STEP)).astype(np.int64)
        faded = FORGETS**orders
        new = ends(np.minimum(filled, sent), sent, STEPS)
        ended, there = (faded * one + more for one, more in zip(self.crosses, new, strict=True))
        return replace(self, crosses=(ended, there))


def hedged(panel: DealerPanel, units: Floats | float) -> Floats:
    """Units of a trade that the winner is expected to hedge in the book: those above the inventory at which a hedge
    pays."""
    room = float((panel.hedge_bps / (2.0 * panel.per_unit)).mean())
    return np.maximum(np.asarray(units, np.float64) - room, 0.0)


@lru_cache(maxsize=64)
def sampled(known: Knowledge, units: float) -> Floats:
    """Draws of all dealers' distances without leakage, (DRAWS, D), bps; infinite where a dealer does not answer."""
    rng = np.random.default_rng(DRAWS)
    shape = DRAWS, len(known.weight)
    noise = rng.logistic(size=shape) * known.noise * np.sqrt(3.0) / np.pi
    there = rng.random(shape) < known.answered / known.asked
    return np.where(there, known.distance(units) + noise, np.inf)


@lru_cache(maxsize=64)
def ranked(known: Knowledge, units: float) -> tuple[int, ...]:
    """Dealers by what each adds to those before it: the next is the one with whom the best quote is nearest to mid, no
    quote being as far as none is accepted.
    """
    quotes = np.minimum(np.maximum(sampled(known, units), 0.0), known.within(0.0))
    best = np.full(DRAWS, np.inf)
    order = list[int]()
    left = list(range(quotes.shape[1]))
    while left:
        found = min(left, key=lambda one: float(np.minimum(best, quotes[:, one]).mean()))
        best = np.minimum(best, quotes[:, found])
        left.remove(found)
        order.append(found)
    return tuple(order)


@dataclass(frozen=True)
class Way:
    """A way to trade an order: the share in a request for quote, the number of dealers, and whether the rest also goes
    to the session; optionally the dealers, by default the best.
    """

    share: float = 0.0
    dealers: int = 0
    block: bool = False
    who: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """Name of the way for people.

        >>> Way(0.5, 3, True).name, Way().name
        ('50% by request to 3, rest in book and block', 'book')
        """
        rest = "book and block" if self.block else "book"
        if not self.share:
            return rest
        if self.share == 1.0:
            return f"request to {self.dealers}, else {rest}"
        return f"{self.share:.0%} by request to {self.dealers}, rest in {rest}"

    def asked(self, known: Knowledge, units: float) -> tuple[int, ...]:
        """Dealers in a request for `units` units."""
        return self.who or ranked(known, units)[: self.dealers]


@dataclass(frozen=True)
class Costing:
    """Expected cost of a way, bps of the order, its standard deviation, and a reason in words."""

    way: Way
    mean: float
    sd: float
    why: str


def costing(known: Knowledge, way: Way, units: float) -> Costing:
    """Expected cost of an order of `units` units by a way, with its standard deviation."""
    whole, sd = known.without_dealers(1.0, way.block)
    if not way.share:
        return Costing(
            way, whole, sd, "in the book and the session" if way.block else "in the book"
        )
    asked = way.share * units
    rest = 1.0 - way.share
    leak = known.follows * known.leak(asked, way.dealers)
    hedge = known.follows * float(known.moves[1] * hedged(known.terms.panel, asked)) * bool(rest)
    paid, noise, often = known.request(asked, way.asked(known, asked), known.within(leak))
    left, scatter = known.without_dealers(rest, way.block) if rest else (0.0, 0.0)
    traded = way.share * paid + rest * (left + leak + hedge)
    costs = f"leak {leak:.2f} bps" + f", hedge {hedge:.2f} bps" * bool(rest)
    return Costing(
        way,
        often * traded + (1.0 - often) * (whole + leak),
        often * (way.share * noise + rest * scatter) + (1.0 - often) * sd,
        f"best quote {paid:.2f} bps, {often:.0%} traded, {costs}",
    )


def ways_of(dealers: int) -> list[Way]:
    """All ways that are compared."""
    some = [n for n in (1, 2, 3, 4, 5, 6, 8, 10) if n <= dealers]
    requests = [
        Way(share, n, block) for share in (SPLIT, 1.0) for n in some for block in (False, True)
    ]
    return [Way(), Way(block=True), *requests]


@lru_cache(maxsize=64)
def costed(known: Knowledge, only: str, risk: float, units: float) -> tuple[Costing, ...]:
    """All ways, or those of one kind, for an order of so many units, the best first."""
    ways = ways_of(len(known.weight))
    if only == RFQ:
        ways = [one for one in ways if one.share == 1.0 and not one.block]
    elif only:
        ways = [Way(block=only == BLOCK)]
    found = [costing(known, one, units) for one in ways]
    return tuple(sorted(found, key=lambda one: one.mean + risk * one.sd))


def explored(
    known: Knowledge, units: float, rng: np.random.Generator, budget: float = BUDGET_BPS
) -> tuple[Way, float]:
    """Choose a way that improves the estimates; return it and its expected cost beyond the best way, times its
    probability.

    Ways with a request are drawn, with dealers ranked by distances sampled from their posterior. Each has
    a probability that keeps the expected cost within `budget`, bps. The one with the largest probability times variance
    of its dealers is taken with its probability; otherwise the best way is taken.
    """
    best = costed(known, "", 0.0, units)[0]
    ways = [one for one in ways_of(len(known.weight)) if one.share]
    unsure = known.noise**2 / known.weight
    drawn = list[tuple[float, float, float, Way]]()
    for number in rng.integers(len(ways), size=TRIES):
        way = ways[number]
        maybe = replace(known, shift=known.shift + rng.standard_normal(len(unsure)) * unsure**0.5)
        way = replace(way, who=ranked(maybe, way.share * units)[: way.dealers])
        excess = max(costing(known, way, units).mean - best.mean, 0.0)
        chance = min(OFTEN, budget / max(excess, 1e-12))
        drawn.append((chance * float(unsure[list(way.who)].sum()), chance, excess, way))
    _, chance, excess, way = max(drawn, key=lambda one: one[0])
    taken = rng.random() < chance
    return way if taken else best.way, chance * excess


@dataclass(frozen=True, eq=False)
class Routed(Strategy):
    """An order by the way that is expected to cost least.

    Parameters
    ----------
    book : Strategy
        Strategy for an order in the book.
    known : Knowledge or None
        None: nothing is known, and all goes to the book.
    only : str
        "": every way; else `book`, `rfq` or `block` alone.
    risk : float
        bps of expected cost that a bp of standard deviation is worth.
    fixed : Way, sequence of Way, or None
        A way for every order, or one for each, whatever they are expected to cost.
    """

    book: Strategy
    known: Knowledge | None = None
    only: str = ""
    risk: float = 0.0
    fixed: Way | Sequence[Way] | None = None

    @property
    def name(self) -> str:
        """`routed`, or the one way that it takes."""
        return self.only or ROUTED

    def ways(self, units: float) -> tuple[Costing, ...]:
        """All ways it may take for an order, the best first: what `why` says of each."""
        return () if self.known is None else costed(self.known, self.only, self.risk, units)

    def ask(self, view: View) -> Asks:
        """Send the request at arrival; lots that are not due in the book yet rest in the session."""
        n = view.n
        known = self.known
        dealers = len(known.weight) if known else 1
        lots = np.zeros(n, np.int64)
        block = np.zeros(n, np.int64)
        asked = np.zeros((n, dealers), np.bool_)
        limit = np.zeros(n)
        if known is None:
            return Asks(lots, asked, limit, block, block)
        wanted = self.decide(view)
        later = np.maximum(view.left - wanted[:, TAKE] - wanted[:, REST0:].sum(axis=1), 0)
        for row, size in enumerate(view.qty0):
            units = float(size) / known.terms.lots
            if self.fixed is None:
                way = self.ways(units)[0].way
            else:
                way = self.fixed if isinstance(self.fixed, Way) else self.fixed[row]
            block[row] = later[row] * way.block
            if way.share and view.decision[row] == 0:
                lots[row] = round(way.share * size)
                asked[row, list(way.asked(known, way.share * units))] = True
                leak = known.follows * known.leak(way.share * units, way.dealers)
                limit[row] = known.within(leak)
        return Asks(lots, asked, limit, block, np.minimum(block, LEAST))

    def decide(self, view: View) -> Intents:
        """Intents in the book."""
        return self.book.decide(view)
