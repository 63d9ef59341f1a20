"""`tercel market score --by lob-bench`: another benchmark's own code on simulated and on recorded windows."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tercel.app.commands.market_days import days_of, refuse_seen
from tercel.app.commands.market_sets import data_days
from tercel.app.job.lob_bench import MESSAGES, METRICS, Ints, Rows, Window, distances, lob_bench, mean_of
from tercel.app.output import print_json, print_table, progress_console, say
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.feeds.lobster_write import NS, as_lobster
from tercel.market.flow.preset import Preset, load
from tercel.market.score.days import WARMUP_S, Day, of_one_market
from tercel.market.simulator.days import simulated_day
from tercel.market.tape import Events, Instrument

SEEDS = 5
WINDOWS = 64
MOST_LEVELS = 10
"""The benchmark's own depth; a tape that shows fewer is read with those."""
HEADINGS = ("score", "L1", "real L1", "Wasserstein", "real Wasserstein")
Stretch = tuple[float, float]


def run(
    which: str,
    lake: Path | None,
    *,
    data: Path | None,
    dates: Sequence[str],
    symbol: str,
    venue: str,
    start: str,
    end: str,
    seeds: int,
    windows: int,
    peers: Path | None,
    seen: bool,
    as_json: bool,
) -> None:
    """Score, and show; without a lake, on the days of its data set in `data`.

    Raises
    ------
    ConfigError
        The benchmark's code is not there, days that were calibrated on, a stretch without two windows.
    """
    preset = load(which)
    with lob_bench(peers) as bench:
        if lake is None:
            days = data_days((venue or preset.venue, symbol or preset.symbol), data, dates, start, end)
        else:
            days = days_of(preset, lake, dates, symbol=symbol, venue=venue, start=start, end=end)
        of_one_market(preset, days)
        if not seen:
            refuse_seen(preset, days)
        levels = min([MOST_LEVELS, *(day.instrument.levels or MOST_LEVELS for day in days)])
        found = scored(preset, days, levels, seeds, windows, lambda real, other: distances(bench, real, other, levels))
    if as_json:
        print_json(found)
    else:
        show(found)


def scored(
    preset: Preset,
    days: Sequence[Day],
    levels: int,
    seeds: int,
    windows: int,
    judge: Callable[[Sequence[Window], Sequence[Window]], dict[str, Any]],
) -> dict[str, Any]:
    """What the judge says of every simulated path, and of the recorded half beside.

    Windows are evenly spread over the real stretch of each day (:func:`halves`) and over the one beside it; simulated
    ones begin at the same times of day as the real ones.
    """
    from rich.progress import track

    parts = [halves(day) for day in days]
    real, beside = ([_recorded(day, levels, one[k]) for day, one in zip(days, parts, strict=True)] for k in range(2))
    each_day = -(-windows // len(days))
    starts = [(a.spread(each_day, MESSAGES), b.spread(each_day, MESSAGES)) for a, b in zip(real, beside, strict=True)]
    starts = [(a[: min(len(a), len(b))], b[: min(len(a), len(b))]) for a, b in starts]
    side = _windows(real, [a for a, _ in starts])
    floor = judge(side, _windows(beside, [b for _, b in starts]))
    times = [rows.messages[at, NS] for rows, (at, _) in zip(real, starts, strict=True)]
    each = []
    for seed in track(range(1, seeds + 1), "simulate and score", console=progress_console()):
        paths = [_simulated(preset, seed, one, levels) for one, _ in parts]
        each.append(judge(side, _windows(paths, [p.at_times(ns) for p, ns in zip(paths, times, strict=True)])))
    means = {name: {key: float(np.mean([one[name][key] for one in each])) for key in METRICS} for name in floor}
    return {
        "preset": preset.name,
        "model": preset.model,
        "scored_on": [day.label for day in days],
        **_pair(means),
        "real": _pair(floor),
        "ratio": {key: _pair(means)[f"mean_{key}"] / _pair(floor)[f"mean_{key}"] for key in ("l1", "w1")},
        "by_seed": [_pair(one) for one in each],
        "seeds": seeds,
        "windows": len(side),
        "messages": MESSAGES,
        "levels": levels,
        "stretches_s": [{"real": one, "beside": other} for one, other in parts],
        "scores": {name: {**means[name], "real": floor[name]} for name in floor},
    }


def _pair(found: dict[str, Any]) -> dict[str, float]:
    return {"mean_l1": mean_of(found, "l1"), "mean_w1": mean_of(found, "wasserstein")}


def _windows(rows: Sequence[Rows], starts: Sequence[Ints]) -> list[Window]:
    return [window for one, at in zip(rows, starts, strict=True) for window in one.windows(at)]


def halves(day: Day) -> tuple[Stretch, Stretch]:
    """The real stretch of a day and the recorded one beside it, seconds after the opening.

    What is scored, and what lies before it (or after it) on the same day, at most as long. Where nearly the whole day
    is scored, its second half is, and the first lies beside it.
    """
    start, end = day.stretch_s
    before = max(day.skip_s, 2 * start - end), start
    after = end, min(day.session_s, 2 * end - start)
    beside = max(before, after, key=lambda one: one[1] - one[0])
    if beside[1] - beside[0] >= (end - start) / 2:
        return (start, end), beside
    middle = (start + end) / 2
    return (middle, end), (start, middle)


def _recorded(day: Day, levels: int, stretch: Stretch) -> Rows:
    """A stretch of a day."""
    opening = day.instrument.session_open_ns or int(day.events.exch_ns[0])
    start, end = (opening + round(s * NS_PER_SECOND) for s in stretch)
    return _between(day.instrument, day.events, levels, start, end)


def _simulated(preset: Preset, seed: int, stretch: Stretch, levels: int) -> Rows:
    """A simulated stretch as long, at its time of day, through the same window of levels."""
    start, end = stretch
    events = simulated_day(preset, seed, end - start, WARMUP_S, start)
    instrument = Instrument(preset.venue, preset.symbol, "2000-01-03", preset.tick, lot=preset.lot)
    warm = round(WARMUP_S * NS_PER_SECOND)
    return _between(instrument, events, levels, warm, warm + round((end - start) * NS_PER_SECOND))


def _between(instrument: Instrument, events: Events, levels: int, start: int, end: int) -> Rows:
    messages, book = as_lobster(instrument, events, levels)
    kept = slice(*np.searchsorted(messages[:, NS], [start, end]).tolist())
    messages = messages[kept].copy()
    messages[:, NS] -= start
    return Rows(messages, book[kept])


def show(found: dict[str, Any]) -> None:
    """The table and what it comes to."""
    rows = [
        [name.replace("_", " "), *(f"{value:.3f}" for key in METRICS for value in (row[key], row["real"][key]))]
        for name, row in found["scores"].items()
    ]
    real, ratio = found["real"], found["ratio"]
    means = (found["mean_l1"], real["mean_l1"], found["mean_w1"], real["mean_w1"])
    rows.append(["mean", *(f"{value:.3f}" for value in means)])
    title = (
        f"{found['preset']} ({found['model']}) on {', '.join(found['scored_on'])} by LOB-Bench: {found['windows']} "
        f"windows a side of {found['messages']} messages, {found['levels']} levels, {found['seeds']} seeds"
    )
    print_table(title, HEADINGS, rows)
    say(f"{ratio['l1']:.2f} x the recorded half beside it in L1, {ratio['w1']:.2f} x in Wasserstein")
    by_seed = ", ".join(f"{one['mean_l1']:.3f} / {one['mean_w1']:.3f}" for one in found["by_seed"])
    say(f"by seed, L1 / Wasserstein: {by_seed}")
