"""Learners from the weights that ship: an evolution strategy, PPO, fitted Q iteration, one step of policy improvement.

All learn on the earlier days of some symbols and are judged on another. The forecasts of a symbol that they learn on
are by the other symbols' forecaster, as those that they are judged by: on its own days a forecaster is better than it
will be. Every reward is paired: what an order saves on another policy's work of the same order, on the same tape.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar, cast

import numpy as np

from studies.tape.flow import BASE
from tercel.core import NS_PER_SECOND, AnyArray, Bools, Estimate, Float32, Floats, Ints
from tercel.execution import Strategy, observer
from tercel.execution.policies import PolicyPort, PolicyStrategy
from tercel.execution.strategies import build
from tercel.lab.evaluation import Episodes, JobMarket, Plan, batches, markets_of
from tercel.lab.learning import ExecutionVec, Ppo, PpoSettings
from tercel.lab.learning.agent import preset_file, read_config
from tercel.lab.learning.agent.learner import make_learner
from tercel.market.simulator import layout as sim

LABELS = ("take", "inside", "hide")
CHOICES = np.array([(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1)])
"""What can be done at once: take, stand inside, hide; none of it is the rule."""
HALF_SPREAD = 2
"""Entry of the observation that is 0 where something is not known."""
RIDGE = 1e3
RIDGES = (1e1, 1e2, 1e3, 1e4, 1e5)
SLOTS = 64
OFF = np.array([0.0, -0.5, 0.0])
NO_ROOM = 1_000.0
OFTEN = 0.01
"""Of the decisions of an order that is rolled out again, those that are made otherwise."""
BANDS = (-2.0, -1.0, -0.6, -0.3, 0.0, 0.3)
"""Edges of the score of `take` between which its worth is told."""
N_CROSSED = 3 * 28
BLOCK_NS = 10 * NS_PER_SECOND
"""Between two logged choices; each is of one decision."""
EXPLORED = 0.25
"""Of logged choices, at random."""
SWEEPS = 20
CAUTION = 2.0
"""Standard errors that a choice has to be better than the policy's own by."""


Rows = TypeVar("Rows", "Advantages", "Logged")


@dataclass(frozen=True, eq=False)
class Domain:
    """Orders that are learned from: of one symbol under one bound.

    Parameters
    ----------
    market : JobMarket
        Its plan is these orders, each bought and sold.
    start : PolicyStrategy
        Where learning begins, told by a forecaster that did not see the symbol.
    rival : float64 (n, seconds + 1)
        What the rule has paid by each second of an order, bps.
    """

    market: JobMarket
    start: PolicyStrategy
    rival: Floats

    @property
    def unit(self) -> float:
        """What counts as 1 in this symbol: the rule's mean cost, bps."""
        return float(self.rival[:, -1].mean())


def domain(market: JobMarket, start: PolicyStrategy) -> Domain:
    """A domain, what the rule pays in it measured."""
    rule = build(BASE)
    rival = np.zeros((len(market.plan), int(market.task.horizon_s) + 1))
    for rows, markets in begun(market, market.plan, rule):
        while (live := markets.working).any():
            markets.step(rule.decide(markets.view))
            rival[rows, second_of(markets, rival)] += np.where(live, paid(markets), 0.0)
    return Domain(market, start, rival.cumsum(axis=1))


def begun(market: JobMarket, plan: Plan, strategy: Strategy) -> Iterator[tuple[Ints, Episodes]]:
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
        * (markets.terms[:, 0] + markets.terms[:, 1])
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


def chosen(scores: Floats) -> Ints:
    """Which of take, inside and hide scores are, int64 (n, 3); who hides does not stand inside."""
    flags = (scores > 0).astype(np.int64)
    flags[:, 1] &= 1 - flags[:, 2]
    return flags


def crossed(choices: Floats | Ints, phi: Floats) -> Floats:
    """Features of each choice, float64 (n, 3 * 28)."""
    return (choices[:, :, None] * phi[:, None, :]).reshape(
        len(phi), choices.shape[1] * phi.shape[1]
    )


@dataclass(frozen=True, eq=False)
class Choosing:
    """The choice that is better than the policy's own by most, where one is by `caution` standard errors.

    Parameters
    ----------
    own : PolicyPort
    weights : float64 (84,)
        Of the crossed features: what a choice is worth.
    root : float64 (84, 84)
        Of their covariance.
    caution : float
    """

    own: Any
    weights: Floats
    root: Floats
    caution: float

    def __getattr__(self, name: str) -> Any:
        return getattr(self.own, name)

    def act(self, obs: Float32, mask: Any = None) -> Float32:
        """Scores of the choice."""
        scores = np.array(self.own.act(obs, mask))
        known = np.flatnonzero(obs[:, HALF_SPREAD] > 0)
        phi, own = features(obs[known].astype(np.float64)), chosen(scores[known])
        best = np.zeros(len(known))
        for choice in CHOICES:
            row = crossed(choice - own, phi)
            low = row @ self.weights
            if self.caution:
                low -= self.caution * np.sqrt(((row @ self.root) ** 2).sum(axis=1))
            better = low > best
            best[better] = low[better]
            scores[known[better]] = 2.0 * choice - 1.0
        return scores


@dataclass(frozen=True, eq=False)
class Forced:
    """Scores that say what they are told where it is told anything.

    Parameters
    ----------
    own : PolicyPort
    told : int64 (n, 3)
        Choices, below 0 where the policy's own is left.
    """

    own: Any
    told: Ints

    def __getattr__(self, name: str) -> Any:
        return getattr(self.own, name)

    def act(self, obs: Float32, mask: Any = None) -> Float32:
        """Scores."""
        return np.where(self.told < 0, self.own.act(obs, mask), 2.0 * self.told - 1.0).astype(
            np.float32
        )


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


@dataclass(frozen=True, eq=False)
class Advantages:
    """What orders save, some of whose decisions are made otherwise, on the same orders as the policy works them.

    Parameters
    ----------
    changed : float64 (n, 84)
        Crossed features of the changes, added up over the order's decisions.
    bands : float64 (n, len(BANDS) + 1)
        Decisions that take where the policy does not, less those the other way round, by its score of `take`.
    gain : float64 (n,)
        In units of the symbol.
    day : int64 (n,)
    """

    changed: Floats
    bands: Floats
    gain: Floats
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
            markets.foresee(start.forecaster)
            n = markets.n
            changed, bands = np.zeros((n, N_CROSSED)), np.zeros((n, len(BANDS) + 1))
            while (live := markets.working).any():
                obs, told = start.observe(markets.view), np.full((n, len(LABELS)), -1)
                at = np.flatnonzero(live & (obs[:, HALF_SPREAD] > 0) & (rng.random(n) < OFTEN))
                scores = np.asarray(start.policy.act(obs[at]))
                own = chosen(scores)
                told[at] = draw(own, rng)
                changed[at] += crossed(told[at] - own, features(obs[at].astype(np.float64)))
                bands[at, np.digitize(scores[:, 0], BANDS)] += told[at, 0] - own[:, 0]
                forced = replace(start, policy=cast(PolicyPort, Forced(start.policy, told)))
                markets.step(forced.decide(markets.view))
            gain = (usual - worked(markets, start)) / of.unit
            known = np.isfinite(gain)
            day = of.market.plan.cluster[rows[known]]
            found.append(Advantages(changed[known], bands[known], gain[known], day))
    return joined(found)


def one_step(start: PolicyStrategy, seen: Advantages, caution: float) -> Choosing:
    """The policy improved once: what choices are worth, fitted with the ridge that foretells other days best."""
    errors = []
    for ridge in RIDGES:
        error = 0.0
        for fold in range(5):
            out = seen.day % 5 == fold
            weights, _ = least_squares(seen.changed[~out], seen.gain[~out], ridge)
            error += float(((seen.gain[out] - seen.changed[out] @ weights) ** 2).sum())
        errors.append(error)
    ridge = RIDGES[int(np.argmin(errors))]
    return Choosing(start.policy, *least_squares(seen.changed, seen.gain, ridge), caution)


def by_band(seen: Advantages) -> list[Estimate]:
    """What it saves to take once, by the policy's own score of it, % of the rule's cost: least squares, 95 %."""
    found, root = least_squares(seen.bands, 100 * seen.gain, 1.0)
    half = 1.96 * np.linalg.norm(root, axis=1)
    each = zip(found.tolist(), half.tolist(), strict=True)
    return [Estimate(mean, mean - off, mean + off) for mean, off in each]


# -- fitted Q -------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Logged:
    """Blocks of orders, each with a choice as it begins.

    Parameters
    ----------
    obs, later : float64 (n, 6)
        As a block begins, and as the next one does.
    choice : int64 (n, 3)
    gain, to_go : float64 (n,)
        On what the rule paid in the same seconds, of the block and of all from it on, in units of the symbol.
    over : bool (n,)
        No block comes after it.
    day : int64 (n,)
    """

    obs: Floats
    later: Floats
    choice: Ints
    gain: Floats
    to_go: Floats
    over: Bools
    day: Ints


def logged(of: Domain, rng: np.random.Generator) -> Logged:
    """Every order once, by the start; some blocks by a choice at random."""
    start, events, totals = of.start, [], []
    for rows, markets in begun(of.market, of.market.plan, of.start):
        rival, gained = of.rival[rows], np.zeros(len(rows))
        block, told, each = (
            np.full(len(rows), -1),
            np.full((len(rows), 3), -1),
            np.arange(len(rows)),
        )
        while (live := markets.working).any():
            obs, before = start.observe(markets.view), second_of(markets, rival)
            now = (markets.states[:, sim.NOW] - markets.states[:, sim.START_NS]) // BLOCK_NS
            new = np.flatnonzero(live & (now != block))
            own, block[new] = chosen(start.policy.act(obs[new])), now[new]
            free = (rng.random(len(new)) < EXPLORED) & (obs[new, HALF_SPREAD] > 0)
            told[new] = np.where(free[:, None], drawn(own, rng), -1)
            done = np.where(free[:, None], told[new], own)
            events.append((rows[new], obs[new], done, gained[new]))
            markets.step(replace(start, policy=Forced(start.policy, told)).decide(markets.view))
            told[:] = -1
            against = rival[each, second_of(markets, rival)] - rival[each, before]
            gained += np.where(live, (against - paid(markets)) / of.unit, 0.0)
        totals.append(gained)
    order, obs, choice, gained = (np.concatenate(part) for part in zip(*events, strict=True))
    by = np.argsort(order, kind="stable")
    order, choice, gained = order[by], choice[by], gained[by]
    then: Floats = obs[by].astype(np.float64)
    over, total = np.append(order[1:] != order[:-1], True), np.concatenate(totals)[order]
    after = np.where(over, total, np.roll(gained, -1))
    day = of.market.plan.cluster[order]
    return Logged(
        then, np.roll(then, -1, axis=0), choice, after - gained, total - gained, over, day
    )


def fitted_q(start: PolicyStrategy, seen: Logged, ridge: float, clipped: bool) -> Choosing:
    """Fitted Q iteration (Ernst et al. 2005) from what the logged policy earned.

    With `clipped` two fits, of odd and of even days, of which the lower one is believed (Fujimoto et al. 2018), and the
    policy departs from its own choice by :data:`CAUTION` standard errors alone.
    """
    phi, later = features(seen.obs), features(seen.later)
    known = seen.later[:, HALF_SPREAD] > 0
    design = np.concatenate([phi, crossed(seen.choice, phi)], axis=1)
    target, size = seen.to_go, phi.shape[1]
    parts = [seen.day % 2 == 0, seen.day % 2 == 1] if clipped else [np.ones(len(phi), np.bool_)]
    solves = [
        np.linalg.solve(design[at].T @ design[at] + ridge * np.eye(design.shape[1]), design[at].T)
        for at in parts
    ]
    for _ in range(SWEEPS):
        fits = [
            (solve @ target[at]).reshape(4, size) for solve, at in zip(solves, parts, strict=True)
        ]
        values = np.stack(
            [
                np.min([later @ (fit[0] + choice @ fit[1:]) for fit in fits], axis=0)
                for choice in CHOICES
            ]
        )
        best = np.where(known, values.max(axis=0), values[0])
        target = seen.gain + np.where(seen.over, 0.0, best)
    weights, root = least_squares(design, target, ridge)
    return Choosing(start.policy, weights[size:], root[size:], CAUTION if clipped else 0.0)


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
        )  # fmt: skip
        self.of, self.rows = of, np.zeros(n, np.int64)
        self.episodes = Episodes(market.judged, market.task, n, run_out=False, looks_back=True)
        self.episodes.pace(start.gap_ns)

    def _draw(self, seed: int, first: int, n: int) -> Plan:
        rngs = (np.random.default_rng((seed, number)) for number in range(first, first + n))
        self.drawn = np.array([rng.integers(len(self.of.rival)) for rng in rngs])
        return self.of.market.plan.take(self.drawn)

    def reset(self, seed: int) -> Float32:
        """As of any environment; the markets hear forecasts from then on."""
        super().reset(seed)
        self.episodes.foresee(self.of.start.forecaster)
        return self.observer.encode(self.episodes.view)

    def restart(self, which: Ints) -> Float32:
        """As of any environment."""
        found = super().restart(which)
        self.rows[which] = self.drawn
        return found

    def advance(self, actions: AnyArray) -> tuple[Float32, Floats, Bools, dict[str, Any]]:
        """As of any environment, rewards paired."""
        rival, before = self.of.rival, second_of(self.episodes, self.of.rival)
        own = self.of.start.policy.act(self.observer.encode(self.episodes.view))
        obs, _, done, info = super().advance(own + OFF + actions)
        after = second_of(self.episodes, rival)
        against = rival[self.rows, after] - rival[self.rows, before]
        return obs, (against - paid(self.episodes)) / self.of.unit, done, info


class SideBySide:
    """Environments of several domains as one.

    Parameters
    ----------
    parts : sequence of PairedVec
    """

    def __init__(self, parts: Sequence[PairedVec]) -> None:
        self.parts, self.edges = parts, np.cumsum([part.n for part in parts])
        self.n, self.action_size = int(self.edges[-1]), parts[0].action_size
        self.observation_size = parts[0].observation_size

    def reset(self, seed: int) -> Float32:
        """Start all."""
        return np.concatenate([part.reset(seed) for part in self.parts])

    def step(self, actions: Float32) -> tuple[Float32, Floats, Bools, dict[str, Any]]:
        """Act in all."""
        each = zip(self.parts, np.split(actions, self.edges[:-1]), strict=True)
        found = [part.step(some)[:3] for part, some in each]
        obs, reward, done = (np.concatenate([one[k] for one in found]) for k in range(3))
        return obs, reward, done, {}


def ppo(domains: Sequence[Domain], frames: int, seed: int) -> PolicyPort:
    """The package's PPO: a network that begins as nothing, on the start's scores."""
    env = SideBySide([PairedVec(of, SLOTS // len(domains)) for of in domains])
    settings = PpoSettings(
        minibatch=env.n * PpoSettings.steps // 8, distribution="gaussian", anneal_frames=frames, sigma_start=0.3,
        sigma_end=0.1,
    )  # fmt: skip
    learner = Ppo(env, settings, seed)
    while learner.frames < frames:
        learner.update()
    return cast(PolicyPort, Added(domains[0].start.policy, learner.policy()))


@dataclass(frozen=True, eq=False)
class Added:
    """Scores of a policy and what a network adds to them.

    Parameters
    ----------
    own, more : PolicyPort
    """

    own: Any
    more: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.own, name)

    def act(self, obs: Float32, mask: Any = None) -> Float32:
        """Scores."""
        return np.asarray(self.own.act(obs) + OFF + self.more.act(obs), np.float32)


# -- evolution strategy ---------------------------------------------------------------------------


class Arena:
    """Orders on which candidates of an evolution strategy are compared.

    Parameters
    ----------
    domains : sequence of Domain
    """

    entries, labels = observer("costs").entries, LABELS

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

    def weighed(self, costs: Sequence[Floats]) -> Floats:
        """Means over domains, float64 (candidates,)."""
        return np.asarray(np.mean([cost.mean(axis=1) for cost in costs], axis=0))


def evolution(domains: Sequence[Domain], generations: int, seed: int) -> PolicyPort:
    """The package's evolution strategy as the recipe `default` has it."""
    learner = make_learner(read_config(preset_file("default")), Arena(domains), seed)
    for _ in range(generations):
        learner.update()
    return learner.policy()


# -- all of them ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Effort:
    """How much each learner may use.

    Parameters
    ----------
    passes : int
        Times that every order is rolled out with other choices.
    logs : int
        Times that every order is logged.
    frames : int
        Decisions of PPO.
    generations : int
        Of the evolution strategy.
    """

    passes: int = 12
    logs: int = 2
    frames: int = 400_000
    generations: int = 8


ROWS = ("es", "ppo", "fitted_q", "fitted_q_clipped", "one_step", "one_step_cautious")


def learned_by_all(
    domains: Sequence[Domain], effort: Effort, seed: int, step: Callable[[], None] = lambda: None
) -> tuple[dict[str, PolicyPort], Advantages]:
    """The policies of :data:`ROWS`, each from the same start on the same orders, and what other choices saved; `step` is
    called after each learner."""
    start, found = domains[0].start, dict[str, Any]()
    found["es"] = evolution(domains, effort.generations, seed)
    step()
    found["ppo"] = ppo(domains, effort.frames, seed)
    step()
    rng = np.random.default_rng(seed)
    seen = joined([logged(of, rng) for of in domains for _ in range(effort.logs)])
    for name, clipped in (("fitted_q", False), ("fitted_q_clipped", True)):
        found[name] = fitted_q(start, seen, RIDGE, clipped)
    step()
    tried = joined([advantages(of, effort.passes, rng) for of in domains])
    for name, caution in (("one_step", 0.0), ("one_step_cautious", CAUTION)):
        found[name] = one_step(start, tried, caution)
    step()
    return found, tried


def joined(parts: Sequence[Rows]) -> Rows:
    """Rows of several domains."""
    names = [field.name for field in fields(parts[0])]
    table = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return type(parts[0])(**table)
