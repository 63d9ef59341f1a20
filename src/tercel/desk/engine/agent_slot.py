"""An agent of the desk, and its challenger on paper on the same events: evidence for a promotion that a person decides.

Both get the same order on the same growing tape (`execution.driver`): what differs is the strategy alone. The desk's own
aggressions are on that tape as withdrawals, so that paper orders are not filled by the desk itself.

Distribution shift: whether a policy's inputs still look like those it was trained on.

Every observation entry is standardised with the statistics beside the policy's card, and its mean over the last orders
is compared with the card's. Only orders that are over count: within one the time and the lots left run from one end of
their range to the other, so that the mean over a part of an order is far from the card's whatever the market does.
"""

import math
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, inf
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import Floats, Int32, Ints
from tercel.core.errors import ConfigError, OrderError
from tercel.core.orders import M_AGGRESSOR, M_KIND, MarketRows
from tercel.core.removed import REMOVED
from tercel.core.serialization import to_jsonable
from tercel.core.stats.inference import weighted_interval
from tercel.desk.engine.config import OFF, AgentSection
from tercel.desk.engine.forecasts import PACKAGED
from tercel.desk.limits import Limits
from tercel.execution import policies_packaged
from tercel.execution.driver import PaperTrial
from tercel.execution.policies.policy import CARD, read_card, read_observed
from tercel.execution.policies.strategy import hearing, policy_strategy
from tercel.execution.registry.resolve import POLICY, pinned, resolve_policy
from tercel.execution.strategies import MarketEstimates, wrap
from tercel.execution.strategies.event_clock import TAKES, most_share
from tercel.execution.strategy import Strategy, forecaster_of, gap_of
from tercel.market.simulator import layout as sim
from tercel.market.simulator.layout import RUNGS
from tercel.market.tape.schema import EXECUTE, REDUCE

ORDERS: Final = 8
"""Last orders that are looked at."""
FAR_SD: Final = 1.5
"""Mean over them, in the card's standard deviations, beyond which an entry is far."""
FAR_ENTRIES: Final = 3
"""Entries that must be far for the agent to count as drifting."""
LEAST: Final = 40
"""Decisions before a shift is reported."""


class DriftDetector:
    """Tracks means of one policy's observations against its card.

    Parameters
    ----------
    mean, sd : float64 (D,)
        Of each observation entry in training (`observations.json` beside the card).
    names : sequence of str
        Names of the entries.
    """

    def __init__(
        self, mean: NDArray[np.float64], sd: NDArray[np.float64], names: Sequence[str]
    ) -> None:
        self._mean = np.asarray(mean, np.float64)
        self._sd = np.maximum(np.asarray(sd, np.float64), 1e-6)
        self._names = tuple(names)
        self.begin()

    def begin(self) -> None:
        """Reset the statistics: the policy begins to decide now."""
        self._working: dict[str, tuple[Floats, int]] = {}
        self._over: deque[tuple[Floats, int]] = deque(maxlen=ORDERS)

    def update(self, order: str, observation: NDArray[np.floating]) -> None:
        """Add one observation of an order, (D,); entries that are not finite count as far (10 deviations)."""
        scaled = np.clip((np.asarray(observation, np.float64) - self._mean) / self._sd, -10.0, 10.0)
        total, seen = self._working.get(order, (np.zeros(len(self._names)), 0))
        self._working[order] = total + np.where(np.isnan(scaled), 10.0, scaled), seen + 1

    def over(self, order: str) -> None:
        """An order is over: from now on its observations count."""
        if order in self._working:
            self._over.append(self._working.pop(order))

    @property
    def means(self) -> Floats:
        """Mean of each entry over the last orders, in the card's standard deviations, (D,); 0 before :data:`LEAST`."""
        seen = sum(many for _, many in self._over)
        total = (
            np.zeros(len(self._names))
            if seen < LEAST
            else np.sum([one for one, _ in self._over], axis=0)
        )
        return np.asarray(total / max(seen, 1), np.float64)

    @property
    def far(self) -> dict[str, float]:
        """Entries whose mean is far from the card's, in the card's standard deviations."""
        return {
            name: mean
            for name, mean in zip(self._names, self.means.tolist(), strict=True)
            if abs(mean) > FAR_SD
        }

    @property
    def score(self) -> float:
        """Root mean square of the means in the card's standard deviations: about 0 without a shift."""
        return float(np.sqrt(np.mean(self.means**2)))

    @property
    def drifting(self) -> bool:
        """Whether enough entries are far from the card."""
        return len(self.far) >= FAR_ENTRIES


@dataclass
class AgentSlot:
    """One agent's strategies: champion, challenger, drift detector, gains.

    Parameters
    ----------
    name : str
        Its account.
    strategy : Strategy
        The champion, with what it takes of alpha and posture.
    shown : str
        What the strategy is called in tables.
    challenger : Strategy or None
        On paper beside the champion.
    challenger_shown : str
    drift : DriftDetector or None
        Of a policy with a card.
    """

    name: str
    strategy: Strategy
    shown: str
    challenger: Strategy | None = None
    challenger_shown: str = ""
    drift: DriftDetector | None = None
    challenger_drift: DriftDetector | None = None
    """Detector of the challenger's card, in use once the challenger is promoted."""
    drifting: bool = False
    gains_bps: list[float] = field(default_factory=list)
    """Cost saved by the challenger, bps, by trial."""
    elsewhere: dict[str, tuple[Strategy, Strategy | None]] = field(default_factory=dict)
    """Champion and challenger by instrument, where a market's own figures make them others than `strategy`."""

    most_lots: dict[tuple[str, str], float] = field(default_factory=dict)
    """Largest parent that a strategy's card covers, lots a round, by the strategy's name and the instrument."""

    def at(self, instrument: str) -> tuple[Strategy, Strategy | None]:
        """The champion and the challenger in an instrument."""
        return self.elsewhere.get(instrument, (self.strategy, self.challenger))

    def beyond(self, instrument: str, lots: int) -> str:
        """Warning of a parent of more lots a round than the strategy's card is for; "" without one."""
        most = self.most_lots.get((self.shown, instrument), math.inf)
        if lots <= most:
            return ""
        return (
            f"{lots} lots a round, and {self.shown} is for {most:.0f} a round at most: in a thin market what it leaves at the "
            f"horizon is expensive; {TAKES} takes it evenly"
        )

    def must_be(self, champion: str | None, challenger: str | None) -> None:
        """Refuse a promotion requested for other strategies than the current ones; None matches any.

        Raises
        ------
        OrderError
        """
        if champion not in (None, self.shown) or challenger not in (None, self.challenger_shown):
            raise OrderError(
                f"the requested promotion: {challenger} over {champion} of {self.name}",
                f"{self.challenger_shown} over {self.shown} now",
                "ask again",
            )

    def promote(self) -> None:
        """Swap champion and challenger; a second call undoes the first.

        Raises
        ------
        ConfigError
            If the agent has no challenger.
        """
        if self.challenger is None:
            raise ConfigError(
                f"a challenger of {self.name}", "none", "give the agent one in the desk's file"
            )
        self.strategy, self.challenger = self.challenger, self.strategy
        self.shown, self.challenger_shown = self.challenger_shown, self.shown
        self.elsewhere = {
            name: (rival, best)
            for name, (best, rival) in self.elsewhere.items()
            if rival is not None
        }
        self.drift, self.challenger_drift = self.challenger_drift, self.drift
        for detector in filter(None, (self.drift, self.challenger_drift)):
            detector.begin()
        self.gains_bps = []
        self.drifting = False

    def body(self) -> dict[str, Any]:
        """The body of a `agent_assignment` entry (see `trading.journal.kinds`)."""
        evidence = Evidence.of(self.gains_bps)
        state = (
            "drifting"
            if self.drifting
            else "challenged"
            if self.challenger is not None
            else "champion alone"
        )
        figures = {
            "mean_bps": evidence.mean_bps,
            "low_bps": evidence.low_bps,
            "high_bps": evidence.high_bps,
        }
        return {
            "strategy": self.shown,
            "challenger": self.challenger_shown,
            "trials": evidence.trials,
            **to_jsonable(figures),
            "verdict": evidence.verdict if self.challenger is not None else "",
            "state": state,
        }


WAITING: Final = 1024
"""Updates of a market that wait at most."""


def paper_rows(event: MarketRows, own: Collection[int]) -> Ints:
    """Market data as tape rows, int64 (n, 6); executions by the desk's own orders become cancels.

    Parameters
    ----------
    own : collection of int
        The desk's order numbers at the venue.
    """
    rows = event.rows
    tape = rows[
        :, : sim.TAPE_WORDS
    ].copy()  # the words of market data that a tape has come first, in its order
    for row, who in enumerate(rows[:, M_AGGRESSOR].tolist()):
        if who >= 0 and who in own and rows[row, M_KIND] == EXECUTE:
            tape[row, sim.T_KIND] = REDUCE
    return tape


class Challenge:
    """One parent order, simulated on paper with champion and challenger.

    Parameters
    ----------
    book, state : int32[...], int64[...]
        The market at arrival with the order in it (see `execution.driver.PaperTrial`).
    champion, challenger : Strategy
    symbol : str
        The market's.
    """

    def __init__(
        self, book: Int32, state: Ints, champion: Strategy, challenger: Strategy, symbol: str = ""
    ) -> None:
        self._trials = tuple(PaperTrial(book, state, one, symbol) for one in (champion, challenger))
        self._waiting: list[Ints] = []
        self._seen_ns = int(state[sim.NOW])
        self._look()

    def _look(self) -> None:
        self.done = all(trial.done for trial in self._trials)
        """Both are over."""
        self._due_ns = min(trial.due_ns for trial in self._trials)

    def on_market(self, rows: Ints) -> None:
        """Add rows of :func:`paper_rows`; late rows are applied at their arrival."""
        if len(rows) and rows[0, sim.T_NS] < self._seen_ns:
            rows = rows.copy()
            rows[:, sim.T_NS] = np.maximum(rows[:, sim.T_NS], self._seen_ns)
        self._waiting.append(rows)

    def seen(self, ns: int) -> None:
        """All rows up to `ns` are known: run both trials when a decision is due or the buffer is full."""
        self._seen_ns = max(ns, self._seen_ns)
        if self._seen_ns < self._due_ns and len(self._waiting) < WAITING:
            return
        rows = (
            np.concatenate(self._waiting)
            if self._waiting
            else np.zeros((0, sim.TAPE_WORDS), np.int64)
        )
        self._waiting = []
        for trial in self._trials:
            trial.feed(rows, self._seen_ns)
        self._look()

    @property
    def gain_bps(self) -> float:
        """Cost saved by the challenger against the champion's paper trial, bps."""
        return self._trials[0].is_bps - self._trials[1].is_bps


@dataclass(frozen=True)
class Evidence:
    """Paired gain of a challenger over its trials: mean with a 95 % Student interval, bps; NaN below three trials."""

    trials: int
    mean_bps: float
    low_bps: float
    high_bps: float

    @classmethod
    def of(cls, gains_bps: Sequence[float]) -> "Evidence":
        """From the paired gains of finished trials."""
        mean, half = weighted_interval(gains_bps, [1.0] * len(gains_bps))
        if mean is None:
            return cls(0, math.nan, math.nan, math.nan)
        if half is None:
            return cls(len(gains_bps), mean, math.nan, math.nan)
        return cls(len(gains_bps), mean, mean - half, mean + half)

    @property
    def verdict(self) -> str:
        """Text of the comparison: too few to say, better, worse, exactly alike, no significant difference."""
        if self.trials < 3:
            return "too few to say"
        return (
            "better"
            if self.low_bps > 0
            else "worse"
            if self.high_bps < 0
            else "exactly alike"
            if self.low_bps == self.high_bps == 0
            else "no significant difference"
        )

    def __str__(self) -> str:
        """Mean gain, interval and number of trials, for people."""
        if self.trials < 3:
            return f"{self.trials} trials: {self.verdict}"
        between = f"[{self.low_bps:+.2f}, {self.high_bps:+.2f}]"
        return f"{self.mean_bps:+.2f} bps {between} over {self.trials}: {self.verdict}"


# -- agents from a desk's file -------------------------------------------------------------------------------------------
A_DECISION: Final = 2 * (RUNGS + 1)
"""Messages that a decision sends where it moves every place: an order taken back and a new one each."""


def strategy_of(name: str, known: MarketEstimates | None, flow: str = OFF) -> Strategy:
    """The strategy of a name in a desk's file: a rule, `packaged:NAME`, `policy:FOLDER` or `policy:NAME@VERSION`.

    Behind it `+alpha` and `+posture`; where the desk names a forecaster, `flow`, strategies that use one use it.

    Raises
    ------
    UnknownNameError, ConfigError, PolicyError, DataError
        For one that does not exist or does not load, or whose forecaster does not.
    """
    base, *wrappers = name.split("+")
    if base.startswith(POLICY):
        made = wrap(policy_strategy(resolve_policy(base)).knowing(known), wrappers)
    else:
        made = policies_packaged.named(name.removeprefix(PACKAGED), known)
    made = made if flow == OFF else hearing(made, flow)
    forecaster_of(made)  # one that is missing, or of other features, is refused here
    return made


def full_name(agent: AgentSection, strategy: str) -> str:
    """A strategy's name with suffixes of the guidance that it takes; a registry alias is pinned to its version.

    Where the file does not say `alpha`, a strategy that gained nothing by it goes without.
    """
    gains = f"{strategy}+alpha" not in REMOVED["strategies"]
    is_tilted = agent.alpha and (gains or "alpha" in agent.model_fields_set)
    guided = {"+alpha": is_tilted, "+posture": agent.posture}
    return pinned(strategy) + "".join(name for name, taken in guided.items() if taken)


def slot_of(
    agent: AgentSection, known: Mapping[str, MarketEstimates], flow: str = OFF
) -> AgentSlot:
    """The agent slot of a configuration section; `known` holds market estimates by instrument."""
    name = full_name(agent, agent.strategy)
    rival = full_name(agent, agent.challenger) if agent.challenger else ""
    made = {
        market: (
            strategy_of(name, market, flow),
            strategy_of(rival, market, flow) if rival else None,
        )
        for market in dict.fromkeys(known.values())
    }
    first = next(iter(known.values()))
    slot = AgentSlot(
        agent.name, made[first][0], name, made[first][1], rival, detector_of(agent.strategy)
    )
    slot.challenger_drift = detector_of(agent.challenger)
    slot.elsewhere = {
        instrument: made[market] for instrument, market in known.items() if market != first
    }
    for shown in filter(None, (name, rival)):
        if (share := share_of(shown)) < inf:
            slot.most_lots |= {
                (shown, one): share * market.expected_volume for one, market in known.items()
            }
    return slot


def refuse_fast(slot: AgentSlot, limits: Limits) -> None:
    """Refuse an agent on a clock of events that may want more messages than its limits let leave.

    Raises
    ------
    ConfigError
        With what it may want in one window of the limit, for one parent order.
    """
    scope = limits.of_agent(slot.name)
    if scope is None:
        return
    for shown, strategy in ((slot.shown, slot.strategy), (slot.challenger_shown, slot.challenger)):
        if not (gap_ns := gap_of(strategy)):
            continue
        wanted = A_DECISION * max(1, ceil(scope.window_ns / gap_ns))
        if wanted > scope.messages:
            raise ConfigError(
                f"a clock that sends at most {scope.messages} messages in {scope.window_ns / 1e6:g} ms",
                f"agent {slot.name}: {shown} may send {wanted} of one order, a look every {gap_ns / 1e9:g} s",
                f"raise agents.{slot.name}.messages, or name a strategy without a clock of events",
            )


def bare(strategy: str) -> str:
    """Name of a strategy without the prefix `packaged:` and without its suffix, which begins at "+".

    >>> bare("packaged:default+events"), bare("peg_touch")
    ('default', 'peg_touch')
    """
    return strategy.removeprefix(PACKAGED).partition("+")[0]


def policy_folder(strategy: str) -> Path | None:
    """Folder of the policy that a strategy's name names, packaged or not; None for a rule."""
    base = strategy.partition("+")[0]
    if base.startswith(POLICY):
        return resolve_policy(base)
    packaged = policies_packaged.shipped(bare(base))
    return policies_packaged.folder_of(packaged) if packaged in policies_packaged.names() else None


def share_of(strategy: str) -> float:
    """Largest parent a policy's card covers, as a share of the expected volume; infinite for a rule."""
    folder = policy_folder(strategy)
    return inf if folder is None else most_share(read_card(folder / CARD).limits)


def detector_of(strategy: str) -> DriftDetector | None:
    """Drift detector of a policy, from the figures beside its card; None without them (:func:`unwatched`)."""
    folder = policy_folder(strategy)
    if folder is None or not (file := policies_packaged.figures_of(folder)).is_file():
        return None
    seen = read_observed(file)
    return DriftDetector(seen.mean, seen.sd, seen.entries)
