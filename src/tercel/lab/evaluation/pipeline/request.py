"""Request of an evaluation: candidates, markets, task; run, read and written down."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tercel.core.errors import UnknownNameError
from tercel.core.progress import say
from tercel.execution.market import Market
from tercel.execution.task import Latency, Task
from tercel.lab.evaluation.market import judged_words, looked_up, validated
from tercel.lab.evaluation.order_files import with_orders
from tercel.lab.evaluation.orders import Order
from tercel.lab.evaluation.pipeline.apart import members_apart, taken_apart
from tercel.lab.evaluation.pipeline.candidates import Candidate, policies_of
from tercel.lab.evaluation.pipeline.families import Participants, members_of
from tercel.lab.evaluation.pipeline.jobs import JobRunner, Results, episodes_of, run_jobs
from tercel.lab.evaluation.pipeline.leaks import judged_days, refuse_leaks
from tercel.lab.evaluation.pipeline.notes import notes_on, size_notes, untrained_in
from tercel.lab.evaluation.pipeline.results import LISTED, Evaluation, as_one, without_overflow
from tercel.lab.evaluation.pipeline.scenarios import PLAIN, Scenario, build_scenario, switching
from tercel.lab.evaluation.risk_statistics import FROZEN, sample_size
from tercel.lab.evaluation.settings import MarketTask
from tercel.market.regimes.law import NAMED
from tercel.market.simulator.source import BOUNDS, by_level
from tercel.market.simulator.terms import Fees

EACH = "each"
LATENCIES_MS = (0.0, 10.0, 100.0, 1000.0)
FEES = ((0.0, 0.0), (-0.2, 0.3), (0.0, 1.0))
"""Maker and taker, bps of the value."""
SHARES = (0.02, 0.05, 0.1, 0.2)
SHORT = (*FROZEN, "vwap_take", "vwap_passive", "peg_behind", "score_rule")
"""Written strategies of the sensitivity and adaptation tests, besides the best one."""


@dataclass(frozen=True)
class EvaluationRequest:
    """Checked request of an evaluation.

    Parameters
    ----------
    participants : Participants
        Policies, and who is judged where.
    baselines : list of Candidate
    markets : dict of name to MarketTask
        The first is the one whose table is printed.
    episodes : int
        In each scenario.
    seeds : tuple of int
    regimes : str
        Words of `market.regimes.choice`, "each", or none.
    sensitivity, adaptation : bool
    trained_for : dict of regime to list of Candidate
        Policies trained in that regime, training seeds of one recipe.
    elsewhere : callable or None
        Runs episodes on other machines.
    here : bool
        Whether everything runs in this process, silently.
    chosen_on : int
        Episodes at most on which the best written strategy is chosen.
    allow_seen_days : bool
        Whether policies are judged on days that they learned from, which the notes then say.
    apart : bool
        Whether the one policy or family, or the one strategy, is taken apart in the first market.
    """

    participants: Participants
    baselines: list[Candidate]
    markets: dict[str, MarketTask]
    episodes: int
    seeds: tuple[int, ...]
    regimes: str = ""
    sensitivity: bool = False
    adaptation: bool = False
    trained_for: dict[str, list[Candidate]] = field(default_factory=dict)
    elsewhere: JobRunner | None = None
    here: bool = False
    chosen_on: int = 1_000
    allow_seen_days: bool = False
    apart: bool = False

    def candidates(self, market: str) -> list[Candidate]:
        """Everyone who is judged in a market, policies first."""
        return [*self.participants.teams[market], *self.baselines]

    def scenario(self, name: str, settings: MarketTask) -> Scenario:
        """Judged episodes in a market."""
        return Scenario(name, settings, self.seeds, self.episodes)


def notes_of(request: EvaluationRequest) -> list[str]:
    """Notes before anybody is judged; refuses policies that learned from what is judged.

    Raises
    ------
    ConfigError
        With the first day that a policy has seen.
    """
    specialists = [one for row in request.trained_for.values() for one in row]
    notes = [
        *request.participants.notes,
        *notes_on(request.participants.teams, request.markets),
        *size_notes(request.participants.policies, request.baselines, request.markets),
        *untrained_in(request.trained_for),
        *(note for one in request.participants.policies if one.learned for note in _kept(one)),
    ]
    for name, settings in request.markets.items():
        told = [one for one in request.baselines if one.forecaster is not None]
        everyone = [*request.participants.teams[name], *specialists, *told]
        notes += refuse_leaks(everyone, [settings], allowed=request.allow_seen_days)
    return notes


def _kept(policy: Candidate) -> Iterator[str]:
    """That a policy is what its training began with, and how far the best checkpoint was from it."""
    card = policy.card
    if card.kept_start:
        yield f"Nothing was learned: {policy.key} is what its training began with."
        if card.kept:
            yield f"{policy.key}: {card.kept}"


def run_evaluation(request: EvaluationRequest, out: Path, notes: Sequence[str]) -> Evaluation:
    """Run the missing jobs of a request and read all results."""
    build_scenario.cache_clear()  # a lake may have grown since
    scenarios = {
        name: request.scenario(name, settings) for name, settings in request.markets.items()
    }
    first, main = next(iter(scenarios.items()))
    for name, scenario in scenarios.items():
        if scenario.settings.market.on_tape and not request.here:
            say(judged_words(name, episodes_of(scenario)))
    choosers = [_chooser(request, scenario) for scenario in scenarios.values()]
    if main.settings.market.on_tape and not request.here:
        written = f"{len(request.baselines)} written strategies"
        say(
            f"first {written} work {sum(one.episodes for one in choosers)} orders that are not judged, to choose"
        )
    choosing = {one.name: (one, request.baselines, False) for one in choosers}
    chosen = run_jobs(
        choosing, out, "choose the best written strategy", request.elsewhere, request.here
    )
    others = dict[str, Results]()
    if main.settings.orders:
        chosen_on = as_one(list(chosen.values()))
    else:
        chosen_on, *rest = chosen.values()
        others = dict(zip(list(scenarios)[1:], rest, strict=True))
    judged = (
        sum(episodes_of(one) for one in scenarios.values())
        if main.settings.orders
        else episodes_of(main)
    )
    enough = sample_size(chosen_on.costs, judged, _orders_a_day(list(scenarios.values())))
    if not request.here:
        say(
            "how many episodes 1 bps needs is not known: too little was tried"
            if enough is None
            else enough.words
        )
    regimes = {name: _regimes(request, scenario) for name, scenario in scenarios.items()}
    other = {name: _other_bounds(scenario) for name, scenario in scenarios.items()}
    work = {
        (name, ""): (scenario, request.candidates(name), True)
        for name, scenario in scenarios.items()
    }
    for name, row in regimes.items():
        work |= {
            (name, regime): (scenario, request.candidates(name), False)
            for regime, scenario in row.items()
        }
    for name, row in other.items():
        work |= {(name, one.name): (one, request.candidates(name), False) for one in row.values()}
    found = run_jobs(work, out, elsewhere=request.elsewhere, here=request.here)
    evaluation = Evaluation(
        request.participants.policies,
        request.baselines,
        request.participants.recipes,
        chosen_on,
        {name: found[name, ""] for name in scenarios},
        {name: {regime: found[name, regime] for regime in row} for name, row in regimes.items()},
        request.seeds,
        list(notes),
        validations=others,
        bounds=_under_bounds(request, other, found),
        sample_size=enough,
    )
    evaluation = without_overflow(evaluation)
    if request.apart:
        members = members_apart(request.participants, request.baselines)
        evaluation = replace(
            evaluation, apart=taken_apart(members, evaluation.main, out, *run_where(request))
        )
    if main.settings.orders:
        return replace(evaluation, markets={LISTED: as_one(list(evaluation.markets.values()))})
    few = [one for one in evaluation.baselines if one.key in {*SHORT, evaluation.best}]
    team = request.participants.teams[first]
    return without_overflow(
        replace(
            evaluation,
            sensitivity=_sensitivity(request, main, [*team, *few], out)
            if request.sensitivity
            else {},
            adaptation=_adaptation(request, main, [*team, *few], out) if request.adaptation else {},
            trained_for={
                regime: tuple(one.key for one in row) for regime, row in request.trained_for.items()
            },
        )
    )


def run_where(request: EvaluationRequest) -> tuple[JobRunner | None, bool]:
    """Where jobs run: on other machines, in this process, or (neither) in processes of this machine."""
    return request.elsewhere, request.here


def _other_bounds(scenario: Scenario) -> dict[str, Scenario]:
    """A recorded market under the bounds on fills that verdicts are not by; none on level totals."""
    if not scenario.settings.market.on_tape or by_level(build_scenario(scenario).source):
        return {}
    return {
        bound: replace(
            scenario,
            name=f"{scenario.name} {bound}",
            settings=scenario.settings.in_market(bound=bound),
        )
        for bound in BOUNDS
        if bound != scenario.settings.market.bound
    }


def _under_bounds(
    request: EvaluationRequest,
    other: Mapping[str, Mapping[str, Scenario]],
    found: Mapping[tuple[str, str], Results],
) -> dict[str, Results]:
    """Results of the first market, or of all orders of a list, under the other bounds."""
    first = next(iter(request.markets))
    names = list(other) if request.markets[first].orders else [first]
    return {
        bound: as_one([found[name, other[name][bound].name] for name in names])
        for bound in other[first]
        if all(bound in other[name] for name in names)
    }


def _orders_a_day(scenarios: Sequence[Scenario]) -> float:
    """Judged orders of a recorded day, of a list those of all its symbols; 0 in a simulated market."""
    if not scenarios[0].settings.market.on_tape:
        return 0.0
    mine = scenarios if scenarios[0].settings.orders else scenarios[:1]
    days = {day for scenario in mine for day in judged_days(scenario.settings).days}
    return round(sum(episodes_of(scenario) for scenario in mine) / len(days), 1)


def _chooser(request: EvaluationRequest, scenario: Scenario) -> Scenario:
    """Episodes of a scenario on which the best written strategy is chosen."""
    episodes = min(max(request.episodes, 64), request.chosen_on)
    on_tape = scenario.settings.market.on_tape
    return scenario.on_validation(
        validated(episodes, episodes_of(scenario)) if on_tape else episodes
    )


# -- where it is run --------------------------------------------------------------------------------------------------


def settings_of(
    markets: Iterable[Market], task: Task, orders: Sequence[Order] = ()
) -> dict[str, MarketTask]:
    """Each symbol of each market with a task in it, by name, or the tapes of orders in a lake; nothing is begun with
    words that mean nothing.

    Raises
    ------
    ConfigError, UnknownNameError, TapeError
        A preset, regime, symbol, day or order that does not exist, or does not go together.
    """
    if orders:
        return {
            name: one
            for market in markets
            for name, one in with_orders(MarketTask(market, task), orders).items()
        }
    return {
        name: MarketTask(one, task) for market in markets for name, one in looked_up(market).items()
    }


def _regimes(request: EvaluationRequest, scenario: Scenario) -> dict[str, Scenario]:
    """Where `regimes` is `each`: a market once with each named regime."""
    if request.regimes != EACH or scenario.settings.market.on_tape:
        return {}
    return {
        name: replace(
            scenario,
            name=f"{scenario.name} {name}",
            settings=scenario.settings.in_market(regimes=name),
        )
        for name in NAMED
        if name != PLAIN
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
    request: EvaluationRequest, main: Scenario, everyone: list[Candidate], out: Path
) -> dict[str, dict[str, Results]]:
    """The first market with other latencies, fees and order sizes, one at a time."""
    settings = main.settings

    def task(**changes: Any) -> MarketTask:
        return replace(settings, task=replace(settings.task, **changes))

    axes: dict[str, dict[str, MarketTask]] = {
        "latency, ms": {
            f"{ms:g}": task(latency=Latency("constant", round(ms * 1e6))) for ms in LATENCIES_MS
        },
        "fees, bps": {f"{m:g}/{t:g}": settings.in_market(fees=Fees(m, t, "bps")) for m, t in FEES},
        "share of volume": {f"{share:g}": task(share=share, quantity=0) for share in SHARES},
    }
    work = {
        (axis, value): (
            Scenario(f"{main.name} {axis} {value}", one, main.seeds, main.episodes),
            everyone,
            False,
        )
        for axis, row in axes.items()
        for value, one in row.items()
    }
    found = run_jobs(work, out, "other conditions", request.elsewhere)
    return {axis: {value: found[axis, value] for value in row} for axis, row in axes.items()}


def _adaptation(
    request: EvaluationRequest, main: Scenario, everyone: list[Candidate], out: Path
) -> dict[str, Results]:
    """The first market, where a regime begins half-way through the order."""
    half = main.settings.task.horizon_s / 2
    scenarios = {
        regime: replace(
            main,
            name=f"{main.name} to {regime}",
            settings=main.settings.in_market(regimes=switching(out, regime, half)),
        )
        for regime in NAMED
        if regime != PLAIN
    }
    who = {regime: list(everyone) for regime in scenarios}
    for regime, row in request.trained_for.items():
        who.get(regime, []).extend(one for one in row if one not in everyone)
    work = {regime: (scenario, who[regime], False) for regime, scenario in scenarios.items()}
    return run_jobs(work, out, "regimes that switch", request.elsewhere)
