"""Tables of resting orders at the touch in two engines."""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from studies.engines import touch_orders as t
from tercel.core import NS_PER_SECOND, Bools, say_progress
from tercel.market.tape import Lake

DAYS: Final = 4
"""Days of each symbol, evenly over the lake's."""
LATENCY_MS: Final = 50
BAR: Final = 0.99
SIZES: Final = (1, 100, 1000)
LATENCIES_MS: Final = (0, LATENCY_MS, 1000)
ALL: Final = "all"


class Table(NamedTuple):
    """Title, headings, rows."""

    title: str
    headings: Sequence[str]
    rows: list[list[str]]


class Setting(NamedTuple):
    """Where to run: the lake, the other engine's interpreter, a folder for files, the seed."""

    lake: Lake
    python: Path
    folder: Path
    seed: int

    def compare(
        self, symbol: str, orders: int, days: int, lots: int, latency_ms: int
    ) -> t.Compared:
        """Both engines on so many orders of a symbol, evenly over so many of its days."""
        return _compare(self, symbol, orders, days, lots, latency_ms)


@cache
def _compare(
    setting: Setting, symbol: str, orders: int, days: int, lots: int, latency_ms: int
) -> t.Compared:
    """As :meth:`Setting.compare`, kept: tables share some."""
    dates = some_days(setting.lake, symbol, days)
    say_progress(f"{symbol}: {orders} orders of {lots} on {len(dates)} days, {latency_ms} ms")
    return t.compare(
        setting.lake, symbol, dates, -(-orders // len(dates)), lots, 1_000_000 * latency_ms, setting.seed,
        setting.python, setting.folder,
    )  # fmt: skip


def symbols_of(lake: Lake) -> list[str]:
    """Symbols of a lake."""
    return sorted({instrument.symbol for instrument in lake.list()})


@cache
def whole_days(lake: Lake, symbol: str) -> tuple[str, ...]:
    """Days of a symbol whose tape goes on into the last quarter of an hour of the session."""
    days = (lake.read(symbol, date) for date in lake.days(symbol))
    return tuple(
        instrument.date
        for instrument, events in days
        if events.exch_ns[-1] > instrument.session_close_ns - t.SKIP_S * NS_PER_SECOND
    )


def some_days(lake: Lake, symbol: str, count: int) -> list[str]:
    """So many whole days of a symbol, evenly over them."""
    dates = whole_days(lake, symbol)
    chosen = np.arange(min(count, len(dates))) * len(dates) // min(count, len(dates))
    return [dates[number] for number in chosen.tolist()]


def share(of: Bools) -> str:
    """A share in percent.

    >>> share(np.array([True, False, True]))
    '66.7 %'
    """
    return f"{100 * np.mean(of):.1f} %"


def tables(
    setting: Setting, symbols: Sequence[str], orders: int, fine: Setting | None
) -> Iterator[Table]:
    """Fills of `orders` orders over all symbols; by cause; by size and latency; `fine`: of a lake of finer ticks."""
    a_symbol = -(-orders // len(symbols))
    found = {one: setting.compare(one, a_symbol, DAYS, 1, LATENCY_MS) for one in symbols}
    found[ALL] = together(list(found.values()))
    yield filled_table(found)
    yield alike_table(found)
    yield causes_table(found)
    yield sizes_table(setting, symbols, a_symbol // DAYS)
    yield latencies_table(setting, symbols, a_symbol // DAYS)
    if fine is not None:
        yield fine_table(fine, a_symbol // DAYS)


def together(parts: Sequence[t.Compared]) -> t.Compared:
    """Several symbols' orders as one."""
    return t.Compared(
        {bound: t.joined([part.here[bound] for part in parts]) for bound in t.BOUNDS},
        {feed: t.joined([part.there[feed] for part in parts]) for feed in t.FEEDS},
        np.concatenate([part.older for part in parts]),
    )


PAIRS: Final = (
    (t.STRICT, t.PLAIN),
    (t.KIND, t.PLAIN),
    (t.KIND, t.SHOWN),
    (t.STRICT, t.THROUGH),
)
"""Bounds of the replay, and feeds of hftbacktest, that are compared."""


def filled_table(found: dict[str, t.Compared]) -> Table:
    """Shares of orders that filled."""
    rows = []
    for name, one in found.items():
        filled = [fills.lots > 0 for fills in (*one.here.values(), *one.there.values())]
        rows.append([name, f"{len(filled[0]):,}", *map(share, filled)])
    return Table(
        f"Orders of 1 share at the touch, held for {t.HOLD_S} s, {LATENCY_MS} ms latency: filled",
        ("", "orders", *t.BOUNDS, *(f"hftbacktest, {feed}" for feed in t.FEEDS)),
        rows,
    )


def alike_table(found: dict[str, t.Compared]) -> Table:
    """Shares of orders that filled alike in both engines."""
    rows = []
    for name, one in found.items():
        alike = [one.here[bound].same_lots(one.there[feed]) for bound, feed in PAIRS]
        moment = one.here[t.STRICT].same(one.there[t.THROUGH])
        held = ["yes" if np.mean(same) >= BAR else "no" for same in (alike[0], alike[-1])]
        rows.append([name, *map(share, (*alike, moment)), *held])
    return Table(
        "The same lots in the replay and in hftbacktest",
        ("", *(_pair(*pair) for pair in PAIRS), "strict, through: same ns", f"strict, plain: {BAR:.0%}",
         f"strict, through: {BAR:.0%}"),
        rows,
    )  # fmt: skip


def _pair(bound: str, feed: str) -> str:
    return f"{bound}, {feed}"


def causes_table(found: dict[str, t.Compared]) -> Table:
    """Orders whose lots differ between FIFO and strict, by cause."""
    rows = []
    for name, one in found.items():
        cause = t.causes_of(one)
        counts = np.bincount(cause[cause >= 0], minlength=len(t.CAUSES))
        rows.append([name, f"{len(cause):,}", f"{counts.sum():,}", *(f"{n:,}" for n in counts)])
    return Table(
        "Orders whose lots differ between hftbacktest on the plain day and `strict`, by cause",
        ("", "orders", "differ", *t.CAUSES),
        rows,
    )


def sizes_table(setting: Setting, symbols: Sequence[str], orders: int) -> Table:
    """What size does: the other engine fills orders whole."""
    rows = []
    for lots in SIZES:
        one = together([setting.compare(s, orders, 1, lots, LATENCY_MS) for s in symbols])
        strict, through = one.here[t.STRICT], one.there[t.THROUGH]
        part = (strict.lots > 0) & (strict.lots < lots)
        rest = ~part & ~strict.same_lots(through)
        rows.append(
            [
                f"{lots:,}",
                f"{len(part):,}",
                *map(share, (strict.same_lots(through), strict.same_start(through), part, rest)),
            ]
        )
    return Table(
        "Larger orders, `strict` and through: hftbacktest fills an order whole once any of it fills",
        ("shares", "orders", "same lots", "same begin", "in part here", "other differences"),
        rows,
    )


def latencies_table(setting: Setting, symbols: Sequence[str], orders: int) -> Table:
    """What latency does."""
    rows = []
    for ms in LATENCIES_MS:
        one = together([setting.compare(s, orders, 1, 1, ms) for s in symbols])
        strict, kind = one.here[t.STRICT], one.here[t.KIND]
        same = (strict.same(one.there[t.THROUGH]), strict.same_lots(one.there[t.PLAIN]))
        alike = kind.same_lots(one.there[t.SHOWN])
        rows.append([f"{ms} ms", f"{len(strict.lots):,}", *map(share, (*same, alike))])
    return Table(
        "The same lots by latency",
        ("latency", "orders", "strict, through: same ns", "strict, plain", "kind, shown"),
        rows,
    )


def fine_table(setting: Setting, orders: int) -> Table:
    """The same where no price was rounded."""
    rows = []
    for symbol in symbols_of(setting.lake):
        one = setting.compare(symbol, orders, 1, 1, LATENCY_MS)
        pairs = [one.here[bound].same_lots(one.there[feed]) for bound, feed in PAIRS]
        rows.append([symbol, f"{len(pairs[0]):,}", *map(share, pairs)])
    return Table(
        "The same lots on a lake of ticks so fine that no price is rounded",
        ("", "orders", *(_pair(*pair) for pair in PAIRS)),
        rows,
    )
