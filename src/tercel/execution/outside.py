"""Trading off the book, for many episodes at once: requests for quotes to dealers, and blocks that cross at the mid.

A strategy that trades there has a method `ask`, which says at each decision whom it asks for how many lots, and how many
lots rest in the crossing session until the next one. Every strategy of a market with dealers meets what comes to its
session, whether it trades there or not.

Answers come within the interval that follows, each about the mid of its own moment. The client trades when all have
answered, or when it waits no longer: the mid has moved by then, and a quote that has come too near to it is withdrawn. A
trade is booked at the mid of its moment, to the second; it is known, and dealers and counterparties trade in the same
book, at the next decision, by the market's law of impact. So a request leaks, and an informed cross is followed by a
worse mid.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from tercel.core.arrays import Bools, Floats, Ints
from tercel.core.errors import ConfigError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.execution.costs import BPS
from tercel.execution.intent import Intents, clip
from tercel.execution.view import View
from tercel.market.blocks import CrossingOutcome, CrossingSession, Interest, cross
from tercel.market.dealers.panel import DealerPanel
from tercel.market.dealers.requests import (
    Answers,
    RequestOutcome,
    State,
    draw_answers,
    settle,
    update_toxicity,
)
from tercel.market.impact.law import ImpactLaw
from tercel.market.simulator import layout as sim

DAY_S: Final = 23_400.0
"""Seconds of a session, in which a day's volume trades."""
DRAW: Final = 0.35
"""Standard deviation of the logarithm of a drawn dealer's numbers (`DealerPanel.draw_variant`)."""
WAITS_S: Final = 5.0
"""s that a client waits for answers at most; a prior."""


@dataclass(frozen=True)
class Terms:
    """Dealers and crossing session of a market.

    Parameters
    ----------
    panel : DealerPanel
        Its `impact` is that of the market's law, bps a unit.
    session : Session
        In units of the panel.
    lots : float
        Lots of a unit.
    drawn : bool
        Whether each seed of episodes has dealers of its own.
    """

    panel: DealerPanel
    session: CrossingSession
    lots: float
    drawn: bool = False

    def dealers(self, seed: int) -> DealerPanel:
        """The dealers in episodes of a seed: the panel itself, or one drawn around it by the seed if `drawn`."""
        return self.panel.draw_variant(abs(seed), DRAW) if self.drawn else self.panel


def terms_in(
    panel: DealerPanel,
    volume_per_s: float,
    law: ImpactLaw | None,
    mid_ticks: float,
    drawn: bool = False,
) -> Terms:
    """Terms in a market: sizes in thousandths of a day's volume, dealers' impact set by `law`; ConfigError without a law.

    Parameters
    ----------
    panel : DealerPanel
    volume_per_s : float
        Lots that trade a second.
    law : ImpactLaw or None
    mid_ticks : float
        Mid, ticks.
    drawn : bool

    Raises
    ------
    ConfigError
        A market without a law of impact: nothing would leak.
    """
    if law is None:
        raise ConfigError("a market that answers trades", "`impact=none`", "leave the law as it is")
    lots = volume_per_s * DAY_S / 1000.0
    moved = float(law.target(panel.large * lots / law.mean_trade_lots)) / mid_ticks * 1e4
    return Terms(replace(panel, impact=moved / panel.large), CrossingSession(), lots, drawn)


@dataclass(frozen=True)
class OffBookOrders:
    """Requests to dealers and block orders of a strategy at a decision, arrays (n,).

    Attributes
    ----------
    lots : int64
        Lots of the request for quote; 0: no request.
    dealers : bool (n, D)
        Dealers in the request.
    within : float64
        Largest distance that is accepted, bps from the mid at the trade.
    block : int64
        Lots that rest in the crossing session until the next decision.
    least : int64
        Smallest quantity that it trades there, lots.
    hidden : bool
        Whether requests are two-way.
    waits_s : float
        s that the client waits for answers at most.
    """

    lots: Ints
    dealers: Bools
    within: Floats
    block: Ints
    least: Ints
    hidden: bool = False
    waits_s: float = WAITS_S


@dataclass(frozen=True, eq=False)
class PendingRequests:
    """Requests sent at `now`, ns, with the dealers' answers already drawn, arrays (n, ...)."""

    asks: OffBookOrders
    answers: Answers
    moves: Floats
    now: Ints


@dataclass(eq=False)
class OffBookTrading:
    """Dealers and crossing session for a batch of episodes of one seed.

    Attributes
    ----------
    met, beside : Interest
        Interest that arrives at the session on the other side of each order, and on the order's side.
    requests, crosses : list of (turn, Asks or lots, RequestOutcome or Crossed)
        Outcomes of all requests and block orders, for strategies that learn from them.
    mids : list of int64 (n,)
        Mids at each turn, half ticks.
    """

    terms: Terms
    seed: int
    panel: DealerPanel
    state: State
    opposite_interest: Interest
    own_side_interest: Interest
    resting: Ints
    least: Ints
    seen_ns: Ints
    sides: Ints
    turns: int = 0
    sent: PendingRequests | None = None
    traded: tuple[RequestOutcome, Ints] | None = None
    requests: list[tuple[int, OffBookOrders, RequestOutcome]] = field(default_factory=list)
    mids: list[Ints] = field(default_factory=list)
    crosses: list[tuple[int, Ints, CrossingOutcome]] = field(default_factory=list)

    @classmethod
    def begin(
        cls, terms: Terms, seed: int, streams: Ints, sides: Ints, seconds: float
    ) -> "OffBookTrading":
        """Draw dealers with their positions, and the session's arrivals over `seconds`, for n orders of one seed;
        `sides` +1 or -1.

        Parameters
        ----------
        terms : Terms
        seed : int
        streams : int64 (n,)
            Number of each order's market: a buy and a sell of one meet the same interest.
        sides : int64 (n,)
            +1 a buy, -1 a sell.
        seconds : float
            Longest horizon.
        """
        panel = terms.dealers(seed)
        first_stream = int(streams[0])
        state = State.draw(panel, len(streams), np.random.default_rng((abs(seed), first_stream, 7)))
        rng = np.random.default_rng((abs(seed), first_stream, 13))
        which = np.unique(streams, return_inverse=True)[1]
        interest = Interest.draw(terms.session, 2 * (int(which.max()) + 1), seconds, rng)
        rows = 2 * which + (sides < 0)
        no_lots = np.zeros(len(streams), np.int64)
        interests = interest.take(rows), interest.take(rows ^ 1)
        return cls(
            terms,
            abs(seed) + first_stream,
            panel,
            state,
            *interests,
            no_lots,
            no_lots,
            no_lots,
            no_lots,
        )

    def turn(self, states: Ints, view: View, ask: Callable[[View], OffBookOrders] | None) -> None:
        """At a decision: book trades since the last one into `states` and the view's `left`, then send the requests and
        block orders that `ask` wants (None: the strategy does not trade off the book).

        Parameters
        ----------
        states : int64 (n, ...)
            States of the markets; costs, lots left and dealers' trades are written to them.
        view : View
            View of the strategy; its `left` is written.
        ask : callable or None
            The strategy's method, if it has one.
        """
        now = states[:, sim.NOW].copy()
        self.mids.append(states[:, sim.MID2].copy())
        self.sides = view.side.copy()
        self._update_dealers()
        self._settle(states, view)
        self._cross(states, view, self.seen_ns if self.turns else now)
        self.seen_ns = now
        if ask is not None:
            asks = ask(view)
            # answers to a request at the last decision come after the horizon
            free = np.where(view.decision < states[:, sim.DECISIONS] - 1, view.left - view.live, 0)
            self._send(replace(asks, lots=np.clip(asks.lots, 0, free)), view)
            self.resting = np.clip(asks.block, 0, view.left - view.live - self.requested)
            self.least = asks.least
        self.turns += 1

    @property
    def requested(self) -> Ints | int:
        """Lots in pending requests, (n,) or 0."""
        return 0 if self.sent is None else self.sent.asks.lots

    def reserve(self, intents: Intents, view: View) -> Intents:
        """Intents cut, in place, so that lots resting in the crossing session or waiting for quotes are not used twice."""
        reserved = self.resting + self.requested
        return clip(intents, view.left - reserved) if reserved.any() else intents

    def _send(self, asks: OffBookOrders, view: View) -> None:
        """Send requests to dealers and draw their answers: sets `sent`, None if nobody is asked."""
        recipients = asks.dealers & (asks.lots > 0)[:, None]
        self.sent = None
        if not recipients.any():
            return
        rng = np.random.default_rng((self.seed, self.turns, 11))
        size = asks.lots / self.terms.lots
        answers = draw_answers(
            self.panel, self.state, view.side, size, recipients, rng, hidden=asks.hidden
        )
        self.state.requests += recipients.any(axis=1)
        moves = rng.standard_normal(view.n)
        self.sent = PendingRequests(replace(asks, dealers=recipients), answers, moves, self.seen_ns)

    def _settle(self, states: Ints, view: View) -> None:
        """Settle the requests sent at the last decision: trade at the best quote once all answered or the client stops waiting.

        Books the trade in `states`, and moves the price by the dealers' hedges; `sent` becomes None.
        """
        if self.sent is None:
            return
        sent = self.sent
        asks = sent.asks
        self.sent = None
        came = np.where(sent.answers.after_s <= asks.waits_s, sent.answers.after_s, -np.inf)
        everyone = np.isfinite(came).sum(axis=1) == asks.dealers.sum(axis=1)
        waited = np.where(everyone, came.max(axis=1), asks.waits_s)
        waited = np.minimum(waited, (states[:, sim.NOW] - sent.now) / NS_PER_SECOND)
        at_ns = sent.now + (np.maximum(waited, 0.0) * NS_PER_SECOND).astype(np.int64)
        quoted_ns = sent.now[:, None] + (
            np.nan_to_num(np.minimum(sent.answers.after_s, waited[:, None])) * NS_PER_SECOND
        ).astype(np.int64)
        mid2 = mids_at(states, at_ns)
        moved = mid2[:, None] - mids_at(states, quoted_ns)
        bps = view.side[:, None] * moved / mid2[:, None] * BPS
        outcome = settle(
            self.panel,
            self.state,
            view.side,
            asks.lots / self.terms.lots,
            sent.answers,
            sent.moves,
            max_distance=asks.within,
            hidden=asks.hidden,
            move_bps=bps,
            seconds=waited[:, None],
        )
        paid = np.where(outcome.traded, outcome.paid, 0.0)
        self._book(states, view, np.where(outcome.traded, asks.lots, 0), paid, at_ns, mid2)
        self.move(states, view.side * (outcome.ahead + outcome.hedge))
        # A strategy learns a dealer's quote against the mid at that moment, without later moves of the mid.
        in_time = sent.answers.after_s <= waited[:, None]
        quoted = np.where(in_time, sent.answers.distance, np.nan)
        known = replace(outcome, answers=replace(sent.answers, distance=quoted))
        self.requests.append((self.turns, asks, known))
        self.traded = outcome, mid2

    def _update_dealers(self) -> None:
        """Tell dealers that won what the mid has moved since their trade, bps, less their own impact: updates their toxicity."""
        if self.traded is not None:
            outcome, mid2 = self.traded
            self.traded = None
            move = self.sides * (self.mids[-1] - mid2) / mid2 * BPS
            update_toxicity(self.state, outcome, move - outcome.drift(self.panel))

    def _cross(self, states: Ints, view: View, since: Ints) -> None:
        """Trade block lots at the mid with what came to the session from `since` (ns) to now; move the price by what leaked."""
        session = self.terms.session
        resting = np.minimum(self.resting, view.left - view.live)
        start = states[:, sim.START_NS]
        begin = (since - start) / NS_PER_SECOND
        end = (states[:, sim.NOW] - start) / NS_PER_SECOND
        least = self.least / self.terms.lots
        crossed = cross(
            session, self.opposite_interest, resting / self.terms.lots, least, begin, end
        )
        lots = np.minimum(np.round(crossed.lots * self.terms.lots).astype(np.int64), resting)
        at_ns = since + (np.nan_to_num(crossed.after_s) * NS_PER_SECOND).astype(np.int64)
        self._book(states, view, lots, np.zeros(len(lots)), at_ns, mids_at(states, at_ns))
        # Informed interest moves the price whether it was met or not, and as much comes on the own side: an order in
        # the session trades with one of the two sides alone.
        moved = session.move_bps * (
            self.own_side_interest.count_informed(begin, end) - crossed.informed
        )
        moved += crossed.leak_bps
        self.move(states, view.side * moved / max(self.panel.impact, 1e-12))
        if resting.any():
            self.crosses.append((self.turns, resting, crossed))

    def _book(
        self, states: Ints, view: View, lots: Ints, distance: Floats, at_ns: Ints, mid2: Ints
    ) -> None:
        """Book trades of `lots` at `distance` bps worse than the mid, cost rounded up, into `states` and `view.left`."""
        side = view.side
        since = np.asarray(side * (mid2 - states[:, sim.DECISION_MID2]) * lots, np.int64)
        paid = np.ceil(distance * 1e-4 * mid2 * lots - 1e-9).astype(np.int64)
        states[:, sim.SPREAD] += paid
        states[:, sim.TIMING] += side * (mid2 - states[:, sim.ARRIVAL_MID2]) * lots
        states[:, sim.STEP_CASH] += paid + since
        states[:, sim.LEFT] -= lots
        view.left[:] = states[:, sim.LEFT]
        points = int(states[0, sim.GRID_POINTS])
        if points:
            passed = at_ns - states[:, sim.START_NS]
            bucket = np.clip(passed * (points - 1) // states[:, sim.HORIZON_NS], 0, points - 1)
            np.add.at(states, (np.arange(len(states)), sim.GRID + points + bucket), lots)

    def move(self, states: Ints, units: Floats) -> None:
        """Hand others' trades, `units` of `terms.lots` (bought positive), to the law of impact, to move the price at once."""
        lots = np.round(units * self.terms.lots).astype(np.int64)
        states[:, sim.PENDING] += lots
        states[:, sim.IMPACT_NS] = np.where(lots != 0, states[:, sim.NOW], states[:, sim.IMPACT_NS])


def mids_at(states: Ints, ns: Ints) -> Ints:
    """Mids of markets, half ticks, at the end of the second of each time `ns` (n, ...); the mid of now if it is not over.

    The markets store their last seconds; a second that is not over has the mid of now.
    """
    second = ns // NS_PER_SECOND
    column = (slice(None), *(None,) * (ns.ndim - 1))
    end = states[:, sim.SECOND][column]
    stored = np.clip(second, states[:, sim.FIRST_SECOND][column], end - 1)
    stored %= states[:, sim.SECONDS_ROOM][column]
    offset = states[:, sim.SECONDS_AT][column] + stored * sim.SECOND_WORDS + sim.SECOND_MID2
    rows = np.arange(len(states))[column]
    return np.where(second < end, states[rows, offset], states[:, sim.MID2][column])
