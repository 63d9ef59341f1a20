"""What a cross-sectional forecast would have earned: decile long-short, costs by half-turn, turnover.

Equal weights, 1 long and 1 short, rebuilt at every date; a half-turn is the sum of |change of weight| over both legs.
It is a yardstick for comparing forecasts of one panel: whatever bias the panel has is in every level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tercel.core.arrays import Floats
from tercel.core.errors import DataError

PERIODS_A_YEAR = 252 / 5


@dataclass(frozen=True)
class LongShort:
    """Result of a long-short portfolio, per date (a week in the daily panel).

    Parameters
    ----------
    gross, net : float
        Mean return per date, a fraction; net of `cost_bps` per half-turn.
    half_turns : float
        Mean per date.
    sharpe_gross, sharpe_net : float
        A year, from `PERIODS_A_YEAR` dates.
    by_date : float64 (dates,)
        Net returns.
    """

    gross: float
    net: float
    half_turns: float
    sharpe_gross: float
    sharpe_net: float
    by_date: Floats

    def to_json(self) -> dict[str, float]:
        """The numbers by name."""
        return {
            "gross": self.gross, "net": self.net, "half_turns": self.half_turns,
            "sharpe_gross": self.sharpe_gross, "sharpe_net": self.sharpe_net,
        }  # fmt: skip


def long_short(
    forecast: ArrayLike,
    outcome: ArrayLike,
    dates: ArrayLike,
    instrument: ArrayLike,
    *,
    share: float = 0.1,
    cost_bps: float = 5.0,
    periods_a_year: float = PERIODS_A_YEAR,
) -> LongShort:
    """Buy the top `share` of every date's forecasts, sell the bottom.

    Raises
    ------
    DataError
        When a date has fewer than two names, or there are fewer than two dates.
    """
    f, o = np.asarray(forecast, np.float64), np.asarray(outcome, np.float64)
    names, who = np.unique(np.asarray(instrument), return_inverse=True)
    known, at = np.unique(np.asarray(dates), return_inverse=True)
    if len(known) < 2 or len(names) < 2:
        raise DataError("at least two dates and two names", f"{len(known)} and {len(names)}", "use a longer panel")
    held = np.zeros(len(names))
    gross, turned = np.zeros(len(known)), np.zeros(len(known))
    for i in range(len(known)):
        rows = np.flatnonzero((at == i) & np.isfinite(f) & np.isfinite(o))
        if len(rows) < 2:
            raise DataError("at least two names with a forecast on every date", f"{len(rows)} on date {i}", "drop it")
        count = max(1, int(len(rows) * share))
        order = rows[np.argsort(f[rows], kind="stable")]
        wanted = np.zeros(len(names))
        wanted[who[order[-count:]]] += 1.0 / count
        wanted[who[order[:count]]] -= 1.0 / count
        turned[i] = np.abs(wanted - held).sum()
        moved = np.zeros(len(names))
        moved[who[rows]] = o[rows]
        gross[i] = wanted @ moved
        held = wanted * (1.0 + moved)  # weights drift with prices until the next date
    net = gross - turned * cost_bps * 1e-4
    return LongShort(
        float(gross.mean()), float(net.mean()), float(turned.mean()),
        _sharpe(gross, periods_a_year), _sharpe(net, periods_a_year), net,
    )  # fmt: skip


def smoothed(forecast: ArrayLike, dates: ArrayLike, instrument: ArrayLike, *, decay: float = 0.5) -> Floats:
    """Forecasts averaged with their own past, `decay` times the last date's average: turnover control.

    Missing dates of a name start it afresh.
    """
    f = np.asarray(forecast, np.float64)
    names, who = np.unique(np.asarray(instrument), return_inverse=True)
    known, at = np.unique(np.asarray(dates), return_inverse=True)
    average, last = np.zeros(len(names)), np.full(len(names), -2)
    out = np.empty_like(f)
    for i in range(len(known)):
        rows = np.flatnonzero(at == i)
        fresh = last[who[rows]] != i - 1
        out[rows] = np.where(fresh, f[rows], decay * average[who[rows]] + (1 - decay) * f[rows])
        average[who[rows]], last[who[rows]] = out[rows], i
    return out


def _sharpe(returns: Floats, periods_a_year: float) -> float:
    sd = float(returns.std(ddof=1))
    return float(returns.mean()) / sd * periods_a_year**0.5 if sd > 0 else float("nan")
