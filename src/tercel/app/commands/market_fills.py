"""`tercel market fills`: do resting orders fill in a market as they do on its tape? Tables, a page, gates."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tercel.app.commands.market_days import read_days
from tercel.app.commands.market_simulate import synthetic, working_days
from tercel.app.output import print_json, print_table
from tercel.core.errors import ConfigError
from tercel.market.flow.preset import Preset, load
from tercel.market.score.days import Day, of_one_market
from tercel.market.studies.fill_gates import Cell, Gate, compare
from tercel.market.studies.fill_study import sums_of
from tercel.market.studies.fills import WAITS_S, Scale, scale_of
from tercel.market.studies.markouts import HORIZONS_S
from tercel.market.studies.replayed import replayed
from tercel.market.studies.sums import Sums

FIRST = "2030-01-02"


@dataclass(frozen=True)
class Fills:
    """A finished study."""

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


def study(preset: Preset, days: Sequence[Day], simulated_days: int, seed: int) -> Fills:
    """Measure tape and simulated days.

    Raises
    ------
    ConfigError, TapeError
        Days of another tick than the preset's, too short, or without single orders.
    """
    of_one_market(preset, days)
    read = [replayed(day.instrument, day.events) for day in days]
    scale = scale_of(read)
    real = [sums_of(day, scale) for day in read]
    seconds = float(np.median([day.session_s for day in days]))
    made = list(simulated_sums(preset, scale, simulated_days, seed, seconds))
    cells, gates, clusters = compare(real, made, seed)
    dates = tuple(day.instrument.date for day in days)
    seen = tuple(date for date in dates if date in preset.card.get("days", []))
    dropped = sum(int(np.sum(~day.booked)) for day in read)
    symbol = days[0].instrument.symbol
    return Fills(
        preset.name, symbol, dates, seen, simulated_days, seed, clusters, scale, dropped, cells, gates
    )  # fmt: skip


def simulated_sums(preset: Preset, scale: Scale, days: int, seed: int, seconds: float) -> Iterator[Sums]:
    """The sums of each simulated day."""
    for number, date in enumerate(working_days(FIRST, days)):
        yield sums_of(replayed(*synthetic(preset, seed + number, date, seconds, preset.symbol)), scale)


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
        Days that are missing or cannot be used, an `out` that is a file.
    """
    if out is not None and out.exists() and not out.is_dir():
        raise ConfigError("a folder to write to", f"{out} is a file", "name another --out")
    preset = load(which)
    found = study(preset, read_days(lake, symbol or preset.symbol, dates, venue=venue), simulated_days, seed)
    if as_json:
        print_json(card(found))
    else:
        show(found)


def card(found: Fills) -> dict[str, Any]:
    """What `--json` prints."""
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
    """The table of gates."""
    rows = [
        (g.name, f"{g.real:.3f}", f"{g.floor:.3f}", f"{g.simulated:.3f}", "yes" if g.passed else "NO")
        for g in found.gates
    ]
    print_table(f"{found.preset}", ("", "tape", "floor", "simulated", "passed"), rows)
