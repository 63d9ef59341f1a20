"""Tables of parent orders in two engines: costs, savings, and what takes their differences away."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from studies.engines import parent_orders as p, touch_orders as t
from studies.engines.touch_tables import ALL, LATENCY_MS, Setting, Table, share, some_days
from tercel.core import Estimate, Floats, Longs, say_progress
from tercel.core.report import format_interval
from tercel.core.stats import clustered_se, t_quantile

DAYS: Final = 10
MOST_BPS: Final = 0.2
SAVING: Final = tuple(name for name in p.STRATEGIES if name != p.BASE)
Pairs = Sequence[tuple[str, str]]
PAIRS: Final = ((t.STRICT, t.PLAIN), (t.STRICT, t.THROUGH))
"""Bounds of the replay, and feeds of hftbacktest, that are compared."""
SIZES: Final = {
    "1 % of the volume": (p.Size(0.01, p.DECISIONS), 1, (*PAIRS, (t.KIND, t.SHOWN))),
    "1 share a decision": (p.Size(0.0, p.DECISIONS), 1, PAIRS),
    "1 share": (p.Size(0.0, 1), 2, PAIRS),
}
"""Sizes of parent orders, one of how many of them, and what is compared: the smaller an order, the less of it fills in part, and
the less it takes beyond the touch."""
ROUNDING_BPS: Final = 1e-6
Found = Mapping[str, p.Parents]


def tables(setting: Setting, symbols: Sequence[str], orders: int) -> Iterator[Table]:
    """Costs and savings of `orders` parent orders of each symbol, and savings of smaller ones."""
    for number, (words, (size, one_of, pairs)) in enumerate(SIZES.items()):
        found = {one: compared(setting, one, orders // one_of, size, pairs) for one in symbols}
        if number == 0:
            yield costs_table(found, words)
        yield savings_table(found, words, pairs)


def compared(setting: Setting, symbol: str, orders: int, size: p.Size, pairs: Pairs) -> p.Parents:
    """Both engines on so many orders of a symbol, evenly over its days."""
    dates = some_days(setting.lake, symbol, DAYS)
    bounds, feeds = (list(dict.fromkeys(names)) for names in zip(*pairs, strict=True))
    say_progress(f"{symbol}: {orders} parent orders on {len(dates)} days, {size}")
    return p.compare(
        setting.lake, symbol, dates, -(-orders // len(dates)), size, bounds, feeds, 1_000_000 * LATENCY_MS,
        setting.python, setting.folder,
    )  # fmt: skip


def interval(values: Floats, cluster: Longs) -> Estimate:
    """Mean of values with its 95 % interval over days, by Student's t; values that are missing are left out.

    >>> interval(np.array([1.0, 3.0, np.nan]), np.array([0, 1, 1])).mean
    2.0
    """
    there = np.isfinite(values)
    mean = float(values[there].mean())
    half = clustered_se(values[there], cluster[there]) * t_quantile(
        0.975, len(np.unique(cluster[there])) - 1
    )
    return Estimate(mean, mean - half, mean + half)


def together(found: Found) -> dict[str, tuple[Longs, list[p.Parents]]]:
    """Days as clusters, and the parts, of each symbol and of all."""
    rows = {name: (one.cluster, [one]) for name, one in found.items()}
    parts = list(found.values())
    every = np.concatenate([one.cluster + DAYS * number for number, one in enumerate(parts)])
    return {**rows, ALL: (every, parts)}


def _joined(parts: Sequence[p.Parents], where: str, key: str, name: str, field: str) -> Floats:
    """A column of a strategy over several symbols: `where` is here or there, `key` a bound or a feed."""
    return np.concatenate(
        [getattr(getattr(one, where)[key][name], field) for one in parts], dtype=float
    )


def saved(parts: Sequence[p.Parents], where: str, key: str, name: str) -> Floats:
    """What a strategy saves on `parent_orders.BASE`, each order, bps."""
    return _joined(parts, where, key, p.BASE, "bps") - _joined(parts, where, key, name, "bps")


def costs_table(found: Found, size: str) -> Table:
    """Costs and shares filled at rest."""
    rows = []
    for name, (cluster, parts) in together(found).items():
        for strategy in p.STRATEGIES:
            cells = []
            for where, key in (*(("here", one) for one in t.BOUNDS), *(("there", one) for one in t.FEEDS)):  # fmt: skip
                bps = interval(_joined(parts, where, key, strategy, "bps"), cluster)
                rest = _joined(parts, where, key, strategy, "passive").mean()
                cells.append(f"{bps.mean:.2f} ({100 * rest:.0f} %)")
            rows.append([name, strategy, f"{len(cluster)}", *cells])
    return Table(
        f"Costs of orders of {size}, {p.HORIZON_S:g} s, bps (filled at rest)",
        ("", "strategy", "orders", *t.BOUNDS, *(f"hftbacktest, {feed}" for feed in t.FEEDS)),
        rows,
    )


def savings_table(found: Found, size: str, pairs: Pairs) -> Table:
    """Savings in both engines, and their differences order by order."""
    rows = []
    for bound, feed in pairs:
        for name, (cluster, parts) in together(found).items():
            for strategy in SAVING:
                here = saved(parts, "here", bound, strategy)
                there = saved(parts, "there", feed, strategy)
                estimates = [interval(one, cluster) for one in (here, there, there - here)]
                shown = [format_interval(one, signed=True) for one in estimates]
                same = share(np.abs(there - here) < ROUNDING_BPS)
                bar = "yes" if holds(*estimates) else "no"
                rows.append([f"{bound}, {feed}", name, strategy, shown[2], bar, same, *shown[:2]])
    return Table(
        f"Saved on {p.BASE}, orders of {size}, bps",
        ("engines", "", "strategy", "difference", f"held, {MOST_BPS:g} bps", "same to the last lot", "here", "hftbacktest"),
        rows,
    )  # fmt: skip


def holds(here: Estimate, there: Estimate, apart: Estimate) -> bool:
    """Whether each mean is inside the other's interval, and the difference at most `MOST_BPS`.

    >>> one, other = Estimate(0.1, 0.0, 0.2), Estimate(0.15, 0.05, 0.25)
    >>> holds(one, other, Estimate(0.05, 0.0, 0.1)), holds(one, other, Estimate(0.3, 0.0, 0.1))
    (True, False)
    """
    inside = all(
        (of.ci_low or 0.0) <= one.mean <= (of.ci_high or 0.0)
        for one, of in ((here, there), (there, here))
    )
    return inside and abs(apart.mean) <= MOST_BPS
