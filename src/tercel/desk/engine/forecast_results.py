"""Results of a desk's served forecasts, from its journal: each scored once, at its horizon."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tercel.core.ports import Entry
from tercel.core.stats.mean_intervals import wilson_interval
from tercel.desk.engine.forecasts import NO_FORECAST
from tercel.desk.trading.forecast_outcomes import Outcomes
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.agent_bodies import AlphaEntry
from tercel.desk.trading.journal.bodies import AlertEntry


@dataclass(frozen=True)
class ForecastOutcome:
    """Result of the forecasts served to a desk, each scored once, at its horizon.

    Parameters
    ----------
    model, at : str or None
        Of the last forecast that was taken; None where none was.
    names : tuple of mapping
        One row per forecast: {"name", "forecast_bps": what was left of it when the desk first took it, "came_bps": None of
        one that is not yet due}.
    not_due : int
        Forecasts whose horizon has not passed in the market's time.
    scored, hits : int
        Of the others that moved; those whose sign was right.
    hit_rate, ci_low, ci_high : float or None
        Share of right signs, with its 95 % interval as if forecasts were independent (Wilson, 1927).
    without : tuple of str
        Why there was none, as alerted.
    targets : tuple of str
        What became of targets, as alerted.
    """

    model: str | None = None
    at: str | None = None
    names: tuple[Mapping[str, Any], ...] = ()
    not_due: int = 0
    scored: int = 0
    hits: int = 0
    hit_rate: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    without: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()


def read_forecast_outcome(entries: Iterable[Entry]) -> ForecastOutcome:
    """Forecast outcome from a journal's entries of the kinds ALPHA, MARKET and ALERT."""
    missing = list[str]()
    target_texts = list[str]()
    fold = Outcomes()
    last = AlphaEntry()
    for entry in entries:
        if entry.kind == kinds.ALERT:
            alert = AlertEntry.of(entry)
            if alert.code == kinds.TARGET:
                target_texts.append(alert.text)
            elif alert.code == NO_FORECAST:
                missing.append(": ".join(filter(None, (entry.instrument, alert.text))))
        elif entry.kind == kinds.MARKET:
            fold.apply(entry)
        elif (alpha := AlphaEntry.of(entry)).model:
            fold.apply(entry)
            last = alpha
    waiting = fold.waiting
    products = [(row.forecast_bps or 0.0) * row.came_bps for row in fold.scored if row.came_bps]
    hits = sum(product > 0 for product in products)
    rate, low, high = wilson_interval(hits, len(products))
    names = tuple(
        {"name": row.instrument, "forecast_bps": row.forecast_bps, "came_bps": row.came_bps}
        for row in (*fold.scored, *waiting)
    )
    return ForecastOutcome(
        last.model,
        last.at,
        names,
        len(waiting),
        len(products),
        hits,
        rate,
        low,
        high,
        tuple(dict.fromkeys(missing)),
        tuple(target_texts),
    )
