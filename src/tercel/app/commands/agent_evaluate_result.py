"""What an evaluation found, as one JSON object: the table of `tercel run`, and everything that questions it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercel.app.job.contest.cells import Judged
from tercel.app.job.contest.contenders import Contender, Recipe, told, variants_of
from tercel.app.job.contest.places import PLAIN, build_place
from tercel.app.job.market import impact_in_words
from tercel.app.job.venue import in_words as venue_words
from tercel.evaluation.arrivals import terciles
from tercel.evaluation.comparisons import Gains, Ledger, Resampled, Scores, compared, gains, pooled_gain
from tercel.evaluation.episodes import regimes_of
from tercel.evaluation.hindsight import LABEL
from tercel.evaluation.judge import Entry, judge
from tercel.evaluation.result import JudgedRun
from tercel.evaluation.standing import (
    RIGID,
    SCHEDULES,
    adaptability_gain,
    by_side,
    deflated_gain,
    loss_to,
    power,
    price_move_beta,
    price_moves,
    ratios,
    tails,
    wins,
)
from tercel.stats import interquartile_mean, mean_interval

SEED = 20_231
"""Of everything that the statistics draw: the same cells give the same figures."""


@dataclass(frozen=True, eq=False)
class Contest:
    """Everything that was run, read from disk.

    Parameters
    ----------
    policies, baselines : sequence of Contender
    recipes : sequence of Recipe
    main : Judged
        Whose table is printed.
    validation : Judged
        The written strategies on the episodes on which the best one is chosen.
    markets, regimes : mapping of name to Judged
        Other places with the same contenders; `markets` holds the main one first.
    seeds : tuple of int
        Base seeds of the episodes.
    notes : list of str
    sensitivity : mapping of axis to value to Judged
    adaptation : mapping of regime to Judged
    trained_for : mapping of regime to key
    """

    policies: Sequence[Contender]
    baselines: Sequence[Contender]
    recipes: Sequence[Recipe]
    main: Judged
    validation: Judged
    markets: Mapping[str, Judged]
    regimes: Mapping[str, Judged]
    seeds: tuple[int, ...]
    notes: list[str]
    sensitivity: Mapping[str, Mapping[str, Judged]] = field(default_factory=dict)
    adaptation: Mapping[str, Judged] = field(default_factory=dict)
    trained_for: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def best(self) -> str:
        """The best written strategy on the validation episodes: THE baseline."""
        written = {one.key for one in self.baselines if one.kind == "baseline"}
        means = {name: mean for name, mean in self.scores(self.validation).means().items() if name in written}
        return min(means, key=lambda name: means[name])

    @cached_property
    def members(self) -> dict[str, tuple[str, ...]]:
        """Recipe -> its policies."""
        return {recipe.key: recipe.members for recipe in self.recipes}

    @cached_property
    def challengers(self) -> list[str]:
        """Rows that are compared: recipes, then policies."""
        return [*self.members, *(one.key for one in self.policies)]

    @property
    def twins(self) -> NDArray[np.int64] | None:
        """Mids of the main place without own orders; None where nothing answers."""
        arrivals = self.main.arrivals
        return arrivals.mid2_grid if arrivals is not None and self.main.place.answers else None

    @cached_property
    def entries(self) -> list[Entry]:
        """Rows of the main place for the judge."""
        main = self.main
        single = {
            one.key: Entry(one.key, one.kind, (main.costs[one.key],), _responses(main, [one.key]))
            for one in [*self.policies, *self.baselines]
        }
        joined = [
            Entry(key, "learned", tuple(main.costs[m] for m in members), _responses(main, members))
            for key, members in self.members.items()
        ]
        return [*joined, *single.values()]

    def scores(self, judged: Judged) -> Scores:
        """Shortfalls in a place, recipes included where their members are."""
        here = {key: members for key, members in self.members.items() if set(members) <= set(judged.costs)}
        return Scores.of(judged.costs, here)


def _responses(judged: Judged, members: Sequence[str]) -> tuple[Any, ...]:
    found = [judged.responses[name] for name in members if name in judged.responses]
    return tuple(found) if len(found) == len(members) else ()


def composed(contest: Contest) -> dict[str, Any]:
    """The JSON of an evaluation."""
    rng = np.random.default_rng(SEED)
    ledger = Ledger()
    main, scores = contest.main, contest.scores(contest.main)
    resampled = Resampled.of(scores, rng)
    found = gains(resampled, contest.challengers, contest.members, rng)
    judged = _judged(contest, found, rng)
    best = contest.best
    result: dict[str, Any] = {
        **judged.to_json(),
        "paired": ledger.enter_all(found),
        "evaluation_seeds": list(contest.seeds),
        "policies": {one.key: told(one) for one in contest.policies},
        "recipes": {name: list(members) for name, members in contest.members.items()},
        "by_regime": _by_regime(contest, scores, ledger, rng),
        "by_market": _by_market(contest, ledger, rng),
        "by_liquidity": _by_liquidity(contest, scores, ledger, rng),
        "validation": {
            "best_baseline": best,
            "episodes": len(contest.scores(contest.validation)),
            "is_bps": contest.scores(contest.validation).means(),
        },
        "hindsight": _hindsight(contest, rng),
        "ratios": _ratios(contest, rng),
        "cvar95_bps": tails(scores, rng),
        "wins": wins(scores, contest.challengers, rng),
        "price_move_beta": price_move_beta(scores, price_moves(main.costs, contest.members), rng),
        "by_side": by_side(scores, next(iter(main.costs.values())).side),
        "adaptability_vs": _adaptability(contest, rng),
        "power": {name: {other: power(gain) for other, gain in row.items()} for name, row in found.items()},
        "deflated": {name: _deflated(contest, scores, name) for name in contest.challengers},
        "pooled": _pooled(contest, ledger, rng),
        "iqm": _iqm(contest, rng),
        "sensitivity": _sensitivity(contest, rng),
        "adaptation": _adaptation(contest, rng),
    }
    result["comparisons"] = ledger.adjust()
    result["checks"] = _checks(contest)
    return result


def _judged(contest: Contest, found: Gains, rng: np.random.Generator) -> JudgedRun:
    """The table, with the gains of the ledger in the place of the judge's own."""
    main, ground = contest.main, build_place(contest.main.place)
    task = main.place.settings.task
    judged = judge(
        contest.entries,
        contest.twins,
        rng,
        market=ground.market.name,
        task=task.to_dict(),
        seeds=sorted({one.card.seed for one in contest.policies}),
        cluster=ground.market.cluster,
        notes=[*ground.market.notes[:1], *impact_in_words(ground.source), *_venue(contest), *contest.notes],
        best=contest.best,
    )
    paired = {name: {other: gain.estimate() for other, gain in row.items()} for name, row in found.items()}
    return replace(
        judged, paired=paired, paired_vs_best_baseline={name: row[contest.best] for name, row in paired.items()}
    )


def _venue(contest: Contest) -> list[str]:
    settings = contest.main.place.settings
    return venue_words(settings.fees, settings.task.latency, settings.task.feed_latency)


# -- parts and places -------------------------------------------------------------------------------------------------


def _by_regime(contest: Contest, scores: Scores, ledger: Ledger, rng: np.random.Generator) -> dict[str, Any]:
    """By the regime that was in force longest, or in markets with one regime each."""
    ground = build_place(contest.main.place)
    if not ground.source.regimes:
        found = {PLAIN: {**compared(scores, contest.challengers, contest.members, ledger, rng), "share_of_time": 1.0}}
        for name, judged in contest.regimes.items():
            there = contest.scores(judged)
            found[name] = {
                **compared(there, contest.challengers, contest.members, ledger, rng),
                "share_of_time": None,
            }
        return found
    truth = regimes_of(ground.source, contest.main.place.settings.task, ground.plan)
    share = truth.seconds.sum(axis=0) / truth.seconds.sum()
    return {
        truth.names[number]: {
            **compared(
                scores.part(np.flatnonzero(truth.most == number)), contest.challengers, contest.members, ledger, rng
            ),
            "share_of_time": float(share[number]),
        }
        for number in np.flatnonzero(share > 0).tolist()
    }


def _by_market(contest: Contest, ledger: Ledger, rng: np.random.Generator) -> dict[str, Any]:
    written = {one.key for one in contest.baselines if one.kind == "baseline"}
    found = {}
    for name, judged in contest.markets.items():
        there = contest.scores(judged)
        means = {key: mean for key, mean in there.means().items() if key in written}
        found[name] = {
            **compared(there, contest.challengers, contest.members, ledger, rng),
            "best_baseline": min(means, key=lambda key: means[key]),
        }
    return found


def _by_liquidity(contest: Contest, scores: Scores, ledger: Ledger, rng: np.random.Generator) -> dict[str, Any]:
    """By thirds of what stood in the book at arrival, and of what was traded just before."""
    arrivals = contest.main.arrivals
    if arrivals is None:
        return {}
    return {
        key: {
            name: compared(scores.part(rows), contest.challengers, contest.members, ledger, rng)
            for name, rows in terciles(values).items()
        }
        for key, values in (("depth", arrivals.depth), ("volume", arrivals.volume))
    }


def _pooled(contest: Contest, ledger: Ledger, rng: np.random.Generator) -> dict[str, Any]:
    """Over all markets: for these (`these_markets`), and for such as could have been chosen (`any_markets`)."""
    if len(contest.markets) < 2:
        return {}
    places = [Resampled.of(contest.scores(judged), rng) for judged in contest.markets.values()]
    found: dict[str, Any] = {"markets": list(contest.markets)}
    for key, redraw in (("these_markets", False), ("any_markets", True)):
        found[key] = {
            name: {
                one.key: ledger.enter(pooled_gain(places, name, one.key, rng, redraw_markets=redraw))
                for one in contest.baselines
            }
            for name in contest.challengers
        }
    return found


def _iqm(contest: Contest, rng: np.random.Generator) -> dict[str, Any]:
    """Recipe -> interquartile mean of the gains over the best baseline, training seeds by markets."""
    found = {}
    for name, members in contest.members.items():
        tables = [contest.scores(judged) for judged in contest.markets.values()]
        by_seed = [[float((t.mean(contest.best) - t.mean(member)).mean()) for t in tables] for member in members]
        found[name] = {**interquartile_mean(by_seed, rng).to_json(), "by_seed": by_seed}
    return found


# -- questions --------------------------------------------------------------------------------------------------------


def _ratios(contest: Contest, rng: np.random.Generator) -> dict[str, Any]:
    wanted = [entry for entry in contest.entries if entry.kind == "learned" or entry.name in SCHEDULES]
    return ratios(wanted, contest.twins, rng)


def _hindsight(contest: Contest, rng: np.random.Generator) -> dict[str, Any] | None:
    """What no strategy can attain: the cost of the same orders to somebody who knows the path."""
    bps = contest.main.hindsight_bps
    if bps is None:
        return None
    cluster = next(iter(contest.main.costs.values())).cluster
    return {"label": LABEL, "is_bps": mean_interval(bps, cluster, rng).to_json()}


def _adaptability(contest: Contest, rng: np.random.Generator) -> dict[str, Any]:
    responses = {entry.name: entry.responses for entry in contest.entries}
    return {
        name: {RIGID: adaptability_gain(responses[name], responses.get(RIGID, ()), rng)} for name in contest.challengers
    }


def _deflated(contest: Contest, scores: Scores, name: str) -> dict[str, Any] | None:
    members = contest.members.get(name, (name,))
    tried = max(variants_of(one) for one in contest.policies if one.key in members)
    return deflated_gain(scores, name, contest.best, tried)


def _sensitivity(contest: Contest, rng: np.random.Generator) -> dict[str, Any]:
    """Axis -> value -> shortfalls, and what each policy saves against the best baseline."""
    found: dict[str, Any] = {}
    for axis, row in contest.sensitivity.items():
        found[axis] = {}
        for value, judged in row.items():
            resampled = Resampled.of(contest.scores(judged), rng)
            saved = gains(resampled, contest.challengers, contest.members, rng)
            found[axis][value] = {
                "is_bps": {name: one.estimate().to_json() for name, one in resampled.replicates(rng).items()},
                "paired_vs_best_baseline": {
                    name: saved[name][contest.best].estimate().to_json() for name in contest.challengers
                },
            }
    return found


def _adaptation(contest: Contest, rng: np.random.Generator) -> dict[str, Any]:
    """Regime that begins half-way -> shortfalls; gains; and losses to the policy trained in it, where one was given."""
    found: dict[str, Any] = {}
    for regime, judged in contest.adaptation.items():
        resampled = Resampled.of(contest.scores(judged), rng)
        means = resampled.replicates(rng)
        saved = gains(resampled, contest.challengers, contest.members, rng)
        specialist = contest.trained_for.get(regime)
        found[regime] = {
            "is_bps": {name: one.estimate().to_json() for name, one in means.items()},
            "paired": {
                name: {other: gain.estimate().to_json() for other, gain in row.items()} for name, row in saved.items()
            },
            "specialist": specialist,
            "loss_to_specialist": specialist
            and {name: loss_to(means, name, specialist) for name in means if name != specialist},
        }
    return found


def _checks(contest: Contest) -> list[str]:
    """What was made sure of, in words: every reading of costs checks them (`Costs.check`)."""
    places = [
        contest.main,
        *list(contest.markets.values())[1:],
        *contest.regimes.values(),
        *contest.adaptation.values(),
    ]
    places += [judged for row in contest.sensitivity.values() for judged in row.values()]
    runs = [costs for judged in places for costs in judged.costs.values()]
    for costs in runs:
        costs.check()
    episodes = sum(len(costs) for costs in runs)
    sides = next(iter(contest.main.costs.values())).side
    seen = contest.main.guard
    fills = (
        ["Fills were not looked at one by one."]
        if seen is None
        else [
            f"Fills: {seen.takes:,} takes looked at, none at mid or better; {seen.decisions:,} decisions took at the "
            "touch they saw, none more than the lots displayed there."
        ]
    )
    said = [
        f"Lots add up in {episodes:,} episodes of {len(runs)} runs: none filled twice, none beyond the order.",
        f"Sides: {int((sides > 0).sum()):,} buys and {int((sides < 0).sum()):,} sells.",
    ]
    return [*said, *fills, *contest.notes]
