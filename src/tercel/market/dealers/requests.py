"""Requests for quote: answers of dealers, the winner, and effects on dealers' inventory and on the price.

A request has a side (+1 where the client buys), a size in units of the panel, and a set of dealers. Distances are
bps of mid against the client. Arrays have one row per market and one column per dealer, ``(m, D)``: many markets at once.

**Leakage.** Dealers in a one-way request know the side. Each that answered and lost trades `ahead` times the size in
the client's direction; the winner hedges its inventory above the level at which a hedge pays (`hedge_bps`). Both move
the price, and quotes allow for it (:func:`expected_move`; Baldauf & Mollner 2024).

**Memory.** Dealers answer a client less if few of its requests end in a trade, and quote wider to a client whose trades
precede moves against the dealer. So requests without intent to trade, or with private information, gain nothing.
"""

from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np

from tercel.core.arrays import Bools, Floats, Ints
from tercel.market.dealers.panel import DealerPanel
from tercel.market.dealers.quotes import best_distance

TOXICITY_WEIGHT: Final = 0.1
"""Weight of the last trade in what a dealer expects a client's trades to cost."""
PRIOR_REQUESTS: Final = 4.0
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
    requests, traded : float64 (m,)
        Requests of the client so far, and those that ended in a trade.
    """

    inventory: Floats
    toxicity: Floats
    requests: Floats
    traded: Floats

    @classmethod
    def empty(cls, markets: int, dealers: int) -> Self:
        """State of dealers without a position and without history of the client."""
        zero = np.zeros((markets, dealers))
        return cls(zero, zero.copy(), np.zeros(markets), np.zeros(markets))

    @classmethod
    def draw(cls, panel: DealerPanel, markets: int, rng: np.random.Generator) -> Self:
        """Dealers with positions from the trades of others: normal, two usual sizes wide, hedged as they hedge."""
        state = cls.empty(markets, len(panel))
        state.inventory = 2.0 * panel.size * rng.standard_normal(state.inventory.shape)
        state.inventory += hedges(panel, state.inventory)
        return state

    @property
    def patience(self) -> Floats:
        """Factor of the probability of an answer, (m,): (4 + requests traded) / (4 + requests of the client); 1 at first."""
        return (PRIOR_REQUESTS + self.traded) / (PRIOR_REQUESTS + self.requests)


@dataclass(frozen=True)
class Answers:
    """Answers of dealers to requests, one row per request.

    Attributes
    ----------
    distance : float64 (m, D)
        Distance of each quote, bps against the client; NaN where a dealer did not quote.
    after_s : float64 (m, D)
        Time of each quote, s after the request; NaN where a dealer did not quote.
    min_distance : float64 (m, D)
        Price move that the dealer expects from a trade, bps: a quote nearer to mid is withdrawn.
    """

    distance: Floats
    after_s: Floats
    min_distance: Floats | float = 0.0

    @property
    def has_quote(self) -> Bools:
        """Whether each dealer answered, (m, D)."""
        return np.isfinite(self.distance)

    @property
    def ranked(self) -> Floats:
        """Distances for comparison, float64 (m, D); infinite where a dealer did not quote."""
        return np.where(self.has_quote, self.distance, np.inf)

    @property
    def best(self) -> Ints:
        """Dealer of the best quote, of equal ones the first to answer; -1 where no dealer answered, (m,)."""
        ties = self.ranked == self.ranked.min(axis=1, keepdims=True)
        first = np.where(ties & self.has_quote, self.after_s, np.inf)
        return np.where(self.has_quote.any(axis=1), np.argmin(first, axis=1), -1)

    @property
    def cover(self) -> Floats:
        """Second-best distance, bps; NaN where fewer than two answered, (m,)."""
        if self.distance.shape[1] < 2:
            return np.full(len(self.distance), np.nan)
        second = np.partition(self.ranked, 1, axis=1)[:, 1]
        return np.where(np.isfinite(second), second, np.nan)

    def at_trade(self, move_bps: Floats | float, seconds: Floats | float = np.inf) -> Self:
        """The same answers when the client trades: distances from the mid of that moment.

        A quote that has come too near to mid is withdrawn, so that no trade is at a price of the past; one that has not
        come yet is none.

        Parameters
        ----------
        move_bps : float64 (m, D)
            Move of the mid since each quote, bps, against the client.
        seconds : float or float64 (m, 1)
            s since the request.

        >>> answers = Answers(np.array([[2.0, 2.0, 2.0]]), np.array([[1.0, 2.0, 9.0]]))
        >>> answers.at_trade(np.array([[0.5, 2.5, 0.0]]), 5.0).distance.tolist()
        [[1.5, nan, nan]]
        """
        distance = self.distance - move_bps
        is_live = (distance >= self.min_distance) & (self.after_s <= seconds)
        return replace(self, distance=np.where(is_live, distance, np.nan))


def answer_probabilities(panel: DealerPanel, invited: Bools, patience: Floats) -> Floats:
    """Probability that each dealer, if it is asked, answers a request to the `invited` dealers, (m, D).

    An answer costs a share x of what the client gains: n dealers answer with probability ``1 - x^(1 / (n - 1))``, so that
    one more answer is worth its cost (Wang 2023).
    """
    rivals = np.maximum(invited.sum(axis=1) - 1, 1)
    willingness = np.where(invited.sum(axis=1) > 1, 1.0 - panel.cost_share ** (1.0 / rivals), 1.0)
    return np.asarray(panel.answers * (willingness * patience)[:, None])


def expected_move(
    panel: DealerPanel, state: State, side: Ints, size: Floats, invited: Bools, hidden: bool
) -> Floats:
    """Price move against a dealer's own hedge that it expects if it trades, bps, (m, D).
    That of the rivals who trade ahead (none if `hidden`), and half of that of the hedge.

    No quote is nearer to mid; otherwise a round trip would profit from the price moves of the dealers' own trades.
    """
    rivals = np.where(invited, panel.ahead * panel.answers, 0.0) * (0.0 if hidden else 1.0)
    front_running = size[:, None] * (rivals.sum(axis=1, keepdims=True) - rivals)
    own_hedge = side[:, None] * hedges(panel, state.inventory - (side * size)[:, None])
    return np.asarray(panel.impact * (front_running + 0.5 * np.maximum(own_hedge, 0.0)))


def draw_answers(
    panel: DealerPanel,
    state: State,
    side: Ints,
    size: Floats,
    invited: Bools,
    rng: np.random.Generator,
    *,
    hidden: bool = False,
) -> Answers:
    """Draw the answers of the dealers in each request, NaN where a dealer does not quote; `hidden`: the request is two-way.

    Parameters
    ----------
    panel : DealerPanel
    state : State
    side : int64 (m,)
        +1 where the client buys.
    size : float64 (m,)
        Units.
    invited : bool (m, D)
    rng : Generator
        Draws the same numbers whatever the set of dealers, so that different requests face the same dealers.
    hidden : bool
        The request is two-way: no dealer knows its side.

    >>> from tercel.market.dealers.panel import load_panel
    >>> three, rng = np.arange(10)[None] < 3, np.random.default_rng(7)
    >>> one = draw_answers(load_panel("eurusd"), State.empty(1, 10), np.array([1]), np.ones(1), three, rng)
    >>> one.has_quote.sum().item(), one.best.tolist()
    (3, [2])
    """
    shape = invited.shape
    answer = rng.random(shape)
    noise = rng.logistic(size=shape)
    wait = rng.exponential(size=shape)
    invited = invited & (size <= panel.largest)[:, None]
    answered = invited & (answer < answer_probabilities(panel, invited, state.patience))
    cost = panel.per_unit * (size[:, None] - 2.0 * side[:, None] * state.inventory)
    cost = cost + np.maximum(state.toxicity, 0.0)
    min_distance = expected_move(panel, state, side, size, invited, hidden)
    cost += min_distance + (panel.two_way if hidden else 0.0)
    distance = best_distance(panel.alpha, panel.beta, cost) + panel.noise * noise
    return Answers(
        np.where(answered, np.maximum(distance, min_distance), np.nan),
        np.where(answered, panel.answer_s * wait, np.nan),
        min_distance,
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
    invited: Bools,
    rng: np.random.Generator,
    *,
    max_distance: Floats | float = np.inf,
    hidden: bool = False,
) -> RequestOutcome:
    """Send a request to dealers, trade at the best quote within a reservation, and update `state`; `hidden`: it is two-way.

    Parameters
    ----------
    max_distance : float64 (m,) or float
        Largest distance that the client accepts, bps.

    The other parameters are those of :func:`draw_answers`. A dealer with a last look refuses where the price has moved by more
    than its tolerance against it while it held the request.
    """
    answers = draw_answers(panel, state, side, size, invited, rng, hidden=hidden)
    moves = rng.standard_normal(len(side))
    state.requests += invited.any(axis=1)
    return settle(
        panel, state, side, size, answers, moves, max_distance=max_distance, hidden=hidden
    )


def settle(
    panel: DealerPanel,
    state: State,
    side: Ints,
    size: Floats,
    answers: Answers,
    look_noise: Floats,
    *,
    max_distance: Floats | float = np.inf,
    hidden: bool = False,
    move_bps: Floats | float = 0.0,
    seconds: Floats | float = np.inf,
) -> RequestOutcome:
    """Trade at the best of given answers within a reservation; updates `state` but for its count of requests.

    Parameters
    ----------
    answers : Answers
    look_noise : float64 (m,)
        Standard normal: the mid's move while a last look holds the request.
    move_bps : float64 (m, D) or float
        The mid's move since each quote until the client trades, bps, against the dealer: its last look counts it too.
    seconds : float64 (m, 1) or float
        When the client trades, s after the request. Dealers that answer later still know of the request.

    The other parameters are those of :func:`request`.
    """
    answered = answers.has_quote
    answers = answers.at_trade(move_bps, seconds)
    best = answers.best
    best_index = np.arange(len(side)), best
    accepted = (best >= 0) & (answers.ranked[best_index] <= max_distance)
    adverse_move = panel.sigma * np.sqrt(panel.hold_s[best] / SECONDS) * look_noise
    adverse_move += np.broadcast_to(move_bps, answers.distance.shape)[best_index]
    rejected = accepted & (adverse_move > panel.tolerance[best])
    winner = np.where(accepted & ~rejected, best, -1)
    won = (winner >= 0)[:, None] & (np.arange(len(panel)) == best[:, None])
    state.traded += winner >= 0
    state.inventory -= np.where(won, (side * size)[:, None], 0.0)
    hedge = hedges(panel, state.inventory)
    state.inventory += hedge
    ahead = (
        np.where(answered & ~won, panel.ahead, 0.0).sum(axis=1) * size * (0.0 if hidden else 1.0)
    )
    # Where nothing traded they close most of it again, the more the less this client trades, and move the price by less
    # than half the cost of a trade in the book; otherwise a client could send requests without trading to sell its
    # position at a better price.
    untraded_ahead = np.minimum(
        ahead * state.patience**4, 0.5 * panel.book_bps / max(panel.impact, 1e-12)
    )
    ahead = np.where(winner >= 0, ahead, untraded_ahead)
    paid = np.where(winner >= 0, answers.distance[best_index], np.nan)
    return RequestOutcome(answers, winner, rejected, paid, ahead, side * hedge.sum(axis=1))


def hedges(panel: DealerPanel, inventory: Floats) -> Floats:
    """Units that each dealer trades in the book at once (below 0: sells), (m, D), to the inventory that costs `hedge_bps`."""
    room = panel.hedge_bps / (2.0 * panel.per_unit)
    return np.asarray(np.clip(inventory, -room, room) - inventory)


def update_toxicity(state: State, outcome: RequestOutcome, move: Floats) -> None:
    """Move each winner's toxicity in `state` a tenth of the way to `move`: the move against it after its trade, bps, (m,)."""
    traded = np.flatnonzero(outcome.traded)
    winner = outcome.winner[traded]
    state.toxicity[traded, winner] += TOXICITY_WEIGHT * (
        move[traded] - state.toxicity[traded, winner]
    )
