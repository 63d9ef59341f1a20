"""Tape of a day's cleaned rows of tick files: prices in ticks, sizes in lots, prints with their signs."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Final

import numpy as np
import polars as pl

from tercel.core.arrays import AnyArray, Int32
from tercel.core.errors import FeedError
from tercel.core.jit import Bytes
from tercel.core.vocabulary import MOST_LOTS, MOST_TICK
from tercel.feeds.csv_columns import NS, RECEIVED, ROW, TIMES, divide, in_order
from tercel.feeds.csv_kernels import changes, to_levels
from tercel.feeds.csv_map import InstrumentMap
from tercel.feeds.csv_rows import ROUNDED, RuleCounts, side_columns
from tercel.market.tape import Events, schema
from tercel.market.tape.events import Extra

OFF_THE_TICK: Final = 1e-4
"""Parts of a tick by which a price may be off it, for its digits."""
PART_OF_LOT: Final = 1e-6
"""Parts of a lot by which a size may be off it, for its digits."""

_STEPS: Final = (Fraction(5), Fraction(5, 2), Fraction(2), Fraction(1))
MOST_CHANGED: Final = 0.01
"""Share of rows off the tick, and of volume that rounding to lots changes, above which a day is refused."""


def columns_of(items: Sequence[pl.DataFrame], sizes: bool) -> tuple[AnyArray, AnyArray]:
    """Row numbers, and the values of all price columns (with `sizes` of all size columns instead), concatenated."""
    parts = [
        (item[ROW].to_numpy(), item[name].to_numpy())
        for item in items
        for name in item.columns
        if name.startswith(("price", "size", "bid", "ask")) and ("size" in name) is sizes
    ]
    rows, values = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return rows, values


def lots_of(exact: AnyArray, carry: bool) -> AnyArray:
    """Whole lots of exact sizes: the nearest, at least 1 (0 of 0); with `carry` rounded so that running sums are nearest."""
    near = np.where(exact > 0, np.maximum(np.floor(exact + 0.5), 1), 0)
    return np.diff(np.floor(exact.cumsum() + 0.5), prepend=0) if carry else near


def _share_changed(exact: AnyArray, carry: bool) -> float:
    """Share of the volume that rounding to whole lots changes."""
    return float(np.abs(lots_of(exact, carry) - exact).sum() / max(exact.sum(), 1e-300))


def number_ids(ids: pl.Series) -> pl.Series:
    """Ids as whole numbers, 0 for none: their own numbers if all are plain numbers, else their rank as text.

    Their own if all are canonical and below 2**63.

    >>> number_ids(pl.Series(["7", "", "12"])).to_list(), number_ids(pl.Series(["b7", "", "07", "b7"])).to_list()
    ([7, 0, 12], [2, 0, 1, 2])
    """
    own_numbers = ids.cast(pl.Int64, strict=False)
    canonical = (own_numbers.cast(pl.String).fill_null("") == ids).all()
    return (
        own_numbers if canonical else ids.replace("", None).rank("dense").cast(pl.Int64)
    ).fill_null(0)


def finest_parts(values: AnyArray) -> Fraction:
    """Smallest factor, below 1 for multiples of a number, that makes all values whole numbers, up to ten decimals.

    >>> finest_parts(np.array([0.5, 1.75])), finest_parts(np.array([10.0, 15.0]))
    (Fraction(4, 1), Fraction(1, 5))
    """
    unique = np.unique(values[values > 0])
    places, near = next(
        (places, near)
        for places in range(11)
        for near in [np.rint(unique * 10.0**places)]
        if places == 10 or (np.abs(unique * 10.0**places - near) <= 1e-9 * near).all()
    )
    return Fraction(10**places, max(int(np.gcd.reduce(near.astype(np.int64))), 1))


def infer_tick(items: Sequence[pl.DataFrame]) -> float:
    """Tick in price units: the largest of 1, 2, 2.5 or 5 times a power of ten that all prices are on.

    >>> infer_tick([pl.DataFrame({"price": [93_576.0, 93_575.5]})])
    0.5
    """
    common = 1 / finest_parts(_distinct(items, sizes=False))
    ticks = (step * Fraction(10) ** k for k in range(6, -12, -1) for step in _STEPS)
    return float(next(tick for tick in ticks if common % tick == 0))


def infer_parts(items: Sequence[pl.DataFrame]) -> tuple[int, bool]:
    """Lots of one share or coin, and whether they make all sizes whole numbers: fewer do not, for sizes that would be too
    large."""
    sizes = _distinct(items, sizes=True)
    parts = finest = finest_parts(sizes).numerator
    if sizes.max() * parts >= MOST_LOTS:
        parts = 10 ** max(int(np.log10(MOST_LOTS / sizes.max())), 0)
    return parts, parts == finest


def _distinct(items: Sequence[pl.DataFrame], sizes: bool) -> AnyArray:
    """Distinct prices, or with `sizes` sizes, above 0 of some rows."""
    columns = [
        item[name].unique()
        for item in items
        for name in item.columns
        if name.startswith(("price", "size", "bid", "ask")) and ("size" in name) is sizes
    ]
    return pl.concat(columns).unique().to_numpy()


def refuse_off_tick(
    items: Sequence[pl.DataFrame], tick: float, zero: float, place: Callable[[int], str]
) -> None:
    """FeedError if more than 1 % of the rows are off the tick (prints left out beside quotes); it names a tick that fits."""
    # a print beside quotes may be between ticks, such as at their mid
    items = [item for item in items if "sign" not in item.columns and item.height] or items
    rows, prices = columns_of(items, sizes=False)
    off = np.abs(prices / tick - np.rint(prices / tick)) > OFF_THE_TICK
    count = len(np.unique(rows[off]))
    if count > MOST_CHANGED * sum(item.height for item in items):
        finest = finest_parts(np.append(prices, tick))
        first = rows[off].argmin()
        raise FeedError(
            f"prices on the tick of {tick:g}, but for 1 % of the rows",
            f"{prices[off][first] + zero:.12g} in {place(rows[off][first])}, the first of {count:,}",
            f"give `tick={float(1 / finest):.12g}`, which all prices are on"
            if prices.max() * finest < MOST_LOTS
            else "round the prices to the tick",
        )


def refuse_parted(
    items: Sequence[pl.DataFrame],
    instrument: InstrumentMap,
    plain_units: bool,
    report: RuleCounts,
    place: Callable[[int], str],
) -> None:
    """FeedError if rounding to whole lots changes over 1 % of the volume; it names a lot that fits.

    `report` counts the rows that rounding changes.
    """
    for item in items:
        prints = "sign" in item.columns
        rows, sizes = columns_of([item], sizes=True)
        exact = sizes / max(int(instrument.lot), 1)
        parted = np.abs(exact - np.rint(exact)) > PART_OF_LOT * np.minimum(exact, 1)
        report.update({ROUNDED: len(np.unique(rows[parted]))} if parted.any() else ())
        if parted.any() and _share_changed(exact, prints) > MOST_CHANGED:
            every = columns_of(items, sizes=True)[1]
            fitting = [
                f"write `lot = {float(1 / n / instrument.lots_a_unit):.12g}` in [instrument] of the map"
                + f", or `size_unit = {n}` in each section that has sizes"
                * (instrument.lot == 1 and plain_units)
                for n in (
                    finest_parts(every),
                    *(Fraction(10**places) for places in range(8, -1, -1)),
                )
                if every.max() * n < MOST_LOTS
                and _share_changed(sizes * float(n), prints) <= MOST_CHANGED
            ]
            first = rows[parted].argmin()
            raise FeedError(
                f"sizes in whole lots of {instrument.lot:g}, but for 1 % of the volume",
                f"{sizes[parted][first] / instrument.lots_a_unit:.12g} in {place(rows[parted][first])}",
                next(iter(fitting), "leave out the largest sizes, or import them apart"),
            )


def tape_of(
    q: pl.DataFrame,
    t: pl.DataFrame,
    d: pl.DataFrame,
    tick: float,
    lot: float,
    check: bool,
    trades_first: bool,
    report: RuleCounts,
) -> tuple[Events, Extra]:
    """Tape of cleaned quotes `q`, trades `t` and direct rows `d`, with extra facts; `check` drops prints far beyond quotes,
    `trades_first` puts the trade of a row before its quote."""
    q, shown_levels, off = _levels(q, tick, lot, report)
    touch = {"touch_bid": shown_levels[:, 0, 0, 0], "touch_ask": shown_levels[:, 1, 0, 0]}
    sorts = (
        q.select(TIMES).with_columns(**{name: pl.Series(values) for name, values in touch.items()}),
        t,
        d,
    )
    numbered = [f.with_columns(what=pl.lit(i)) for i, f in enumerate(sorts)]
    if trades_first:
        numbered[:2] = numbered[1::-1]
    items = in_order(pl.concat(numbered, how="diagonal"))
    items = items.with_row_index("at").with_columns(
        pl.col(*touch).forward_fill(), seq=pl.col("at").cast(pl.Int64)
    )
    if (d["kind"] == schema.CLEAR).any():  # a snapshot is one message
        clears = pl.when(pl.col("kind") == schema.CLEAR).then("seq").forward_fill()
        items = items.with_columns(
            seq=pl.when(pl.col("snapshot") == 1).then(clears).otherwise("seq")
        )
    quotes, prints, direct = (items.filter(what=i) for i in range(3))
    prints, signed = _sign_prints(
        prints.with_columns(price=divide(pl.col("price"), tick)), check, report
    )
    first = min((f["seq"][0] for f in (quotes, prints, direct) if f.height), default=0)
    opens = quotes.height > 0 and quotes["seq"][0] == first
    nothing = np.zeros(shown_levels.shape[1:], np.int32)
    room = changes(shown_levels, nothing, off, opens, np.empty((0, 6), np.int64))
    change_rows = np.empty((room, 6), np.int64)
    changes(shown_levels, nothing, off, opens, change_rows)
    columns = dict(
        zip(("kind", "side", "price_ticks", "qty_lots", "flags"), change_rows.T[1:], strict=True)
    )
    kind = (  # a print of unknown side is on no level
        pl.when("cross").then(schema.CROSS)
        .when((pl.col("sign") == 0) | pl.col("hidden")).then(schema.TRADE_HIDDEN)
        .otherwise(schema.TRADE)
    )  # fmt: skip
    parts = [
        quotes[change_rows[:, 0]].with_columns(
            order_id=0, **{name: pl.Series(values) for name, values in columns.items()}
        ),
        _in_lots(
            prints.with_columns(kind=kind, order_id=0, side=-pl.col("sign")), tick, lot, carry=True
        ),
        _in_lots(direct.with_columns(price=divide(pl.col("price"), tick)), tick, lot, carry=False),
    ]
    longs = [pl.col(name).cast(pl.Int64) for name in schema.COLUMN_NAMES]
    names = {NS: "exch_ns", RECEIVED: "recv_ns"}
    parts = [part.rename(names).select("at", *longs) for part in parts]
    filled = [part for part in parts if part.height] or parts[:1]
    table = filled[0] if len(filled) == 1 else pl.concat(filled).sort("at", maintain_order=True)
    opening = bool(opens and table.height and table["seq"][0] == first)  # message 0
    place = pl.col("seq")
    ends = place.ne_missing(place.shift(-1)).cast(pl.Int64) * schema.MESSAGE_END
    table = table.with_columns(
        seq=place.rle_id().cast(pl.Int64) + (not opening), flags=pl.col("flags") + ends
    )
    unchanged = q.height - len(np.unique(change_rows[:, 0])) - (opens and not opening)
    kinds = Events.empty(0).to_frame().schema
    return Events.from_frame(table.select(schema.COLUMN_NAMES).cast(kinds)), {
        "quotes_without_change": unchanged
    } | signed


def _sign_prints(t: pl.DataFrame, check: bool, report: RuleCounts) -> tuple[pl.DataFrame, Extra]:
    """Prints with their signs (Lee & Ready 1991), auction prints 0, and counts by method; with `check`, prints beyond the
    quotes by more than the spread are dropped.

    Against the mid, at the mid by the last other price (Lee & Ready 1991, without a lag); far beyond: by more than the
    spread (rule T4). Auction prints have no sign, and are no last price.
    """
    if t.height == 0:
        return t, {}
    bid, ask, price, sign = (pl.col(name) for name in ("touch_bid", "touch_ask", "price", "sign"))
    if check:
        far = (
            (bid > 0)
            & (ask > bid)
            & ((price > 2 * ask - bid) | (price < 2 * bid - ask))
            & ~pl.col("cross")
        )
        near = t.filter(~far.fill_null(False))
        report["trades beyond the quotes"] += t.height - near.height
        t = near
    plain = t.filter(~pl.col("cross"))
    last_price = price.shift()
    by_tick = (
        pl.when((last_price > 0) & (price != last_price))
        .then((price - last_price).sign())
        .forward_fill()
        .fill_null(0.0)
    )
    by_quote = pl.when((bid > 0) & (ask > 0)).then((2 * price - ask - bid).sign()).fill_null(0.0)
    method = (
        pl.when(sign != 0)
        .then(0)
        .when(by_quote != 0)
        .then(1)
        .when(by_tick != 0)
        .then(2)
        .otherwise(3)
    )
    sign_found = (
        pl.when(sign != 0)
        .then(sign)
        .when(by_quote != 0)
        .then(by_quote)
        .otherwise(by_tick)
        .cast(pl.Int64)
    )
    plain = plain.with_columns(method.alias("how"), sign_found.alias("sign"))
    counts = np.bincount(plain["how"].to_numpy(), minlength=4).tolist()
    names = ("by feed", "by quotes", "by ticks", "unsigned")
    signed_rows = pl.concat(
        [plain.drop("how"), t.filter("cross").with_columns(sign=0)], how="vertical_relaxed"
    )
    return signed_rows.sort("at"), {"signed": dict(zip(names, counts, strict=True))}


def _levels(
    q: pl.DataFrame, tick: float, lot: float, report: RuleCounts
) -> tuple[pl.DataFrame, Int32, Bytes]:
    """Quotes, their levels int32[quotes, 2 sides, ticks and lots, levels], and marks of off-tick prices; quotes out of order
    are dropped."""
    sides = side_columns(sum(name.startswith("bid_size_") for name in q.columns))
    bid, bid_size, ask, ask_size = (
        np.ascontiguousarray(q.select(names).to_numpy()) for names in sides
    )
    whole_lot = max(int(lot), 1)
    for prices, sizes in ((bid, bid_size), (ask, ask_size)):
        _refuse_large("tick", prices / tick, tick, q[ROW])
        _refuse_large("lot", sizes / whole_lot, lot, q[ROW])
    shown_levels = np.zeros((q.height, 2, 2, bid.shape[1]), np.int32)
    off = np.zeros(q.height, np.uint8)
    bad = np.zeros(q.height, np.uint8)
    to_levels(bid, bid_size, 1, tick, whole_lot, shown_levels[:, 0], off, bad)
    to_levels(ask, ask_size, -1, tick, whole_lot, shown_levels[:, 1], off, bad)
    if not bad.any():
        return q, shown_levels, off
    report["quotes whose levels are out of order"] += int(bad.sum())
    good = bad == 0
    return q.filter(good), shown_levels[good], off[good]


def _refuse_large(key: str, numbers: AnyArray, unit: float, rows: pl.Series) -> None:
    """FeedError for the first row with a number, in ticks or lots by `key`, of 2**30 or more."""
    row_max = numbers.max(axis=1, initial=0.0)
    for row in np.flatnonzero(row_max >= MOST_LOTS)[:1].tolist():
        larger = unit * 10.0 ** len(str(int(row_max[row] / MOST_LOTS)))
        raise FeedError(
            f"a {'price' if key == 'tick' else 'size'} of 0 to 2**30 {key}s",
            f"{row_max[row]:g} {key}s of {unit:g} in row {rows[row] & ((1 << 40) - 1)}",
            "correct the row"
            + f", or write `{key} = {larger:g}` in [instrument] of the map" * (larger < MOST_TICK),
        )


def _in_lots(rows: pl.DataFrame, tick: float, lot: float, carry: bool) -> pl.DataFrame:
    """Rows with `price` (ticks) and `size` as ticks, lots and flags of the tape; with `carry` prints of no lot are dropped.

    Prices off the tick go away from the touch (bids down, asks up), to the nearest without a side.
    """
    exact = pl.col("price")
    side = pl.col("side")
    off = (exact - exact.round()).abs() > OFF_THE_TICK
    away = (
        pl.when(side > 0)
        .then(exact.floor())
        .when(side < 0)
        .then(exact.ceil())
        .otherwise(exact.round())
    )
    size = rows["size"].to_numpy() / max(int(lot), 1)
    rows = rows.with_columns(
        price_ticks=pl.when(off).then(pl.max_horizontal(away, 1)).otherwise(exact.round()),
        qty_lots=pl.Series(lots_of(size, carry), dtype=pl.Float64),
        flags=off.cast(pl.Int64) * schema.OFF_TICK,
    )
    _refuse_large("tick", rows.select("price_ticks").to_numpy(), tick, rows[ROW])
    _refuse_large("lot", rows.select("qty_lots").to_numpy(), lot, rows[ROW])
    for bad in rows.filter(pl.col("size") < 0).head(1).iter_rows(named=True):
        raise FeedError(
            "a size of at least 0",
            f"{bad['size']:g} in row {bad[ROW] & ((1 << 40) - 1)}",
            "correct the row",
        )
    return rows.filter((pl.col("qty_lots") > 0) | (pl.col("size") == 0)) if carry else rows
