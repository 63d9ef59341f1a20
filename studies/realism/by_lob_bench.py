"""`tercel market score --by lob-bench`: a judge that is found by the entry point group `tercel.judges`."""

from collections.abc import Mapping
from typing import Any

from studies.realism.lob_bench import METRICS, MOST_LEVELS, distances, lob_bench, scored
from studies.realism.sets import data_days
from tercel.cli import ScoreRequest, print_table, say
from tercel.market import check_one_market, read_preset_days, refuse_calibration_days
from tercel.market.flow import load


def score(request: ScoreRequest, dates: list[str]) -> dict[str, Any]:
    """By the benchmark's own code; without a lake, on the days of its data set in `--data`."""
    preset = load(request.preset)
    symbol, venue, start, end = request.symbol, request.venue, request.start, request.end
    with lob_bench(request.peers) as bench:
        if request.lake is None:
            days = data_days(
                (venue or preset.venue, symbol or preset.symbol), request.data, dates, start, end
            )
        else:
            days = read_preset_days(
                preset, request.lake, dates, symbol=symbol, venue=venue, start=start, end=end
            )
        check_one_market(preset, days)
        if not request.seen:
            refuse_calibration_days(preset, days)
        levels = min([MOST_LEVELS, *(day.instrument.levels or MOST_LEVELS for day in days)])

        def judge(real: Any, other: Any) -> dict[str, Any]:
            return distances(bench, real, other, levels)

        return scored(preset, days, levels, request.seeds or 5, request.windows, judge)


def show(found: Mapping[str, Any]) -> None:
    """The benchmark's table and what it comes to."""
    rows = [
        [
            name.replace("_", " "),
            *(f"{value:.3f}" for key in METRICS for value in (row[key], row["real"][key])),
        ]
        for name, row in found["scores"].items()
    ]
    real, ratio = found["real"], found["ratio"]
    means = (found["mean_l1"], real["mean_l1"], found["mean_w1"], real["mean_w1"])
    rows.append(["mean", *(f"{value:.3f}" for value in means)])
    title = (
        f"{found['preset']} ({found['model']}) on {', '.join(found['scored_on'])} by LOB-Bench: {found['windows']} "
        f"windows a side of {found['messages']} messages, {found['levels']} levels, {found['seeds']} seeds"
    )
    print_table(title, ("score", "L1", "real L1", "Wasserstein", "real Wasserstein"), rows)
    say(
        f"{ratio['l1']:.2f} x the recorded half beside it in L1, {ratio['w1']:.2f} x in Wasserstein"
    )
    by_seed = ", ".join(f"{one['mean_l1']:.3f} / {one['mean_w1']:.3f}" for one in found["by_seed"])
    say(f"by seed, L1 / Wasserstein: {by_seed}")
