"""Route an order to book, dealers or blocks by expected all-in cost, learned from own trades.

`book` works an order in the order book. `rfq` sends the best dealers a request for all of it at arrival, and works the
rest in the book if no quote is within the book's expected cost. `block` works it in the book and rests lots that are
not due yet in the crossing session. `routed` takes for each order the way, the dealers and the split with the lowest
expected cost plus `risk` times its standard deviation.

Estimates are in a :class:`Knowledge`: each dealer's answers and distances against those that its panel expects, price
moves by requests and dealers' hedges, lots that the session crosses (Kaplan-Meier), and costs of book and session. Old
observations lose weight, so that dealers may change. A learning strategy sometimes explores other dealers
(:func:`explore_route`), within a budget.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Self

import numpy as np

from tercel.core.arrays import Bools, Floats, Ints
from tercel.execution.intent import REST0, TAKE, Intents
from tercel.execution.outside import OffBookOrders, Terms
from tercel.execution.strategy import Strategy
from tercel.execution.view import View
from tercel.market.blocks import count_available, survival
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
"""Intervals in which exactly k and at least k steps were crossed while more rested (`blocks.count_available`), k from 0."""
UNSEEN: Final[Counts] = (np.zeros(STEPS), np.zeros(STEPS))
Base = Mapping[tuple[float, bool], tuple[float, float]]
"""Share of an order, and whether the session helped, to its mean cost, bps of that share, and its standard deviation."""


@dataclass(frozen=True, eq=False)
class Knowledge:
    """Estimates behind routing: quotes of dealers, price moves by requests, crossing session, costs of book and
    session.

    Attributes
    ----------
    terms : Terms
        Prior terms, before the first trade; its panel's dealers are the desk's.
    weight, shift, noise : float64 (D,)
        Quotes of each dealer, their mean distance beyond the expected, bps, and their standard deviation.
    requests, replies : float64 (D,)
    moves : float64 (2,)
        Price moves against the rest of an order, bps: per unit that a dealer quoted for and lost, and per unit that the
        winner hedges (:func:`hedge_units`).
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
    requests: Floats
    replies: Floats
    moves: Floats
    sure: Floats
    base: Base
    crosses: Counts = UNSEEN
    usual: Counts = UNSEEN
    rests: float = 1.0
    follows: float = 1.0

    @classmethod
    def prior(cls, terms: Terms, base: Base) -> Self:
        """Estimates before the first trade, from the panel of the terms; `base` is the cost of book and session."""
        panel = terms.panel
        zero = np.zeros(len(terms.panel))
        moves = panel.impact * np.array([float(panel.ahead.mean()), 1.0])
        sure = np.diag((SURE * moves + 1e-9) ** -2)
        noise = panel.noise * np.pi / np.sqrt(3.0)
        replies = PRIOR * panel.answers
        return cls(terms, zero + PRIOR, zero, noise, zero + PRIOR, replies, moves, sure, base)

    @property
    def crossing_ratio(self) -> float:
        """Ratio of the session's fill rate as learned to that in the orders that `base` was measured on; 1 if that is 0."""
        upto = max(int(self.rests / STEP), 1)
        area, usual = (
            float(survival(*counts)[:upto].sum()) for counts in (self.crosses, self.usual)
        )
        return area / usual if usual else 1.0

    def without_dealers(self, share: float, block: bool) -> tuple[float, float]:
        """Expected cost of a share of the order in the book (with `block` also the session), bps of that share, and its
        standard deviation, from what `base` has for that share."""
        book, sd = self.base[share, False]
        if not block:
            return book, sd
        with_session, session_sd = self.base[share, True]
        weight = min(self.crossing_ratio, 1.5)
        return book + weight * (with_session - book), sd + min(weight, 1.0) * (session_sd - sd)

    def distance(self, units: Floats | float) -> Floats:
        """Expected distance of each dealer's quote from the mid, bps, above 0: worse; sizes broadcast; without leakage."""
        panel = self.terms.panel
        cost = (panel.per_unit + 0.5 * panel.impact) * units
        return best_distance(panel.alpha, panel.beta, cost) + self.shift

    def leak(self, units: float, dealers: int) -> float:
        """Expected price move against the rest of the order by a request to `dealers` dealers, bps; 0 for a single one."""
        rate = float(self.replies.sum() / self.requests.sum())
        return float(self.moves[0]) * rate * units * max(dealers - 1, 0)

    def expect_request(
        self, units: float, recipients: Sequence[int], within: float
    ) -> tuple[float, float, float]:
        """Expected outcome of a request to some dealers: mean cost of a trade (`within` if none) and its sd, bps, and probability
        of one. It sends nothing; a trade is expected where the best quote, leak included, costs at most `within` bps."""
        quotes = sample_distances(self, units)[:, list(recipients)]
        best = np.maximum(quotes, 0.0).min(axis=1) + self.leak(units, len(recipients))
        traded = best <= within
        if not traded.any():
            return within, 0.0, 0.0
        return float(best[traded].mean()), float(best[traded].std()), float(traded.mean())

    def max_accepted_bps(self, leak: float) -> float:
        """Most that a quote may cost, bps, to be accepted: the expected cost of the whole order without dealers, plus `leak`."""
        return min(self.without_dealers(1.0, block)[0] for block in (False, True)) + leak

    def update_quotes(self, units: Floats, recipients: Bools, distance: Floats) -> Self:
        """Estimates after requests: sizes (r,), dealers asked (r, D), and distances quoted (r, D), not finite where none was."""
        quoted = np.isfinite(distance)
        leak = np.array(
            [self.leak(u, int(n)) for u, n in zip(units, recipients.sum(axis=1), strict=True)]
        )
        usual = self.distance(units[:, None]) - self.shift
        beyond = np.where(quoted, distance - usual - leak[:, None], 0.0)
        faded = FORGETS ** len(units)
        weight = faded * self.weight + quoted.sum(axis=0)
        shift = (faded * self.weight * self.shift + beyond.sum(axis=0)) / weight
        spread = np.where(quoted, beyond - shift, 0.0)
        # a shift that moves leaves what was known of the spread about it
        squares = faded * self.weight * self.noise**2 + (spread**2).sum(axis=0)
        return replace(
            self,
            weight=weight,
            shift=shift,
            noise=np.sqrt(squares / weight),
            requests=faded * self.requests + recipients.sum(axis=0),
            replies=faded * self.replies + quoted.sum(axis=0),
        )

    def update_drift(
        self, units: Floats, losers: Ints, traded: Bools, moved: Floats, noise: float
    ) -> Self:
        """Estimates of price moves after requests (r,): number of dealers that quoted and lost, whether one traded, and the move
        of the mid against the order, bps, of standard deviation `noise`."""
        x = np.stack([units * losers, traded * hedge_units(self.terms.panel, units)], axis=1)
        sure = self.sure + x.T @ x / noise**2
        moves = np.linalg.solve(sure, self.sure @ self.moves + x.T @ moved / noise**2)
        return replace(self, moves=np.maximum(moves, 0.0), sure=sure)

    def update_crossing(self, units: Floats, crossed: Floats, orders: int) -> Self:
        """Estimates after intervals of `orders` orders in the session: units that rested and units that crossed, (r,)
        each; of what the session crosses."""
        some = units > 0
        sent = np.ceil(units[some] / STEP).astype(np.int64)
        is_full = crossed[some] >= units[some] * (1.0 - 1e-9)
        filled = np.where(is_full, sent, np.floor(crossed[some] / STEP)).astype(np.int64)
        faded = FORGETS**orders
        added_counts = count_available(np.minimum(filled, sent), sent, STEPS)
        ended, at_risk = (
            faded * earlier + added
            for earlier, added in zip(self.crosses, added_counts, strict=True)
        )
        return replace(self, crosses=(ended, at_risk))


def hedge_units(panel: DealerPanel, units: Floats | float) -> Floats:
    """Units of a trade of `units` that the winning dealer is expected to hedge in the book: those beyond its room, at least 0."""
    room = float((panel.hedge_bps / (2.0 * panel.per_unit)).mean())
    return np.maximum(np.asarray(units, np.float64) - room, 0.0)


@lru_cache(maxsize=64)
def sample_distances(knowledge: Knowledge, units: float) -> Floats:
    """Sampled quote distances of all dealers without leakage, (DRAWS, D), bps; infinite for no answer."""
    rng = np.random.default_rng(DRAWS)
    shape = DRAWS, len(knowledge.weight)
    noise = rng.logistic(size=shape) * knowledge.noise * np.sqrt(3.0) / np.pi
    replies = rng.random(shape) < knowledge.replies / knowledge.requests
    return np.where(replies, knowledge.distance(units) + noise, np.inf)


@lru_cache(maxsize=64)
def rank_dealers(knowledge: Knowledge, units: float) -> tuple[int, ...]:
    """All dealers by number, greedily ordered: each next one lowers the expected best quote of those before it most."""
    quotes = np.minimum(
        np.maximum(sample_distances(knowledge, units), 0.0), knowledge.max_accepted_bps(0.0)
    )
    best = np.full(DRAWS, np.inf)
    order = list[int]()
    remaining = list(range(quotes.shape[1]))
    while remaining:
        best_dealer = min(
            remaining, key=lambda dealer: float(np.minimum(best, quotes[:, dealer]).mean())
        )
        best = np.minimum(best, quotes[:, best_dealer])
        remaining.remove(best_dealer)
        order.append(best_dealer)
    return tuple(order)


@dataclass(frozen=True)
class Route:
    """A way to trade an order: share requested from dealers, number of dealers, and whether the rest also uses the
    session.
    """

    share: float = 0.0
    dealers: int = 0
    block: bool = False
    named_dealers: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """Name of the route for people.

        >>> Route(0.5, 3, True).name, Route().name
        ('50% by request to 3, rest in book and block', 'book')
        """
        rest = "book and block" if self.block else "book"
        if not self.share:
            return rest
        if self.share == 1.0:
            return f"request to {self.dealers}, else {rest}"
        return f"{self.share:.0%} by request to {self.dealers}, rest in {rest}"

    def recipients(self, knowledge: Knowledge, units: float) -> tuple[int, ...]:
        """Numbers of the dealers that get a request for `units` units: those named, else the first `dealers` of the ranking."""
        return self.named_dealers or rank_dealers(knowledge, units)[: self.dealers]


@dataclass(frozen=True)
class Costing:
    """Expected cost of a route, bps of the order, its standard deviation, and the reason as text."""

    route: Route
    mean: float
    sd: float
    reason: str


def cost_route(knowledge: Knowledge, route: Route, units: float) -> Costing:
    """Expected cost of an order of `units` units by a route, bps, with its standard deviation and the reason as text."""
    unrequested, sd = knowledge.without_dealers(1.0, route.block)
    if not route.share:
        return Costing(
            route, unrequested, sd, "in the book and the session" if route.block else "in the book"
        )
    requested_units = route.share * units
    rest = 1.0 - route.share
    leak = knowledge.follows * knowledge.leak(requested_units, route.dealers)
    hedge = (
        knowledge.follows
        * float(knowledge.moves[1] * hedge_units(knowledge.terms.panel, requested_units))
        * bool(rest)
    )
    paid, noise, often = knowledge.expect_request(
        requested_units,
        route.recipients(knowledge, requested_units),
        knowledge.max_accepted_bps(leak),
    )
    rest_cost, scatter = knowledge.without_dealers(rest, route.block) if rest else (0.0, 0.0)
    traded = route.share * paid + rest * (rest_cost + leak + hedge)
    costs = f"leak {leak:.2f} bps" + f", hedge {hedge:.2f} bps" * bool(rest)
    return Costing(
        route,
        often * traded + (1.0 - often) * (unrequested + leak),
        often * (route.share * noise + rest * scatter) + (1.0 - often) * sd,
        f"best quote {paid:.2f} bps, {often:.0%} traded, {costs}",
    )


def routes_for(dealers: int) -> list[Route]:
    """All routes that are compared, in a market of so many dealers."""
    counts = [n for n in (1, 2, 3, 4, 5, 6, 8, 10) if n <= dealers]
    requests = [
        Route(share, n, block) for share in (SPLIT, 1.0) for n in counts for block in (False, True)
    ]
    return [Route(), Route(block=True), *requests]


@lru_cache(maxsize=64)
def cost_routes(knowledge: Knowledge, only: str, risk: float, units: float) -> tuple[Costing, ...]:
    """Costings of all routes, or (`only`: rfq, block, book) of one kind, for `units` units; least mean + `risk` sd first."""
    routes = routes_for(len(knowledge.weight))
    if only == RFQ:
        routes = [route for route in routes if route.share == 1.0 and not route.block]
    elif only:
        routes = [Route(block=only == BLOCK)]
    costings = [cost_route(knowledge, route, units) for route in routes]
    return tuple(sorted(costings, key=lambda option: option.mean + risk * option.sd))


def explore_route(
    knowledge: Knowledge, units: float, rng: np.random.Generator, budget: float = BUDGET_BPS
) -> tuple[Route, float]:
    """Draw whether to explore: a route from which much is learned, else the cheapest; and expected extra cost of exploring, bps.

    Ways with a request are drawn, with dealers ranked by distances sampled from their posterior. Each has
    a probability that keeps the expected cost within `budget`, bps. The one with the largest probability times variance
    of its dealers is taken with its probability; otherwise the best way is taken.
    """
    best = cost_routes(knowledge, "", 0.0, units)[0]
    routes = [route for route in routes_for(len(knowledge.weight)) if route.share]
    unsure = knowledge.noise**2 / knowledge.weight
    candidates = list[tuple[float, float, float, Route]]()
    for number in rng.integers(len(routes), size=TRIES):
        route = routes[number]
        maybe = replace(
            knowledge, shift=knowledge.shift + rng.standard_normal(len(unsure)) * unsure**0.5
        )
        route = replace(
            route, named_dealers=rank_dealers(maybe, route.share * units)[: route.dealers]
        )
        excess = max(cost_route(knowledge, route, units).mean - best.mean, 0.0)
        chance = min(OFTEN, budget / max(excess, 1e-12))
        candidates.append(
            (chance * float(unsure[list(route.named_dealers)].sum()), chance, excess, route)
        )
    _, chance, excess, route = max(candidates, key=lambda option: option[0])
    is_explored = rng.random() < chance
    return route if is_explored else best.route, chance * excess


@dataclass(frozen=True, eq=False)
class Routed(Strategy):
    """Strategy that trades an order by the route of lowest expected cost.

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
    knowledge: Knowledge | None = None
    only: str = ""
    risk: float = 0.0
    fixed: Route | Sequence[Route] | None = None

    @property
    def name(self) -> str:
        """`routed`, or the one kind of route that it may take."""
        return self.only or ROUTED

    def routes(self, units: float) -> tuple[Costing, ...]:
        """Costings of the routes for an order of `units` units, the best first; empty without knowledge."""
        return (
            ()
            if self.knowledge is None
            else cost_routes(self.knowledge, self.only, self.risk, units)
        )

    def ask(self, view: View) -> OffBookOrders:
        """Wanted requests to dealers (at arrival only), and as block lots, if the route has them, those not due in the
        book yet."""
        n = view.n
        knowledge = self.knowledge
        dealers = len(knowledge.weight) if knowledge else 1
        lots = np.zeros(n, np.int64)
        block = np.zeros(n, np.int64)
        recipients = np.zeros((n, dealers), np.bool_)
        limit = np.zeros(n)
        if knowledge is None:
            return OffBookOrders(lots, recipients, limit, block, block)
        intents = self.decide(view)
        later = np.maximum(view.left - intents[:, TAKE] - intents[:, REST0:].sum(axis=1), 0)
        for row, size in enumerate(view.qty0):
            units = float(size) / knowledge.terms.lots
            if self.fixed is None:
                route = self.routes(units)[0].route
            else:
                route = self.fixed if isinstance(self.fixed, Route) else self.fixed[row]
            block[row] = later[row] * route.block
            if route.share and view.decision[row] == 0:
                lots[row] = round(route.share * size)
                recipients[row, list(route.recipients(knowledge, route.share * units))] = True
                leak = knowledge.follows * knowledge.leak(route.share * units, route.dealers)
                limit[row] = knowledge.max_accepted_bps(leak)
        return OffBookOrders(lots, recipients, limit, block, np.minimum(block, LEAST))

    def decide(self, view: View) -> Intents:
        """Intents for the part in the book."""
        return self.book.decide(view)
