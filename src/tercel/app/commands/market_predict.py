"""`tercel market predict`: the same strategies in a simulated market and on held-out days of tape, side by side."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tercel.app.commands.agent_evaluate import markets_of
from tercel.app.commands.market_score import file_to_write
from tercel.app.job.contest.cells import Judged
from tercel.app.job.contest.contenders import ALL, Contender, baselines_of, policies_of
from tercel.app.job.contest.families import members_of
from tercel.app.job.contest.leaks import calibrated_on, judged_days, refuse_leaks
from tercel.app.job.contest.places import Ground, Place, build_place
from tercel.app.job.contest.room import cramped, roomy
from tercel.app.job.settings import RunSettings
from tercel.app.output import print_json, print_table, progress_console, say, write_page
from tercel.core.errors import ConfigError
from tercel.evaluation.experiment import BATCH, run_strategies
from tercel.evaluation.prediction import LEAST, Side, in_words, predict
from tercel.evaluation.task import Task
from tercel.execution.strategies import ALL_BASELINES
from tercel.market.flow.preset import load
from tercel.market.score.tape import rounded
from tercel.market.simulator.levels import QUEUE
from tercel.market.simulator.tape_source import theirs
from tercel.market.simulator.terms import NO_FEES
from tercel.report.tables import NOTHING, plain_table, spelt

HEADINGS = ("strategy", "simulated, bps", "tape, bps", "passive", "late", "theirs, bps")
THEIRS = "theirs"
SPEARMANS = ("spearman", "spearman_resting")


def run(
    which: str,
    lake: Path,
    *,
    symbol: str,
    dates: Sequence[str],
    strategies: Sequence[str],
    episodes: int,
    seed: int,
    share: float,
    impact: str,
    out: Path | None,
    write: bool,
    as_json: bool,
) -> None:
    """Run everything in both places, compare, show, and write the page and the card where asked.

    Raises
    ------
    ConfigError
        Days that the market was calibrated on, a strategy that is unknown, `write` without a file.
    """
    began = time.process_time()
    preset = load(which)
    file = file_to_write(which) if write else None
    contenders = contenders_of(strategies)
    task = Task(share=share)
    settings = markets_of([which], lake, symbol or preset.symbol, impact, task, NO_FEES, "", dates)
    refuse_calibrated(which, settings)
    notes = refuse_leaks([one for one in contenders if one.learned], settings.values())
    home, tape = (Place(name, one, (seed,), 0 if one.on_tape else episodes) for name, one in settings.items())
    held, more = sides(home, tape, preset.name, contenders, seed)
    found = {
        "market": preset.name,
        "symbol": settings[tape.name].symbol,
        "dates": list(judged_days(settings[tape.name]).days),
        "impact": impact,
        "task": task.to_dict(),
        "episodes": {where: side.episodes for where, side in held.items()},
        "days": held["tape"].resampled.clusters,
        **predict(held["simulated"], held["tape"], held.get(THEIRS), seed),
        "notes": [*notes, *more],
        "cpu_s": time.process_time() - began,
    }
    if file is not None:
        preset.model_copy(update={"card": {**preset.card, "prediction": kept(found)}}).save(file)
        say(f"written  {file}")
    if out is not None:
        write_page(out, "prediction", found, page(found))
        say(f"report  {out / 'prediction.html'}")
    if as_json:
        print_json(found)
    else:
        show(found)


def kept(found: Mapping[str, Any]) -> dict[str, Any]:
    """What a preset's card keeps of a prediction."""
    told = {key: found[key] for key in ("symbol", "impact", "episodes", "signs", "shares")}
    ranks = {key: {k: found[key][k] for k in ("mean", "ci_low", "ci_high", "ceiling")} for key in SPEARMANS}
    card: dict[str, Any] = rounded({"days": found["dates"], "strategies": len(found["strategies"]), **ranks, **told}, 4)
    return card


def contenders_of(words: Sequence[str]) -> list[Contender]:
    """Written strategies and policies by name, each once, in the order typed.

    Raises
    ------
    ConfigError
        Fewer than three: they have no ranking.
    UnknownNameError, PolicyError
        A name that is neither.
    """
    listed = [part.strip() for word in words for part in word.split(",") if part.strip()]
    names = dict.fromkeys(
        one for word in listed for one in (ALL_BASELINES if word == ALL else members_of(word) or [word])
    )
    written = [name for name in names if name in ALL_BASELINES]
    learned = [name for name in names if name not in ALL_BASELINES]
    if len(names) < LEAST:
        raise ConfigError(f"at least {LEAST} strategies to rank", ", ".join(names) or "none", "such as --strategy all")
    return [*(baselines_of(",".join(written)) if written else ()), *(policies_of(learned) if learned else ())]


def refuse_calibrated(which: str, settings: Mapping[str, RunSettings]) -> None:
    """Refuse days that the market itself was calibrated on.

    Raises
    ------
    ConfigError
    """
    for one in settings.values():
        judged = judged_days(one) if one.on_tape else None
        for seen in calibrated_on(which) if judged is not None else ():
            if judged is not None and judged.overlaps(seen):
                raise ConfigError(
                    f"days that {which} was not calibrated on", f"{judged}: it was calibrated on {seen.first}",
                    "name other days with --date",
                )  # fmt: skip


def sides(
    home: Place, tape: Place, market: str, contenders: Sequence[Contender], seed: int
) -> tuple[dict[str, Side], list[str]]:
    """Costs at home, on tape, and on tape with the other bound where it has one; and what was left out, in words.

    Rules have the numbers tuned in `market` in both places: what is asked is how the very same strategy fares.
    """
    known = build_place(tape)
    estimates = replace(known.market.estimates, market=market)
    recorded = replace(known, market=replace(known.market, estimates=estimates))
    grounds = {"simulated": (home, build_place(home)), "tape": (tape, recorded)}
    if not recorded.source.worlds_k[:, QUEUE].any():
        grounds[THEIRS] = (tape, replace(recorded, source=theirs(recorded.source)))
    judged = held(grounds, contenders)
    gone = cramped(judged.values(), [one for one in contenders if not one.learned])
    found, notes = {}, list(gone.values())
    for where, one in judged.items():
        kept, said = roomy(one.without(gone))
        found[where] = Side(kept.costs, seed)
        notes += said
    learned = f"Schedules know volume and volatility from {known.market.facts['trained on']}."
    return found, [*notes, learned, *known.market.notes[1:]]


def held(grounds: Mapping[str, tuple[Place, Ground]], contenders: Sequence[Contender]) -> dict[str, Judged]:
    """Every strategy on the episodes of every place, with a bar."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    found: dict[str, Judged] = {}
    with Progress(*columns, console=progress_console()) as progress:
        bars = {
            where: progress.add_task(where, total=-(-len(ground.plan) // BATCH) * len(contenders))
            for where, (_, ground) in grounds.items()
        }
        for where, (place, ground) in grounds.items():

            def tick(bar: Any = bars[where]) -> bool:
                progress.advance(bar)
                return False

            made = [one.strategy(ground.market) for one in contenders]
            costs = run_strategies(ground.source, place.settings.task, ground.plan, made, tick, run_out=False)
            for one in costs:
                one.check()
            found[where] = Judged(place, dict(zip((one.key for one in contenders), costs, strict=True)), {})
    return found


# -- what people see --------------------------------------------------------------------------------------------------


def show(found: Mapping[str, Any]) -> None:
    """The table and its sentences."""
    episodes = found["episodes"]
    title = (
        f"{found['market']}: {episodes['simulated']:,} simulated orders, {episodes['tape']:,} on {found['days']} "
        f"{'days' if len(found['dates']) > 1 else 'half hours'} of {found['symbol']} tape, cheapest there first; "
        "shares: simulated / tape"
    )
    print_table(title, HEADINGS, rows_of(found))
    for sentence in sentences(found):
        say(sentence)
    say(f"{found['cpu_s']:.0f} s of CPU")


def rows_of(found: Mapping[str, Any]) -> list[list[str]]:
    """Cells of the table, a strategy a row."""
    return [
        [
            name,
            *(_cost(row["interval_bps"][where]) for where in ("simulated", "tape")),
            *(f"{row[key]['simulated']:.2f} / {row[key]['tape']:.2f}" for key in ("passive_share", "late_share")),
            _cost(row["interval_bps"].get(THEIRS)),
        ]
        for name, row in found["strategies"].items()
    ]


def _cost(cell: Mapping[str, Any] | None) -> str:
    return NOTHING if cell is None else spelt(cell)


def sentences(found: Mapping[str, Any]) -> list[str]:
    """The finding in words."""
    days = "day" if len(found["dates"]) == 1 else "days"
    return in_words(found, found["market"], f"{len(found['dates'])} {days} of {found['symbol']}")


def page(found: Mapping[str, Any]) -> str:
    """The page of pictures."""
    from tercel.report.page import Section, render
    from tercel.report.prediction_figures import costs, shares

    lead, *rest = sentences(found)
    sections = [
        Section("Who is cheap here and there", rest, figures=[costs(found["strategies"], found["symbol"])]),
        Section("How orders are filled", figures=[shares(found["strategies"], found["symbol"])]),
        Section(
            "Every strategy",
            NOTE,
            html=plain_table(HEADINGS, rows_of(found)),
            facts={"notes": " ".join(found["notes"])},
        ),
    ]
    facts = {
        "days": f"{len(found['dates'])}, {found['dates'][0]} to {found['dates'][-1]}",
        **{f"orders, {key}": n for key, n in found["episodes"].items()},
    }
    title = f"Does {found['market']} predict {found['symbol']}?"
    return render(title, lead, sections, facts, f"tercel market predict {found['market']}")


NOTE = (
    "Bps of the order's value with 95 % intervals over simulated orders and over days; theirs: on tape, with lots that "
    "trade at an own order's price left to the tape. Passive: share filled while resting, simulated / tape; late: "
    "forced at the horizon."
)
