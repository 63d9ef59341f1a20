"""Learner by an evolution strategy: candidates of a linear policy are compared on the same episodes.

The cost of a decision is known only at an episode's end, beside noise that is a hundred times as large. A learner that
perturbs single decisions has to average that noise away. Candidates that trade on the same streams share it: their
difference is mostly what they do. So whole policies are perturbed here (Salimans et al. 2017, "Evolution strategies as
a scalable alternative to reinforcement learning"), by CMA-ES with variances alone (`evaluation.cma`), in the weights of
a linear policy, which in control tasks is often enough (Mania, Guy and Recht 2018, "Simple random search of static
linear policies is competitive for reinforcement learning").

Observations are centred and scaled by what the base shows on the first episodes, and cut at `clip` widths.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from tercel.core.arrays import Float32, Floats, Ints
from tercel.core.errors import check_known, refuse_if
from tercel.core.stored_attributes import Stored
from tercel.execution.policies.mlp import Greedy, Head, MlpPolicy
from tercel.lab.learning.port import Metrics, State
from tercel.lab.tuning.cma import CmaEs

# An entry that scatters less than this says nothing.
FLAT = 1e-6


@dataclass(frozen=True)
class EvolutionSettings:
    """Settings of :class:`Evolution`.

    Parameters
    ----------
    population : int
        Candidates of a generation.
    episodes : int
        Episodes of every market that each candidate is tried on.
    step : float
        Standard deviation of the first weights; of the constants twice that.
    sigma_start, sigma_end : float
        Steps are at most so many times as long, at the beginning and at the end.
    entries : tuple of str
        Entries of the observation that have weights; none: all.
    cut : float
        Largest excess cost of a candidate in one market over the others that counts, in the reward's units.
    clip : float
        Entries are cut at so many widths from their centres.
    keep : float
        Share of the weights found that the policy has. Half of them keeps three quarters of a gain that is a parabola,
        and goes half as far in a market that was not trained in.
    anneal_frames : int
        Frames over which steps become shorter.
    start : mapping
        Action -> entry, or ``constant`` -> weight: where the search begins, on observations as they are; none: zeros, on
        observations centred and scaled by what the base shows.

    Raises
    ------
    ConfigError
        A number that will not do.
    """

    population: int = 16
    episodes: int = 16
    step: float = 0.08
    sigma_start: float = 0.75
    sigma_end: float = 0.15
    entries: tuple[str, ...] = ()
    cut: float = 8.0
    clip: float = 3.0
    keep: float = 1.0
    anneal_frames: int = 1_000_000
    start: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise ConfigError for numbers out of range."""
        for name, least in (("population", 4), ("episodes", 2), ("anneal_frames", 1)):
            value = getattr(self, name)
            refuse_if(
                value < least or (name == "episodes" and value % 2),
                f"{name} from {least}, episodes even",
                f"{name} = {value}",
                "such as 16",
            )
        for name in ("step", "sigma_start", "sigma_end", "cut", "clip"):
            refuse_if(
                not 0.0 < getattr(self, name) < np.inf,
                f"{name} above 0",
                f"{name} = {getattr(self, name)}",
                "such as 0.5",
            )
        refuse_if(
            not 0.0 < self.keep <= 1.0,
            "keep above 0, at most 1",
            f"keep = {self.keep}",
            "such as 0.5",
        )


@dataclass(eq=False)
class Population(Greedy):
    """Candidates of a linear policy, each acting in rows of its own.

    Parameters
    ----------
    tables : float64 (n, A, 1 + E)
        Of every row: constants, then weights of the entries seen.
    seen : int64 (E,)
        Which entries.
    mean, scale : float64 (D,)
    clip : float
    """

    tables: Floats
    seen: Ints
    mean: Floats
    scale: Floats
    clip: float
    head: Head = "vector"

    @property
    def n_actions(self) -> int:
        """Length of an action vector."""
        return int(self.tables.shape[1])

    @property
    def observation_size(self) -> int:
        """Length of an observation."""
        return len(self.mean)

    def logits(self, obs: Float32) -> Float32:
        """Action vectors, float32 (n, A), each row by its own table of weights."""
        z = np.clip((obs - self.mean) * self.scale, -self.clip, self.clip)[:, self.seen]
        actions = np.matmul(self.tables[:, :, 1:], z[:, :, None])[:, :, 0] + self.tables[:, :, 0]
        return np.asarray(actions, np.float32)


class ComparisonArena(Protocol):
    """Protocol of the environment in which candidates are compared on the same episodes."""

    entries: tuple[str, ...]
    labels: tuple[str, ...]

    def observe(self, policy: Population, seed: int, episodes: int) -> Float32:
        """Observations of a one-row policy on the first episodes, float32 (n, D)."""

    def compare(
        self, rows: Sequence[Population], seed: int, first: int, episodes: int
    ) -> tuple[list[Floats], int]:
        """Costs of one-row policies on the same episodes, (policies, n) by market, and the number of decisions taken."""

    def weigh(self, costs: Sequence[Floats]) -> Floats:
        """Mean cost of each policy over its costs in all markets, float64 (policies,)."""


class Evolution(Stored):
    """Learner by an evolution strategy: CMA-ES over the weights of a linear policy.

    Parameters
    ----------
    arena : Comparing
    settings : EvolutionSettings
    seed : int
    """

    name = "es"
    stored = ("_frames", "mean", "scale")

    def __init__(self, arena: ComparisonArena, settings: EvolutionSettings, seed: int) -> None:
        """Start the search; without `settings.start`, observations are scaled by those of the start policy in the arena."""
        for name in settings.entries:
            check_known(name, arena.entries, received=f"entry {name!r} of the observation")
        self.arena = arena
        self.settings = settings
        self.seed = seed
        entries = settings.entries or arena.entries
        self.seen = np.array([arena.entries.index(name) for name in entries])
        self.mean = np.zeros(len(arena.entries))
        self.scale = np.ones(len(arena.entries))
        shape = len(arena.labels), 1 + len(entries)
        steps = np.full(shape, settings.step)
        self.start = np.zeros(shape)
        steps[:, 0] *= 2
        columns = ("constant", *entries)
        for action, weights in settings.start.items():
            check_known(action, arena.labels, received=f"action {action!r} of learner.start")
            for name, weight in weights.items():
                check_known(name, columns, received=f"entry {name!r} of learner.start")
                self.start[arena.labels.index(action), columns.index(name)] = weight
        self.search = CmaEs(
            self.start.ravel(),
            steps.ravel(),
            np.random.default_rng((seed, 2)),
            settings.population,
            diagonal=True,
        )
        self._shape = shape
        self._frames = 0
        if settings.start:
            return
        obs = arena.observe(self._population(self.search.mean), seed, settings.episodes)
        spread = obs.std(axis=0, dtype=np.float64)
        self.mean = obs.mean(axis=0, dtype=np.float64)
        self.scale = np.where(spread > FLAT, 1.0 / np.maximum(spread, FLAT), 0.0)

    @property
    def frames(self) -> int:
        """Decisions of all candidates so far."""
        return self._frames

    def update(self) -> Metrics:
        """Run one generation: draw candidates, compare them on the same episodes, move the search; returns metrics."""
        settings = self.settings
        search = self.search
        progress = min(self._frames / settings.anneal_frames, 1.0)
        max_sigma = settings.sigma_start * (settings.sigma_end / settings.sigma_start) ** progress
        search.sigma = min(search.sigma, max_sigma)
        candidates = search.ask()
        first = search.generation * settings.episodes
        costs, frames = self.arena.compare(
            [self._population(row) for row in candidates], self.seed, first, settings.episodes
        )
        clipped = [np.clip(cost - cost.mean(axis=0), -settings.cut, settings.cut) for cost in costs]
        values = self.arena.weigh(clipped)
        search.tell(candidates, values)
        self._frames += frames
        return {
            "frames": float(self._frames),
            "return_mean": -float(self.arena.weigh(costs).mean()),
            "spread": float(values.std()),
            "sigma": float(search.sigma),
            "weights": float(np.abs(search.mean).mean()),
        }

    def _population(self, numbers: Floats) -> Population:
        """Population of one row from a vector of weights."""
        table = np.asarray(numbers, np.float64).reshape(1, *self._shape)
        return Population(table, self.seen, self.mean, self.scale, self.settings.clip)

    def policy(self) -> MlpPolicy:
        """Policy at the share `keep` of the way from the start to the mean of the search, as a network of one layer."""
        middle = self.search.mean.reshape(self._shape)
        table = self.start + self.settings.keep * (middle - self.start)
        weight = np.zeros((len(self.mean), self._shape[0]), np.float32)
        weight[self.seen] = table[:, 1:].T
        return MlpPolicy(
            ((weight, table[:, 0].astype(np.float32)),),
            self.mean.astype(np.float32),
            self.scale.astype(np.float32),
            self.settings.clip,
            head="vector",
        )

    def state(self) -> State:
        """State that the next generation depends on."""
        return super().state() | {"search": self.search.state()}

    def restore(self, state: State) -> None:
        """Restore the learner from `state`, bit-identically."""
        super().restore(state)
        self.search.restore(state["search"])
