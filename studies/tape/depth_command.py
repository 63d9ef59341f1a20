"""``python -m studies depth``: exact costs beside the bounds of the same commands on thinned depth."""

from collections.abc import Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path

from studies.tape.depth_study import ALL, DepthRow, compare_depth, record_exactly
from studies.tape.thin import check_depth, thin
from tercel import Task
from tercel.cli import print_json, print_table, say
from tercel.core import ConfigError, split_commas
from tercel.market.tape import Lake

NS_PER_MS = 1_000_000
HEADINGS = (
    "levels",
    "each",
    "bounded",
    "between, kind",
    "strict",
    "means",
    "width, bps",
    "of kind to strict",
    "queue model off, bps",
)


def parse_numbers(text: str) -> list[int]:
    """Whole numbers from text, with commas.

    Raises
    ------
    ConfigError

    >>> parse_numbers("10,5,1")
    [10, 5, 1]
    """
    try:
        return [int(part) for part in split_commas(text)]
    except ValueError:
        raise ConfigError("whole numbers with commas", repr(text), "such as 10,5,1") from None


def run(
    lake: Path,
    symbols: Sequence[str],
    dates: Sequence[str],
    orders: int,
    levels: str,
    every_ms: str,
    seed: int,
    as_json: bool,
) -> None:
    """Print the table of all symbols, with `as_json` also the rows of each; `levels` and `every_ms` are numbers with commas."""
    counts, distances = parse_numbers(levels), parse_numbers(every_ms)
    for count, ms in product(counts, distances):
        check_depth(count, ms * NS_PER_MS)
    recorded = {symbol: record_exactly(lake, symbol, dates, Task(), orders) for symbol in symbols}
    rows = list(compare_depth(recorded, seed, counts, distances))
    sizes = {symbol: len(exact.plan) for symbol, exact in recorded.items()}
    days = {
        symbol: [instrument.date for instrument, _ in exact.days]
        for symbol, exact in recorded.items()
    }
    strategies = len(next(iter(recorded.values())).strategies)
    if as_json:
        about = {"seed": seed, "strategies": strategies, "orders": sizes, "days": days}
        print_json({**about, "rows": [asdict(row) for row in rows]})
        return
    title = f"{sum(sizes.values())} orders of {', '.join(symbols)}, commands of {strategies} strategies, seed {seed}"
    print_table(title, HEADINGS, [_cells(row) for row in rows if row.symbol == ALL])
    say(
        "bounded: no command took all that was shown; the rest is of these. between: share of the exact costs within the bounds "
        "of depth, under kind, strict, and of the strategies' means. Width: where kind and strict differ, medians."
    )


def write_thin(
    lake: Path, symbol: str, dates: Sequence[str], out: Path, levels: int, every_ms: int
) -> None:
    """Write the depth of some days of a lake, by default all, into another lake.

    Raises
    ------
    ConfigError, TapeError
        The lake that the days are of; days that it does not hold or that show less (`thin`).
    """
    if out.resolve() == lake.resolve():
        raise ConfigError(
            "another lake for the depth", f"{out}, which holds the days", "name a new folder"
        )
    source, target = Lake(lake), Lake(out)
    days = [
        thin(*source.read(symbol, date), levels, every_ms * NS_PER_MS)
        for date in dates or source.days(symbol)
    ]
    for instrument, events in days:
        target.write(instrument, events)
    rows = [[instrument.date, f"{events.n:,}"] for instrument, events in days]
    print_table(f"{symbol}: {levels} levels each {every_ms} ms", ("date", "events"), rows)


def _cells(row: DepthRow) -> list[str]:
    """Cells of a row of the table."""
    every = f"{row.every_ms} ms" if row.every_ms < 1000 else f"{row.every_ms / 1000:g} s"
    shares = (row.bounded, row.between_kind, row.between_strict, row.means_between)
    return [
        str(row.levels),
        every,
        *("-" if share is None else f"{100 * share:.1f} %" for share in shares),
        "-" if row.width_bps is None else f"{row.width_bps:.2f}",
        "-" if row.width_ratio is None else f"x {row.width_ratio:.2f}",
        "-" if row.model_error_bps is None else f"{row.model_error_bps:.2f}",
    ]
