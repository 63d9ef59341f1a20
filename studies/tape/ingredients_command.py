"""``python -m studies ingredients``: markets calibrated without a part of the law, their fills beside the tape's."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from studies.fills.fill_comparison import Fills, study
from tercel.cli import print_json, print_table, say
from tercel.market import (
    CALIBRATED_PARTS as PARTS,
    calibrate_queue_reactive as calibrate,
    read_preset_days,
)
from tercel.market.flow import Preset
from tercel.market.tape import Lake

FIGURES: Final = {
    "filled_30s": "30 s",
    "filled_300s": "300 s",
    "filled_given_away": "after away",
    "joins_filled_30s": "joins",
    "cancel_ratio": "behind/ahead",
    "back_after_trade_10s": "price back",
    "markout_10s_ticks": "mark-out",
    "fano": "Fano",
    "hidden_rows": "hidden",
}
"""Figures of the study of fills that are reported, and their names."""
WHOLE, TAPE = "the whole law", "tape"
WITHOUT: Final = {WHOLE: (), **{part: (part,) for part in PARTS}}


def run(lake: Path, symbol: str, dates: Sequence[str], days: int, seed: int, as_json: bool) -> None:
    """Print a row for the tape, for the whole law, and for the law without each part."""
    found = dict(studies(lake, symbol, dates, days, seed))
    rows = {
        TAPE: {name: cell.real for name, cell in found[WHOLE].figures.items() if name in FIGURES}
    }
    rows |= {
        name: {key: cell.simulated for key, cell in one.figures.items() if key in FIGURES}
        for name, one in found.items()
    }
    passed = {name: sum(gate.passed for gate in one.gates) for name, one in found.items()}
    if as_json:
        print_json({"symbol": symbol, "days": list(dates), "simulated_days": days, "seed": seed} | {
            "rows": rows, "gates_passed": passed, "gates": len(found[WHOLE].gates),
        })  # fmt: skip
        return
    cells = [
        [
            name if name in (WHOLE, TAPE) else f"without {name}",
            *(f"{row[key]:.3f}" for key in FIGURES),
            f"{passed.get(name, '')}",
        ]
        for name, row in rows.items()
    ]
    title = f"{symbol}, {', '.join(dates)}: fills of resting orders, {days} simulated days a market"
    print_table(title, ("market", *FIGURES.values(), "gates"), cells, left_aligned={"market"})
    say(
        f"gates: of {len(found[WHOLE].gates)}, as in `tercel market fills`; the days are those calibrated on"
    )


def studies(
    lake: Path, symbol: str, dates: Sequence[str], days: int, seed: int
) -> Iterator[tuple[str, Fills]]:
    """Each market's study of fills, by the part that it is without."""
    read = [Lake(lake).read(symbol, date) for date in dates]
    for name, without in WITHOUT.items():
        preset: Preset = calibrate(read, name=symbol.lower(), date=dates[-1], without=without)
        say(f"calibrated {'with' if without == () else 'without'} {name}")
        yield (
            name,
            study(
                preset, read_preset_days(preset, lake, dates, symbol=symbol, venue=""), days, seed
            ),
        )
