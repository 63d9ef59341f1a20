"""Laws of dealers' quotes and of the client's reservation, fitted to recorded requests by maximum likelihood."""

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from scipy import stats
from scipy.optimize import minimize

from tercel.core.arrays import Floats
from tercel.core.errors import DataError, refuse_if
from tercel.core.estimate import Estimate
from tercel.core.stats.mean_intervals import wilson_interval
from tercel.core.stats.quantiles import normal_quantile
from tercel.market.dealers.history import RequestHistory
from tercel.market.dealers.panel import PER_DEALER, DealerPanel
from tercel.market.dealers.requests import State, expected_move

FAMILIES: Final = {"logistic": stats.logistic, "normal": stats.norm}


@dataclass(frozen=True)
class DealerFigures:
    """One dealer in a history: how often it answers, wins, and at what distance it quotes, bps."""

    dealer: str
    response: Estimate
    hit: Estimate | None
    half_spread: Estimate


@dataclass(frozen=True)
class DealerFit:
    """Law of quotes and of the client's reservation, each location and scale in bps, with 95 % intervals.

    Attributes
    ----------
    half_spread, dispersion : Estimate
        Location of a quote's distance at the median size, all dealers together, and its scale around the dealer's own.
    by_size : Estimate or None
        Slope of the location on the logarithm of the size; None if all sizes are equal.
    reservation, reservation_scale : Estimate or None
        None where every request was traded, or none, or where the quotes do not determine it.
    dealers : tuple of DealerFigures
    notes : tuple of str
        Parameters that could not be fitted, with reasons.
    """

    family: str
    requests: int
    half_spread: Estimate
    dispersion: Estimate
    by_size: Estimate | None
    reservation: Estimate | None
    reservation_scale: Estimate | None
    dealers: tuple[DealerFigures, ...]
    notes: tuple[str, ...]


def fit(history: RequestHistory, family: str = "logistic") -> DealerFit:
    """Fit ``Done = F^n G`` by maximum likelihood: every quote is a draw of F, every request's reservation one of G.
    The reservation is None, with a note, where all requests were traded, or none, or where the history does not determine it.

    Raises
    ------
    DataError
        Fewer than 20 quotes, or quotes that do not differ.
    """
    law = FAMILIES[family]
    answered = np.isfinite(history.distance)
    log_size = np.log(history.size / np.median(history.size))
    x = np.broadcast_to(log_size[:, None], answered.shape)[answered]
    sizes_differ = bool(np.ptp(log_size) > 1e-9)
    # every dealer has a half spread of its own: the law is that of the others around theirs
    has_quotes = answered.any(axis=0)
    means = np.where(
        has_quotes, np.nansum(history.distance, axis=0) / np.maximum(answered.sum(axis=0), 1), 0.0
    )
    y = (history.distance - means)[answered] + history.distance[answered].sum() / max(
        answered.sum(), 1
    )
    refuse_if(
        answered.sum() < 20 or np.ptp(y) <= 1e-9,
        "20 quotes or more, at distances from mid that differ",
        f"{answered.sum()}, within {np.ptp(y) if answered.any() else 0.0:g} bps",
        "bring a longer history",
        DataError,
    )

    def quote_loss(theta: Floats) -> float:
        """Negative log-likelihood of all quotes under location and log scale `theta`."""
        location = theta[0] + theta[2] * x if sizes_differ else theta[0]
        return -float(law.logpdf(y, location, np.exp(theta[1])).sum())

    start = np.array([y.mean(), np.log(max(float(y.std()), 1e-9) / law.std()), 0.0])
    spread = _estimates(quote_loss, start if sizes_differ else start[:2])
    best = history.best
    traded = history.winner >= 0
    has_best = np.isfinite(best)
    notes = list[str]()
    limits = None
    if not (~traded[has_best]).any() or not traded.any():
        cause = "every request was traded" if traded.any() else "no request was traded"
        notes.append(
            f"hit ratios and the reservation are not fitted: {cause}; add the others to the history"
        )
    else:

        def reservation_loss(theta: Floats) -> float:
            """Negative log-likelihood of trades and refusals under location and log scale of the reservation."""
            law_args = (best[has_best], theta[0], np.exp(theta[1]))
            logs = np.where(traded[has_best], law.logsf(*law_args), law.logcdf(*law_args))
            return -float(logs.sum())

        limits = _estimates(
            reservation_loss, np.array([float(np.median(best[has_best])), spread[1].mean])
        )
    figures = tuple(
        _dealer_figures(history, i, bool(notes)) for i in np.flatnonzero(has_quotes).tolist()
    )
    if limits and not _is_determined(limits[0], _from_log(limits[1]), best[has_best]):
        notes.append(
            "the history does not determine the reservation: whether a request is traded does not depend on its best "
            "quote, or on too few; bring a longer history"
        )
        limits = None
    return DealerFit(
        family,
        len(history),
        spread[0],
        _from_log(spread[1]),
        spread[2] if sizes_differ else None,
        limits[0] if limits else None,
        _from_log(limits[1]) if limits else None,
        figures,
        tuple(notes),
    )


def calibrate_panel(panel: DealerPanel, dealer_fit: DealerFit, size: float) -> DealerPanel:
    """The panel with the dealers of a fit: their half spreads at a size, noise and answers; the rest as it was.

    >>> from tercel.market.dealers.panel import load_panel
    >>> shipped = load_panel("eurusd")
    >>> from tercel.market.dealers.history import simulate_history
    >>> mine = calibrate_panel(shipped, fit(simulate_history(shipped, 2000, 1, 5)), shipped.size)
    >>> len(mine), mine.source
    (10, 'fitted to 2,000 requests; inventory, leakage and last look as in eurusd')
    """
    n = len(dealer_fit.dealers)
    per_dealer: dict[str, Any] = {
        name: np.resize(np.asarray(getattr(panel, name)), n) for name in PER_DEALER
    }
    target_spread = np.array([dealer.half_spread.mean for dealer in dealer_fit.dealers])
    resized = replace(panel, **per_dealer)
    invited = np.ones((1, n), np.bool_)
    cost = resized.per_unit * size
    cost = (
        cost
        + expected_move(
            resized, State.empty(1, n), np.ones(1, np.int64), np.full(1, size), invited, False
        )[0]
    )
    # W + 1 = beta (distance - cost), and alpha + beta cost = -1 - W - ln W
    margin = np.maximum(target_spread - cost, 0.25 * np.abs(target_spread) + 1e-6)
    beta = np.maximum(per_dealer["beta"], 2.0 / margin)
    w = beta * margin - 1.0
    source = f"fitted to {dealer_fit.requests:,} requests; inventory, leakage and last look as in {panel.name}"
    return replace(
        resized,
        name="calibrated",
        source=source,
        alpha=-1.0 - w - np.log(w) - beta * cost,
        beta=beta,
        noise=np.full(n, dealer_fit.dispersion.mean),
        answers=np.clip([dealer.response.mean for dealer in dealer_fit.dealers], 0.01, 0.99),
    )


def _from_log(log: Estimate) -> Estimate:
    """Estimate and interval of a quantity, from those of its logarithm."""
    return Estimate(
        *(
            float(np.exp(value))
            for value in (log.mean, log.ci_low, log.ci_high)
            if value is not None
        )
    )


def _is_determined(location: Estimate, scale: Estimate, quotes: Floats) -> bool:
    """Whether a location's interval lies within the quotes' range widened by itself on each side, and a scale within twice it."""
    span = np.ptp(quotes)
    bounds = np.array([location.ci_low, location.ci_high, scale.ci_high], np.float64)
    return bool(
        quotes.min() - span <= bounds[0] < bounds[1] <= quotes.max() + span
        and bounds[2] <= 2.0 * span
    )


def _dealer_figures(history: RequestHistory, i: int, one_outcome: bool) -> DealerFigures:
    """Shares answered and won, and mean distance in bps, of one dealer, with 95 % intervals; share won None if `one_outcome`.

    The share won is None if every request was traded, or none (`one_outcome`).
    """
    answered = np.isfinite(history.distance[:, i])
    invited = history.invited[:, i]
    share = wilson_interval(int(answered.sum()), int(invited.sum()))
    hit = wilson_interval(int((history.winner == i).sum()), int(answered.sum()))
    distances = history.distance[answered, i]
    half_width = (
        normal_quantile(0.975) * float(distances.std(ddof=1)) / len(distances) ** 0.5
        if len(distances) > 1
        else None
    )
    mean = float(distances.mean())
    interval = (None, None) if half_width is None else (mean - half_width, mean + half_width)
    return DealerFigures(
        history.dealers[i],
        Estimate(share[0] or 0.0, *share[1:]),
        None if one_outcome else Estimate(hit[0] or 0.0, *hit[1:]),
        Estimate(mean, *interval),
    )


def _estimates(loss: Any, start: Floats) -> list[Estimate]:
    """Minimise a negative log-likelihood; the parameters with 95 % intervals from its curvature there."""
    optimum = minimize(
        loss, start, method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-9, "maxiter": 4_000}
    )
    hessian = np.nan_to_num(_hessian(loss, optimum.x))
    errors = np.sqrt(np.maximum(np.diag(np.linalg.pinv(hessian)), 0.0))
    z = normal_quantile(0.975)
    return [
        Estimate(float(value), float(value - z * error), float(value + z * error))
        for value, error in zip(optimum.x, errors, strict=True)
    ]


def _hessian(loss: Any, point: Floats) -> Floats:
    """Matrix of second derivatives of a function at a point, by central differences."""
    step = 1e-4 * np.maximum(np.abs(point), 0.1)
    unit = np.diag(step)
    rows = [
        [
            loss(point + a + b) - loss(point + a - b) - loss(point - a + b) + loss(point - a - b)
            for b in unit
        ]
        for a in unit
    ]
    return np.asarray(np.array(rows) / (4.0 * np.outer(step, step)))
