"""`tercel market fills`: do resting orders fill in a market as they do on its tape? A table, a page, gates."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tercel.cli import (
    PRESET,
    JsonRequest,
    Lake,
    PresetsSymbol,
    Seed,
    Venue,
    check_folder,
    file_to_write,
    hand_over,
    page_folder,
    parse_dates,
    print_table,
    say,
)
from tercel.cli.market_score_tables import share_text
from tercel.core import to_jsonable
from tercel.core.report import NOTHING, format_number, plain_table

if TYPE_CHECKING:
    from studies.fills.fill_comparison import Fills

HEAD = ("", "tape", "ceiling", "simulated", "passed", "recorded days that pass")


@dataclass(frozen=True)
class FillsRequest(JsonRequest):
    """What is asked of `tercel market fills`."""

    preset: Annotated[str, PRESET]
    lake: Lake
    dates: Annotated[
        list[str],
        typer.Option(
            "--date", help="Days of tape, separated by commas or given again.", metavar="D[,D...]"
        ),
    ]
    symbol: PresetsSymbol = ""
    venue: Venue = ""
    days: Annotated[int, typer.Option(help="Days to simulate.", min=1, max=1000, metavar="N")] = 20
    seed: Seed = 1
    out: Annotated[Path | None, page_folder("fills")] = None
    write: Annotated[bool, typer.Option("--write", help="Keep it in the preset file's card.")] = (
        False
    )


def fills(request: FillsRequest) -> None:
    """Do resting orders fill as on tape? Fill curves, mark-outs, returns, cancels and carry of simulated days."""
    check_folder(request.out)
    file, dates = (
        file_to_write(request.preset) if request.write else None,
        parse_dates(",".join(request.dates)),
    )
    from studies.fills.fill_comparison import card, study, teaches
    from tercel.market import read_preset_days
    from tercel.market.flow import load

    preset = load(request.preset)
    days = read_preset_days(preset, request.lake, dates, symbol=request.symbol, venue=request.venue)
    found = study(preset, days, request.days, request.seed, say)
    if file is not None:
        preset.model_copy(update={"card": {**preset.card, "teaches": teaches(found)}}).save(file)
        say(f"written  {file}")
    hand_over(
        card(found), request.as_json, lambda: show(found), request.out, "fills", lambda: page(found)
    )


def show(found: "Fills") -> None:
    """The table of gates and what there is to say."""
    days = f"{len(found.days)} day{'s' if len(found.days) > 1 else ''} of tape"
    title = f"{found.preset} beside {found.symbol}: {days}, {found.simulated_days} simulated"
    print_table(
        title,
        head(found),
        table(found),
        drop_order=("ceiling", "by month", HEAD[-1]),
        left_aligned=("passed",),
    )
    for line in sentences(found):
        say(line)


def head(found: "Fills") -> tuple[str, ...]:
    """Headings of the table; the tape by month where its days are of several."""
    return (*HEAD[:2], "by month", *HEAD[2:]) if found.months else HEAD


def table(found: "Fills") -> list[list[str]]:
    """A row for each gate; mark-outs are judged in bps and shown in ticks."""
    from studies.fills.fill_comparison import MOVES, WORDS
    from studies.fills.fills import PLACES
    from tercel.execution.foresight import ENOUGH

    def months(name: str) -> list[str]:
        return [" / ".join(_number(x) for x in found.months[name].values())] if found.months else []

    rows = []
    for gate in found.gates:
        name = (
            gate.name.removesuffix("_bps") + "_ticks" if gate.name.endswith("_bps") else gate.name
        )
        cell = found.figures[name]
        floor, made = _number(cell.floor), _number(cell.simulated)
        rows.append(
            [
                WORDS[gate.name],
                _number(cell.real),
                *months(name),
                floor,
                made,
                "yes" if gate.passed else "NO",
                share_text(found.ceilings[gate.name].passed) if found.ceilings else NOTHING,
            ]
        )
    moves = [(name, MOVES[name], cell) for name, cell in found.moves.items()]
    moves += [
        (
            name,
            f"mark-out {h} s after a fill, {words}, ticks",
            {"real": cell.real, "simulated": cell.simulated},
        )
        for place, words in PLACES.items()
        for h in (10, 60)
        for name in [f"markout_{place}_{h}s_ticks"]
        for cell in [found.figures[name]]
    ]
    rows += [
        [
            words,
            _number(one["real"]),
            *months(name),
            NOTHING,
            _number(one["simulated"]),
            NOTHING,
            NOTHING,
        ]
        for name, words, one in moves
    ]
    for h, one in found.carry.horizons.items() if found.carry else ():
        enough = "yes" if (one.carry or 0.0) >= ENOUGH else "NO"
        words, blank = f"R² of a forecast of {h} s on tape", [NOTHING] * bool(found.months)
        rows.append(
            [words, _number(one.tape), *blank, NOTHING, _number(one.simulated), enough, NOTHING]
        )
    return rows


def _number(value: float) -> str:
    return (
        NOTHING
        if not math.isfinite(value)
        else f"{value:.3f}"
        if abs(value) < 10
        else f"{value:.1f}"
    )


def sentences(found: "Fills") -> list[str]:
    """Findings and how to read them, five sentences at most."""
    from tercel.signals.flow.carry import describe_carry

    row = found.rows[0]
    lot = f"A ghost is an order of {found.scale.ghost} shares that joins the touch every 10 s and takes nothing;"
    lines = [
        f"{row.simulated:g} of {len(found.gates)} gates passed, where a recorded day passes {format_number(row.ceiling, 1)} "
        f"against the others ({found.units}); share {format_number(row.share)}; {found.simulated_days} simulated days have "
        f"{describe_carry(found.carry) if found.carry else 'no R² ratio: that needs LightGBM, and hours of tape'}.",
        f"{lot} a start whose wait runs over the end of the session is left out of that wait.",
        "Intervals are over days."
        if found.clusters == "days"
        else "Intervals are over the half hours of one day, which is optimistic.",
        "Ceiling: odd against even half hours of the tape itself.",
    ]
    if found.calibrated_on:
        lines.append(
            f"Calibrated on {len(found.calibrated_on)} of these days, which favours the preset."
        )
    return lines


def page(found: "Fills") -> str:
    """The page of tables and pictures."""
    from studies.fills.fills import WAITS_S
    from studies.fills.fills_figures import by_class, fill_curves, markouts, returns_and_hidden
    from studies.fills.markouts import HORIZONS_S
    from tercel.core.report import Section, render_page

    cells, symbol = (
        to_jsonable({name: asdict(cell) for name, cell in found.figures.items()}),
        found.symbol,
    )
    everything = [
        [name.replace("_", " "), *(_number(x) for x in (cell.real, cell.floor, cell.simulated))]
        for name, cell in found.figures.items()
    ]
    sections = [
        Section("Gates", html=plain_table(head(found), table(found))),
        Section(
            "Do orders fill as on tape?",
            figures=[fill_curves(cells, WAITS_S, symbol), by_class(cells, symbol)],
        ),
        Section("Prices after a fill", figures=[markouts(cells, HORIZONS_S, symbol)]),
        Section(
            "After the touch was emptied, and hidden executions",
            figures=[returns_and_hidden(cells, symbol)],
        ),
        Section("Every figure", html=plain_table(HEAD[:-2], everything)),
    ]
    facts = {
        "days of tape": len(found.days),
        "simulated days": found.simulated_days,
        "minutes without a book": found.dropped_minutes,
        "a ghost": f"{found.scale.ghost} shares",
        "usual queue": f"{found.scale.queue:g} shares",
    }
    footer = (
        f"reprint: tercel market fills {found.preset} --symbol {symbol} --date {','.join(found.days)} "
        f"--days {found.simulated_days} --seed {found.seed}"
    )
    return render_page(
        f"Fills of {found.preset} beside {symbol}",
        " ".join(sentences(found)),
        sections,
        facts,
        footer,
    )
