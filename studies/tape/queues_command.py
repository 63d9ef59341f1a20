"""``python -m studies queues``: the queue models of level tapes beside the true queue."""

import math
from dataclasses import asdict
from pathlib import Path

from studies.tape.queue_study import QueueRow, compare_queues
from tercel.cli import print_json, print_table, say
from tercel.market.tape import Lake

HEADINGS = ("queue", "filled", "mean s", "agree", "extra", "missed", "err s", "|err| s")


def run(lake: Path, symbol: str, date: str, wait_s: float, lots: int, as_json: bool) -> None:
    """Print the comparison."""
    instrument, events = Lake(lake).read(symbol, date)
    orders, rows = compare_queues(instrument, events, wait_s=wait_s, lots=lots)
    if as_json:
        cells = [{k: _number(v) for k, v in asdict(row).items()} for row in rows]
        about = {
            "symbol": instrument.symbol,
            "date": instrument.date,
            "wait_s": wait_s,
            "lots": lots,
            "orders": orders,
        }
        print_json({**about, "rows": cells})
        return
    title = f"{symbol} {date}: {orders:,} passive orders of {lots} at the touch, {wait_s:g} s each"
    print_table(title, HEADINGS, [_cells(row) for row in rows])
    say(
        "agree, extra and missed: share of orders filled as in the true queue, only here, only there"
    )


def _number(value: object) -> object:
    """JSON knows no number that is none."""
    return None if isinstance(value, float) and math.isnan(value) else value


def _cells(row: QueueRow) -> list[str]:
    mean = "-" if math.isnan(row.mean_fill_s) else f"{row.mean_fill_s:.2f}"
    shares = [f"{share:.1%}" for share in (row.agree, row.extra, row.missed)]
    return [
        row.model,
        f"{row.filled:.1%}",
        mean,
        *shares,
        f"{row.mean_error_s:+.2f}",
        f"{row.mean_abs_error_s:.2f}",
    ]
