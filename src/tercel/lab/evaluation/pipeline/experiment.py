"""Experiments: candidates and scenarios, judged on the same episodes; one result."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tercel.core.errors import ConfigError, UnknownNameError
from tercel.core.progress import say
from tercel.core.stats import Estimate
from tercel.execution.costs import Costs
from tercel.execution.market import Market
from tercel.execution.policies.strategy import LEARNED, PARTS, PLACEBO
from tercel.execution.task import Latency, Task
from tercel.lab.evaluation.comparisons import ResampledScores, Scores
from tercel.lab.evaluation.market import (
    BuiltMarket,
    cached_market,
    judged_words,
    looked_up,
    validated,
)
from tercel.lab.evaluation.orders import Order
from tercel.lab.evaluation.pipeline.candidates import (
    Candidate,
    Participants,
    members_of,
    policies_of,
)
from tercel.lab.evaluation.pipeline.evaluation import LISTED, Evaluation, as_one, without_overflow
from tercel.lab.evaluation.pipeline.jobs import JobRunner, Results, episodes_of, run_jobs
from tercel.lab.evaluation.pipeline.leaks import judged_days, refuse_leaks
from tercel.lab.evaluation.pipeline.result import Result
from tercel.lab.evaluation.pipeline.summary import EvaluationSummary
from tercel.lab.evaluation.pipeline.views import KNOWS, notes_on, size_notes, untrained_in
from tercel.lab.evaluation.risk_statistics import FROZEN, sample_size
from tercel.lab.evaluation.scenario import PLAIN, Scenario, with_orders, write_regime_script
from tercel.lab.evaluation.windows import placebo_plan
from tercel.market.regimes.law import NAMED
from tercel.market.simulator.source import BOUNDS, by_level
from tercel.market.simulator.terms import Fees

EACH = "each"
LATENCIES_MS = (0.0, 10.0, 100.0, 1000.0)
FEES = ((0.0, 0.0), (-0.2, 0.3), (0.0, 1.0))
"""Maker and taker, bps of the value."""
SHARES = (0.02, 0.05, 0.1, 0.2)
SHORT = (*FROZEN, "vwap_take", "vwap_passive", "peg_behind", "score_rule")
"""Rules of the sensitivity and adaptation tests, besides the best one."""


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
        Whether other latencies, fees and order sizes, and regimes that begin half-way, are judged too.
    trained_for : dict of regime to list of Candidate
        Policies trained in that regime, training seeds of one recipe.
    elsewhere : callable or None
        Runs episodes on other machines (`studies.ray.on_cluster`).
    here : bool
        Whether everything runs in this process, silently.
    chosen_on : int
        Episodes at most on which the best rule is chosen.
    allow_seen_days : bool
        Whether policies are judged on days that they learned from, which the notes then say.
    apart : bool
        Whether the one policy or family, or the one strategy, is taken apart in the first market.

    Raises
    ------
    ConfigError
        Several rows to take apart.
    """

    scenarios: dict[str, Scenario]
    participants: Participants
    each_regime: bool = False
    sensitivity: bool = False
    adaptation: bool = False
    trained_for: dict[str, list[Candidate]] = field(default_factory=dict)
    elsewhere: JobRunner | None = None
    here: bool = False
    chosen_on: int = 1_000
    allow_seen_days: bool = False
    apart: bool = False

    def __post_init__(self) -> None:
        """Refuse several rows to take apart."""
        if self.apart:
            members_apart(self.participants)

    @property
    def main(self) -> Scenario:
        """The first scenario."""
        return next(iter(self.scenarios.values()))

    def run(self, out: Path) -> Result:
        """Judge all candidates on the same episodes; finished jobs are stored in the folder `out`.

        Notes are printed on stderr, unless everything runs in this process.

        Raises
        ------
        ConfigError
            If a policy was trained on evaluated days.
        """
        notes = self.notes()
        self._say(*notes)
        out.mkdir(parents=True, exist_ok=True)
        cached_market.cache_clear()  # a lake may have grown since
        main, scenarios, participants = self.main, self.scenarios, self.participants
        validation, validations = self._validated(out)
        judged = [episodes_of(one) for one in (scenarios.values() if main.orders else (main,))]
        enough = sample_size(validation.costs, sum(judged), self._orders_a_day())
        self._say(
            "how many episodes 1 bps needs is not known: too little was tried"
            if enough is None
            else enough.words
        )
        regimes, bounds = self._in_regimes(), self._under_bounds()
        work = {
            (name, one.name): (one, participants.candidates(name), one is scenarios[name])
            for name in scenarios
            for one in (scenarios[name], *regimes[name].values(), *bounds[name].values())
        }
        found = run_jobs(work, out, elsewhere=self.elsewhere, here=self.here)

        def results(
            rows: Mapping[str, Mapping[str, Scenario]],
        ) -> dict[str, dict[str, Results]]:
            return {
                name: {key: found[name, one.name] for key, one in row.items()}
                for name, row in rows.items()
            }

        under, listed = results(bounds), list(bounds) if main.orders else list(bounds)[:1]
        evaluation = without_overflow(
            Evaluation(
                participants.policies,
                participants.baselines,
                participants.recipes,
                validation,
                {name: found[name, one.name] for name, one in scenarios.items()},
                results(regimes),
                main.seeds,
                list(notes),
                validations=validations,
                bounds={
                    bound: as_one([under[name][bound] for name in listed])
                    for bound in under[listed[0]]
                    if all(bound in under[name] for name in listed)
                },
                sample_size=enough,
            )
        )
        if self.apart:
            worth = taken_apart(
                members_apart(participants), evaluation.main, out, self.elsewhere, self.here
            )
            evaluation = replace(evaluation, apart=worth)
        if main.orders:
            markets = {LISTED: as_one(list(evaluation.markets.values()))}
            evaluation = replace(evaluation, markets=markets)
        elif self.sensitivity or self.adaptation:
            few = [one for one in evaluation.baselines if one.key in {*SHORT, evaluation.best}]
            everyone = [*participants.teams[next(iter(scenarios))], *few]
            trained_for = {
                regime: tuple(one.key for one in row) for regime, row in self.trained_for.items()
            }
            evaluation = without_overflow(
                replace(
                    evaluation,
                    sensitivity=_sensitivity(self, everyone, out) if self.sensitivity else {},
                    adaptation=_adaptation(self, everyone, out) if self.adaptation else {},
                    trained_for=trained_for,
                )
            )
        self._say(*evaluation.notes[len(notes) :])
        return Result(EvaluationSummary(evaluation).figures(), evaluation)

    def notes(self) -> list[str]:
        """Notes before any episode runs; refuses policies trained on evaluated days.

        Raises
        ------
        ConfigError
            With the first day that a policy has seen.
        """
        participants = self.participants
        specialists = [one for row in self.trained_for.values() for one in row]
        notes = [
            *participants.notes,
            *notes_on(participants.teams, self.scenarios),
            *size_notes(participants.policies, participants.baselines, self.scenarios),
            *untrained_in(self.trained_for),
        ]
        for policy in participants.policies:
            if policy.learned and (card := policy.card).is_start:
                notes.append(f"Nothing was learned: {policy.key} is what its training began with.")
                notes += [f"{policy.key}: {card.selection_text}"] if card.selection_text else []
        forecasting = [one for one in participants.baselines if one.forecaster is not None]
        for name, scenario in self.scenarios.items():
            everyone = [*participants.teams[name], *specialists, *forecasting]
            notes += refuse_leaks(everyone, [scenario], allowed=self.allow_seen_days)
        return notes

    def _say(self, *lines: str) -> None:
        for line in () if self.here else lines:
            say(line)

    def _validated(self, out: Path) -> tuple[Results, dict[str, Results]]:
        """Results on the episodes that choose the best rule, of the main market and of the others."""
        scenarios, baselines = self.scenarios, self.participants.baselines
        for name, one in scenarios.items():
            if one.market.on_tape:
                self._say(judged_words(name, episodes_of(one)))
        choosers = list[Scenario]()
        for one in scenarios.values():
            episodes = min(max(one.episodes, 64), self.chosen_on)
            on_tape = one.market.on_tape
            choosers.append(
                one.on_validation(validated(episodes, episodes_of(one)) if on_tape else episodes)
            )
        if self.main.market.on_tape:
            self._say(
                f"first {len(baselines)} rules work {sum(one.episodes for one in choosers)} orders that "
                "are not judged, to choose"
            )
        work = {one.name: (one, baselines, False) for one in choosers}
        chosen = list(
            run_jobs(work, out, "choose the best rule", self.elsewhere, self.here).values()
        )
        if self.main.orders:
            return as_one(chosen), {}
        return chosen[0], dict(zip(list(scenarios)[1:], chosen[1:], strict=True))

    def _under_bounds(self) -> dict[str, dict[str, Scenario]]:
        """Recorded markets under the bounds on fills that verdicts are not by; none on level totals."""
        return {
            name: {
                bound: replace(one.in_market(bound=bound), name=f"{one.name} {bound}")
                for bound in BOUNDS
                if bound != one.market.bound
            }
            if one.market.on_tape and not by_level(cached_market(one).judged)
            else {}
            for name, one in self.scenarios.items()
        }

    def _in_regimes(self) -> dict[str, dict[str, Scenario]]:
        """Scenarios of simulated markets in each named regime by itself, if requested."""
        return {
            name: {
                regime: replace(one.in_market(regimes=regime), name=f"{one.name} {regime}")
                for regime in NAMED
                if regime != PLAIN and self.each_regime and not one.market.on_tape
            }
            for name, one in self.scenarios.items()
        }

    def _orders_a_day(self) -> float:
        """Judged orders of a recorded day, of a list those of all its symbols; 0 in a simulated market."""
        if not self.main.market.on_tape:
            return 0.0
        mine = list(self.scenarios.values()) if self.main.orders else [self.main]
        days = {day for one in mine for day in judged_days(one).days}
        return round(sum(episodes_of(one) for one in mine) / len(days), 1)


def scenarios_of(
    markets: Iterable[Market],
    task: Task,
    orders: Sequence[Order] = (),
    *,
    seeds: tuple[int, ...] = (1,),
    episodes: int = 0,
) -> dict[str, Scenario]:
    """Scenarios of each symbol of each market with a task, by name, or of the tapes of orders in a lake.

    Raises
    ------
    ConfigError, UnknownNameError, TapeError
        A preset, regime, symbol, day or order that does not exist, or does not go together; before anything is run.
    """
    return {
        name: Scenario(one.market, one.task, one.orders, name=name, seeds=seeds, episodes=episodes)
        for market in markets
        for name, one in (
            with_orders(Scenario(market, task), orders)
            if orders
            else {name: Scenario(one, task) for name, one in looked_up(market).items()}
        ).items()
    }


def specialists(typed: Sequence[str], observations: Sequence[str]) -> dict[str, list[Candidate]]:
    """Policies trained in a regime, as REGIME=POLICY; several of one regime are its training seeds."""
    found: dict[str, list[str]] = {}
    for text in typed:
        regime, equals, policy = text.partition("=")
        if not equals or regime not in NAMED or regime == PLAIN:
            known = ", ".join(name for name in NAMED if name != PLAIN)
            raise UnknownNameError(
                f"REGIME=POLICY with a regime among {known}", repr(text), "such as thin=runs/thin"
            )
        found.setdefault(regime, []).extend(members_of(policy) or (policy,))
    return {regime: policies_of(policies, observations) for regime, policies in found.items()}


def _sensitivity(
    experiment: Experiment, everyone: list[Candidate], out: Path
) -> dict[str, dict[str, Results]]:
    """Results in the first market with other latencies, fees and order sizes, one at a time."""
    main = experiment.main

    def task(**changes: Any) -> Scenario:
        return replace(main, task=replace(main.task, **changes))

    axes: dict[str, dict[str, Scenario]] = {
        "latency, ms": {
            f"{ms:g}": task(latency=Latency("constant", round(ms * 1e6))) for ms in LATENCIES_MS
        },
        "fees, bps": {f"{m:g}/{t:g}": main.in_market(fees=Fees(m, t, "bps")) for m, t in FEES},
        "share of volume": {f"{share:g}": task(share=share, quantity=0) for share in SHARES},
    }
    work = {
        (axis, value): (replace(one, name=f"{main.name} {axis} {value}"), everyone, False)
        for axis, row in axes.items()
        for value, one in row.items()
    }
    found = run_jobs(work, out, "other conditions", experiment.elsewhere)
    return {axis: {value: found[axis, value] for value in row} for axis, row in axes.items()}


def _adaptation(experiment: Experiment, everyone: list[Candidate], out: Path) -> dict[str, Results]:
    """Results in the first market, where a regime begins half-way through the order."""
    main, work = experiment.main, dict[str, tuple[Scenario, list[Candidate], bool]]()
    for regime in NAMED:
        if regime != PLAIN:
            script = write_regime_script(out, regime, main.task.horizon_s / 2)
            scenario = replace(main.in_market(regimes=script), name=f"{main.name} to {regime}")
            specialists = experiment.trained_for.get(regime, ())
            others = [one for one in specialists if one not in everyone]
            work[regime] = (scenario, [*everyone, *others], False)
    return run_jobs(work, out, "regimes that switch", experiment.elsewhere)


# -- ablation -------------------------------------------------------------------------------------

SEED = 20_232


def members_apart(participants: Participants) -> list[Candidate]:
    """The policies behind the one row that is taken apart: a policy, a family, or a single rule.

    Raises
    ------
    ConfigError
        Several rows, or none.
    """
    policies, recipes = participants.policies, participants.recipes
    inside = {member for recipe in recipes for member in recipe.members}
    rows = {
        recipe.key: [one for one in policies if one.key in recipe.members] for recipe in recipes
    } | {one.key: [one] for one in policies if one.key not in inside}
    found = list(rows.values()) or [[one] for one in participants.baselines]
    if len(found) != 1:
        raise ConfigError(
            "one policy, family or strategy to take apart",
            ", ".join(row[0].key for row in found) or "none",
            "name one alone",
        )
    return found[0]


def _lacking(members: Sequence[Candidate], part: str, market: BuiltMarket) -> list[Candidate]:
    """The members without a part; none where one of them has none."""
    if any(one.without(part, market) is None for one in members):
        return []
    return [replace(one, key=f"{one.key} without {part}", lacks=part) for one in members]


def taken_apart(
    members: Sequence[Candidate],
    judged: Results,
    out: Path,
    elsewhere: JobRunner | None = None,
    here: bool = False,
) -> Mapping[str, Estimate | None]:
    """Cost saving of each part of a strategy in a judged scenario, mean over its training seeds, bps; None for a
    missing part.

    A strategy that reads forecasts is also run with those of other episodes (`placebo`): the placebo's saving is against
    the strategy without anything learned, and the last row is the saving of the learned parts less that.

    Parameters
    ----------
    members : sequence of Candidate
        Those of one row.
    judged : Results
        With the costs of all of them.
    out : Path
        Folder of the evaluation.
    elsewhere, here
        As of :func:`jobs.run_jobs`.
    """
    built = cached_market(judged.scenario)
    members = [one for one in members if one.key in judged.costs]
    reduced = {part: _lacking(members, part, built) for part in PARTS}
    if placebo_plan(built.plan) is None:
        reduced[PLACEBO] = []
    work = {part: (judged.scenario, row, False) for part, row in reduced.items() if row}
    found = run_jobs(work, out, "take it apart", elsewhere, here)
    rng = np.random.default_rng(SEED)
    whole = {one.key: judged.costs[one.key] for one in members}
    rows = judged.plan_rows  # episodes in which all orders found room
    costs = {
        part: {key: cost if rows is None else cost.select(rows) for key, cost in one.costs.items()}
        for part, one in found.items()
    }
    alone = [part for part in PARTS if part != PLACEBO]
    worth = {part: _saved(costs[part], whole, rng) if part in costs else None for part in alone}
    placebo = costs.get(PLACEBO)
    return worth | {
        PLACEBO: None if placebo is None else _saved(costs[LEARNED], placebo, rng),
        KNOWS: None if placebo is None else _saved(placebo, whole, rng),
    }


def _saved(
    without: Mapping[str, Costs], those: Mapping[str, Costs], rng: np.random.Generator
) -> Estimate:
    """Costs of some less costs of others, pair by pair, over the episodes in which all orders found room."""
    everyone = {**without, **those}
    complete = np.logical_and.reduce([costs.overflow == 0 for costs in everyone.values()])
    scores = Scores.of(
        {key: costs.select(complete) for key, costs in everyone.items()},
        {"with": list(those), "without": list(without)},
    )
    gain = Scores({"gain": scores.bps["without"] - scores.bps["with"]}, scores.cluster)
    return ResampledScores.of(gain, rng).replicates(rng)["gain"].estimate()
