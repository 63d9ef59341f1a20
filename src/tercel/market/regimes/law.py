"""Laws that switch regimes: a Markov chain or a script, and a season by the time of day.

The chain goes in continuous time: in state i it waits an exponential time of mean 1 / sum_j rates[i][j] and goes to j
with probability in proportion to rates[i][j]. Its stream is seeded by an episode's (seed, index) alone, so all
strategies, and the counterfactual market without orders, meet the same regimes at the same times; no trade changes
them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from tercel.core.errors import ConfigError
from tercel.core.jit import Floats
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.flow.port import Preset
from tercel.market.regimes import switching as lay
from tercel.market.regimes.named import PLAIN, Factors, OwnRegimes, Regime, regime
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import Source

LONGEST_S: Final = 1e7
ORIGINS: Final = {"arrival": lay.ARRIVAL, "session": lay.SESSION}


@dataclass(frozen=True)
class RegimeChain:
    """A continuous-time Markov chain over regimes.

    Parameters
    ----------
    states : sequence of str
        Names of regimes, each once.
    rates : sequence of sequences of float
        Jumps a second from state i (row) to j; the diagonal is 0.
    first : sequence of float, optional
        Chances of the state that an episode's warm-up begins in; the stationary law where none are given.
    own_regimes : mapping of str to Regime
        Regimes beside the named ones.
    """

    states: Sequence[str]
    rates: Sequence[Sequence[float]]
    first: Sequence[float] | None = None
    own_regimes: OwnRegimes = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise ConfigError unless states, rates and start make a chain."""
        n = len(self.states)
        rates = _matrix(self.rates)
        for name in self.states:
            regime(name, self.own_regimes)
        if not n or len(set(self.states)) < n:
            raise ConfigError(
                "a chain over regimes, each once", f"{list(self.states)}", "name each state once"
            )
        if (
            rates.shape != (n, n)
            or not np.isfinite(rates).all()
            or (rates < 0).any()
            or rates.diagonal().any()
        ):
            raise ConfigError(
                f"rates of a chain as {n} rows of {n} numbers from 0 on, the diagonal 0",
                f"shape {rates.shape}: {rates.tolist()}",
                "rates[i][j] is how often a second i goes to j",
            )
        if self.first is not None:
            chances = np.asarray(self.first, np.float64)
            if chances.shape != (n,) or (chances < 0).any() or abs(chances.sum() - 1) > 1e-9:
                raise ConfigError(
                    f"{n} chances that add up to 1", f"{list(self.first)}", "leave `first` out"
                )

    @property
    def regimes(self) -> tuple[Regime, ...]:
        """States of the chain."""
        return tuple(regime(name, self.own_regimes) for name in self.states)

    @property
    def stationary(self) -> Floats:
        """Stationary distribution, float64 (n,).

        Raises
        ------
        ConfigError
            When they depend on where the chain begins.

        >>> RegimeChain(("plain", "thin"), ((0, 0.001), (0.003, 0))).stationary
        array([0.75, 0.25])
        """
        n = len(self.states)
        rates = _matrix(self.rates)
        generator = rates - np.diag(rates.sum(axis=1))
        system = np.vstack([generator.T / max(rates.max(), 1e-300), np.ones(n)])
        solution, _, rank, _ = np.linalg.lstsq(system, np.append(np.zeros(n), 1.0), rcond=1e-12)
        if rank < n:
            raise ConfigError(
                "a chain with one stationary law", "states that never meet", "give `first`"
            )
        return np.asarray(np.abs(np.round(solution, 15)), np.float64)

    @property
    def packed_values(self) -> Floats:
        """The chain's part of a packed law, float64: law of the first state (K), then rates by rows (K x K, the diagonal 0)."""
        first = self.stationary if self.first is None else np.asarray(self.first, np.float64)
        return np.concatenate([first, _matrix(self.rates).ravel()])


@dataclass(frozen=True)
class RegimeScript:
    """Regimes at given times; before the first entry the market is plain.

    A regime that passes (its last phase has a beginning) gives way, when it is over, to the one before it.

    Parameters
    ----------
    entries : sequence of (seconds, name)
        In order of time; times before the arrival or the session fall into the warm-up, and what was to begin before
        it begins with it.
    since : {"arrival", "session"}
        Origin of the seconds.
    own_regimes : mapping of str to Regime
        Regimes beside the named ones.
    """

    entries: Sequence[tuple[float, str]]
    since: str = "arrival"
    own_regimes: OwnRegimes = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise ConfigError unless the entries make a script."""
        times = [seconds for seconds, _ in self.entries]
        for _, name in self.entries:
            regime(name, self.own_regimes)
        bad = (
            not times or any(not abs(t) <= LONGEST_S for t in times) or times != sorted(set(times))
        )
        if bad or self.since not in ORIGINS:
            raise ConfigError(
                "a script of (seconds, regime) in order of time, since arrival or session",
                f"times {times} since {self.since!r}",
                'such as RegimeScript([(300, "thin"), (900, "plain")])',
            )

    @property
    def regimes(self) -> tuple[Regime, ...]:
        """Regimes of the script, plain first."""
        names = dict.fromkeys([PLAIN.name, *(name for _, name in self.entries)])
        return tuple(regime(name, self.own_regimes) for name in names)

    @property
    def timeline(self) -> tuple[tuple[float, str], ...]:
        """Entries in time order, with what follows a regime that ends by itself."""
        timeline: list[tuple[float, str]] = []
        ends = [seconds for seconds, _ in self.entries[1:]] + [float("inf")]
        last_steady = PLAIN.name
        for (seconds, name), end in zip(self.entries, ends, strict=True):
            timeline.append((seconds, name))
            passes = regime(name, self.own_regimes).passes_s
            if passes == 0.0:
                last_steady = name
            elif seconds + passes < end:
                timeline.append((seconds + passes, last_steady))
        return tuple(timeline)

    @property
    def packed_values(self) -> Floats:
        """The script's part of a packed law, float64: of each entry of `timeline` its time, ns, and its state's number."""
        number = {state.name: i for i, state in enumerate(self.regimes)}
        return np.array(
            [(round(s * NS_PER_SECOND), number[name]) for s, name in self.timeline], np.float64
        ).ravel()


Law = RegimeChain | RegimeScript


@dataclass(frozen=True)
class Season:
    """Factors on the pace by time of day, common to all intensities.

    Parameters
    ----------
    factors : tuple of float
        One for each step of the session; after the last it stays in force.
    step_s : float
        Length of a step, seconds.
    arrival_s : float or None
        Time of day at which every episode arrives, seconds after the opening; None: drawn for each, evenly over the
        day up to a horizon before its end.

    Raises
    ------
    ConfigError
    """

    factors: tuple[float, ...]
    step_s: float = 1800.0
    arrival_s: float | None = None

    def __post_init__(self) -> None:
        """Raise ConfigError unless factors, step and arrival make a season."""
        for factor in self.factors:
            Factors(pace=factor)
        late = self.arrival_s is not None and not 0 <= self.arrival_s <= LONGEST_S
        if not self.factors or not 0 < self.step_s <= LONGEST_S or late:
            raise ConfigError(
                "a season of factors, a step in seconds and a time of day from 0 on",
                f"{self.factors}, {self.step_s}, {self.arrival_s}",
                "see Season.of",
            )

    @classmethod
    def of(cls, preset: Preset, arrival_s: float | None = None) -> "Season":
        """The season of a preset: its volume curve over half hours, of mean 1 over the day.

        Raises
        ------
        ConfigError
            A preset whose curve is empty somewhere.
        """
        curve = np.asarray(preset.volume_curve, np.float64)
        if not (curve > 0).all():
            raise ConfigError(
                "a volume curve above 0", f"{preset.name}: {curve.tolist()}", "use another preset"
            )
        return cls(tuple((curve / curve.mean()).tolist()), arrival_s=arrival_s)


def pack_law(law: Law | None, season: Season | None) -> Floats:
    """A law in the kernel's layout (`regimes.switching`), float64 (p,); without one the market stays plain."""
    if law is None:
        law = RegimeScript([(-LONGEST_S, PLAIN.name)])
    regimes = law.regimes
    phases = [phase for state in regimes for phase in state.phases]
    first = np.cumsum([0] + [len(state.phases) for state in regimes])
    head = np.zeros(lay.HEAD)
    head[lay.STATES] = len(regimes)
    head[lay.PHASES] = len(phases)
    head[lay.LAW] = lay.CHAIN if isinstance(law, RegimeChain) else lay.SCRIPT
    if isinstance(law, RegimeScript):
        head[lay.ENTRIES] = len(law.timeline)
        head[lay.FROM] = ORIGINS[law.since]
    head[lay.SEASON_START_NS] = lay.AS_IT_IS
    if season is not None:
        head[lay.SEASON_STEPS] = len(season.factors)
        head[lay.SEASON_STEP_NS] = round(season.step_s * NS_PER_SECOND)
        start = season.arrival_s
        head[lay.SEASON_START_NS] = lay.DRAWN if start is None else round(start * NS_PER_SECOND)
    rows = [(round(phase.seconds * NS_PER_SECOND), *phase.factors.values) for phase in phases]
    times = () if season is None else season.factors
    return np.concatenate([head, first, np.ravel(rows), law.packed_values, times]).astype(
        np.float64
    )


def with_regimes(source: Source, law: Law | None, season: Season | None = None) -> Source:
    """The same market with regimes that switch within each episode, replacing any it had.

    Raises
    ------
    ConfigError
        A market without a flow of its own: a tape's regimes are its own.
    """
    if source.model in (sim.REPLAY, sim.MARTINGALE):
        raise ConfigError(
            "a reactive market", source.name, "name a preset: a tape has the regimes that it had"
        )
    return replace(
        source,
        flow=lay.with_law(source.flow, pack_law(law, season)),
        regimes=("none", *names_of(law)),
    )


def names_of(law: Law | None) -> tuple[str, ...]:
    """Names of a law's regimes, in the order of their numbers from 1 on."""
    return tuple(state.name for state in (law.regimes if law is not None else (PLAIN,)))


def _matrix(rates: Sequence[Sequence[float]]) -> Floats:
    """Rates as a float64 matrix; ConfigError if they are no rows of numbers."""
    try:
        return np.asarray(rates, np.float64).reshape(len(rates), -1)
    except (TypeError, ValueError) as error:
        raise ConfigError("rates as rows of numbers", f"{rates}", "one row per state") from error
