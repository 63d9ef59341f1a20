"""Rebalancing rules: how fast a book follows its targets, each rule's parameter chosen by its past results.

    targets = book_targets(walk, sd, flat_cost(1.0), np.full(len(walk.time_ns), 10.0))
    found = trade(targets, RULES["zone"], CostBelief(10.0))

A rule has a parameter (the share of the way to the target that is traded, the half-width of a zone in which nothing
is). Books of each value are held on paper from the first date on; at the first date of a calendar year the value whose
past net results had the highest Sharpe ratio, at the cost that is believed then, is taken for that year. Past are dates
whose labels had ended. What a book trades is known when its date falls due.

References
----------
Garleanu and Pedersen (2013), Dynamic trading with predictable returns and transaction costs, J. Finance 68: to trade a
constant share of the way is best under quadratic costs. Davis and Norman (1990), Portfolio selection with transaction
costs, Math. Oper. Res. 15: under proportional ones a zone without trades, and trades to its edge. Grinold (1994), Alpha
is volatility times IC times score, J. Portfolio Management 20.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import numpy as np

from tercel.core.arrays import Floats, Indices
from tercel.core.errors import DataError, refuse_if
from tercel.signals.flow.recalibrate import NO_DAYS, update_slope_sums
from tercel.signals.models.skill import rank_ic_of_rows
from tercel.signals.portfolio.book import YEAR_NS, Backtest, Walk, average_scores
from tercel.signals.portfolio.cost_laws import CostLaw

RATES: Final = (1.0, 0.7, 0.5, 0.35, 0.25, 0.15, 0.1, 0.05)
WIDTHS: Final = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
LEAST_PAST: Final = 26
"""Dates of past results below which a rule trades all at once."""
HALF_LIFE: Final = 8.0
"""Dates after which a fill counts half of a cost that is learned."""
NOISE: Final = 3.0**-0.5
"""Deviation of a fill's price by chance, in deviations of a day's return: the mean of a Brownian day from its start."""


HALVINGS: Final = 50
"""Of the interval in which the centre of balanced legs is sought."""


CONTROLS: Final = ("by_name", "mean_variance")
"""Rules that lose, included as controls."""


@dataclass(frozen=True, eq=False)
class BookTargets:
    """Target weights of a book and outcomes, date by name; D dates whose labels do not overlap, N names.

    Parameters
    ----------
    walk : Walk
    target : float64 (D, N)
        Weights where trading costs nothing: each leg adds up to 1; 0 without a forecast.
    unit : float64 (D, N)
        Weight of a name whose score is as far from the mean as scores are on average.
    sd : float64 (D, N)
        Deviation of a day's return.
    gain : float64 (D,)
        Expected return of such a score before a date, in `sd`.
    law : CostLaw
        Cost at a level of 1.
    level : float64 (D,)
        The true one.
    optimum : float64 (D, N), optional
        Mean-variance weights, for the rule of that name.
    """

    walk: Walk
    target: Floats
    unit: Floats
    sd: Floats
    gain: Floats
    law: CostLaw
    level: Floats
    optimum: Floats | None = None

    @property
    def periods(self) -> float:
        """Dates a year, from their spacing."""
        span = float(self.walk.start_ns[-1] - self.walk.start_ns[0])
        return (len(self.level) - 1) * YEAR_NS / span if span > 0 else float("nan")


def book_targets(
    walk: Walk,
    sd: Floats,
    law: CostLaw,
    level: Floats,
    *,
    by_risk: bool = True,
    hold: float = 0.0,
    optimum: Floats | None = None,
) -> BookTargets:
    """Target weights from forecasts: scores around their date's mean, over volatility if `by_risk`, each leg of sum 1.

    Parameters
    ----------
    walk : Walk
        Dates whose labels do not overlap (:func:`tercel.signals.portfolio.book.non_overlapping`).
    sd : float64 (D, N)
        Deviation of a day's return, as forecast; a name without one has the date's median.
    hold : float
        Weight of a name's past scores (:func:`tercel.signals.portfolio.book.average_scores`).
    """
    has_forecast = np.isfinite(walk.value)
    scores = average_scores(walk.value, hold)
    refuse_if(
        not (np.nanmax(walk.value, axis=1) > np.nanmin(walk.value, axis=1)).any(),
        "forecasts that differ between names",
        f"one forecast for all of {len(walk.names)} names on each of {len(walk.time_ns)} dates",
        "train on features that do",
        DataError,
    )
    if (without_volatility := ~np.isfinite(np.where(has_forecast, sd, np.nan)).any(axis=1)).any():
        raise DataError(
            "a volatility beside the forecasts",
            f"none on date {int(without_volatility.argmax()) + 1}",
            "add prices",
        )
    risk = np.where(
        sd > 0,
        sd,
        np.nanmedian(np.where(has_forecast & (sd > 0), sd, np.nan), axis=1, keepdims=True),
    )
    target, unit, score = (np.zeros(walk.value.shape) for _ in range(3))
    for t, row in enumerate(scores):
        index = np.flatnonzero(has_forecast[t])
        score[t, index] = row[index] - row[index].mean()
        per_score = 1.0 / risk[t, index] if by_risk else np.ones(len(index))
        raw_weights = score[t, index] * per_score
        if len(index) < 2 or not np.ptp(row[index]) > 0:
            continue
        legs = np.maximum(raw_weights, 0.0).sum(), np.maximum(-raw_weights, 0.0).sum()
        target[t, index] = raw_weights / np.where(raw_weights > 0, *legs)
        unit[t, index] = per_score * np.abs(score[t, index]).mean() * 2.0 / sum(legs)
    return BookTargets(walk, target, unit, risk, _gain(walk, score, risk), law, level, optimum)


def labels_ended(walk: Walk) -> Indices:
    """Number of dates whose labels had ended when each date fell due, (D,)."""
    return np.searchsorted(walk.end_ns, walk.time_ns, side="right")


def _gain(walk: Walk, score: Floats, sd: Floats) -> Floats:
    """Slope of outcomes, in deviations of a day, on scores of dates whose labels had ended, 0 at least, times the mean
    absolute score: (D,).
    """
    known = np.isfinite(walk.outcome)
    mean = np.nansum(walk.outcome, axis=1) / np.maximum(known.sum(axis=1), 1)
    cross = np.nansum(score * (walk.outcome - mean[:, None]) / sd, axis=1)
    ended = labels_ended(walk)
    square = (score**2 * known).sum(axis=1)
    crossed, squared = (np.append(0.0, np.cumsum(values))[ended] for values in (cross, square))
    slope = np.divide(crossed, squared, out=np.zeros(len(ended)), where=squared > 0)
    return np.asarray(
        np.maximum(slope, 0.0) * np.abs(score).sum(axis=1) / np.maximum((score != 0).sum(axis=1), 1)
    )


Step = Callable[[BookTargets, int, Floats, Floats], Floats]
"""From a date, weights held (G, N) and parameters (G, 1) to changes of weights (G, N)."""


def _share(targets: BookTargets, t: int, held: Floats, rate: Floats) -> Floats:
    """Changes of weights (N,) at date `t`: the share `rate` of the way from the held weights to the target."""
    return np.asarray(rate * (targets.target[t] - held))


def _to_the_edge(targets: BookTargets, t: int, held: Floats, width: Floats) -> Floats:
    """Changes of weights (N,) to the edge of each name's zone, the zones moved so that the legs stay balanced.

    Else a book whose scores are skewed would bear the market, which no forecast asks for.
    """
    aim = targets.target[t]
    unit = targets.unit[t]
    reach = width * unit

    def to_edge(centre: Floats) -> Floats:
        """Weights inside the zones once their centre is moved by `centre`."""
        middle = aim - centre * unit
        return np.asarray(np.minimum(np.maximum(held, middle - reach), middle + reach))

    far = ((np.abs(aim) + np.abs(held)) / np.where(unit > 0, unit, np.inf)).max(
        axis=-1, keepdims=True
    ) + width
    low, high = -far, far
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        long = to_edge(middle).sum(axis=-1, keepdims=True) > 0.0
        low = np.where(long, middle, low)
        high = np.where(long, high, middle)
    return np.asarray(to_edge((low + high) / 2.0) - held)


def _by_name(targets: BookTargets, t: int, held: Floats, _: Floats) -> Floats:
    """Changes of weights (N,) by each name's own best trade: expected return, less risk, less its true cost."""
    gap = targets.target[t] - held
    far = np.abs(gap)
    cost = targets.level[t] * np.broadcast_to(targets.law.scale_at(t), far.shape)
    unit = targets.unit[t]
    curve = np.divide(
        targets.gain[t] * targets.sd[t], unit, out=np.zeros(len(unit)), where=unit > 0
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        if targets.law.power == 1.0:
            best = np.maximum(far - cost / curve, 0.0)
        else:
            slope = 1.5 * cost
            best = ((np.sqrt(slope**2 + 4.0 * curve**2 * far) - slope) / (2.0 * curve)) ** 2
    return np.asarray(np.sign(gap) * np.where(curve > 0, best, 0.0))


def _to_optimum(targets: BookTargets, t: int, held: Floats, _: Floats) -> Floats:
    """Changes of weights (N,) at date `t` from the held weights to the mean-variance optimum."""
    if targets.optimum is None:
        raise DataError(
            "mean-variance weights", "none", "give daily prices: forecasts of a trained model"
        )
    return np.asarray(targets.optimum[t] - held)


@dataclass(frozen=True)
class Rule:
    """A way to trade towards targets.

    Parameters
    ----------
    name : str
    step : callable
        See :data:`Step`.
    parameters : tuple of float
        Values to choose from, the fastest first.
    says : str
    """

    name: str
    step: Step
    parameters: tuple[float, ...] = (1.0,)
    says: str = ""


RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        rule.name: rule
        for rule in (
            Rule("all_at_once", _share, says="the target, whatever it costs"),
            Rule("rate", _share, RATES, "a share of the way to the target"),
            Rule(
                "zone",
                _to_the_edge,
                WIDTHS,
                "to the edge of a zone around the target, legs balanced",
            ),
            Rule("by_name", _by_name, says="this date's forecast less the true cost, name by name"),
            Rule(
                "mean_variance", _to_optimum, says="inverse covariance times forecasts, all at once"
            ),
        )
    }
)


def step(targets: BookTargets, rule: Rule, t: int, held: Floats, parameter: Floats) -> Floats:
    """Changes of weights of a date by a rule; a name without a forecast is closed, its held weight taken off."""
    return np.where(
        np.isfinite(targets.walk.value[t]), rule.step(targets, t, held, parameter), -held
    )


def on_paper(targets: BookTargets, rule: Rule) -> tuple[Floats, Floats]:
    """Gross returns and costs at a level of 1 of a book of each parameter, float64 (D, G) both; no book pays."""
    parameters = np.array(rule.parameters)[:, None]
    held = np.zeros((len(parameters), targets.target.shape[1]))
    gross, units = (np.zeros((len(targets.target), len(parameters))) for _ in range(2))
    for t, returns in enumerate(np.nan_to_num(targets.walk.outcome)):
        change = step(targets, rule, t, held, parameters)
        new_weights = held + change
        gross[t] = new_weights @ returns
        units[t] = targets.law(t, change)
        held = new_weights * (1.0 + returns) / np.maximum(1.0 + gross[t], 1e-3)[:, None]
    return gross, units


@dataclass(eq=False)
class CostBelief:
    """Believed level of cost: a number, or learned from fills, each a noisy measurement.

    Learned is the least-squares slope of shortfalls on what a level of 1 would cost, weighted by the noise of a fill,
    older dates forgotten (:func:`tercel.signals.flow.recalibrate.update_slope_sums`); before any fill, `prior`.

    Parameters
    ----------
    prior : float
    learns : bool
    half_life : float
        In dates.

    >>> belief = CostBelief(1.0, learns=True)
    >>> for _ in range(30):
    ...     belief.learn(square=4.0, cross=12.0)
    >>> round(belief.level, 1), CostBelief(1.0).level
    (3.0, 1.0)
    """

    prior: float
    learns: bool = False
    half_life: float = HALF_LIFE
    slope_sums: Floats = field(default_factory=NO_DAYS.copy)

    @property
    def level(self) -> float:
        """Current belief on the level of costs, as a multiple."""
        _, weight, square, cross = self.slope_sums[:4].tolist()
        return (
            max((cross + weight * self.prior) / (square + weight), 0.0)
            if square + weight > 0
            else self.prior
        )

    def learn(self, square: float, cross: float) -> None:
        """Add one date's sums over fills: squared costs at a level of 1, and those times shortfalls; ignored unless `learns`.

        Both sums are over the variance of their noise.
        """
        if self.learns:
            self.slope_sums = update_slope_sums(self.slope_sums, square, cross, self.half_life)


@dataclass(frozen=True, eq=False)
class Traded:
    """A book that followed a rule.

    Parameters
    ----------
    book : Backtest
    chosen : float64 (D,)
        The parameter of each date.
    believed : float64 (D,)
        Level of cost that was believed when the date fell due.
    closed_without_forecast : int
        Positions closed because their names had no forecast any more.
    """

    book: Backtest
    chosen: Floats
    believed: Floats
    closed_without_forecast: int


def choose(paper: tuple[Floats, Floats], past: int, level: float) -> int:
    """Index of the parameter with the best past net Sharpe ratio at a level of cost; the fastest while `past` is short.

    >>> gross = np.tile([[0.02, 0.01], [0.0, 0.01]], (20, 1)) + np.arange(40)[:, None] * 1e-5
    >>> choose((gross, np.tile([0.001, 0.0001], (40, 1))), 40, 1.0), choose((gross, gross), 20, 1.0)
    (1, 0)
    """
    return (
        0
        if past < LEAST_PAST
        else int(np.argmax(np.nan_to_num(past_sharpes(paper, past, level), nan=-np.inf)))
    )


def past_sharpes(paper: tuple[Floats, Floats], past: int, level: float) -> Floats:
    """Net Sharpe ratio a date of each parameter over those of the first `past` dates on which any book moved or traded, at
    a level of cost, float64 (G,); NaN where nothing moved.
    """
    gross, units = (series[:past] for series in paper)
    net = (gross - level * units)[(gross != 0.0).any(axis=1) | (units != 0.0).any(axis=1)]
    sd = net.std(axis=0, ddof=1) if len(net) > 1 else np.zeros(net.shape[1])
    return np.asarray(
        np.where(
            sd > 1e-12, net.sum(axis=0) / max(len(net), 1) / np.where(sd > 1e-12, sd, 1.0), np.nan
        )
    )


def pick_dates(walk: Walk) -> Indices:
    """For each date the index of the first date of its calendar year: when the parameter of that year was chosen."""
    years = walk.time_ns.astype("datetime64[ns]").astype("datetime64[Y]")
    return np.searchsorted(years, years)


def trade(
    targets: BookTargets,
    rule: Rule,
    belief: CostBelief | None = None,
    *,
    seed: int = 1,
    paper: tuple[Floats, Floats] | None = None,
) -> Traded:
    """Follow a rule from the first date to the last and pay the true cost; a `belief` that learns is updated.

    Parameters
    ----------
    belief : CostBelief, optional
        None: the true level of each date is known. One that learns is updated by the fills of the book's own trades.
    seed : int
        Of the noise of fills.
    paper : (float64 (D, G), float64 (D, G)), optional
        Results of :func:`on_paper`, if known.

    Raises
    ------
    DataError
        The book loses all that it has.
    """
    walk = targets.walk
    dates = len(targets.target)
    paper = on_paper(targets, rule) if paper is None and len(rule.parameters) > 1 else paper
    first = pick_dates(walk)
    past = labels_ended(walk)
    noise = np.random.default_rng([seed, 34]).standard_normal(dates)
    held = np.zeros(targets.target.shape[1])
    pick = 0
    closed = 0
    weights = np.zeros(targets.target.shape)
    figures = np.zeros((4, dates))
    choices = np.zeros((2, dates))
    for t, returns in enumerate(np.nan_to_num(walk.outcome)):
        level = float(targets.level[t]) if belief is None else belief.level
        if paper is not None and first[t] == t:
            pick = choose(paper, int(past[t]), level)
        closed += int(((held != 0) & ~np.isfinite(walk.value[t])).sum())
        change = step(targets, rule, t, held[None, :], np.array([[rule.parameters[pick]]]))[0]
        new_weights = held + change
        earned = float(new_weights @ returns)
        paid = float(targets.level[t] * targets.law(t, change))
        if earned - paid <= -1.0:
            raise DataError(
                "a book that outlives its losses",
                f"a return of {earned - paid:.0%} at {np.datetime64(int(walk.time_ns[t]), 'ns')} by {rule.name}",
                "look at that date's outcomes, or the cost",
            )
        figures[:, t] = (earned, paid, earned - paid, np.abs(change).sum())
        choices[:, t] = (rule.parameters[pick], level)
        if belief is not None:
            square = fill_information(targets, t, change)
            belief.learn(square, float(targets.level[t]) * square + square**0.5 * float(noise[t]))
        weights[t] = new_weights
        held = new_weights * (1.0 + returns) / (1.0 + earned - paid)
    ic = rank_ic_of_rows(walk.value, walk.outcome)
    gross, cost, net, turnover = figures
    book = Backtest(walk, weights, gross, cost, net, turnover, ic, weights[-1], targets.periods)
    return Traded(book, choices[0], choices[1], closed)


def fill_information(targets: BookTargets, t: int, change: Floats) -> float:
    """Information of a date's fills on the cost level: squared costs at a level of 1 over the variance of their noise.

    The sum of independent noises, each weighted so, is one normal number of this very variance.
    """
    traded = np.flatnonzero(np.abs(change) > 1e-12)
    scale = np.broadcast_to(targets.law.scale_at(t), change.shape)[traded] * np.abs(
        change[traded]
    ) ** (targets.law.power - 1.0)
    return float(((scale / (NOISE * targets.sd[t, traded])) ** 2).sum())
