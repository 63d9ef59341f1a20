"""Requests for quote: answers of dealers, the winner, and effects on dealers' inventory and on the price.

A request has a side (+1 where the client buys), a size in units of the panel, and a set of dealers. Distances are
bps of mid against the client. Arrays have one row per market and one column per dealer, ``(m, D)``: many markets at once.

**Leakage.** Dealers in a one-way request know the side. Each that answered and lost trades `ahead` times the size in
the client's direction; the winner hedges its inventory above the level at which a hedge pays (`hedge_bps`). Both move
the price, and quotes allow for it (:func:`moved`; Baldauf & Mollner 2024).

**Memory.** Dealers answer a client less if few of its requests end in a trade, and quote wider to a client whose trades
precede moves against the dealer. So requests without intent to trade, or with private information, gain nothing.
"""

from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np

from tercel.core.arrays import Bools, Floats, Ints
from tercel.market.dealers.panel import DealerPanel
from tercel.market.dealers.quotes import best_distance

FORGETS: Final = 0.1
"""Weight of the last trade in what a dealer expects a client's trades to cost."""
PATIENCE: Final = 4.0
"""Requests with a trade that a client is taken to have made before."""
SECONDS: Final = 86_400.0


@dataclass
class State:
    """State of the dealers, updated by each request.

    Attributes
    ----------
    inventory : float64 (m, D)
        Units that each dealer holds, negative where it is short.
    toxicity : float64 (m, D)
        Mean move against each dealer after its trades with the client, bps.
    asked, traded : float64 (m,)
        Requests of the client so far, and those that ended in a trade.
    """

    inventory: Floats
    toxicity: Floats
    asked: Floats
    traded: Floats

    @classmethod
    def empty(cls, markets: int, dealers: int) -> Self:
        """State of dealers without a position and without history of the client."""
        zero = np.zeros((markets, dealers))
        return cls(zero, zero.copy(), np.zeros(markets), np.zeros(markets))

    @classmethod
    def drawn(cls, panel: DealerPanel, markets: int, rng: np.random.Generator) -> Self:
        """Dealers with positions from the trades of others: normal, two usual sizes wide, hedged as they hedge."""
        one = cls.empty(markets, len(panel))
        one.inventory = 2.0 * panel.size * rng.standard_normal(one.inventory.shape)
        one.inventory += hedges(panel, one.inventory)
        return one

    @property
    def patience(self) -> Floats:
        """Factor of the probability of an answer, (m,): the share of requests that ended in a trade, 1 at first."""
        return (PATIENCE + self.traded) / (PATIENCE + self.asked)


@dataclass(frozen=True)
class Answers:
    """Answers of dealers to requests, one row per request.

    Attributes
    ----------
    distance : float64 (m, D)
        Distance of each quote, bps against the client; NaN where a dealer did not quote.
    after_s : float64 (m, D)
        Time of each quote, s after the request; NaN where a dealer did not quote.
    least : float64 (m, D)
        Price move that the dealer expects from a trade, bps: a quote nearer to mid is withdrawn.
    """

    distance: Floats
    after_s: Floats
    least: Floats | float = 0.0

    @property
    def there(self) -> Bools:
        """Whether each dealer answered, (m, D)."""
        return np.isfinite(self.distance)

    @property
    def ranked(self) -> Floats:
        """Distances for comparison, float64 (m, D); infinite where a dealer did not quote."""
        return np.where(self.there, self.distance, np.inf)

    @property
    def best(self) -> Ints:
        """Dealer of the best quote, of equal ones the first to answer; -1 where no dealer answered, (m,)."""
        ties = self.ranked == self.ranked.min(axis=1, keepdims=True)
        first = np.where(ties & self.there, self.after_s, np.inf)
        return np.where(self.there.any(axis=1), np.argmin(first, axis=1), -1)

    @property
    def cover(self) -> Floats:
        """Second-best distance, bps; NaN where fewer than two answered, (m,)."""
        if self.distance.shape[1] < 2:
            return np.full(len(self.distance), np.nan)
        second = np.partition(self.ranked, 1, axis=1)[:, 1]
        return np.where(np.isfinite(second), second, np.nan)

    def later(self, moved: Floats | float, seconds: Floats | float = np.inf) -> Self:
        """The same at the moment when the client trades: distances from the mid of then.

        A quote that has come too near to mid is withdrawn, so that no trade is at a price of the past; one that has not
        come yet is none.

        Parameters
        ----------
        moved : float64 (m, D)
            Move of the mid since each quote, bps, against the client.
        seconds : float or float64 (m, 1)
            s since the request.

        >>> answers = Answers(np.array([[2.0, 2.0, 2.0]]), np.array([[1.0, 2.0, 9.0]]))
        >>> answers.later(np.array([[0.5, 2.5, 0.0]]), 5.0).distance.tolist()
        [[1.5, nan, nan]]
        """
        distance = self.distance - moved
        there = (distance >= self.least) & (self.after_s <= seconds)
        return replace(self, distance=np.where(there, distance, np.nan))


def chances(panel: DealerPanel, asked: Bools, patience: Floats) -> Floats:
    """Probability that each dealer answers a request to these dealers, (m, D).

    An answer costs a share x of what the client gains: n dealers answer with probability ``1 - x^(1 / (n - 1))``, so that
    one more answer is worth its cost (Wang 2023).
    """
    others = np.maximum(asked.sum(axis=1) - 1, 1)
    willing = np.where(asked.sum(axis=1) > 1, 1.0 - panel.cost_share ** (1.0 / others), 1.0)
    return np.asarray(panel.answers * (willing * patience)[:, None])


def moved(
    panel: DealerPanel, state: State, side: Ints, size: Floats, asked: Bools, hidden: bool
) -> Floats:
    """Price move against its hedge that each dealer expects from a trade, bps, (m, D): losing dealers trade first, and
    its own hedge pays half of its own impact.

    No quote is nearer to mid; otherwise a round trip would profit from the price moves of the dealers' own trades.
    """
    rivals = np.where(asked, panel.ahead * panel.answers, 0.0) * (0.0 if hidden else 1.0)
    first = size[:, None] * (rivals.sum(axis=1, keepdims=True) - rivals)
    own = side[:, None] * hedges(panel, state.inventory - (side * size)[:, None])
    return np.asarray(panel.impact * (first + 0.5 * np.maximum(own, 0.0)))


def quotes(
    panel: DealerPanel,
    state: State,
    side: Ints,
    size: Floats,
    asked: Bools,
    rng: np.random.Generator,
    *,
    hidden: bool = False,
) -> Answers:
    """Draw the answers of the dealers in each request.

    Parameters
    ----------
    panel : DealerPanel
    state : State
    side : int64 (m,)
        +1 where the client buys.
    size : float64 (m,)
        Units.
    asked : bool (m, D)
    rng : Generator
        Draws the same numbers whatever the set of dealers, so that different requests face the same dealers.
    hidden : bool
        The request is two-way: no dealer knows its side.

    >>> from tercel.market.dealers.panel import load_panel
    >>> three, rng = np.arange(10)[None] < 3, np.random.default_rng(7)
    >>> one = quotes(load_panel("eurusd"), State.empty(1, 10), np.array([1]), np.ones(1), three, rng)
    >>> one.there.sum().item(), one.best.tolist()
    (3, [2])
    """
    shape = asked.shape
    answer = rng.random(shape)
    noise = rng.logistic(size=shape)
    wait = rng.exponential(size=shape)
    asked = asked & (size <= panel.largest)[:, None]
    there = asked & (answer < chances(panel, asked, state.patience))
    cost = panel.per_unit * (size[:, None] - 2.0 * side[:, None] * state.inventory)
    cost = cost + np.maximum(state.toxicity, 0.0)
    least = moved(panel, state, side, size, asked, hidden)
    cost += least + (panel.two_way if hidden else 0.0)
    distance = best_distance(panel.alpha, panel.beta, cost) + panel.noise * noise
    return Answers(
        np.where(there, np.maximum(distance, least), np.nan),
        np.where(there, panel.answer_s * wait, np.nan),
        least,
    )


@dataclass(frozen=True)
class RequestOutcome:
    """Outcome of requests.

    Attributes
    ----------
    answers : Answers
    winner : int64 (m,)
        Winning dealer; -1 where no dealer traded.
    rejected : bool (m,)
        Whether the best dealer's last look refused.
    paid : float64 (m,)
        Distance of the trade, bps; NaN where there was none.
    ahead : float64 (m,)
        Units that losing dealers trade in the client's direction.
    hedge : float64 (m,)
        Units that dealers hedge in the client's direction.
    """

    answers: Answers
    winner: Ints
    rejected: Bools
    paid: Floats
    ahead: Floats
    hedge: Floats

    @property
    def traded(self) -> Bools:
        """Whether a dealer traded, (m,)."""
        return self.winner >= 0

    def drift(self, panel: DealerPanel) -> Floats:
        """Price move of the request against the client, bps, (m,), by the panel's `impact`."""
        return np.asarray(panel.impact * (self.ahead + self.hedge))


def request(
    panel: DealerPanel,
    state: State,
    side: Ints,
    size: Floats,
    asked: Bools,
    rng: np.random.Generator,
    *,
    within: Floats | float = np.inf,
    hidden: bool = False,
) -> RequestOutcome:
    """Ask, trade at the best quote within a reservation, and change `state` by it.

    Parameters
    ----------
    within : float64 (m,) or float
        Largest distance that the client accepts, bps.

    The other parameters are those of :func:`quotes`. A dealer with a last look refuses where the price has moved by more
    than its tolerance against it while it held the request.
    """
    answers = quotes(panel, state, side, size, asked, rng, hidden=hidden)
    moves = rng.standard_normal(len(side))
    state.asked += asked.any(axis=1)
    return settle(panel, state, side, size, answers, moves, within=within, hidden=hidden)


def settle(
    panel: DealerPanel,
    state: State,
    side: Ints,
    size: Floats,
    answers: Answers,
    moves: Floats,
    *,
    within: Floats | float = np.inf,
    hidden: bool = False,
    moved: Floats | float = 0.0,
    seconds: Floats | float = np.inf,
) -> RequestOutcome:
    """Trade at the best of answers within a reservation, and change `state` by it.

    Parameters
    ----------
    answers : Answers
    moves : float64 (m,)
        Standard normal: the mid's move while a last look holds the request.
    moved : float64 (m, D) or float
        The mid's move since each quote until the client trades, bps, against the dealer: its last look counts it too.
    seconds : float64 (m, 1) or float
        When the client trades, s after the request. Dealers that answer later still know of the request.

    The other parameters are those of :func:`request`.
    """
    lost = answers.there
    answers = answers.later(moved, seconds)
    best = answers.best
    at = np.arange(len(side)), best
    wanted = (best >= 0) & (answers.ranked[at] <= within)
    against = panel.sigma * np.sqrt(panel.hold_s[best] / SECONDS) * moves
    against += np.broadcast_to(moved, answers.distance.shape)[at]
    rejected = wanted & (against > panel.tolerance[best])
    winner = np.where(wanted & ~rejected, best, -1)
    won = (winner >= 0)[:, None] & (np.arange(len(panel)) == best[:, None])
    state.traded += winner >= 0
    state.inventory -= np.where(won, (side * size)[:, None], 0.0)
    hedge = hedges(panel, state.inventory)
    state.inventory += hedge
    ahead = np.where(lost & ~won, panel.ahead, 0.0).sum(axis=1) * size * (0.0 if hidden else 1.0)
    # Where nothing traded they close most of it again, the more the less this client trades, and move the price by less
    # than half the cost of a trade in the book; otherwise a client could send requests without trading to sell its
    # position at a better price.
    unfounded = np.minimum(
        ahead * state.patience**4, 0.5 * panel.book_bps / max(panel.impact, 1e-12)
    )
    ahead = np.where(winner >= 0, ahead, unfounded)
    paid = np.where(winner >= 0, answers.distance[at], np.nan)
    return RequestOutcome(answers, winner, rejected, paid, ahead, side * hedge.sum(axis=1))


def hedges(panel: DealerPanel, inventory: Floats) -> Floats:
    """Units that each dealer trades in the book at once, (m, D): back to the inventory whose marginal cost is
    `hedge_bps`.
    """
    room = panel.hedge_bps / (2.0 * panel.per_unit)
    return np.asarray(np.clip(inventory, -room, room) - inventory)


def learn(state: State, outcome: RequestOutcome, move: Floats) -> None:
    """Update the toxicity that winning dealers remember by the move in the client's favour after the trade, bps,
    (m,)."""
    at = np.flatnonzero(outcome.traded)
    who = outcome.winner[at]
    state.toxicity[at, who] += FORGETS * (move[at] - state.toxicity[at, who])
