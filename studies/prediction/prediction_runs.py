"""Runs of a prediction: the same strategies in a simulated market and on held-out days of tape."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from studies.prediction.prediction import LEAST, StrategyCosts
from tercel.core import ConfigError, progress_bar as progress, split_commas
from tercel.execution.strategies import ALL_BASELINES, WRITTEN
from tercel.lab.evaluation import BATCH, BuiltMarket, Scenario, run_strategies
from tercel.lab.evaluation.pipeline import (
    ALL,
    Candidate,
    ScenarioCosts,
    baselines_of,
    cached_market,
    calibrated_on,
    judged_days,
    members_of,
    overflowing_rules,
    policies_of,
    without_overflowed_episodes,
)
from tercel.market.simulator import QUEUE, with_strict_bound

THEIRS = "theirs"


def candidates_of(typed: Sequence[str]) -> list[Candidate]:
    """Written strategies and policies by name, each once, in the order typed.

    Raises
    ------
    ConfigError
        Fewer than three: they have no ranking.
    UnknownNameError, PolicyError
        A name that is neither.
    """
    words = split_commas(",".join(typed))
    names = dict.fromkeys(
        one
        for word in words
        for one in (ALL_BASELINES if word == ALL else members_of(word) or [word])
    )
    written = [name for name in names if name in WRITTEN]
    learned = [name for name in names if name not in WRITTEN]
    if len(names) < LEAST:
        raise ConfigError(
            f"at least {LEAST} strategies to rank",
            ", ".join(names) or "none",
            "such as `strategy=all`",
        )
    return [*(baselines_of(",".join(written)) if written else ()), *policies_of(learned)]


def refuse_calibrated(which: str, settings: Mapping[str, Scenario]) -> None:
    """Refuse days that the market itself was calibrated on.

    Raises
    ------
    ConfigError
    """
    for one in settings.values():
        judged = judged_days(one) if one.market.on_tape else None
        for seen in calibrated_on(which) if judged is not None else ():
            if judged is not None and judged.overlaps(seen):
                raise ConfigError(
                    f"days that {which} was not calibrated on",
                    f"{judged}: it was calibrated on {seen.first}",
                    "name other days with `date=`",
                )


def sides(
    home: Scenario, tape: Scenario, market: str, candidates: Sequence[Candidate], seed: int
) -> tuple[dict[str, StrategyCosts], list[str]]:
    """Costs in simulation, on tape, and on tape with the other bound where it has one; what was left out, in words.

    Rules have the numbers tuned in `market` in both scenarios: what is asked is how the very same strategy fares.
    """
    known = cached_market(tape)
    recorded = replace(known, estimates=replace(known.estimates, market=market))
    grounds = {"simulated": (home, cached_market(home)), "tape": (tape, recorded)}
    if not recorded.judged.worlds_k[:, QUEUE].any():
        grounds[THEIRS] = (tape, replace(recorded, judged=with_strict_bound(recorded.judged)))
    judged = run_candidates(grounds, candidates)
    gone = overflowing_rules(judged.values(), [one for one in candidates if not one.is_learned])
    found, notes = {}, list(gone.values())
    for where, one in judged.items():
        complete, notes_here = without_overflowed_episodes(one.without(gone))
        found[where] = StrategyCosts(complete.costs, seed)
        notes += notes_here
    learned = f"Schedules know volume and volatility from {known.facts['trained on']}."
    return found, [*notes, learned, *known.notes[1:]]


def run_candidates(
    grounds: Mapping[str, tuple[Scenario, BuiltMarket]], candidates: Sequence[Candidate]
) -> dict[str, ScenarioCosts]:
    """Every strategy on the episodes of every scenario, with a bar."""
    found: dict[str, ScenarioCosts] = {}
    with progress() as progress_bars:
        bars = {
            where: progress_bars.add_task(
                where, total=-(-len(built.plan) // BATCH) * len(candidates)
            )
            for where, (_, built) in grounds.items()
        }
        for where, (scenario, built) in grounds.items():

            def tick(bar: Any = bars[where]) -> bool:
                progress_bars.advance(bar)
                return False

            made = [one.strategy(built) for one in candidates]
            costs = run_strategies(
                built.judged, scenario.task, built.plan, made, tick, run_out=False
            )
            for one in costs:
                one.check()
            found[where] = ScenarioCosts(
                scenario, dict(zip((one.key for one in candidates), costs, strict=True)), {}
            )
    return found
