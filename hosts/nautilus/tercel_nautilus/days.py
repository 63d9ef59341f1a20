"""A recorded day as NautilusTrader's data: from its Parquet catalog, or from a lake of Tercel."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import BookOrder, OrderBookDelta, OrderBookDeltas, TradeTick
from nautilus_trader.model.enums import AggressorSide, BookAction, OrderSide, RecordFlag
from nautilus_trader.model.identifiers import InstrumentId, Symbol, TradeId, Venue
from nautilus_trader.model.instruments import Equity, Instrument
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.persistence.catalog import ParquetDataCatalog

from tercel.core.errors import DataError, refuse_if
from tercel.core.vocabulary import (
    ADD,
    DELETE,
    EXECUTE,
    MODIFY,
    NS_PER_SECOND,
    REDUCE,
    TRADE_HIDDEN,
)
from tercel.feeds import export_parquet
from tercel.market.tape import Instrument as RecordedInstrument, Lake
from tercel.market.tape.schema import MESSAGE_END

AFTER_NS = 60 * NS_PER_SECOND
"""Data that are kept behind the last horizon, so that its last commands find a book."""


def day_of(folder: Path, symbol: str, date: str) -> tuple[Instrument, list[Any]]:
    """The instrument of a day and its deltas and trades in the order of time.

    Parameters
    ----------
    folder : Path
        A Parquet catalog of NautilusTrader (``tercel data export``), or a lake.
    symbol, date : str

    Raises
    ------
    TercelError
        The day is not there, or it is not recorded order by order.
    """
    refuse_if(
        not folder.is_dir(),
        "a folder of an export, or a lake",
        str(folder),
        "write its path",
        DataError,
    )
    if any(folder.glob("venue=*")):
        return lake_day(folder, symbol, date)
    found = [file for file in folder.glob("tape/*.parquet") if file.stem.endswith(date)]
    days = [
        one
        for one, _ in map(export_parquet.read, found)
        if (one.symbol, one.date) == (symbol, date)
    ]
    refuse_if(not days, f"{symbol} {date} in the export", str(folder), "export that day", DataError)
    instrument = instrument_of(days[0])
    begin, end = days[0].span
    read = partial(ParquetDataCatalog(str(folder)).query, start=begin, end=end - 1)
    name = instrument.id.value
    data: list[Any] = read(TradeTick, identifiers=[name])
    data += OrderBookDeltas.batch(read(OrderBookDelta, identifiers=[name]))
    data.sort(key=attrgetter("ts_init"))  # trades before the deltas of their time
    return instrument, data


def instrument_of(recorded: RecordedInstrument) -> Instrument:
    """A share as Nautilus defines it, without fees, in US dollars: a tape has neither.

    Raises
    ------
    DataError
        A lot that is no whole number of shares.
    """
    refuse_if(
        recorded.lot_units.denominator > 1,
        "a day of whole shares",
        f"{recorded.symbol} {recorded.date} with a lot of {recorded.lot_units}",
        "take a day of shares",
        DataError,
    )
    tick = Decimal(str(recorded.tick))
    precision = max(0, -int(tick.normalize().as_tuple().exponent))
    name = InstrumentId(Symbol(recorded.symbol), Venue(recorded.venue))
    lot = Quantity.from_int(int(recorded.lot_units))
    begin, _ = recorded.span
    return Equity(name, name.symbol, USD, precision, Price(tick, precision), lot, begin, begin)


def with_taker_fee(share: Instrument, bps: float) -> Instrument:
    """The same share with a fee for what takes, basis points of the value.

    >>> share = instrument_of(RecordedInstrument("NASDAQ", "TOY", "2012-06-21", 0.01))
    >>> with_taker_fee(share, 1.0).taker_fee
    Decimal('0.0001')
    """
    values = Equity.to_dict(share) | {
        "maker_fee": "0",
        "taker_fee": str(Decimal(str(bps)) / 10_000),
    }
    return Equity.from_dict(values)


def lake_day(folder: Path, symbol: str, date: str) -> tuple[Instrument, list[Any]]:
    """The same from a lake: each message is one batch of deltas of orders, a trade before the batch that shows it."""
    recorded, events = Lake.existing(folder).read(symbol, date)
    known = {ADD, REDUCE, DELETE, EXECUTE, TRADE_HIDDEN, MODIFY}
    strange = {int(kind) for kind in set(events.kind.tolist()) - known}
    refuse_if(
        bool(strange),
        "a day that is recorded order by order",
        f"{symbol} {date} with kinds {sorted(strange)}",
        "take a day of an L3 feed",
        DataError,
    )
    instrument = instrument_of(recorded)
    name, precision, lot = instrument.id, instrument.price_precision, int(instrument.lot_size)
    tick = Decimal(str(recorded.tick))
    columns = [
        getattr(events, column).tolist()
        for column in (
            "exch_ns",
            "seq",
            "kind",
            "order_id",
            "side",
            "price_ticks",
            "qty_lots",
            "flags",
        )
    ]
    data: list[Any] = []
    orders: dict[int, tuple[int, int, int]] = {}
    batch: list[OrderBookDelta] = []

    def delta(
        action: BookAction, key: int, side: int, ticks: int, lots: int, ns: int, seq: int
    ) -> None:
        shown = BookOrder(
            OrderSide.BUY if side > 0 else OrderSide.SELL,
            Price((ticks + recorded.price_origin) * tick, precision),
            Quantity.from_int(lots * lot),
            key,
        )
        batch.append(OrderBookDelta(name, action, shown, RecordFlag.F_LAST, seq, ns, ns))

    for row, (ns, seq, kind, key, side, ticks, lots, flags) in enumerate(
        zip(*columns, strict=True)
    ):
        if kind in (EXECUTE, TRADE_HIDDEN):
            data.append(
                TradeTick(
                    name,
                    Price((ticks + recorded.price_origin) * tick, precision),
                    Quantity.from_int(lots * lot),
                    {1: AggressorSide.SELLER, -1: AggressorSide.BUYER}.get(
                        side, AggressorSide.NO_AGGRESSOR
                    ),
                    TradeId(str(row)),
                    ns,
                    ns,
                )
            )
        if kind in (ADD, MODIFY):
            if key in orders:
                delta(BookAction.DELETE, key, *orders[key], ns, seq)
            orders[key] = side, ticks, lots
            delta(BookAction.ADD, key, side, ticks, lots, ns, seq)
        elif kind != TRADE_HIDDEN and key in orders:
            at_side, at_ticks, had = orders.pop(key)
            left = 0 if kind == DELETE else max(had - lots, 0)
            if left:
                orders[key] = at_side, at_ticks, left
            action = BookAction.UPDATE if left else BookAction.DELETE
            delta(action, key, at_side, at_ticks, left, ns, seq)
        if flags & MESSAGE_END and batch:
            data.append(OrderBookDeltas(name, batch))
            batch = []
    return instrument, data
