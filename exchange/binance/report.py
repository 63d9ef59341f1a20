"""What an account did at an exchange, as files: the public tape as a lake, its fills as `tercel tca` reads them.

Also what it did to the price: the middle of the touch beside that of the same market without its orders.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from exchange.binance.engine import BinanceExchange, TradingAccount
from exchange.binance.order import BinanceFill
from exchange.binance.public import DAY_NS, RECORDED, MarketRecord, PublicMarket
from exchange.binance.symbols import SymbolRules
from exchange.binance.words import BinanceSide
from tercel import TercelError, own_costs
from tercel.core import BUY, NS_PER_SECOND, ONE, Ints, csv_text, format_decimal
from tercel.core.report import Section, format_number, plain_table
from tercel.market.tape import Events, Instrument, Lake, schema
from tercel.venues.binance_venue import Status

VENUE: Final = "BINANCE"
SPANS_S: Final = (0, 1, 10, 60)
"""Seconds after a fill at which the price is looked at."""
_NS, _KIND, _SIDE, _TICKS, _LOTS = range(RECORDED)


def settled_blocks(record: MarketRecord) -> Iterator[Ints]:
    """Rows of a record, int64 (n, 5), some at a time: of one moment trades, levels that vanish, the others.

    Of a level that changed several times in a moment the last total counts.
    """
    yield from map(_settle, record.blocks())


def _settle(table: Ints) -> Ints:
    level = table[:, _KIND] == schema.LEVEL_SET
    _, last = np.unique(table[level][::-1][:, [_NS, _SIDE, _TICKS]], axis=0, return_index=True)
    rows_left = np.concatenate([table[~level], table[level][::-1][last]])
    rank = np.where(
        rows_left[:, _KIND] != schema.LEVEL_SET, 0, np.where(rows_left[:, _LOTS] == 0, 1, 2)
    )
    return rows_left[np.lexsort((rank, rows_left[:, _NS]))]


def write_tape(lake: Path, market: PublicMarket) -> tuple[str, int]:
    """Write a symbol's record as a day of a lake, up to midnight UTC of the day that it began on; the day, its rows."""
    rules = market.rules
    parts = list[Events]()
    began = messages = 0
    for block in settled_blocks(market.record):
        began = began or int(block[0, _NS])
        rows = block[block[:, _NS] < (began // DAY_NS + 1) * DAY_NS]
        new = np.append(rows[1:, _NS] != rows[:-1, _NS], True)[: len(rows)]
        seq = messages + np.cumsum(np.append(True, new[:-1]))[: len(rows)]
        flags = np.where(new, schema.MESSAGE_END, 0) | np.where(
            rows[:, _NS] == began, schema.OPENING, 0
        )
        ns = rows[:, _NS]
        messages = messages + int(new.sum())
        columns = (
            ns,
            ns,
            seq,
            rows[:, _KIND],
            0 * ns,
            rows[:, _SIDE],
            rows[:, _TICKS],
            rows[:, _LOTS],
            flags,
        )
        parts.append(Events.from_table(np.stack(columns, axis=1)))
    events = Events.concatenate(parts)
    date = datetime.fromtimestamp(began // NS_PER_SECOND, UTC).date().isoformat()
    instrument = Instrument(
        VENUE,
        rules.symbol,
        date,
        rules.tick / ONE,
        timezone="UTC",
        session_open_ns=began,
        session_close_ns=int(events.exch_ns[-1]) + 1,
        extra={"lot_size": format_decimal(rules.lot), "feed": "tercel venue serve"},
    )
    Lake(lake).write(instrument, events, replace=True)
    return date, len(events)


def write_fills(path: Path, account: TradingAccount, rules: dict[str, SymbolRules]) -> int:
    """Write an account's fills; how many. Quantities count coins; a fee is in the quote asset."""
    rows = [["time", "symbol", "side", "quantity", "price", "venue", "fee"]]
    for fill in account.fills:
        mine = rules[fill.symbol]
        coins = format_decimal(fill.lots * mine.lot)
        price = format_decimal(fill.ticks * mine.tick)
        rows.append(
            [
                _iso(fill.ns),
                fill.symbol,
                fill.side.lower(),
                coins,
                price,
                VENUE,
                format_decimal(_fee(fill, mine)),
            ]
        )
    path.write_text(csv_text(rows), encoding="utf-8", newline="")
    return len(account.fills)


def _fee(fill: BinanceFill, rules: SymbolRules) -> int:
    """A fee in 1e-8 of the quote asset, at the fill's price where it was taken in the base asset."""
    return fill.fee * fill.ticks * rules.tick // ONE if fill.side is BinanceSide.BUY else fill.fee


def _iso(ns: int) -> str:
    moment = datetime.fromtimestamp(ns // NS_PER_SECOND, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ns % NS_PER_SECOND:09d}Z"


def middles(market: PublicMarket) -> Ints:
    """The middle's path, int64 (m, 2): time, half ticks; moments with both sides alone."""
    levels: dict[int, dict[int, int]] = {1: {}, -1: {}}
    path: list[tuple[int, int]] = []
    for block in settled_blocks(market.record):
        rows = block[block[:, _KIND] == schema.LEVEL_SET]
        ends = np.append(rows[1:, _NS] != rows[:-1, _NS], True)[: len(rows)].tolist()
        for (ns, _, side, ticks, lots), end in zip(rows.tolist(), ends, strict=True):
            if lots:
                levels[side][ticks] = lots
            else:
                levels[side].pop(ticks, None)
            if end and levels[1] and levels[-1]:
                middle = max(levels[1]) + min(levels[-1])
                if not path or path[-1][1] != middle:
                    path.append((ns, middle))
    return np.array(path, np.int64).reshape(-1, 2)


def impact(
    engine: BinanceExchange, twin: BinanceExchange, account: TradingAccount, symbol: str
) -> dict[str, Any]:
    """How far the account's orders moved the price: the middle less the twin's, in the fill's direction, bps.

    Means over fills, by lots, at seconds after each; what a fill had moved before it is in its figures too.
    """
    fills = [fill for fill in account.fills if fill.symbol == symbol]
    own_path = middles(engine.markets[symbol])
    twin_path = middles(twin.markets[symbol])
    figures: dict[str, Any] = {"fills": len(fills), "lots": sum(fill.lots for fill in fills)}
    if not fills or not len(own_path) or not len(twin_path):
        return figures | {"moved_bps": {}, "moved_at_end_ticks": 0.0}
    ns = np.array([fill.ns for fill in fills], np.int64)
    side = np.array([fill.side.sign for fill in fills], np.int64)
    lots = np.array([fill.lots for fill in fills], np.int64)
    moved: dict[str, float | None] = {}
    for span in SPANS_S:
        times_ns = ns + span * NS_PER_SECOND
        is_past = times_ns <= engine.now_ns
        if not is_past.any():
            moved[f"+{span}s"] = None
            continue
        a = _value_at(own_path, times_ns[is_past])
        b = _value_at(twin_path, times_ns[is_past])
        bps = side[is_past] * (a - b) / b * 1e4
        moved[f"+{span}s"] = float(np.average(bps, weights=lots[is_past]))
    end = float(own_path[-1, 1] - twin_path[-1, 1]) / 2
    return figures | {"moved_bps": moved, "moved_at_end_ticks": end}


def _value_at(path: Ints, ns: Ints) -> Ints:
    """The path's value at times: after everything that happened by then."""
    values: Ints = path[np.maximum(np.searchsorted(path[:, 0], ns, side="right") - 1, 0), 1]
    return values


def summarize(account: TradingAccount, rules: SymbolRules) -> dict[str, Any]:
    """Orders and fills of an account in a symbol; money as decimal texts, exact."""
    orders = [order for order in account.orders.values() if order.rules is rules]
    fills = [fill for fill in account.fills if fill.symbol == rules.symbol]
    bought = [fill for fill in fills if fill.side.sign == BUY]
    sold = [fill for fill in fills if fill.side.sign != BUY]

    def totals(rows: list[BinanceFill]) -> dict[str, str]:
        return {
            "quantity": format_decimal(sum(fill.lots for fill in rows) * rules.lot),
            "value": format_decimal(sum(fill.lots * fill.ticks for fill in rows) * rules.unit),
        }

    fees: dict[str, int] = {}
    for fill in fills:
        fees[fill.asset] = fees.get(fill.asset, 0) + fill.fee
    ended = [order for order in orders if order.status in (Status.EXPIRED, Status.EXPIRED_IN_MATCH)]
    return {
        "orders": len(orders),
        "by_status": dict(Counter(str(order.status) for order in orders)),
        "expired": {
            "orders": len(ended),
            "quantity": format_decimal(sum(order.lots - order.cum for order in ended) * rules.lot),
            "reasons": dict(Counter(order.expiry_reason or str(order.status) for order in ended)),
        },
        "fills": len(fills),
        "rested_fills": sum(fill.maker for fill in fills),
        "bought": totals(bought),
        "sold": totals(sold),
        "fees": {asset: format_decimal(amount) for asset, amount in fees.items()},
    }


def expired_rows(symbols: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Of each symbol with orders that expired: how many, what quantity of them did not trade, and why."""
    rows = []
    for name, figures in symbols.items():
        rest = figures["expired"]
        if rest["orders"]:
            reasons = ", ".join(
                f"{reason} ({count:,})" for reason, count in rest["reasons"].items()
            )
            rows.append((f"{name}: {rest['orders']:,}", rest["quantity"], reasons))
    return rows


def _impact_sections(symbols: Mapping[str, Any]) -> list[Section]:
    """How far the price was moved, beside the same market without the orders."""
    figures = {
        name: symbol_figures["impact"]["moved_bps"]
        for name, symbol_figures in symbols.items()
        if symbol_figures.get("impact")
    }
    spans = list(dict.fromkeys(span for moves in figures.values() for span in moves))
    if not spans:
        return []
    rows = [
        [name, *(format_number(moves.get(span)) for span in spans)]
        for name, moves in figures.items()
    ]
    caption = "The middle after a fill, in its direction, from that of the same market without these orders, bps"
    return [
        Section("How far they moved the price", html=plain_table(["symbol", *spans], rows, caption))
    ]


def venue_report(
    engine: BinanceExchange,
    twin: BinanceExchange | None,
    account: str,
    folder: Path,
    strategies: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Write `fills.csv`, `lake`, `report.json` and, where there were fills, `report.html` into a folder; the report.

    Parameters
    ----------
    engine : BinanceExchange
        As the run left it.
    twin : BinanceExchange or None
        The same market without orders (:func:`exchange.binance.opened.twin`); None: nothing is said of impact.
    account : str
    folder : Path
        The report of an earlier run there is replaced.
    strategies : tuple of str
        Rules that work the same parents again (as `own_costs` has them).
    """
    folder.mkdir(parents=True, exist_ok=True)
    mine = engine.account(account)
    report: dict[str, Any] = {
        "account": account,
        "balanced": not engine.imbalance(account),
        "symbols": {},
    }
    for symbol, rules in engine.rules.items():
        date, rows = write_tape(folder / "lake", engine.markets[symbol])
        figures = {"date": date, "rows": rows, **summarize(mine, rules)}
        if twin is not None:
            figures["impact"] = impact(engine, twin, mine, symbol)
        report["symbols"][symbol] = figures
    fills = write_fills(folder / "fills.csv", mine, engine.rules)
    report["costs"] = None
    if fills:
        try:
            costs = own_costs(folder / "fills.csv", folder / "lake", strategies=strategies)
        except (
            TercelError
        ) as error:  # too short a run, or one across midnight: the figures above stand
            report["why_no_costs"] = str(error)
        else:
            report["costs"] = costs.to_json()
            sections = _impact_sections(report["symbols"])
            if ended := expired_rows(report["symbols"]):
                head = ["orders", "quantity that did not trade", "why"]
                table = plain_table(head, [list(row) for row in ended], "Orders that expired")
                sections.insert(0, Section("What expired", html=table))
            (folder / "report.html").write_text(
                costs.page("What the orders at this exchange cost", sections)
            )
    (folder / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    return report
