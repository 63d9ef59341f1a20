"""`tercel market fills`: do resting orders fill in a market as they do on its tape? A table, a page, gates."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tercel.app.commands.market_days import days_of, seen_days
from tercel.app.commands.market_simulate import synthetic, working_days
from tercel.app.output import plain, print_json, print_table, say, write_page
from tercel.market.feeds.lobster_write import as_shown
from tercel.market.flow.preset import Preset, load
from tercel.market.score.days import Day, of_one_market
from tercel.market.studies.fill_gates import MARKOUTS_S, Cell, Gate, compare
from tercel.market.studies.fill_study import sums_of
from tercel.market.studies.fills import WAITS_S, Scale, scale_of
from tercel.market.studies.markouts import HORIZONS_S
from tercel.market.studies.replayed import replayed
from tercel.market.studies.sums import Sums
from tercel.report.tables import NOTHING, plain_table

FIRST = "2030-01-02"
"""Date of the first simulated day; it names the day and nothing else."""
HEAD = ("", "tape", "floor", "simulated", "passed")
WORDS = {
    **{f"filled_{wait}s": f"filled in {wait} s" for wait in WAITS_S},
    "filled_before_away": "filled in 300 s before the touch moved away",
    "filled_given_away": "filled in 300 s, given it moved away first",
    **{f"joins_filled_{wait}s": f"tape's own joins executed in {wait} s" for wait in WAITS_S},
    **{f"markout_{h}s_bps": f"mark-out {h} s after a fill, ticks" for h in MARKOUTS_S},
    "back_after_trade_10s": "old price back 10 s after a trade emptied it",
    "cancel_ratio": "cancel rate behind over ahead",
    "fano": "Fano factor of market orders, 300 s",
    "hidden_rows": "hidden among executions",
}


@dataclass(frozen=True)
class Fills:
    """A finished study; the fields are those of its JSON.

    Parameters
    ----------
    preset, symbol : str
    days : tuple of str
        Of tape.
    calibrated_on : tuple of str
        Those of them that the preset was calibrated on.
    simulated_days, seed : int
    clusters : str
        What the tape's intervals are drawn over: days, or the half hours of one day.
    scale : Scale
        Shares of a ghost, and the tape's queue.
    dropped_minutes : int
        Minutes of tape without a book.
    figures : dict of str to Cell
    gates : list of Gate
    """

    preset: str
    symbol: str
    days: tuple[str, ...]
    calibrated_on: tuple[str, ...]
    simulated_days: int
    seed: int
    clusters: str
    scale: Scale
    dropped_minutes: int
    figures: dict[str, Cell]
    gates: list[Gate]


def run(
    which: str,
    lake: Path,
    symbol: str,
    *,
    dates: Sequence[str],
    venue: str,
    simulated_days: int,
    seed: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Measure, print, and write `fills.json` and `fills.html` to `out`.

    Raises
    ------
    ConfigError, TapeError
        Days that are missing or cannot be used.
    """
    preset = load(which)
    found = study(preset, days_of(preset, lake, dates, symbol=symbol, venue=venue), simulated_days, seed)
    if out is not None:
        write_page(out, "fills", card(found), page(found))
        say(f"report  {out / 'fills.html'}")
    if as_json:
        print_json(card(found))
    else:
        show(found)


def study(preset: Preset, days: Sequence[Day], simulated_days: int, seed: int) -> Fills:
    """Measure tape and simulated days by the same code.

    Raises
    ------
    ConfigError, TapeError
        Days of another tick than the preset's, too short, or without single orders.
    """
    of_one_market(preset, days)
    read = [replayed(day.instrument, day.events) for day in days]
    scale = scale_of(read)
    real = [sums_of(day, scale) for day in read]
    say(f"tape       {len(real)} days")
    seconds = float(np.median([day.session_s for day in days]))
    levels = min((day.instrument.levels for day in days if day.instrument.levels), default=0)
    made = list(simulated_sums(preset, scale, simulated_days, seed, seconds, levels))
    cells, gates, clusters = compare(real, made, seed)
    return Fills(
        preset=preset.name, symbol=days[0].instrument.symbol,
        days=tuple(day.instrument.date for day in days),
        calibrated_on=tuple(day.instrument.date for day in seen_days(preset, days)),
        simulated_days=simulated_days, seed=seed, clusters=clusters, scale=scale,
        dropped_minutes=sum(int(np.sum(~day.booked)) for day in read), figures=cells, gates=gates,
    )  # fmt: skip


def simulated_sums(
    preset: Preset, scale: Scale, days: int, seed: int, seconds: float, levels: int = 0
) -> Iterator[Sums]:
    """The sums of each simulated day, one after the other; `levels` reads it as a feed of so many, 0: of all."""
    for number, date in enumerate(working_days(FIRST, days)):
        day = synthetic(preset, seed + number, date, seconds, preset.symbol)
        yield sums_of(replayed(*(as_shown(*day, levels) if levels else day)), scale)
        say(f"simulated  day {number + 1} of {days}")


def card(found: Fills) -> dict[str, Any]:
    """What `--json` prints: the curves by wait, mark-outs and hidden share, and every figure by name."""
    cells = found.figures
    curve = [cells[f"filled_{wait}s"] for wait in WAITS_S]
    marks = {str(h): cells[f"markout_{h}s_bps"] for h in HORIZONS_S}
    return {
        "waits_s": list(WAITS_S),
        "real": [{"share": cell.real, "ci_low": cell.ci_low, "ci_high": cell.ci_high} for cell in curve],
        "real_floor": [cell.floor for cell in curve],
        "simulated": [cell.simulated for cell in curve],
        "markouts_bps": {
            "real": {h: cell.real for h, cell in marks.items()},
            "simulated": {h: cell.simulated for h, cell in marks.items()},
        },
        "hidden_share": {"real": cells["hidden_rows"].real, "simulated": cells["hidden_rows"].simulated},
        **asdict(found),
    }


def show(found: Fills) -> None:
    """The table of gates and what there is to say."""
    days = f"{len(found.days)} day{'s' if len(found.days) > 1 else ''} of tape"
    title = f"{found.preset} beside {found.symbol}: {days}, {found.simulated_days} simulated"
    print_table(title, HEAD, table(found), leaves=("floor",), words=("passed",))
    for line in sentences(found):
        say(line)


def table(found: Fills) -> list[list[str]]:
    """A row for each gate; mark-outs are judged in bps and shown in ticks."""
    rows = []
    for gate in found.gates:
        cell = found.figures[gate.name.removesuffix("_bps") + "_ticks" if gate.name.endswith("_bps") else gate.name]
        numbers = [_number(x) for x in (cell.real, cell.floor, cell.simulated)]
        rows.append([WORDS[gate.name], *numbers, "yes" if gate.passed else "NO"])
    return rows


def _number(value: float) -> str:
    return NOTHING if not np.isfinite(value) else f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def sentences(found: Fills) -> list[str]:
    """What was found and how to read it, five sentences at most."""
    passed = sum(gate.passed for gate in found.gates)
    lot = f"A ghost is an order of {found.scale.ghost} shares that joins the touch every 10 s and takes nothing;"
    told = [
        f"{passed} of {len(found.gates)} gates passed.",
        f"{lot} a start whose wait runs over the end of the session is left out of that wait.",
        "Intervals are over days." if found.clusters == "days" else
        "Intervals are over the half hours of one day, which is optimistic.",
        "Floor: odd against even half hours of tape.",
    ]  # fmt: skip
    if found.calibrated_on:
        told.append(f"Calibrated on {len(found.calibrated_on)} of these days, which is kind to the preset.")
    return told


def page(found: Fills) -> str:
    """The page of tables and pictures."""
    from tercel.report.fills_figures import by_class, fill_curves, markouts, returns_and_hidden
    from tercel.report.page import Section, render

    cells, symbol = plain({name: asdict(cell) for name, cell in found.figures.items()}), found.symbol
    everything = [
        [name.replace("_", " "), *(_number(x) for x in (cell.real, cell.floor, cell.simulated))]
        for name, cell in found.figures.items()
    ]
    sections = [
        Section("Gates", html=plain_table(HEAD, table(found))),
        Section("Do orders fill as on tape?", figures=[fill_curves(cells, WAITS_S, symbol), by_class(cells, symbol)]),
        Section("What fills are worth", figures=[markouts(cells, HORIZONS_S, symbol)]),
        Section("After the touch was emptied, and hidden executions", figures=[returns_and_hidden(cells, symbol)]),
        Section("Every figure", html=plain_table(HEAD[:-1], everything)),
    ]
    facts = {
        "days of tape": len(found.days), "simulated days": found.simulated_days,
        "minutes without a book": found.dropped_minutes, "a ghost": f"{found.scale.ghost} shares",
        "usual queue": f"{found.scale.queue:g} shares",
    }  # fmt: skip
    footer = (
        f"reprint: tercel market fills {found.preset} --symbol {symbol} --date {','.join(found.days)} "
        f"--days {found.simulated_days} --seed {found.seed}"
    )
    return render(f"Fills of {found.preset} beside {symbol}", " ".join(sentences(found)), sections, facts, footer)
