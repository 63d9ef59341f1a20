"""Observed days with a planted effect: what shown size calls forth is known, because it was put there."""

from collections.abc import Sequence

import numpy as np

from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.observed import Observed, event_columns

DAY_S = 23_400.0
USUAL = 100


def observed(
    at_s: Sequence[float],
    kind: Sequence[int],
    side: Sequence[int],
    lots: Sequence[int],
    mid: np.ndarray | None = None,
    seconds: float = DAY_S,
) -> Observed:
    """A day of these rows over a book of one tick's spread and 500 lots a side, its mid as given at each row."""
    order = np.argsort(np.asarray(at_s, np.float64), kind="stable")
    ns = np.round(np.asarray(at_s, np.float64)[order] * NS_PER_SECOND).astype(np.int64)
    n, what = len(ns), np.asarray(kind, np.uint8)[order]
    bid = np.full(n, 1000) if mid is None else np.asarray(mid, np.int64)[order]
    book = np.zeros((n, 5), np.int32)
    bid_px, ask_px, shown = book.copy(), book.copy(), book.copy()
    bid_px[:, 0], ask_px[:, 0], shown[:, 0] = bid, bid + 1, 500
    s = np.asarray(side, np.int8)[order]
    grid = np.searchsorted(ns, np.arange(int(seconds) + 1) * NS_PER_SECOND, side="right")
    mids = np.append(2 * bid + 1, 2 * bid[-1] + 1) if n else np.full(1, 2001)
    return Observed(
        ns=ns, kind=what, side=s, price=np.where(s > 0, bid, bid + 1).astype(np.int32), distance=np.ones(n, np.int32),
        lots=np.asarray(lots, np.int32)[order], order_id=np.zeros(n, np.int64), remainder=np.zeros(n, np.bool_),
        bid_px=bid_px, ask_px=ask_px, bid_lots=shown, ask_lots=shown.copy(), mid2=mids[grid].astype(np.int64),
        spread=np.ones(int(seconds) + 1, np.int64), start_ns=0, stop_ns=round(seconds * NS_PER_SECOND), open_ns=0,
        lot=1, window=0, counts={}, hidden=np.zeros((0, 5), np.int64),
    )  # fmt: skip


def planted(
    seed: int,
    *,
    factor: float = 1.0,
    effect_s: float = 60.0,
    bursts: float = 1.0,
    kind: int = event_columns.LIMIT_AT_BEST,
) -> Observed:
    """A day of limit orders and market orders.

    Usual limit orders come each 6 s and large ones (five usual sizes) each 600 s; market orders of 50 lots each 5 s a
    side. After a large one the market orders that would hit it come `factor` times as often for `effect_s`. `bursts`:
    for 120 s in 1,200 everything, large orders foremost, comes so many times as often.
    """
    rng = np.random.default_rng(seed)

    def busy(t: np.ndarray) -> np.ndarray:
        return (t % 1200.0) < 120.0

    def arrivals(rate: float, more: float) -> np.ndarray:
        t = np.sort(rng.uniform(0.0, DAY_S, rng.poisson(rate * more * DAY_S)))
        return t[busy(t) | (rng.random(len(t)) < 1.0 / more)]

    usual, large = arrivals(1 / 6, bursts), arrivals(1 / 600, bursts**2)
    usual_side, large_side = rng.choice([1, -1], len(usual)), rng.choice([1, -1], len(large))
    rows = [(usual, kind, usual_side, USUAL), (large, kind, large_side, 5 * USUAL)]
    for side in (1, -1):
        public = arrivals(1 / 5, bursts)
        rows.append((public, event_columns.MARKET, np.full(len(public), side), 50))
    for at, side in zip(large, large_side, strict=True):
        extra = at + effect_s * rng.random(rng.poisson((factor - 1.0) * effect_s / 5))
        rows.append(
            (
                extra[extra < DAY_S],
                event_columns.MARKET,
                np.full(int(np.sum(extra < DAY_S)), -side),
                50,
            )
        )
    return observed(
        np.concatenate([r[0] for r in rows]), np.concatenate([np.full(len(r[0]), r[1]) for r in rows]),
        np.concatenate([r[2] for r in rows]), np.concatenate([np.full(len(r[0]), r[3]) for r in rows]),
    )  # fmt: skip
