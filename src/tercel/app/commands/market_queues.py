"""``tercel market queues``: what each queue model of level tapes is worth beside the true queue."""

import math
from dataclasses import asdict
from pathlib import Path

from tercel.app.output import print_json, result_console, say
from tercel.market.simulator.queue_study import QueueRow, compare_queues
from tercel.market.tape import Lake


def run(lake: Path, symbol: str, date: str, wait_s: float, lots: int, as_json: bool) -> None:
    """Print the comparison."""
    instrument, events = Lake(lake).read(symbol, date)
    orders, rows = compare_queues(instrument, events, wait_s=wait_s, lots=lots)
    if as_json:
        told = [{k: _number(v) for k, v in asdict(row).items()} for row in rows]
        about = {"symbol": instrument.symbol, "date": instrument.date, "wait_s": wait_s, "lots": lots, "orders": orders}
        print_json({**about, "rows": told})
        return
    _show(rows, f"{symbol} {date}: {orders:,} passive orders of {lots} at the touch, {wait_s:g} s each")
    say("agree, extra and missed: share of orders filled as in the true queue, only here, only there")


def _number(value: object) -> object:
    """JSON knows no number that is none."""
    return None if isinstance(value, float) and math.isnan(value) else value


def _show(rows: list[QueueRow], title: str) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left")
    table.add_column("queue", no_wrap=True)
    for heading in ("filled", "mean s", "agree", "extra", "missed", "err s", "|err| s"):
        table.add_column(heading, justify="right")
    for r in rows:
        shares = [f"{x:.1%}" for x in (r.agree, r.extra, r.missed)]
        mean = "-" if math.isnan(r.mean_fill_s) else f"{r.mean_fill_s:.2f}"
        errors = [f"{r.mean_error_s:+.2f}", f"{r.mean_abs_error_s:.2f}"]
        table.add_row(r.model, f"{r.filled:.1%}", mean, *shares, *errors)
    result_console().print(table)
