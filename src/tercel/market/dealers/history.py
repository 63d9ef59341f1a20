"""Recorded requests for quote and the model fitted to them: half spreads, hit ratios, and the winner by number of
quotes.

A file has one row per quote: time, side (the client's), size, dealer, quote, mid, won; perhaps request (its number: else rows
of one time, side and size are one request) and cover (not read: it follows from the quotes). A dealer in the request
that did not answer has an empty quote.

    time,side,size,dealer,quote,mid,won
    2026-03-02T10:00:00Z,buy,5,A,1.08012,1.08010,yes
    2026-03-02T10:00:00Z,buy,5,B,1.08013,1.08010,no
    2026-03-02T10:00:00Z,buy,5,C,,1.08010,no
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from scipy import stats
from scipy.optimize import minimize

from tercel.core.arrays import Bools, Floats, Ints
from tercel.core.errors import DataError, refuse_if
from tercel.core.estimate import Estimate
from tercel.core.stats.inference import normal_quantile, wilson
from tercel.core.tables.columns import numbers, renamed, sides
from tercel.core.tables.table import ROW, USUAL, Table, read_table
from tercel.core.tables.table_map import Called, TableMap, table_map
from tercel.market.dealers.panel import PER_DEALER, DealerPanel
from tercel.market.dealers.requests import State, moved, request

NEEDED: Final = ("time", "side", "size", "dealer", "quote", "mid", "won")
MAY_BE: Final = ("request", "cover")
_USUAL: Final = {"side": USUAL["side"], "size": ("quantity", "qty", "amount", "notional")} | {
    "dealer": ("counterparty", "lp", "bank"),
    "quote": ("price", "quotedprice"),
    "won": ("winner", "hit", "traded", "done"),
    "request": ("rfqid", "quotereqid", "requestid"),
}
_WON: Final = {"yes": 1, "true": 1, "1": 1, "won": 1, "y": 1, "done": 1} | {
    "no": 0,
    "false": 0,
    "0": 0,
    "lost": 0,
    "n": 0,
    "": 0,
    "covered": 0,
    "tied": 0,
}
FARTHEST_BPS: Final = 2_000.0
"""A quote beyond it is taken for a price of something else, or for another unit."""
FAMILIES: Final = {"logistic": stats.logistic, "normal": stats.norm}


@dataclass(frozen=True)
class RequestHistory:
    """Requests with all quotes, (m, D): one row per request, one column per dealer.

    Attributes
    ----------
    dealers : tuple of str
    size : float64 (m,)
    asked : bool (m, D)
    distance : float64 (m, D)
        Distance of each quote from mid, bps against the client; NaN where a dealer did not answer.
    winner : int64 (m,)
        Column of the winning dealer; -1 where no dealer traded.
    """

    dealers: tuple[str, ...]
    size: Floats
    asked: Bools
    distance: Floats
    winner: Ints

    def __len__(self) -> int:
        return len(self.size)

    @property
    def best(self) -> Floats:
        """Best distance of each request, infinite where no dealer answered, bps."""
        return np.asarray(np.where(np.isnan(self.distance), np.inf, self.distance).min(axis=1))


def read_history(
    path: str | Path, map: TableMap | str | Path | None = None, columns: Called | Sequence[str] = ()
) -> RequestHistory:
    """A desk's requests from a file.

    Raises
    ------
    DataError
        A missing column; a size, mid or quote that is not above 0; a quote farther than 2,000 bps from mid; two quotes
        of one dealer, two winners, or a winner without a quote in one request; with file and row.
    """
    table = renamed(
        read_table(path, table_map(map, columns, known=(*NEEDED, *MAY_BE))), NEEDED, MAY_BE, _USUAL
    )
    said = table.frame["won"].cast(pl.String).fill_null("").str.strip_chars().str.to_lowercase()
    won = said.replace_strict(_WON, default=None, return_dtype=pl.Int64)
    table.refuse(won.is_null(), "won", "yes or no", "correct the row")
    read = {name: numbers(table, name) for name in ("size", "quote", "mid")}
    for name, values in read.items():
        table.refuse(
            (values <= 0.0) | (values.is_null() if name != "quote" else False),
            name,
            f"a {name} above 0",
            "correct the row",
        )
    side = sides(table)
    distance = 1e4 * side * (read["quote"] / read["mid"] - 1.0)
    table.refuse(
        distance.abs() > FARTHEST_BPS,
        "quote",
        f"a quote within {FARTHEST_BPS:g} bps of mid",
        "correct the row, or its unit",
    )
    keys = ["request"] if "request" in table.frame.columns else ["time", "side", "size"]
    rows = table.frame.select(ROW, *keys, pl.col("dealer").cast(pl.String)).with_columns(
        distance=distance, won=won, lots=read["size"]
    )
    ids = rows.select(pl.struct(keys).rank("dense") - 1).to_series()
    rows = rows.with_columns(id=ids)
    _refuse_rows(
        table,
        rows,
        pl.struct("id", "dealer").is_duplicated(),
        "dealer",
        "one quote of a dealer to a request",
    )
    _refuse_rows(
        table,
        rows,
        (pl.col("won").sum().over("id") > 1) & (pl.col("won") == 1),
        "won",
        "one winner of a request",
    )
    _refuse_rows(
        table,
        rows,
        (pl.col("won") == 1) & pl.col("distance").is_null(),
        "won",
        "a quote of the winner",
    )
    return _pivoted(rows)


def _refuse_rows(table: Table, rows: pl.DataFrame, bad: pl.Expr, name: str, expected: str) -> None:
    table.refuse(
        rows.select(bad).to_series(),
        name,
        expected,
        "correct the row, or number requests in a column `request`",
    )


def _pivoted(rows: pl.DataFrame) -> RequestHistory:
    names = sorted(rows["dealer"].unique().to_list())
    at = rows["id"].to_numpy(), rows["dealer"].replace_strict(names, range(len(names))).to_numpy()
    refuse_if(
        not len(rows), "a history with requests", "none", "write one row per quote", DataError
    )
    shape = int(rows["id"].max()) + 1, len(names)  # type: ignore[arg-type]
    asked = np.zeros(shape, np.bool_)
    distance = np.full(shape, np.nan)
    asked[at] = True
    distance[at] = rows["distance"].fill_null(np.nan).to_numpy()
    winner = np.full(shape[0], -1)
    won = rows["won"].to_numpy() == 1
    winner[at[0][won]] = at[1][won]
    size = np.zeros(shape[0])
    size[at[0]] = rows["lots"].to_numpy()
    return RequestHistory(tuple(names), size, asked, distance, winner)


def simulated(
    panel: DealerPanel,
    requests: int,
    seed: int,
    asked: int,
    reservation: tuple[float, float] = (np.inf, 1.0),
) -> RequestHistory:
    """Independent requests to dealers without positions: sizes exponential, sides and dealers drawn.

    Parameters
    ----------
    panel : DealerPanel
    requests : int
    seed : int
    asked : int
        Number of dealers in each request.
    reservation : tuple of float
        Location and scale of the client's logistic reservation, bps.
    """
    rng = np.random.default_rng(seed)
    count = len(panel)
    side = rng.choice([-1, 1], requests)
    size = panel.size * rng.exponential(size=requests)
    chosen = rng.random((requests, count)).argsort(axis=1) < asked
    within = reservation[0] + reservation[1] * rng.logistic(size=requests)
    state = State.empty(requests, count)
    found = request(panel, state, side, size, chosen, rng, within=within)
    names = tuple(f"D{i + 1}" for i in range(count))
    return RequestHistory(names, size, chosen, found.answers.distance, found.winner)


# -- fit ------------------------------------------------------------------------------------------


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
    """Fit ``Done = F^n G`` by maximum likelihood: every quote is a draw of F, every request one of G.

    Raises
    ------
    DataError
        Fewer than 20 quotes, or quotes that do not differ.
    """
    law = FAMILIES[family]
    there = np.isfinite(history.distance)
    log_size = np.log(history.size / np.median(history.size))
    x = np.broadcast_to(log_size[:, None], there.shape)[there]
    sized = bool(np.ptp(log_size) > 1e-9)
    # every dealer has a half spread of its own: the law is that of the others around theirs
    known = there.any(axis=0)
    means = np.where(
        known, np.nansum(history.distance, axis=0) / np.maximum(there.sum(axis=0), 1), 0.0
    )
    y = (history.distance - means)[there] + history.distance[there].sum() / max(there.sum(), 1)
    refuse_if(
        there.sum() < 20 or np.ptp(y) <= 1e-9,
        "20 quotes or more, at distances from mid that differ",
        f"{there.sum()}, within {np.ptp(y) if there.any() else 0.0:g} bps",
        "bring a longer history",
        DataError,
    )

    def quoted(theta: Floats) -> float:
        located = theta[0] + theta[2] * x if sized else theta[0]
        return -float(law.logpdf(y, located, np.exp(theta[1])).sum())

    first = np.array([y.mean(), np.log(max(float(y.std()), 1e-9) / law.std()), 0.0])
    spread = _estimates(quoted, first if sized else first[:2])
    best = history.best
    traded = history.winner >= 0
    quoted_at = np.isfinite(best)
    notes = list[str]()
    limits = None
    if not (~traded[quoted_at]).any() or not traded.any():
        what = "every request was traded" if traded.any() else "no request was traded"
        notes.append(
            f"hit ratios and the reservation are not fitted: {what}; add the others to the history"
        )
    else:

        def accepted(theta: Floats) -> float:
            beyond = (best[quoted_at], theta[0], np.exp(theta[1]))
            logs = np.where(traded[quoted_at], law.logsf(*beyond), law.logcdf(*beyond))
            return -float(logs.sum())

        limits = _estimates(accepted, np.array([float(np.median(best[quoted_at])), spread[1].mean]))
    figures = tuple(_figures(history, i, bool(notes)) for i in np.flatnonzero(known).tolist())
    if limits and not _is_determined(limits[0], _positive(limits[1]), best[quoted_at]):
        notes.append(
            "the history does not determine the reservation: whether a request is traded does not depend on its best "
            "quote, or on too few; bring a longer history"
        )
        limits = None
    return DealerFit(
        family,
        len(history),
        spread[0],
        _positive(spread[1]),
        spread[2] if sized else None,
        limits[0] if limits else None,
        _positive(limits[1]) if limits else None,
        figures,
        tuple(notes),
    )


def calibrated(panel: DealerPanel, found: DealerFit, size: float) -> DealerPanel:
    """The panel with the dealers of a fit: their half spreads at a size, noise and answers; the rest as it was.

    >>> from tercel.market.dealers.panel import load_panel
    >>> shipped = load_panel("eurusd")
    >>> mine = calibrated(shipped, fit(simulated(shipped, 2000, 1, 5)), shipped.size)
    >>> len(mine), mine.source
    (10, 'fitted to 2,000 requests; inventory, leakage and last look as in eurusd')
    """
    n = len(found.dealers)
    usual: dict[str, Any] = {
        name: np.resize(np.asarray(getattr(panel, name)), n) for name in PER_DEALER
    }
    wanted = np.array([one.half_spread.mean for one in found.dealers])
    inner = replace(panel, **usual)
    asked = np.ones((1, n), np.bool_)
    cost = inner.per_unit * size
    cost = (
        cost
        + moved(inner, State.empty(1, n), np.ones(1, np.int64), np.full(1, size), asked, False)[0]
    )
    # W + 1 = beta (distance - cost), and alpha + beta cost = -1 - W - ln W
    above = np.maximum(wanted - cost, 0.25 * np.abs(wanted) + 1e-6)
    beta = np.maximum(usual["beta"], 2.0 / above)
    w = beta * above - 1.0
    source = f"fitted to {found.requests:,} requests; inventory, leakage and last look as in {panel.name}"
    return replace(
        inner,
        name="calibrated",
        source=source,
        alpha=-1.0 - w - np.log(w) - beta * cost,
        beta=beta,
        noise=np.full(n, found.dispersion.mean),
        answers=np.clip([one.response.mean for one in found.dealers], 0.01, 0.99),
    )


def _positive(log: Estimate) -> Estimate:
    """An estimate of a logarithm, of what it is the logarithm of."""
    return Estimate(
        *(float(np.exp(one)) for one in (log.mean, log.ci_low, log.ci_high) if one is not None)
    )


def _is_determined(at: Estimate, scale: Estimate, quotes: Floats) -> bool:
    """Whether intervals of a location and a scale have a width, and one that quotes of this range can tell."""
    span = np.ptp(quotes)
    ends = np.array([at.ci_low, at.ci_high, scale.ci_high], np.float64)
    return bool(
        quotes.min() - span <= ends[0] < ends[1] <= quotes.max() + span and ends[2] <= 2.0 * span
    )


def _figures(history: RequestHistory, i: int, all_alike: bool) -> DealerFigures:
    there = np.isfinite(history.distance[:, i])
    asked = history.asked[:, i]
    share = wilson(int(there.sum()), int(asked.sum()))
    hit = wilson(int((history.winner == i).sum()), int(there.sum()))
    quoted = history.distance[there, i]
    wide = (
        normal_quantile(0.975) * float(quoted.std(ddof=1)) / len(quoted) ** 0.5
        if len(quoted) > 1
        else None
    )
    mean = float(quoted.mean())
    ends = (None, None) if wide is None else (mean - wide, mean + wide)
    return DealerFigures(
        history.dealers[i],
        Estimate(share[0] or 0.0, *share[1:]),
        None if all_alike else Estimate(hit[0] or 0.0, *hit[1:]),
        Estimate(mean, *ends),
    )


def _estimates(loss: Any, first: Floats) -> list[Estimate]:
    """Minimum of a negative log-likelihood, with intervals from its curvature there."""
    found = minimize(
        loss, first, method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-9, "maxiter": 4_000}
    )
    curve = np.nan_to_num(_hessian(loss, found.x))
    errors = np.sqrt(np.maximum(np.diag(np.linalg.pinv(curve)), 0.0))
    z = normal_quantile(0.975)
    return [
        Estimate(float(at), float(at - z * e), float(at + z * e))
        for at, e in zip(found.x, errors, strict=True)
    ]


def _hessian(loss: Any, at: Floats) -> Floats:
    """Second derivatives by central differences."""
    step = 1e-4 * np.maximum(np.abs(at), 0.1)
    unit = np.diag(step)
    rows = [
        [loss(at + a + b) - loss(at + a - b) - loss(at - a + b) + loss(at - a - b) for b in unit]
        for a in unit
    ]
    return np.asarray(np.array(rows) / (4.0 * np.outer(step, step)))
