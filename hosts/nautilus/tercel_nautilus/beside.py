"""``python -m tercel_nautilus.beside``: the same parent orders in NautilusTrader's backtest and in Tercel's replay.

    python -m tercel_nautilus.beside --lake LAKE [--symbols CSCO,IBM] [--days 2] [--orders 10] [--seed 1] [--json]

Random taking orders (`twap_take`, `immediate`) on recorded days, without impact, at latencies of 0 and 50 ms. Prints shares,
average prices, costs without fees (1 bps of the value) and fees of both, and each difference by its cause.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from tercel.core.errors import TercelError
from tercel.desk.engine.configured_agents import strategy_of
from tercel.execution import step
from tercel.execution.task import Latency, Task
from tercel.lab.evaluation import Plan, markets_of, window_row
from tercel.market.simulator import replay_source
from tercel.market.simulator.terms import Fees
from tercel.market.tape import Lake
from tercel_nautilus.compare import compare

STRATEGIES = "twap_take", "immediate"
LATENCIES_NS = 0, 50_000_000
TAKER_BPS = 1.0
"""Fee of all that takes, in both engines."""
SAME, TWICE, BAND, OTHER = (
    "the same fills",
    "displayed lots that Nautilus fills again",
    "orders beyond the price band, 5 % from the market, which Nautilus fills",
    "not explained",
)


@dataclass
class Side:
    """What one engine says of an order: fills (ns, ticks, lots), fees in US dollars."""

    fills: list[tuple[int, int, int]]
    fees: Decimal = Decimal(0)

    @property
    def lots(self) -> int:
        return sum(lots for *_, lots in self.fills)

    @property
    def paid(self) -> int:
        return sum(ticks * lots for _, ticks, lots in self.fills)


def merged(fills: Sequence[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Fills at one moment and price as one: engines cut them by resting order differently."""
    totals: Counter[tuple[int, int]] = Counter()
    for ns, ticks, lots in fills:
        totals[ns, ticks] += lots
    return [(*key, lots) for key, lots in sorted(totals.items())]


def fills_here(
    lake: Lake, symbol: str, date: str, orders: Sequence[dict[str, Any]]
) -> list[tuple[Side, int]]:
    """Fills of orders of one day, strategy and latency in the replay without impact; mids at arrival (half ticks)."""
    source, (day,) = replay_source(lake, symbol, [date])
    first = orders[0]
    source = replace(source, fees=Fees(0.0, first["taker_bps"], "bps"))
    task = Task(
        horizon=first["horizon_s"],
        decisions=first["decisions"],
        latency=Latency("constant", first["latency_ns"]),
        quantity=1,
        share=None,
    )
    rows = [
        window_row(
            day, task, one["start_ns"], {"buy": 1, "sell": -1}[one["side"]], one["lots"], 0, number
        )
        for number, one in enumerate(orders)
    ]
    plan = Plan(np.array(rows, np.int64).reshape(-1, step.EPISODE_WORDS), np.arange(len(rows)))
    strategy = strategy_of(first["strategy"], None)
    episodes = markets_of(strategy, source, task, plan, 4096)
    episodes.run(strategy)
    costs = episodes.costs()
    arrival, fees = costs.arrival_mid2.tolist(), costs.fees.tolist()
    half_tick = Decimal(str(day.instrument.tick)) * int(day.instrument.lot_units) / 2
    return [
        (
            Side(
                [(row[0], row[1], row[2]) for row in episodes.fills(number).tolist()],
                half_tick * fees[number],
            ),
            arrival[number],
        )
        for number in range(len(orders))
    ]


def draw(
    lake: Lake, symbol: str, dates: Sequence[str], orders: int, seed: int
) -> list[dict[str, Any]]:
    """Random orders: starts on whole milliseconds, sizes of 500 to 5,000 shares."""
    dice = np.random.default_rng((seed, *symbol.encode()))
    drawn = []
    for date in dates:
        instrument = lake.instrument(symbol, date)
        opens, closes = instrument.session_open_ns, instrument.session_close_ns
        for strategy in STRATEGIES:
            for latency_ns in LATENCIES_NS:
                for _ in range(orders):
                    start = int(dice.integers(opens + 1800 * 10**9, closes - 1800 * 10**9))
                    drawn.append(
                        {
                            "symbol": symbol,
                            "date": date,
                            "start_ns": start,
                            "side": ("buy", "sell")[int(dice.integers(2))],
                            "lots": int(dice.integers(5, 51)) * 100,
                            "horizon_s": 600,
                            "decisions": 20,
                            "strategy": strategy,
                            "latency_ns": latency_ns,
                            "taker_bps": TAKER_BPS,
                        }
                    )
    return drawn


def beside(
    root: Path, symbols: Sequence[str], days: int, orders: int, seed: int
) -> list[dict[str, Any]]:
    """One row an order: both engines' shares, average price, cost in bps and commissions, and the cause of a difference.

    Raises
    ------
    TercelError
        A symbol or a day that is not in the lake.
    """
    lake = Lake.existing(root)
    rows = []
    for symbol in symbols:
        dates = [one.date for one in lake.list() if one.symbol == symbol][-days:]
        drawn = draw(lake, symbol, dates, orders, seed)
        there = compare(drawn, root)
        groups: dict[tuple[Any, ...], list[int]] = {}
        for number, order in enumerate(drawn):
            groups.setdefault((order["date"], order["strategy"], order["latency_ns"]), []).append(
                number
            )
        for (date, *_), numbers in groups.items():
            tick = Decimal(str(lake.instrument(symbol, date).tick))
            here = fills_here(lake, symbol, date, [drawn[number] for number in numbers])
            for number, (own, mid2) in zip(numbers, here, strict=True):
                found = there[number]
                other = side_of(found, tick)
                cause = cause_of(lake, root, drawn[number], own, other)
                rows.append(row_of(drawn[number], own, other, mid2, tick, found, cause))
    return rows


def summary_of(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """By strategy and latency: orders, shares, mean costs (bps) and commissions of both engines, and causes counted."""
    groups: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["strategy"], row["latency_ns"]), []).append(row)
    return [
        {
            "strategy": strategy,
            "latency_ns": latency_ns,
            "orders": len(found),
            **{
                name: {
                    "shares": sum(row[name]["shares"] for row in found),
                    "fees": str(sum(Decimal(row[name]["fees"]) for row in found)),
                    "cost_bps": sum(row[name]["cost_bps"] for row in found) / len(found),
                }
                for name in ("tercel", "nautilus")
            },
            "largest_difference_bps": max(
                abs(row["tercel"]["cost_bps"] - row["nautilus"]["cost_bps"]) for row in found
            ),
            "causes": Counter(row["cause"] for row in found),
        }
        for (strategy, latency_ns), found in groups.items()
    ]  # fmt: skip


def row_of(
    order: dict[str, Any],
    own: Side,
    other: Side,
    mid2: int,
    tick: Decimal,
    found: dict[str, Any],
    cause: str,
) -> dict[str, Any]:
    """What is printed of an order."""
    side = 1 if order["side"] == "buy" else -1
    row = dict(order)
    for name, one in ("tercel", own), ("nautilus", other):
        row[name] = {
            "shares": one.lots,
            "average": None if not one.lots else str(round(tick * one.paid / one.lots, 6)),
            "fees": str(one.fees),
            "cost_bps": side * 1e4 * (2 * one.paid - mid2 * one.lots) / (mid2 * order["lots"]),
        }
    row["nautilus"]["report"] = found["report"]
    row["error"] = found["error"]
    row["cause"] = cause
    row["fills"] = {"tercel": merged(own.fills), "nautilus": merged(other.fills)}
    return row


def side_of(found: dict[str, Any], tick: Decimal) -> Side:
    """Fills of a result of :func:`compare`."""
    fills = [(ns, int(Decimal(price) / tick), lots) for ns, price, lots in found["fills"]]
    paid = [fee for one in found["report"]["positions"] for fee in one["commissions"]]
    return Side(fills, sum((Decimal(fee.partition(" ")[0]) for fee in paid), Decimal(0)))


def cause_of(lake: Lake, root: Path, order: dict[str, Any], own: Side, other: Side) -> str:
    """Why the fills of an order differ: what takes the difference away as it is switched off."""
    if merged(own.fills) == merged(other.fills):
        return SAME
    if merged(alone(lake, order, other)) == merged(other.fills):
        return TWICE
    tick = Decimal(str(lake.instrument(order["symbol"], order["date"]).tick))
    (banded,) = compare([order | {"limit_price": "500bps"}], root)
    within = side_of(banded, tick)
    if merged(within.fills) == merged(own.fills):
        return BAND
    is_twice = merged(alone(lake, order, within)) == merged(within.fills)
    return f"{BAND}; {TWICE}" if is_twice else OTHER


def alone(lake: Lake, order: dict[str, Any], other: Side) -> list[tuple[int, int, int]]:
    """Fills here of what the order took at each moment in Nautilus, each alone: no earlier own order has taken from its book.

    If these are Nautilus' fills, the engines differ in one thing: there, lots that an own order has taken stand in the
    book until the recording itself removes them.
    """
    lots: Counter[int] = Counter()
    for ns, _, taken in other.fills:
        lots[ns] += taken
    single = [
        order
        | {
            "strategy": "immediate",
            "start_ns": ns - order["latency_ns"],
            "lots": taken,
            "horizon_s": 1,
            "decisions": 1,
        }
        for ns, taken in sorted(lots.items())
    ]
    found = fills_here(lake, order["symbol"], order["date"], single)
    return [fill for side, _ in found for fill in side.fills]


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; 2 and a line on stderr for bad input."""
    parser = argparse.ArgumentParser(prog="tercel_nautilus.beside", description=__doc__)
    parser.add_argument("--lake", type=Path, required=True)
    parser.add_argument("--symbols", default="CSCO,IBM,YHOO")
    for name, default in ("days", 2), ("orders", 5), ("seed", 1):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args(words)
    try:
        rows = beside(
            options.lake, options.symbols.split(","), options.days, options.orders, options.seed
        )
    except TercelError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    json.dump({"summary": summary_of(rows), "orders": rows}, sys.stdout, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
