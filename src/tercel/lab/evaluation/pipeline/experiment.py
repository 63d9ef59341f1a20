"""Experiments: definition of an evaluation (candidates, scenarios, analyses), its runs and its result."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from tercel.core.errors import UnknownNameError
from tercel.core.progress import say
from tercel.execution.market import Market
from tercel.execution.orders import Order
from tercel.execution.strategies.guarded import Guarded
from tercel.execution.task import Task
from tercel.lab.evaluation.assumptions import changed_scenarios, examined
from tercel.lab.evaluation.claims import RANDOM
from tercel.lab.evaluation.market import cached_market, count_validation_episodes
from tercel.lab.evaluation.market_notes import describe_judged_orders
from tercel.lab.evaluation.pipeline.ablation import ablation_savings, members_to_ablate
from tercel.lab.evaluation.pipeline.analyses import analyse
from tercel.lab.evaluation.pipeline.candidates import Candidate, policies_of, refuse_same_names
from tercel.lab.evaluation.pipeline.card_limits import limit_notes, size_notes, untrained_notes
from tercel.lab.evaluation.pipeline.cost_store import ORDERS_KEY, CostStore, join_scenarios
from tercel.lab.evaluation.pipeline.jobs import episode_count
from tercel.lab.evaluation.pipeline.leaks import judged_days, refuse_leaks
from tercel.lab.evaluation.pipeline.overflow import without_overflow
from tercel.lab.evaluation.pipeline.participants import Participants, members_of
from tercel.lab.evaluation.pipeline.result import Result
from tercel.lab.evaluation.pipeline.scenario_costs import (
    JobRunner,
    ScenarioCosts,
    Work,
    run_jobs,
)
from tercel.lab.evaluation.risk_statistics import FROZEN
from tercel.lab.evaluation.sample_size import SampleSize, sample_size
from tercel.lab.evaluation.scenario import PLAIN, Scenario, scenarios_of_orders, write_regime_script
from tercel.market.regimes.named import NAMED
from tercel.market.simulator.bounds import bounds_of

EACH = "each"
SHARES = (0.02, 0.05, 0.1, 0.2)
SENSITIVITY_RULES = (*FROZEN, "vwap_take", "vwap_passive", "peg_behind", "score_rule")
"""Rules of the sensitivity and adaptation tests, besides the best one."""
REGIME = "regime"
BOUND = "bound"
"""Groups of judged scenarios, besides the markets as they are (`PLAIN`)."""
ByScenario = dict[str, ScenarioCosts]
"""Name of a market, regime, fill bound or condition -> the costs there."""


@dataclass(frozen=True)
class Experiment:
    """Definition of an evaluation: candidates, scenarios, and further analyses.

    Parameters
    ----------
    scenarios : dict of name to Scenario
        The first is the one whose table is printed.
    participants : Participants
        Policies and rules, and which policies are judged in which scenario.
    each_regime : bool
        Whether simulated markets are judged once more in each named regime.
    sensitivity, adaptation : bool
        Whether other order sizes, and regimes that begin half-way, are judged too.
    trained_for : dict of regime to list of Candidate
        Policies trained in that regime, training seeds of one recipe.
    runner : callable or None
        Runs episodes on other machines (`studies.ray.on_cluster`).
    in_process : bool
        Whether everything runs in this process, without messages.
    validation_episodes : int
        Episodes at most on which the best rule is chosen.
    allow_seen_days : bool
        Whether policies are judged on days that they learned from, which the notes then say.
    assumptions : tuple of str or None
        Those that are changed one at a time (`assumptions.ASSUMPTIONS`); None: all from `assumptions.MIN_ORDERS` orders on.
    apart : bool
        Whether the one policy, family or strategy is ablated in the first market, part by part.

    Raises
    ------
    ConfigError
        Two candidates of one name, a user's strategy with a built-in name, an ablation of several rows.
    """

    scenarios: dict[str, Scenario]
    participants: Participants
    each_regime: bool = False
    sensitivity: bool = False
    adaptation: bool = False
    trained_for: dict[str, list[Candidate]] = field(default_factory=dict)
    runner: JobRunner | None = None
    in_process: bool = False
    validation_episodes: int = 1_000
    allow_seen_days: bool = False
    assumptions: tuple[str, ...] | None = None
    apart: bool = False

    def __post_init__(self) -> None:
        """Raise ConfigError for two candidates of one name, and for an ablation of several rows, or of none."""
        refuse_same_names([*self.participants.policies, *self.participants.baselines])
        if self.apart:
            members_to_ablate(self.participants)

    @property
    def main(self) -> Scenario:
        """The first scenario, whose table is printed."""
        return next(iter(self.scenarios.values()))

    def run(self, out_dir: Path) -> Result:
        """Run all candidates on the same episodes and judge them; finished jobs are kept in the folder `out_dir`.

        Notes are printed on stderr, unless everything runs in this process.

        Raises
        ------
        ConfigError, PolicyError, UnknownNameError
            A policy was trained on evaluated days, or a candidate cannot be run; before anything is.
        """
        for candidate in (
            *self.participants.policies,
            *self.participants.baselines,
            *self._specialists,
        ):
            candidate.check()
        notes = self.notes()
        self._say(*notes)
        out_dir.mkdir(parents=True, exist_ok=True)
        cached_market.cache_clear()  # a lake may have grown since
        validations = self._run_validation(out_dir)
        sample = self._sample_size(next(iter(validations.values())))
        self._say(
            "how many episodes 1 bps needs is not known: too little was tried"
            if sample is None
            else sample.words
        )
        costs = self._run_jobs(self._judged_work(), out_dir)
        store = CostStore(
            self.participants.policies,
            self.participants.baselines,
            self.participants.recipes,
            validations,
            {name: costs[PLAIN, name, PLAIN] for name in self.scenarios},
            self._select_costs(costs, REGIME),
            self.main.seeds,
            list(notes),
            bounds=self._join_bounds(self._select_costs(costs, BOUND)),
            sample_size=sample,
        )
        store = without_overflow(store)
        store = replace(store, assumptions=self._run_assumptions(store, out_dir))
        store = self._run_analyses(without_overflow(store), out_dir)
        self._say(*store.notes[len(notes) :])
        return Result(analyse(store), store)

    def notes(self) -> list[str]:
        """Notes on card limits, order sizes and seen days before the runs; raises if a policy saw judged days.

        Raises
        ------
        ConfigError
            With the first day that a policy has seen.
        """
        participants = self.participants
        notes = [
            *participants.notes,
            *limit_notes(participants.teams, self.scenarios),
            *size_notes(participants.policies, participants.baselines, self.scenarios),
            *untrained_notes(self.trained_for),
        ]
        for policy in participants.policies:
            if policy.is_learned and (card := policy.card).is_start:
                notes.append(f"Nothing was learned: {policy.key} is what its training began with.")
                notes += [f"{policy.key}: {card.selection_text}"] if card.selection_text else []
        forecasting = [rule for rule in participants.baselines if rule.forecaster is not None]
        for name, scenario in self.scenarios.items():
            candidates = [*participants.teams[name], *self._specialists, *forecasting]
            notes += refuse_leaks(candidates, [scenario], allowed=self.allow_seen_days)
        return notes

    @property
    def _specialists(self) -> list[Candidate]:
        """Policies trained in a regime."""
        return [policy for row in self.trained_for.values() for policy in row]

    def _say(self, *lines: str) -> None:
        """Print lines on stderr, unless everything runs in this process."""
        for line in () if self.in_process else lines:
            say(line)

    @property
    def _run_jobs(self) -> "partial[dict[Any, ScenarioCosts]]":
        """Function that runs missing jobs where the experiment runs them, and reads their costs (:func:`run_jobs`)."""
        return partial(run_jobs, runner=self.runner, in_process=self.in_process)

    def _sample_size(self, validation: ScenarioCosts) -> SampleSize | None:
        """Sample size that 1 bps needs, from the rules' costs on validation episodes; None if too few were run."""
        judged = list(self.scenarios.values()) if self.main.orders else [self.main]
        episodes = sum(map(episode_count, judged))
        days = {
            day
            for scenario in judged
            if scenario.market.on_tape
            for day in judged_days(scenario).days
        }
        return sample_size(
            validation.costs, episodes, round(episodes / len(days), 1) if days else 0.0
        )

    def _judged_work(self) -> dict[tuple[str, str, str], Work]:
        """Scenarios to judge in, with their candidates, by group, market and key: every market as it is, in each of its
        regimes, and under the other fill bounds.
        """
        by_regime = self._scenarios_by_regime()
        by_bound = self._scenarios_by_bound()
        return {
            (group, name, key): (
                scenario,
                self.participants.candidates(name),
                group == PLAIN,
            )
            for name, judged in self.scenarios.items()
            for group, row in (
                (PLAIN, {PLAIN: judged}),
                (REGIME, by_regime[name]),
                (BOUND, by_bound[name]),
            )
            for key, scenario in row.items()
        }

    def _select_costs(
        self, costs: Mapping[tuple[str, str, str], ScenarioCosts], group: str
    ) -> dict[str, ByScenario]:
        """Costs of one group of scenarios, by market and key."""
        return {
            name: {
                key: costs[of, name, key]
                for of, place, key in costs
                if (of, place) == (group, name)
            }
            for name in self.scenarios
        }

    def _join_bounds(self, by_market: Mapping[str, ByScenario]) -> ByScenario:
        """Costs under the other fill bounds in the first market, or over all listed orders, by bound."""
        rows = list(by_market.values()) if self.main.orders else list(by_market.values())[:1]
        return {
            bound: join_scenarios([row[bound] for row in rows])
            for bound in rows[0]
            if all(bound in row for row in rows)
        }

    def _run_analyses(self, store: CostStore, out_dir: Path) -> CostStore:
        """The store with what the further analyses need: an ablation, other conditions, regimes that begin half-way;
        listed orders are joined into one market.
        """
        if self.apart:
            members = members_to_ablate(self.participants)
            savings = ablation_savings(members, store.main, out_dir, self._run_jobs)
            store = replace(store, apart=savings)
        if self.main.orders:
            return replace(
                store, markets={ORDERS_KEY: join_scenarios(list(store.markets.values()))}
            )
        if not (self.sensitivity or self.adaptation):
            return store
        tested = {*SENSITIVITY_RULES, store.best}
        candidates = [
            *self.participants.teams[next(iter(self.scenarios))],
            *(rule for rule in store.baselines if rule.key in tested),
        ]
        trained_for = {
            regime: tuple(policy.key for policy in row) for regime, row in self.trained_for.items()
        }
        return without_overflow(
            replace(
                store,
                sensitivity=self._run_conditions(candidates, out_dir) if self.sensitivity else {},
                adaptation=self._run_new_regimes(candidates, out_dir) if self.adaptation else {},
                trained_for=trained_for,
            )
        )

    def _run_validation(self, out_dir: Path) -> ByScenario:
        """Costs of the rules on the validation episodes of each market, or over all listed orders."""
        for name, scenario in self.scenarios.items():
            if scenario.market.on_tape:
                self._say(describe_judged_orders(name, episode_count(scenario)))
        validation_scenarios = [
            scenario.on_validation(self._count_validation(scenario))
            for scenario in self.scenarios.values()
        ]
        baselines = self.participants.baselines
        if self.main.market.on_tape:
            episodes = sum(scenario.episodes for scenario in validation_scenarios)
            self._say(
                f"first {len(baselines)} rules work {episodes} orders that are not judged, to choose"
            )
        work = {scenario.name: (scenario, baselines, False) for scenario in validation_scenarios}
        costs = list(self._run_jobs(work, out_dir, "choose the best rule").values())
        if self.main.orders:
            return {ORDERS_KEY: join_scenarios(costs)}
        return dict(zip(self.scenarios, costs, strict=True))

    def _count_validation(self, scenario: Scenario) -> int:
        """Number of episodes on which the best rule of a scenario is chosen; on tape few for few judged orders."""
        episodes = min(max(scenario.episodes, 64), self.validation_episodes)
        if not scenario.market.on_tape:
            return episodes
        return count_validation_episodes(episodes, episode_count(scenario))

    def _scenarios_by_bound(self) -> dict[str, dict[str, Scenario]]:
        """Scenarios under the other fill bounds of their tape, by market and bound; none in simulated markets."""
        return {
            name: {
                bound: replace(scenario.in_market(bound=bound), name=f"{scenario.name} {bound}")
                for bound in bounds_of(cached_market(scenario).judged)
                if bound != scenario.market.bound
            }
            if scenario.market.on_tape
            else {}
            for name, scenario in self.scenarios.items()
        }

    def _scenarios_by_regime(self) -> dict[str, dict[str, Scenario]]:
        """Scenarios of simulated markets in each named regime alone, by market and regime; empty if not requested."""
        return {
            name: {
                regime: replace(
                    scenario.in_market(regimes=regime), name=f"{scenario.name} {regime}"
                )
                for regime in NAMED
                if regime != PLAIN and self.each_regime and not scenario.market.on_tape
            }
            for name, scenario in self.scenarios.items()
        }

    def _run_assumptions(self, store: CostStore, out_dir: Path) -> dict[str, ByScenario] | None:
        """Costs of the candidates and their opponents with one assumption changed, by its label and market; None: not
        examined.
        """
        episodes = sum(map(episode_count, self.scenarios.values()))
        names = examined(self.assumptions, episodes if self.participants.policies else 0)
        if not names:
            return None
        work = {
            (label, market): (scenario, self._compared(store, market), False)
            for (label, market), scenario in changed_scenarios(names, self.scenarios).items()
        }
        costs = self._run_jobs(work, out_dir, "other assumptions")
        by_label: dict[str, ByScenario] = {}
        for (label, market), judged in costs.items():
            by_label.setdefault(label, {})[market] = judged
        if self.main.orders:
            return {
                label: {ORDERS_KEY: join_scenarios(list(row.values()))}
                for label, row in by_label.items()
            }
        return by_label

    def _compared(self, store: CostStore, market: str) -> list[Candidate]:
        """Candidates of a market that are not rules, its best rule, the agents' base rule, and `random`."""
        best = store.best_of_each.get(market, store.best)
        return [
            candidate
            for candidate in self.participants.candidates(market)
            if candidate.key in (best, Guarded.name, RANDOM)
            or candidate in self.participants.teams[market]
        ]

    def _run_conditions(self, candidates: list[Candidate], out_dir: Path) -> dict[str, ByScenario]:
        """Costs in the first market with other order sizes, by axis and value."""
        main = self.main
        axes: dict[str, dict[str, Scenario]] = {
            "share of volume": {
                f"{share:g}": replace(main, task=replace(main.task, share=share, quantity=0))
                for share in SHARES
            },
        }
        work = {
            (axis, value): (
                replace(scenario, name=f"{main.name} {axis} {value}"),
                candidates,
                False,
            )
            for axis, row in axes.items()
            for value, scenario in row.items()
        }
        costs = self._run_jobs(work, out_dir, "other conditions")
        return {axis: {value: costs[axis, value] for value in row} for axis, row in axes.items()}

    def _run_new_regimes(self, candidates: list[Candidate], out_dir: Path) -> ByScenario:
        """Costs in the first market with a regime that begins half-way through the order, by regime; writes the
        regimes' scripts into `out_dir`.
        """
        main = self.main
        work = dict[str, Work]()
        for regime in NAMED:
            if regime != PLAIN:
                script = write_regime_script(out_dir, regime, main.task.horizon_s / 2)
                scenario = replace(main.in_market(regimes=script), name=f"{main.name} to {regime}")
                specialists = self.trained_for.get(regime, ())
                new_specialists = [policy for policy in specialists if policy not in candidates]
                work[regime] = (scenario, [*candidates, *new_specialists], False)
        return self._run_jobs(work, out_dir, "regimes that switch")


def scenarios_of(
    markets: Iterable[Market],
    task: Task,
    orders: Sequence[Order] = (),
    *,
    seeds: tuple[int, ...] = (1,),
    episodes: int = 0,
) -> dict[str, Scenario]:
    """Scenarios of a task, by name: one for each symbol of each market, or for groups of listed orders on tape.

    Raises
    ------
    ConfigError, UnknownNameError, TapeError
        A preset or a listed order that does not exist, or does not go together; `resolve_markets` says whether the rest
        does.
    """
    if orders:
        return {
            name: replace(scenario, name=name, seeds=seeds, episodes=episodes)
            for market in markets
            for name, scenario in scenarios_of_orders(Scenario(market, task), orders).items()
        }
    return {
        name: Scenario(symbol_market, task, name=name, seeds=seeds, episodes=episodes)
        for market in markets
        for name, symbol_market in market.by_symbol().items()
    }


def parse_specialists(
    typed: Sequence[str], observations: Sequence[str]
) -> dict[str, list[Candidate]]:
    """Policies trained for a regime, by regime, from texts REGIME=POLICY; several of one regime are training seeds.
    UnknownNameError for another text.
    """
    names_by_regime: dict[str, list[str]] = {}
    for text in typed:
        regime, equals, policy = text.partition("=")
        if not equals or regime not in NAMED or regime == PLAIN:
            regimes = ", ".join(name for name in NAMED if name != PLAIN)
            raise UnknownNameError(
                f"REGIME=POLICY with a regime among {regimes}", repr(text), "such as thin=runs/thin"
            )
        names_by_regime.setdefault(regime, []).extend(members_of(policy) or (policy,))
    return {
        regime: policies_of(policies, observations) for regime, policies in names_by_regime.items()
    }
