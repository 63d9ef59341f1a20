"""Learners from the weights that ship: an evolution strategy, PPO, fitted Q iteration, one step of policy improvement.

All learn on the earlier days of some symbols and are judged on another. The forecasts of a symbol that they learn on
are by the other symbols' forecaster, as those that they are judged by: on its own days a forecaster is better than it
will be. Every reward is paired: what an order saves on another policy's work of the same order, on the same tape.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, cast

import numpy as np

from studies.tape.flow import ACTIONS, BASE, Around
from tercel.core import NS_PER_SECOND, AnyArray, Bools, Estimate, Float32, Floats, Ints
from tercel.execution import Strategy, observer
from tercel.execution.policies import PolicyPort, PolicyStrategy
from tercel.execution.strategies import build
from tercel.lab.evaluation import BuiltMarket, Episodes, Plan, batches, markets_of
from tercel.lab.learning import (
    ExecutionVec,
    Info,
    Ppo,
    PpoSettings,
    SameStepVectorEnv,
    TrainingTerms,
    observation_size,
)
from tercel.lab.learning.agent import preset_file, read_config
from tercel.lab.learning.agent.learner import make_learner
from tercel.market.simulator import layout as sim

CHOICES = np.array([(0, 0), (1, 0), (0, 1)])
"""What can be done at once: take, let the rule's takes wait; none of it is the rule."""
ENTRIES = observer("costs").entries
WAITING = ENTRIES.index("waiting")
KNOWN = [ENTRIES.index("half_spread"), WAITING]
"""Entries of the observation that are 0 where nothing can be chosen."""
RIDGES = (1e1, 1e2, 1e3, 1e4, 1e5)
"""Among which other days choose."""
RIDGE = 1e3
"""Of fitted Q, whose targets are of its own making."""
SLOTS = (64, 256)
"""Orders at once: of PPO, and of a log."""
NO_ROOM = 1_000.0
"""What an order counts that had no room for its own orders, as in any training."""
N_CROSSED = len(ACTIONS) * 28
OFTEN = 0.01
"""Of the decisions of an order that is rolled out again, those that are made otherwise."""
BANDS = (-2.0, -1.0, -0.6, -0.3, 0.0, 0.3)
"""Edges of the score of `take` between which its worth is told."""
EXPLORED = 0.02
"""Of logged choices, at random."""
SWEEPS = 20
CAUTION = 2.0
"""Standard errors that a choice has to be better than the policy's own by."""


@dataclass(frozen=True, eq=False)
class Domain:
    """Orders that are learned from: of one symbol under one bound.

    Parameters
    ----------
    market : JobMarket
        Its plan is these orders, each bought and sold.
    start : PolicyStrategy
        Where learning begins, told by a forecaster that did not see the symbol.
    """

    market: BuiltMarket
    start: PolicyStrategy

    @cached_property
    def rival(self) -> Floats:
        """What the rule has paid by each second of an order, bps, float64 (n, seconds + 1)."""
        rule, plan = build(BASE), self.market.plan
        table = np.zeros((len(plan), int(self.market.task.horizon_s) + 1))
        for rows, markets in begun(self.market, plan, rule):
            while (live := markets.working).any():
                markets.step(rule.decide(markets.view))
                table[rows, second_of(markets, table)] += np.where(live, paid(markets), 0.0)
        return np.asarray(table.cumsum(axis=1))

    @property
    def unit(self) -> float:
        """What counts as 1 in this symbol: the rule's mean cost, bps."""
        return float(self.rival[:, -1].mean())


def begun(market: BuiltMarket, plan: Plan, strategy: Strategy) -> Iterator[tuple[Ints, Episodes]]:
    """Batches of a plan's markets, each with the numbers of its orders."""
    first = 0
    for part in batches(plan):
        markets = markets_of(strategy, market.judged, market.task, part, 0)
        markets.states[:, sim.RUN_OUT] = 0
        yield np.arange(first, first + len(part)), markets
        first += len(part)


def paid(markets: Episodes) -> Floats:
    """Bps of the order that the last step cost, float64 (n,)."""
    k = markets.states
    return np.asarray(
        1e4
        * (markets.reward_terms[:, 0] + markets.reward_terms[:, 1])
        / (k[:, sim.ARRIVAL_MID2] * k[:, sim.QUANTITY])
    )


def second_of(markets: Episodes, table: Floats) -> Ints:
    """Column of a table by seconds that each order is in; the last one once it is over."""
    k, last = markets.states, table.shape[1] - 1
    passed = (k[:, sim.NOW] - k[:, sim.START_NS]) // NS_PER_SECOND
    return np.asarray(np.where(markets.working, np.clip(passed, 0, last), last), np.int64)


def worked(markets: Episodes, strategy: Strategy) -> Floats:
    """What orders cost that a strategy works to their ends, bps; NaN where there was no room for its own orders."""
    while markets.working.any():
        markets.step(strategy.decide(markets.view))
    costs = markets.costs()
    return np.where(costs.overflow > 0, np.nan, 1e4 * costs.shortfall / costs.denominator)


# -- choices --------------------------------------------------------------------------------------


def features(obs: Floats) -> Floats:
    """1, the entries and their products, float64 (n, 28)."""
    first, second = np.triu_indices(obs.shape[1])
    return np.concatenate([np.ones((len(obs), 1)), obs, obs[:, first] * obs[:, second]], axis=1)


def known(obs: Floats | Float32) -> Bools:
    """Where choices count, bool (n,)."""
    return np.asarray((obs[:, KNOWN] != 0).all(axis=1))


def chosen(scores: Floats) -> Ints:
    """Which of take and wait scores are, int64 (n, 2); who takes does not wait."""
    flags = (scores > 0).astype(np.int64)
    flags[:, 1] &= 1 - flags[:, 0]
    return flags


def crossed(choices: Floats | Ints, phi: Floats) -> Floats:
    """Features of each choice, float64 (n, 2 * 28)."""
    return (choices[:, :, None] * phi[:, None, :]).reshape(
        len(phi), choices.shape[1] * phi.shape[1]
    )


@dataclass(frozen=True, eq=False)
class Choosing(Around):
    """The choice that is better than the policy's own by most at the least, where one is.

    Parameters
    ----------
    weights : float64 (56,)
        Of the crossed features: what a choice is worth.
    off : float64 (56, k)
        Root of a matrix: what a choice is worth may be less by the length of its product with this.
    """

    weights: Floats
    off: Floats

    def act(self, obs: Float32) -> Float32:
        """Scores of the choice."""
        scores = np.array(self.own.act(obs))
        at = np.flatnonzero(known(obs))
        phi, own = features(obs[at].astype(np.float64)), chosen(scores[at])
        best = np.zeros(len(at))
        for choice in CHOICES:
            row = crossed(choice - own, phi)
            low = row @ self.weights - np.linalg.norm(row @ self.off, axis=1)
            better = low > best
            best[better] = low[better]
            scores[at[better]] = 2.0 * choice - 1.0
        return scores


@dataclass(frozen=True, eq=False)
class Forced(Around):
    """Scores that say what they are told where it is told anything.

    Parameters
    ----------
    told : int64 (n, 2)
        Choices, below 0 where the policy's own is left.
    """

    told: Ints

    def act(self, obs: Float32) -> Float32:
        """Scores."""
        return np.where(self.told < 0, self.own.act(obs), 2.0 * self.told - 1.0).astype(np.float32)


def drawn(own: Ints, rng: np.random.Generator) -> Ints:
    """A choice for each row that is not its own."""
    order = rng.random((len(own), len(CHOICES)))
    order[(own[:, None] == CHOICES).all(axis=2)] = -1.0
    return np.asarray(CHOICES[order.argmax(axis=1)], np.int64)


def least_squares(x: Floats, y: Floats, ridge: float) -> tuple[Floats, Floats]:
    """Weights, and a root of their covariance."""
    inverse = np.linalg.inv(x.T @ x + ridge * np.eye(x.shape[1]))
    weights = inverse @ (x.T @ y)
    off = float(np.sqrt(((y - x @ weights) ** 2).sum() / max(len(y), 1)))
    return weights, off * np.linalg.cholesky(inverse)


# -- one step -------------------------------------------------------------------------------------


class Advantages(NamedTuple):
    """What orders save, some of whose decisions are made otherwise, on the same orders as the policy works them."""

    changed: Floats
    """Crossed features of the changes, added up over an order's decisions, float64 (n, 84)."""
    bands: Floats
    """Decisions that take where the policy does not, less those the other way round, by its score of `take`."""
    gain: Floats
    """In units of the symbol, float64 (n,)."""
    day: Ints


def advantages(
    of: Domain, passes: int, rng: np.random.Generator, draw: Callable[..., Ints] = drawn
) -> Advantages:
    """Every order so many times, a few of its decisions by other choices than the policy's, which makes all others."""
    start, found = of.start, []
    for rows, markets in begun(of.market, of.market.plan, of.start):
        arrived = markets.snapshot()
        usual = worked(markets, start)
        for _ in range(passes):
            markets.restore(arrived)
            markets.set_forecaster(start.forecaster)
            n = markets.n
            changed, bands = np.zeros((n, N_CROSSED)), np.zeros((n, len(BANDS) + 1))
            while (live := markets.working).any():
                obs, told = start.observe(markets.view), np.full((n, len(ACTIONS)), -1)
                at = np.flatnonzero(live & known(obs) & (rng.random(n) < OFTEN))
                scores = np.asarray(start.policy.act(obs[at]))
                own = chosen(scores)
                told[at] = draw(own, rng)
                changed[at] += crossed(told[at] - own, features(obs[at].astype(np.float64)))
                bands[at, np.digitize(scores[:, 0], BANDS)] += told[at, 0] - own[:, 0]
                forced = replace(start, policy=cast(PolicyPort, Forced(start.policy, told)))
                markets.step(forced.decide(markets.view))
            gain = (usual - worked(markets, start)) / of.unit
            kept = np.isfinite(gain)
            day = of.market.plan.cluster[rows[kept]]
            found.append(Advantages(changed[kept], bands[kept], gain[kept], day))
    return joined(found)


def one_step(start: PolicyPort, seen: Advantages) -> Choosing:
    """The policy improved once: what choices are worth, fitted with the ridge that foretells other days best.

    By what moves within an order alone: what waiting costs is a number a symbol, and by it two symbols can be told
    anything.
    """
    without = np.ones((1, len(ENTRIES)))
    without[0, WAITING] = 0.0
    moves = crossed(np.ones((1, len(ACTIONS))), features(without))[0] > 0
    x, y, errors = seen.changed[:, moves], seen.gain, []
    for ridge in RIDGES:
        error = 0.0
        for fold in range(5):
            out = seen.day % 5 == fold
            weights, _ = least_squares(x[~out], y[~out], ridge)
            error += float(((y[out] - x[out] @ weights) ** 2).sum())
        errors.append(error)
    weights, root = np.zeros(N_CROSSED), np.zeros((N_CROSSED, int(moves.sum())))
    weights[moves], root[moves] = least_squares(x, y, RIDGES[int(np.argmin(errors))])
    return Choosing(start, weights, CAUTION * root)


def by_band(seen: Advantages) -> list[Estimate]:
    """What it saves to take once, by the policy's own score of it, % of the rule's cost: least squares, 95 %."""
    found, root = least_squares(seen.bands, 100 * seen.gain, 1.0)
    half = 1.96 * np.linalg.norm(root, axis=1)
    each = zip(found.tolist(), half.tolist(), strict=True)
    return [Estimate(mean, mean - off, mean + off) for mean, off in each]


# -- PPO ------------------------------------------------------------------------------------------


class PairedVec(ExecutionVec):
    """Orders of a domain with its forecasts and its clock; rewards are what is saved on the rule in the same seconds.

    Parameters
    ----------
    of : Domain
    n : int
    """

    def __init__(self, of: Domain, n: int) -> None:
        start, market = of.start, of.market
        super().__init__(
            market.judged, market.task, self._draw, n,
            actions="costs", observation="costs", action_parameters=start.action_parameters,
            terms=TrainingTerms(copy=False),
        )  # fmt: skip
        self.of, self.rows = of, np.zeros(n, np.int64)
        self.episodes = Episodes(market.judged, market.task, n, run_out=False, looks_back=True)
        self.episodes.set_gap(start.gap_ns)

    def _draw(self, seed: int, first: int, n: int) -> Plan:
        rngs = (np.random.default_rng((seed, number)) for number in range(first, first + n))
        self.drawn = np.array([rng.integers(len(self.of.rival)) for rng in rngs])
        return self.of.market.plan.take(self.drawn)

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[Float32, Info]:
        """As of any environment; the markets hear forecasts from then on."""
        super().reset(seed=seed)
        self.episodes.set_forecaster(self.of.start.forecaster)
        return self.observer.encode(self.episodes.view), {}

    def restart(self, which: Ints) -> Float32:
        """As of any environment."""
        found = super().restart(which)
        self.rows[which] = self.drawn
        return found

    def advance(self, actions: AnyArray) -> tuple[Float32, Floats, Bools, Bools, Info]:
        """As of any environment, rewards paired."""
        rival, before = self.of.rival, second_of(self.episodes, self.of.rival)
        own = self.of.start.policy.act(self.observer.encode(self.episodes.view))
        obs, _, done, truncated, info = super().advance(own + actions)
        after = second_of(self.episodes, rival)
        against = rival[self.rows, after] - rival[self.rows, before]
        return obs, (against - paid(self.episodes)) / self.of.unit, done, truncated, info


class SideBySide(SameStepVectorEnv):
    """Environments of several domains as one.

    Parameters
    ----------
    parts : sequence of PairedVec
    """

    def __init__(self, parts: Sequence[PairedVec]) -> None:
        self.parts, self.edges = parts, np.cumsum([part.num_envs for part in parts])
        first = parts[0]
        super().__init__(int(self.edges[-1]), observation_size(first), first.single_action_space)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float32, Info]:
        """Start all."""
        return np.concatenate([part.reset(seed=seed)[0] for part in self.parts]), {}

    def step(self, actions: AnyArray) -> tuple[Float32, AnyArray, AnyArray, AnyArray, Info]:
        """Act in all."""
        each = zip(self.parts, np.split(actions, self.edges[:-1]), strict=True)
        found = [part.step(some)[:3] for part, some in each]
        obs, reward, done = (np.concatenate([one[k] for one in found]) for k in range(3))
        return obs, reward, done, self.truncated, {}


def ppo(env: SideBySide, start: PolicyPort, frames: int, seed: int) -> PolicyPort:
    """The package's PPO: a network that begins as nothing, on the start's scores."""
    settings = PpoSettings(
        minibatch=env.num_envs * PpoSettings.steps // 8, distribution="gaussian", anneal_frames=frames, sigma_start=0.3,
        sigma_end=0.1,
    )  # fmt: skip
    learner = Ppo(env, settings, seed)
    while learner.frames < frames:
        learner.update()
    return cast(PolicyPort, Added(start, learner.policy()))


@dataclass(frozen=True, eq=False)
class Added(Around):
    """Scores of a policy and what a network adds to them.

    Parameters
    ----------
    more : PolicyPort
    """

    more: Any

    def act(self, obs: Float32) -> Float32:
        """Scores."""
        return np.asarray(self.own.act(obs) + self.more.act(obs), np.float32)


# -- fitted Q -------------------------------------------------------------------------------------


class Logged(NamedTuple):
    """Decisions, some by a choice at random, of orders that were logged to their ends."""

    obs: Floats
    choice: Ints
    gain: Floats
    later: Floats
    over: Bools
    to_go: Floats


def logged(env: SideBySide, decisions: int, start: PolicyPort, seed: int) -> Logged:
    """So many decisions of a start in an environment, float64 (n, 6), int64 (n, 2) and (n,) each."""
    rng, obs, rows = np.random.default_rng(seed), env.reset(seed=seed)[0], []
    for _ in range(decisions // env.num_envs):
        scores = start.act(obs)
        own = chosen(scores)
        free = (rng.random(env.num_envs) < EXPLORED) & known(obs)
        choice = np.where(free[:, None], drawn(own, rng), own)
        later, gain, over, *_ = env.step(2.0 * choice - 1.0 - scores)
        rows.append((obs.astype(float), choice, gain, later.astype(float), over))
        obs = later
    tables = [np.array(one) for one in zip(*rows, strict=True)]
    gain, over = tables[2], tables[4]
    to_go, ends = gain.copy(), over.copy()
    for at in range(len(gain) - 2, -1, -1):
        to_go[at] += np.where(over[at], 0.0, to_go[at + 1])
        ends[at] |= ends[at + 1]
    return Logged(*(one[ends] for one in (*tables, to_go)))


def fitted_q(start: PolicyPort, seen: Logged) -> Choosing:
    """Fitted Q iteration (Ernst et al. 2005), linear in the crossed features, from what the logged decisions earned."""
    phi, later = features(seen.obs), features(seen.later)
    design, target = np.concatenate([phi, crossed(seen.choice, phi)], axis=1), seen.to_go
    for _ in range(SWEEPS):
        own, *more = least_squares(design, target, RIDGE)[0].reshape(1 + len(ACTIONS), -1)
        values = [later @ (own + choice @ more) for choice in CHOICES]
        best = np.where(known(seen.later), np.max(values, axis=0), values[0])
        target = seen.gain + np.where(seen.over, 0.0, best)
    weights, _ = least_squares(design, target, RIDGE)
    return Choosing(start, weights[-N_CROSSED:], np.zeros((N_CROSSED, 1)))


# -- evolution strategy ---------------------------------------------------------------------------


class Arena:
    """Orders on which candidates of an evolution strategy are compared.

    Parameters
    ----------
    domains : sequence of Domain
    """

    entries, labels = ENTRIES, ACTIONS

    def __init__(self, domains: Sequence[Domain]) -> None:
        self.domains = domains

    def compare(
        self, rows: Sequence[Any], seed: int, first: int, episodes: int
    ) -> tuple[list[Floats], int]:
        """Costs of candidates on the same orders of each domain, float64 (candidates, windows) each; decisions."""
        found, frames = [], 0
        tables = np.concatenate([row.tables for row in rows])
        for number, of in enumerate(self.domains):
            windows = len(of.rival) // 2
            rng, costs = np.random.default_rng((seed, first, number)), []
            drawn = 2 * rng.choice(windows, min(episodes // 2, windows), replace=False)
            orders = np.stack([drawn, drawn + 1], axis=1).ravel()
            plan = of.market.plan.take(np.tile(orders, len(rows)))
            for at, markets in begun(of.market, plan, of.start):
                policy = replace(rows[0], tables=tables[at // len(orders)])
                strategy = replace(of.start, policy=policy)
                while markets.working.any():
                    frames += int(markets.working.sum())
                    markets.step(strategy.decide(markets.view))
                costs.append(worked(markets, strategy) / of.unit)
            each = np.nan_to_num(np.concatenate(costs), nan=NO_ROOM)
            found.append(each.reshape(len(rows), -1, 2).mean(axis=2))
        return found, frames

    def weigh(self, costs: Sequence[Floats]) -> Floats:
        """Means over domains, float64 (candidates,)."""
        return np.asarray(np.mean([cost.mean(axis=1) for cost in costs], axis=0))


def evolution(domains: Sequence[Domain], generations: int, seed: int) -> PolicyPort:
    """The package's evolution strategy as the recipe `default` has it."""
    learner = make_learner(read_config(preset_file("default")), Arena(domains), seed)
    for _ in range(generations):
        learner.update()
    return cast(PolicyPort, learner.policy())


# -- all of them ----------------------------------------------------------------------------------

ROWS = ("es", "ppo", "fitted_q", "one_step")


@dataclass(frozen=True)
class Effort:
    """How much each learner may use.

    Parameters
    ----------
    generations : int
        Of the evolution strategy.
    frames, logged : int
        Decisions of PPO, and those that fitted Q is fitted to.
    passes : int
        Times that every order is rolled out with other choices.
    """

    generations: int = 6
    frames: int = 300_000
    logged: int = 200_000
    passes: int = 10


def learned_by_all(
    domains: Sequence[Domain], effort: Effort, seed: int
) -> tuple[dict[str, PolicyPort], Advantages]:
    """The policies of :data:`ROWS`, each from the same start on the same orders, and what other choices saved."""
    start, rng = domains[0].start.policy, np.random.default_rng(seed)
    several, many = (
        SideBySide([PairedVec(of, slots // len(domains)) for of in domains]) for slots in SLOTS
    )
    seen = logged(many, effort.logged, start, seed)
    tried = joined([advantages(of, effort.passes, rng) for of in domains])
    found: Sequence[Any] = (
        evolution(domains, effort.generations, seed),
        ppo(several, start, effort.frames, seed),
        fitted_q(start, seen),
        one_step(start, tried),
    )
    return dict(zip(ROWS, found, strict=True)), tried


def joined(parts: Sequence[Advantages]) -> Advantages:
    """Orders of several domains."""
    return Advantages(*(np.concatenate(part) for part in zip(*parts, strict=True)))
