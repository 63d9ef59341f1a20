"""``python -m studies lean``: on real days, does the mid go where the lean of the public's flow makes a desk expect it?

A desk's own meter (`desk.rounds.context.PublicLean`) is fed with the market orders of the tape, minute by minute, and
asked every ten minutes for the move of the next ten.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from tercel.cli import print_json, print_table, say
from tercel.core import Floats
from tercel.core.report import spelt
from tercel.core.stats import Estimate, mean_interval
from tercel.desk.rounds import ContextRule, PublicLean
from tercel.market.observed import MARKET, Observed

EVERY = 10
"""Minutes of a round."""
HASTE = 2.0
"""Half spreads from which a desk with `[risk] run` makes haste."""


@dataclass(frozen=True)
class Came:
    """Moves of the mid beside those that were expected.

    Parameters
    ----------
    rounds, hasty : int
        All; those that ask for haste on one of the sides.
    slope : Estimate
        What came of 1 bps expected, least squares through 0, with a 95 % interval over days.
    came_bps : Estimate
        What came in the expected direction in hasty rounds.
    expected_bps : float
        What was expected there, mean.
    """

    rounds: int
    hasty: int
    slope: Estimate
    came_bps: Estimate
    expected_bps: float


def rounds_of(day: Observed) -> Floats:
    """A row a round: expected and realised move, bps, and half the spread, bps; float64 (n, 3)."""
    minutes = (len(day.mid2) - 1) // 60
    marks = day.start_ns + 60_000_000_000 * np.arange(1, minutes + 1)
    orders = day.kind == MARKET
    flows = [_until(day, orders & (day.side == side), marks) for side in (1, -1)]
    lean, rows, rule = PublicLean(ContextRule().minutes), [], ContextRule()
    for n in range(minutes):
        lean.minute(int(flows[0][n]), int(flows[1][n]), int(day.mid2[60 * (n + 1)]))
        ahead = 60 * (n + 1 + EVERY)
        if n >= EVERY and (n + 1) % EVERY == 0 and ahead < len(day.mid2):
            mid2, spread = day.mid2[60 * (n + 1)], day.spread[60 * (n + 1)]
            rows.append(
                (
                    lean.ahead_bps(rule.minutes, EVERY),
                    1e4 * (day.mid2[ahead] / mid2 - 1.0),
                    1e4 * spread / mid2,
                )
            )
    return np.array(rows, np.float64).reshape(-1, 3)


def _until(day: Observed, which: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """Lots of some orders until each moment."""
    total = np.concatenate([[0], np.cumsum(day.lots[which].astype(np.int64))])
    return np.asarray(total[np.searchsorted(day.ns[which], marks, "right")])


def came(days: Mapping[str, Observed], seed: int = 0) -> Came:
    """All rounds of all days."""
    parts = [rounds_of(day) for day in days.values()]
    rows, day = (
        np.concatenate(parts),
        np.repeat(np.arange(len(parts)), [len(part) for part in parts]),
    )
    expected, moved, half = rows.T
    rng = np.random.default_rng(seed)
    draws = rng.integers(0, len(parts), (1000, len(parts)))
    slopes = [_slope(np.concatenate([parts[i] for i in draw])) for draw in draws]
    low, high = np.quantile(slopes, [0.025, 0.975])
    slope = Estimate(_slope(rows), float(low), float(high))
    hasty = np.abs(expected) >= HASTE * half
    toward = np.sign(expected) * moved
    found = mean_interval(toward[hasty].tolist(), day[hasty], rng)
    return Came(len(rows), int(hasty.sum()), slope, found, float(np.abs(expected[hasty]).mean()))


def _slope(rows: Floats) -> float:
    weight = float(np.square(rows[:, 0]).sum())
    return float(rows[:, 0] @ rows[:, 1]) / weight if weight else 0.0


def run(symbol: str, days: Mapping[str, Observed], as_json: bool) -> None:
    """Print what came."""
    found = came(days)
    if as_json:
        print_json({"symbol": symbol, "days": len(days), **asdict(found)})
        return
    cells = [spelt(one) for one in (found.slope, found.came_bps)]
    heads = ("rounds", "came of 1 bps expected", "hasty rounds", "expected there, bps", "came, bps")
    row = (str(found.rounds), cells[0], str(found.hasty), f"{found.expected_bps:.1f}", cells[1])
    print_table(f"{symbol}, {len(days)} days: moves of {EVERY} minutes", heads, [row])
    low = found.slope.ci_low or 0.0
    say(
        "The lean tells the next minutes."
        if low > 0
        else "That the lean tells anything cannot be told from nothing."
    )
