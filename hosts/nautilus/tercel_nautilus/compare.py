"""``python -m tercel_nautilus.compare``: what parent orders fill and pay in NautilusTrader's backtest.

    python -m tercel_nautilus.compare --orders ORDERS.json --export FOLDER --out RESULT.json

ORDERS.json is a list of ``{symbol, date, start_ns, side, lots, horizon_s, decisions, strategy, latency_ns}``: `side` "buy" or
"sell" (or 1, -1), `start_ns` from 1970-01-01 UTC, `lots` of the day's instrument; optionally a `limit_price`, and
`taker_bps`, a fee of what takes. FOLDER is what ``tercel data export nautilus`` wrote, or a lake. RESULT.json has one object
an order, in their order::

    {"order": 0, "filled_lots": 400, "paid": "5532.00", "fills": [[ns, "13.83", 400], ...], "error": null,
     "report": {"positions": [{"id", "side", "quantity", "avg_px", "commissions"}], "orders", "filled", "balance"}}

`paid` is the sum of price times shares, an exact decimal. An order that could not be run has an `error` and no fills.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from tercel.core.errors import ConfigError, TercelError
from tercel.core.files import write_atomic
from tercel_nautilus.backtest import ParentOrder, backtest
from tercel_nautilus.days import day_of, with_taker_fee
from tercel_nautilus.parents import OneParent

FIELDS = (
    "symbol",
    "date",
    "start_ns",
    "side",
    "lots",
    "horizon_s",
    "decisions",
    "strategy",
    "latency_ns",
)
SIDES = {"buy": "buy", "sell": "sell", 1: "buy", -1: "sell"}


def compare(orders: Sequence[Mapping[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """Run all orders, each in an engine of its own; days are read once.

    Raises
    ------
    TercelError
        A day is not in `folder`. What is wrong with one order is in its result.
    """
    results: dict[int, dict[str, Any]] = {}
    by_day: dict[tuple[str, str], list[int]] = {}
    for number, order in enumerate(orders):
        if missing := [name for name in FIELDS if name not in order]:
            results[number] = _result(number, error=f"without {', '.join(missing)}")
        elif order["side"] not in SIDES:
            results[number] = _result(number, error=f"side {order['side']!r}, not buy or sell")
        else:
            by_day.setdefault((order["symbol"], order["date"]), []).append(number)
    for (symbol, date), numbers in by_day.items():
        instrument, data = day_of(folder, symbol, date)
        lot = int(instrument.lot_size)
        for number in numbers:
            order = orders[number]
            parent = ParentOrder(
                SIDES[order["side"]],
                int(order["lots"]) * lot,
                int(order["start_ns"]),
                float(order["horizon_s"]),
                int(order["decisions"]),
                str(order["strategy"]),
                order.get("limit_price"),
            )
            if not data[0].ts_init <= parent.start_ns <= parent.ends_ns <= data[-1].ts_init:
                results[number] = _result(number, error="begins or ends outside the recorded day")
                continue
            share = with_taker_fee(instrument, float(order.get("taker_bps", 0)))
            strategy, engine = backtest(share, data, parent, int(order["latency_ns"]))
            try:
                results[number] = _result(number, strategy, lot, _report(engine, instrument))
            finally:
                engine.dispose()
    return [results[number] for number in range(len(orders))]


def _result(
    number: int,
    strategy: OneParent | None = None,
    lot: int = 1,
    report: Mapping[str, Any] | None = None,
    error: str | None = None,
) -> dict[str, Any]:
    fills = [] if strategy is None else strategy.fills
    if strategy is not None and not strategy.ended:
        error = "the parent did not end before the data did"
    return {
        "order": number,
        "filled_lots": sum(int(fill.last_qty) for fill in fills) // lot,
        "paid": str(sum((fill.last_px.as_decimal() * fill.last_qty.as_decimal() for fill in fills), Decimal(0))),
        "fills": [[fill.ts_event, str(fill.last_px), int(fill.last_qty) // lot] for fill in fills],
        "report": report,
        "error": error,
    }  # fmt: skip


def _report(engine: Any, instrument: Any) -> dict[str, Any]:
    """What Nautilus' own accounting says: the position, its average price, commissions, orders and fills, the balance."""
    cache = engine.cache
    positions = cache.positions(instrument_id=instrument.id)
    account = cache.account_for_venue(instrument.id.venue)
    return {
        "positions": [
            {
                "id": one.id.value,
                "side": one.entry.name,
                "quantity": str(one.quantity),
                "avg_px": one.avg_px_open,
                "commissions": [str(money) for money in one.commissions()],
            }
            for one in positions
        ],
        "orders": len(cache.orders()) - 1,
        "filled": len(engine.trader.generate_fills_report()),
        "balance": str(account.balance_total(instrument.quote_currency)),
    }


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; 2 and a line on stderr for bad input."""
    parser = argparse.ArgumentParser(prog="tercel_nautilus.compare", description=__doc__)
    for name in "orders", "export", "out":
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args(words)
    try:
        try:
            orders = json.loads(options.orders.read_text())
        except (OSError, ValueError) as error:
            raise ConfigError(
                "a JSON list of orders", f"{options.orders}: {error}", "correct the file"
            ) from error
        if not isinstance(orders, list) or not all(isinstance(one, dict) for one in orders):
            raise ConfigError("a JSON list of orders", str(options.orders), "see --help")
        write_atomic(options.out, json.dumps(compare(orders, options.export), indent=1))
    except TercelError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
