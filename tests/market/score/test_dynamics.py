"""Figures of how a market moves, against a slow twin, closed forms, and what their bars do."""

import bisect
import itertools
import math
from collections.abc import Iterator

import numpy as np
import pytest

from tercel.core.vocabulary import NS_PER_SECOND as S
from tercel.market.observed import Observed
from tercel.market.observed.event_columns import CANCEL_AT_BEST, LIMIT_AT_BEST, MARKET
from tercel.market.score.dynamics import (
    COLUMNS,
    FIGURES,
    bar,
    judge_figures,
    spreads,
    sums_of,
    tape_figures,
)
from tercel.market.score.half_hour_sums import figure_values, sums_table
from tercel.market.score.scored_days import Day

OPEN_NS = 34_200 * S


def seen(
    ns: np.ndarray,
    kind: np.ndarray,
    side: np.ndarray,
    lots: np.ndarray,
    touch: np.ndarray,
    mid2: np.ndarray,
    spread: int,
) -> Observed:
    """A stretch that begins at the opening; `touch` int[n, 4]: bid, ask, bid lots, ask lots."""
    zero = np.zeros(len(ns), np.int32)
    bid, ask, wanted, offered = (
        np.repeat(touch[:, [i]], 5, axis=1).astype(np.int32) for i in range(4)
    )
    return Observed(
        ns + OPEN_NS, kind.astype(np.uint8), side.astype(np.int8), zero, zero, lots.astype(np.int32),
        np.arange(len(ns)), np.zeros(len(ns), np.bool_), bid, ask, wanted, offered, np.zeros((0, 5), np.int64),
        mid2.astype(np.int64), np.full(len(mid2), spread), OPEN_NS, OPEN_NS + (len(mid2) - 1) * S, OPEN_NS, 1, 0, {},
    )  # fmt: skip


def drawn(seed: int, seconds: int = 5_400, n: int = 4_000) -> Observed:
    """Events that have nothing to do with one another, with seconds before the first quote."""
    rng = np.random.default_rng(seed)
    ns = np.sort(rng.integers(30 * S, seconds * S, n))
    bid = 1_000 + np.cumsum(rng.integers(-1, 2, n))
    touch = np.column_stack(
        (bid, bid + rng.integers(1, 4, n), rng.integers(1, 30, n), rng.integers(1, 30, n))
    )
    mid2 = 2_000 + np.cumsum(rng.integers(-2, 3, seconds + 1))
    mid2[:30] = 0
    kind = rng.choice([LIMIT_AT_BEST, CANCEL_AT_BEST, MARKET], n)
    return seen(ns, kind, rng.choice([-1, 1], n), rng.integers(1, 50, n), touch, mid2, 2)


def figures(*stretches: Observed) -> dict[str, float]:
    return figure_values(FIGURES, sums_table([sums_of(o) for o in stretches], COLUMNS), COLUMNS)


# -- the slow twin ----------------------------------------------------------------------------------------------------


def row_at(o: Observed, ns: int) -> int | None:
    at = bisect.bisect_left(o.ns, ns)
    return at if at < o.n else None


def touch_of(o: Observed, i: int) -> tuple[int, int, int, int]:
    return int(o.bid_px[i, 0]), int(o.ask_px[i, 0]), int(o.bid_lots[i, 0]), int(o.ask_lots[i, 0])


def imbalance(before: tuple[int, int, int, int], after: tuple[int, int, int, int]) -> int:
    """One change of the touch, case by case."""
    found = 0
    if after[0] > before[0]:
        found += after[2]
    elif after[0] < before[0]:
        found -= before[2]
    else:
        found += after[2] - before[2]
    if after[1] < before[1]:
        found -= after[3]
    elif after[1] > before[1]:
        found += before[3]
    else:
        found -= after[3] - before[3]
    return found


def squared_correlation(pairs: list[tuple[float, float]]) -> float:
    x, y = zip(*pairs, strict=True)
    return float(np.corrcoef(x, y)[0, 1] ** 2)


def windows(o: Observed, seconds: int) -> Iterator[tuple[int, int]]:
    at = [row_at(o, o.start_ns + t * S) for t in range(0, (o.stop_ns - o.start_ns) // S, seconds)]
    for a, b in itertools.pairwise(at):
        if a is not None and b is not None:
            yield a, b


def mid_of(o: Observed, i: int) -> float:
    return (int(o.bid_px[i, 0]) + int(o.ask_px[i, 0])) / 2


def later(x: list[float], lag: int) -> float:
    a, b = x[:-lag], x[lag:]
    return sum(p * q for p, q in zip(a, b, strict=True)) / math.sqrt(
        sum(p * p for p in a) * sum(q * q for q in b)
    )


def less_mean(x: list[float]) -> list[float]:
    mean = sum(x) / len(x)
    return [value - mean for value in x]


def test_every_figure_by_brute_force() -> None:
    o = drawn(1)
    found = figures(o)
    assert set(found) == {figure.name for figure in FIGURES}
    told: dict[str, float] = {}
    for h in (10, 60):
        pairs = []
        for a, b in windows(o, h):
            flow = sum(imbalance(touch_of(o, i), touch_of(o, i + 1)) for i in range(a, b))
            pairs.append((flow, mid_of(o, b) - mid_of(o, a)))
        told[f"ofi_r2_{h}s"] = squared_correlation(pairs)
    pairs = []
    for a, b in windows(o, 10):
        bought = sum(int(o.side[i]) * int(o.lots[i]) for i in range(a, b) if o.kind[i] == MARKET)
        pairs.append((bought, mid_of(o, b) - mid_of(o, a)))
    told["signed_volume_r2_10s"] = squared_correlation(pairs)
    mids = [int(x) / 2 for x in o.mid2 if x]

    def variance(h: int) -> float:
        return float(np.mean([(mids[i + h] - mids[i]) ** 2 for i in range(len(mids) - h)]))

    told |= {f"variance_1s_to_{h}s": variance(h) / (h * variance(1)) for h in (10, 60, 300, 600)}
    sizes = less_mean([abs(mids[i + 1] - mids[i]) for i in range(len(mids) - 1)])
    told |= {f"abs_return_acf_{lag}s": later(sizes, lag) for lag in (1, 10, 60)}
    minutes = less_mean([abs(mids[i + 60] - mids[i]) for i in range(0, len(mids) - 60, 60)])
    told |= {f"abs_return_acf_{lag}min": later(minutes, lag) for lag in (1, 5)}
    volume = [0.0] * 90
    for i in range(o.n):
        if o.kind[i] == MARKET:
            volume[int((o.ns[i] - o.start_ns) // (60 * S))] += int(o.lots[i])
    roots = less_mean([math.sqrt(v) for v in volume])
    told |= {f"volume_acf_{lag}": later(roots, lag) for lag in (1, 5, 20)}
    rows = [row_at(o, o.start_ns + t * S) for t in range(0, 5_400, 10)]
    depth = [
        less_mean([math.log(touch_of(o, i)[column]) for i in rows if i is not None])
        for column in (2, 3)
    ]
    told["depth_both_sides"] = sum(a * b for a, b in zip(*depth, strict=True)) / math.sqrt(
        math.prod(sum(a * a for a in side) for side in depth)
    )
    top = sum(sum(a * b for a, b in zip(side[:-6], side[6:], strict=True)) for side in depth)
    first, second = (
        sum(a * a for side in depth for a in side[part]) for part in (slice(-6), slice(6, None))
    )
    told["depth_acf_60s"] = top / math.sqrt(first * second)
    trades = [i for i in range(o.n) if o.kind[i] == MARKET]
    told |= {
        f"sign_acf_{lag}": later([float(o.side[i]) for i in trades], lag)
        for lag in (1, 10, 100, 1000)
    }
    moved: dict[str, list[float]] = {}
    wide = []
    for i in trades:
        if i + 1 == o.n:
            continue
        before, after, side = touch_of(o, i), touch_of(o, i + 1), int(o.side[i])
        emptied = after[1] > before[1] if side > 0 else after[0] < before[0]
        for h in (1, 10):
            at = row_at(o, int(o.ns[i]) + h * S)
            if at is not None:
                name = f"response_{'emptied' if emptied else 'left'}_{h}s"
                moved.setdefault(name, []).append(side * (mid_of(o, at) - mid_of(o, i)))
        at = row_at(o, int(o.ns[i]) + 60 * S)
        if at is not None:
            wide.append(touch_of(o, at)[1] - touch_of(o, at)[0] - 2)
    told |= {name: float(np.mean(moves)) for name, moves in moved.items()} | {
        "excess_spread_60s": float(np.mean(wide))
    }
    for name, value in told.items():
        assert found[name] == pytest.approx(value, abs=1e-9), name
    assert set(found) - set(told) == {"ofi_r2_1s"}


# -- closed forms -----------------------------------------------------------------------------------------------------


def with_mid(mid2: np.ndarray) -> Observed:
    return seen(
        np.array([0, 1]),
        np.array([0, 0]),
        np.array([1, 1]),
        np.array([1, 1]),
        np.ones((2, 4)),
        mid2 + 1_000_000,
        1,
    )


# -- bars -------------------------------------------------------------------------------------------------------------


def test_bars_come_from_the_days() -> None:
    days = [sums_of(drawn(seed)) for seed in range(4)]
    tape = tape_figures(days[:2], days[2:])
    alone = [figure_values(FIGURES, sums_table([day], COLUMNS), COLUMNS) for day in days]
    sd = np.std([one["sign_acf_1"] for one in alone], ddof=1)
    assert tape["sign_acf_1"].bar == pytest.approx(1.5 * sd)
    assert tape["ofi_r2_10s"].bar == bar("ofi_r2_10s", tape["ofi_r2_10s"].real, 1.0)
    assert tape["ofi_r2_10s"].bar == pytest.approx(0.2 * tape["ofi_r2_10s"].real)
    assert tape["variance_1s_to_300s"].bar == 0.15
    assert tape["sign_acf_1"].ci_low <= tape["sign_acf_1"].real <= tape["sign_acf_1"].ci_high
    itself = judge_figures(tape, days[:2])
    assert all(row.passed and row.value == pytest.approx(row.real) for row in itself.values())
    other = judge_figures(tape, [sums_of(with_mid(np.cumsum(np.full(5_401, 2))))])
    assert other["variance_1s_to_10s"].value == pytest.approx(10.0)
    assert not other["variance_1s_to_10s"].passed
    assert (other["sign_acf_1"].value, other["sign_acf_1"].passed) == (None, False)


def test_a_single_day_has_the_spread_of_its_halves_and_short_tape_leaves_figures_out(
    days: list[Day],
) -> None:
    one = sums_of(drawn(9, seconds=7_200))
    halves = [{name: column * mask for name, column in one.items()} for mask in half_masks(2)]
    apart = [
        figure_values(FIGURES, sums_table([half], COLUMNS), COLUMNS)["sign_acf_1"]
        for half in halves
    ]
    assert spreads(sums_table([one], COLUMNS))["sign_acf_1"] == pytest.approx(np.std(apart, ddof=1))
    told = tape_figures([sums_of(drawn(9, 1_500, 800))], [])
    assert "sign_acf_1000" not in told
    assert "sign_acf_1" not in told  # one half hour has no spread
    assert told["ofi_r2_10s"].train is None
    real = tape_figures(
        [sums_of(day.observe()) for day in days[:1]], [sums_of(day.observe()) for day in days[1:]]
    )
    assert all(
        abs(row.train - row.real) <= max(3 * row.bar, 0.1) for row in real.values() if row.train
    )


def half_masks(first: int) -> list[np.ndarray]:
    at = np.arange(48)
    return [at < first, at >= first]
