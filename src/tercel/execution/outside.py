"""Trading beside the book: requests to dealers and blocks at mid, for many episodes at once.

A strategy that trades there has a method `ask`, which says at each decision whom it asks for how many lots, and how many
lots rest in the crossing session until the next one. A trade is booked at the mid of the decision: requests are answered
at once, what was crossed since the last decision is booked now. Dealers and counterparties trade in the same book
afterwards, by the market's law of impact, so a request leaks and an informed cross is followed by a worse mid.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from tercel.core.arrays import Bools, Floats, Ints
from tercel.core.errors import ConfigError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.execution.intent import Intents, View, clip
from tercel.market.blocks import Crossed, CrossingSession, cross
from tercel.market.dealers.panel import DealerPanel
from tercel.market.dealers.requests import RequestOutcome, State, request
from tercel.market.impact.law import ImpactLaw
from tercel.market.simulator import layout as sim

DAY_S: Final = 23_400.0
"""Seconds of a session, in which a day's volume trades."""
DRAW: Final = 0.35
"""Standard deviation of the logarithm of a drawn dealer's numbers (`DealerPanel.drawn`)."""


@dataclass(frozen=True)
class Terms:
    """Dealers and session of a market.

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
        """The dealers whom episodes of a seed meet."""
        return self.panel.drawn(abs(seed), DRAW) if self.drawn else self.panel


def terms_in(
    panel: DealerPanel,
    volume_per_s: float,
    law: ImpactLaw | None,
    mid_ticks: float,
    drawn: bool = False,
) -> Terms:
    """Terms of a market in which sizes are thousandths of a day's volume.

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
class Asks:
    """What a strategy sends beside the book at a decision, (n,) each.

    Attributes
    ----------
    lots : int64
        Lots that dealers are asked for; 0: no request.
    dealers : bool (n, D)
        Who is asked.
    within : float64
        Largest distance from mid that is accepted, bps.
    block : int64
        Lots that rest in the crossing session until the next decision.
    least : int64
        Smallest quantity that it trades there, lots.
    hidden : bool
        Whether requests are two-way.
    """

    lots: Ints
    dealers: Bools
    within: Floats
    block: Ints
    least: Ints
    hidden: bool = False


@dataclass(eq=False)
class Outside:
    """Dealers and session beside a batch of episodes of one seed.

    Attributes
    ----------
    requests, crosses : list of (decision, Asks or lots, RequestOutcome or Crossed)
        What became of everything that was sent, for who learns from it.
    mids : list of int64 (n,)
        Mids at each decision, half ticks.
    """

    terms: Terms
    seed: int
    panel: DealerPanel
    state: State
    resting: Ints
    least: Ints
    seen_ns: Ints
    sides: Ints
    decision: int = 0
    requests: list[tuple[int, Asks, RequestOutcome]] = field(default_factory=list)
    mids: list[Ints] = field(default_factory=list)
    crosses: list[tuple[int, Ints, Crossed]] = field(default_factory=list)

    @classmethod
    def begin(cls, terms: Terms, seed: int, first: int, n: int) -> "Outside":
        """Dealers with positions, at the arrival of `n` orders of a seed from number `first` on."""
        panel = terms.dealers(seed)
        state = State.drawn(panel, n, np.random.default_rng((abs(seed), first, 7)))
        none = np.zeros(n, np.int64)
        return cls(terms, abs(seed) + first, panel, state, none, none, none, none)

    def turn(self, states: Ints, view: View, ask: Callable[[View], Asks]) -> None:
        """Book what was crossed since the last decision, ask dealers, and rest what is to be crossed next.

        Parameters
        ----------
        states : int64 (n, ...)
            States of the markets; costs, lots left and dealers' trades are written to them.
        view : View
            What the strategy sees; its `left` is written.
        ask : callable
            The strategy's method.
        """
        rng = np.random.default_rng((self.seed, self.decision, 11))
        now = states[:, sim.NOW]
        passed = (
            float((now - self.seen_ns).max(initial=0)) / NS_PER_SECOND if self.decision else 0.0
        )
        self.seen_ns = now.copy()
        self.mids.append(states[:, sim.MID2].copy())
        self.sides = view.side.copy()
        self._cross(states, view, passed, rng)
        asks = ask(view)
        free = view.left - view.live
        self._request(states, view, replace(asks, lots=np.clip(asks.lots, 0, free)), rng)
        self.resting = np.clip(asks.block, 0, view.left - view.live)
        self.least = asks.least
        self.decision += 1

    def reserve(self, intents: Intents, view: View) -> Intents:
        """Intents without the lots that rest in the session."""
        return clip(intents, view.left - self.resting) if self.resting.any() else intents

    def _request(self, states: Ints, view: View, asks: Asks, rng: np.random.Generator) -> None:
        asked = asks.dealers & (asks.lots > 0)[:, None]
        size = asks.lots / self.terms.lots
        side = view.side
        found = request(
            self.panel, self.state, side, size, asked, rng, within=asks.within, hidden=asks.hidden
        )
        paid = np.where(found.traded, found.paid, 0.0)
        self._book(states, view, np.where(found.traded, asks.lots, 0), paid)
        self._move(states, side * (found.ahead + found.hedge))
        if asked.any():
            self.requests.append((self.decision, asks, found))

    def _cross(self, states: Ints, view: View, seconds: float, rng: np.random.Generator) -> None:
        resting = np.minimum(self.resting, view.left - view.live)
        least = self.least / self.terms.lots
        found = cross(self.terms.session, resting / self.terms.lots, least, seconds, rng)
        lots = np.minimum(np.round(found.lots * self.terms.lots).astype(np.int64), resting)
        self._book(states, view, lots, np.zeros(len(lots)))
        # Interest that knows moves the price whether it was met or not, and as much comes on the own side: who rests in
        # the session is met by one of the two alone.
        session = self.terms.session
        rate = session.informed * session.per_hour * seconds / 3600.0
        same = rng.poisson(rate, view.n)
        moved = session.move_bps * (same - found.informed) + found.leak_bps
        self._move(states, view.side * moved / max(self.panel.impact, 1e-12))
        if resting.any():
            self.crosses.append((self.decision, resting, found))

    def _book(self, states: Ints, view: View, lots: Ints, distance: Floats) -> None:
        """Book trades at a distance from mid, bps, in half ticks x lots, rounded against the order."""
        mid2 = states[:, sim.MID2]
        side = view.side
        since = np.asarray(side * (mid2 - states[:, sim.DECISION_MID2]) * lots, np.int64)
        paid = np.ceil(distance * 1e-4 * mid2 * lots - 1e-9).astype(np.int64)
        states[:, sim.SPREAD] += paid
        states[:, sim.TIMING] += side * (mid2 - states[:, sim.ARRIVAL_MID2]) * lots
        states[:, sim.STEP_CASH] += paid + since
        states[:, sim.LEFT] -= lots
        view.left[:] = states[:, sim.LEFT]
        self._mark(states, lots)

    def _mark(self, states: Ints, lots: Ints) -> None:
        points = int(states[0, sim.GRID_POINTS])
        if points:
            passed = states[:, sim.NOW] - states[:, sim.START_NS]
            at = np.clip(passed * (points - 1) // states[:, sim.HORIZON_NS], 0, points - 1)
            rows = np.arange(len(states))
            np.add.at(states, (rows, sim.GRID + points + at), lots)

    def _move(self, states: Ints, units: Floats) -> None:
        """Let others trade in the book, units bought positive: the law of impact moves the price at once."""
        lots = np.round(units * self.terms.lots).astype(np.int64)
        states[:, sim.PENDING] += lots
        states[:, sim.IMPACT_NS] = np.where(lots != 0, states[:, sim.NOW], states[:, sim.IMPACT_NS])
