"""Analysis of an experiment: what each arm saves on the baseline, with an interval that holds however often one looks.

An order's score is w (m - y): y its cost, m the cost predicted from orders that were over before it came, and w the
inverse of the chance of its arm (below 0 for the baseline). Whatever m is, the mean score is the saving over all orders
of the experiment, as assignment is random and independent of all that came before (Robins, Rotnitzky and Zhao 1994;
Ham, Bojinov, Lindon and Tingley 2023). A good m makes the scores vary less. Orders count in the arm that they drew,
whatever became of them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil, inf, isfinite, log, sqrt
from typing import Any, Final

import numpy as np

from tercel.core.serialization import to_jsonable
from tercel.core.stats.confidence_sequence import (
    LEAST_VALUES,
    LEVEL,
    ConfidenceSequence,
    SequencePoint,
    mixture_variance,
)
from tercel.core.stats.multiple_testing import holm
from tercel.core.vocabulary import DAY_NS
from tercel.desk.trading.experiment import ORDER, AssignedOrder, ExperimentRecord

DIGITS: Final = 9
"""Decimals of figures: what is beyond them differs between libraries of elementary functions."""
COSTLIEST: Final = 0.05
LEAST_UNITS: Final = 10
"""Draws of either arm below which nothing is said."""
IMBALANCE: Final = 0.001
"""p-value below which assignment or a covariate is called out of balance."""
COVARIATES: Final[Mapping[str, Callable[[AssignedOrder], float | None]]] = {
    "side": lambda order: order.draw.covariates.side,
    "lots": lambda order: order.draw.covariates.lots,
    "size, share of volume": lambda order: order.draw.covariates.share,
    "spread": lambda order: order.draw.covariates.spread_bps,
    "volatility": lambda order: order.draw.covariates.sd_bps,
    "forecast": lambda order: order.draw.covariates.forecast_bps,
    "estimate": lambda order: order.draw.covariates.estimate_bps,
    "hour": lambda order: order.draw.covariates.hour,
}


@dataclass(frozen=True)
class ArmFigures:
    """Figures of an arm.

    Parameters
    ----------
    arm, strategy : str
    share : float
        Of assignment now; 0 once it is stopped.
    orders, uncosted, by_hand, fell_back : int
        That drew it; of those: without a known cost, taken over by a person, worked by the fallback after its strategy
        raised.
    mean_bps, costliest_bps : float or None
        Mean cost, and mean of the costliest 5 %.
    unfilled : float or None
        Mean share of an order's lots.
    stopped : str
        Why no order draws it any more; "" while some do.
    """

    arm: str
    strategy: str
    share: float
    orders: int
    uncosted: int
    by_hand: int
    fell_back: int
    mean_bps: float | None
    costliest_bps: float | None
    unfilled: float | None
    stopped: str


@dataclass(frozen=True)
class ArmSaving:
    """What an arm saves on the baseline.

    Parameters
    ----------
    arm, baseline : str
    orders : int
        Of both that were assigned while both were drawn.
    saved_bps : float
        Per order. Of an experiment that ended because it looked good it is too high: the interval holds.
    low_bps, high_bps : float or None
        What the 95 % confidence sequence has in common at all looks; None before it begins.
    p, adjusted_p : float
        Always valid; the second by Holm over arms.
    verdict : str
        better, worse, not decided.
    sd_bps : float or None
        Standard deviation of the scores; None for fewer than two orders.
    removed : float or None
        Share of the variance of scores that adjustment removes.
    without_hands_bps, without_hands_half_bps : float or None
        The same without orders that people took over.
    path : tuple of tuple
        (orders, saved, low, high) at most at 400 looks.
    """

    arm: str
    baseline: str
    orders: int
    saved_bps: float
    low_bps: float | None
    high_bps: float | None
    p: float
    adjusted_p: float
    verdict: str
    sd_bps: float | None
    removed: float | None
    without_hands_bps: float | None
    without_hands_half_bps: float | None
    path: tuple[tuple[int, float, float, float], ...]

    @property
    def is_decided(self) -> bool:
        """Whether the arm differs from the baseline."""
        return self.adjusted_p <= 1.0 - LEVEL


@dataclass(frozen=True)
class Balance:
    """Difference of a covariate between arm and baseline, in standard deviations, with an always-valid p-value."""

    arm: str
    covariate: str
    difference: float
    p: float


@dataclass(frozen=True)
class ExperimentReport:
    """Analysis of an experiment.

    Parameters
    ----------
    name, agent, unit : str
    status : str
        running, or how it ended.
    orders, days : int
        With a known cost, and of how many days.
    arms : tuple of ArmFigures
    savings : tuple of ArmSaving
    assignment_p : float
        Always-valid p-value of the shares of assignment.
    balance : tuple of Balance
    """

    name: str
    agent: str
    unit: str
    status: str
    orders: int
    days: int
    arms: tuple[ArmFigures, ...]
    savings: tuple[ArmSaving, ...]
    assignment_p: float
    balance: tuple[Balance, ...]

    def to_json(self) -> Mapping[str, Any]:
        """The report as plain values, figures to nine decimals: the same digits on every machine."""
        return _rounded(to_jsonable(asdict(self)))  # type: ignore[no-any-return]

    @property
    def imbalances(self) -> list[str]:
        """What is out of balance: assignment, or covariates of an arm; empty where nothing is."""
        tests = max(len(self.balance), 1)
        rows = [
            f"{row.covariate} of {row.arm}" for row in self.balance if row.p * tests < IMBALANCE
        ]
        return ["the shares of assignment"] * (self.assignment_p < IMBALANCE) + rows


def _rounded(value: Any) -> Any:
    """Plain values with floats rounded to `DIGITS`."""
    if isinstance(value, float):
        return round(value, DIGITS) + 0.0
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list) else value


def analyse_experiment(record: ExperimentRecord) -> ExperimentReport:
    """The analysis of an experiment as it stands; valid at each look, and the same for the same journal."""
    orders = record.known_orders
    baseline, *others = record.terms.arms
    balance = [
        _balance(record, orders, arm, baseline, name, of)
        for arm in others
        for name, of in COVARIATES.items()
    ]
    all_orders = list(record.orders.values())
    return ExperimentReport(
        record.name,
        record.agent,
        record.terms.unit,
        _status(record),
        len(orders),
        len({order.draw.day for order in orders}),
        tuple(_arm_figures(record, all_orders, arm) for arm in record.terms.arms),
        analyse_savings(record, orders),
        _assignment_p(record),
        tuple(row for row in balance if row is not None),
    )


def analyse_savings(
    record: ExperimentRecord, orders: Sequence[AssignedOrder]
) -> tuple[ArmSaving, ...]:
    """What each arm saves on the baseline, from orders with a known cost in the order of their acceptance."""
    baseline, *others = record.terms.arms
    runs = [saving_path(record, orders, arm, baseline) for arm in others]
    adjusted = holm([last.p for last, *_ in runs]).tolist()
    return tuple(
        ArmSaving(
            arm,
            baseline,
            last.n,
            last.mean,
            *_common_interval(path),
            last.p,
            p,
            _verdict(p, path),
            sd or None,
            removed,
            None if own.n == last.n else own.mean,
            None if own.n == last.n else _finite(own.half),
            _thinned(path),
        )
        for arm, p, (last, path, sd, removed, own) in zip(others, adjusted, runs, strict=True)
    )


def _status(record: ExperimentRecord) -> str:
    """Status of an experiment as text."""
    if record.ended is None:
        return "running"
    by = f" by {record.ended.by}" if record.ended.by else ""
    later = record.ended.arm or "the agent's own strategy" + ", if it was not stopped" * bool(
        record.stopped
    )
    return f"ended{by} ({record.ended.reason}); later orders go to {later}"


def order_weight(order: AssignedOrder, arm: str, baseline: str) -> float:
    """Weight of an order in the saving of an arm: 1 over the chance of the baseline, -1 over that of the arm, given that it was
    one of the two; 0 of other orders, and where one of the two was not drawn."""
    chances = order.draw.chances
    both = chances.get(arm, 0.0) + chances.get(baseline, 0.0)
    if order.draw.arm not in (arm, baseline) or len({arm, baseline} & chances.keys()) < 2:
        return 0.0
    return (1.0 if order.draw.arm == baseline else -1.0) * both / chances[order.draw.arm]


def null_scale(weight: float) -> float:
    """Standard deviation of the weight of an order that may draw one arm or the other, from the weight that it drew.

    >>> null_scale(2.0), round(null_scale(1.25), 6), round(null_scale(-5.0), 6)
    (2.0, 2.5, 2.5)
    """
    chance = 1.0 / abs(weight)
    return 1.0 / sqrt(chance * (1.0 - chance))


class _ArmScores:
    """Confidence sequence of the scores of an arm against the baseline, and the draws of both that it is made of.

    Parameters
    ----------
    planned : int
    arm, baseline : str
    """

    def __init__(self, planned: int, arm: str, baseline: str) -> None:
        self.sequence = ConfidenceSequence(planned)
        self._units: dict[str, set[str]] = {arm: set(), baseline: set()}

    def add(self, order: AssignedOrder, weight: float, residual: float) -> None:
        """Add an order's residual by its weight (`order_weight`)."""
        draw = order.draw
        self.sequence.add(weight * residual, draw.day, residual * null_scale(weight), draw.unit)
        self._units[draw.arm].add(draw.unit)

    @property
    def is_enough(self) -> bool:
        """Whether either arm was drawn `LEAST_UNITS` times."""
        return min(map(len, self._units.values())) >= LEAST_UNITS


def saving_path(
    record: ExperimentRecord, orders: Sequence[AssignedOrder], arm: str, baseline: str
) -> tuple[SequencePoint, list[SequencePoint], float, float | None, SequencePoint]:
    """Last point and path of an arm's saving, sd of its scores, the share of variance that adjustment removes, and the last point
    without orders that people took over."""
    planned = record.terms.planned
    adjusted = _ArmScores(planned, arm, baseline)
    own = _ArmScores(planned, arm, baseline)
    plain = ConfidenceSequence(planned)
    path = [adjusted.sequence.look()]
    weighed = [(order, order_weight(order, arm, baseline)) for order in orders]
    weighed = [(order, weight) for order, weight in weighed if weight]
    for number, (order, weight) in enumerate(weighed, 1):
        cost = order.cost_bps or 0.0
        day = order.draw.day
        adjusted.add(order, weight, cost - order.expected)
        plain.add(weight * (cost - order.plain), day)
        if not order.by_hand:
            own.add(order, weight, cost - order.expected)
        # Of days that draw one arm, a part says nothing: they count when they are over.
        later_ns = weighed[number][0].draw.day * DAY_NS if number < len(weighed) else record.ns
        is_whole = record.terms.unit == ORDER or later_ns // DAY_NS != day
        if is_whole and adjusted.is_enough:
            path.append(adjusted.sequence.look())
    whole = plain.single_variance if len(weighed) >= LEAST_VALUES else 0.0
    removed = 1.0 - adjusted.sequence.single_variance / whole if whole else None
    return path[-1], path, adjusted.sequence.variance**0.5, removed, own.sequence.look()


def _balance(
    record: ExperimentRecord,
    orders: Sequence[AssignedOrder],
    arm: str,
    baseline: str,
    covariate: str,
    value_of: Callable[[AssignedOrder], float | None],
) -> Balance | None:
    """Balance of a covariate, by the same scores as costs; None where it is always the same or not known."""
    known = [
        (order, float(value))
        for order in orders
        if order_weight(order, arm, baseline) and (value := value_of(order)) is not None
    ]
    values = np.array([value for _, value in known])
    if len(known) < LEAST_VALUES or not (spread := float(values.std())):
        return None
    scores = _ArmScores(record.terms.planned, arm, baseline)
    total = 0.0
    point = scores.sequence.look()
    for number, (order, value) in enumerate(known):
        expected = total / number if number else value
        # The arm less the baseline: a saving's sign is the other one.
        scores.add(order, order_weight(order, arm, baseline), expected - value)
        total += value
        is_whole = record.terms.unit == ORDER or number == len(known) - 1
        if is_whole and scores.is_enough:
            point = scores.sequence.look()
    return Balance(arm, covariate, point.mean / spread, point.p)


def _assignment_p(record: ExperimentRecord) -> float:
    """Always-valid p-value of the draws: what a bettor on arms that came too often wins (Lindon and Malek 2022)."""
    wealth = p = 1.0
    seen = dict.fromkeys(record.terms.arms, 10.0)
    expected = dict.fromkeys(record.terms.arms, 10.0)
    for draw in record.draws.values():
        bets = {arm: chance * seen[arm] / expected[arm] for arm, chance in draw.chances.items()}
        wealth *= bets[draw.arm] / sum(bets.values()) / draw.chances[draw.arm]
        p = min(p, 1.0 / wealth)
        seen[draw.arm] += 1.0
        for arm, chance in draw.chances.items():
            expected[arm] += chance
    return p


def _arm_figures(record: ExperimentRecord, orders: Sequence[AssignedOrder], arm: str) -> ArmFigures:
    """Figures of an arm over all orders that drew it."""
    own = [order for order in orders if order.draw.arm == arm]
    costs = [order.cost_bps for order in own if order.cost_bps is not None]
    unfilled = [order.unfilled for order in own if order.cost_bps is not None]
    return ArmFigures(
        arm,
        record.terms.strategies[arm],
        record.shares.get(arm, 0.0),
        len(own),
        sum(order.over and order.cost_bps is None for order in own),
        sum(order.by_hand for order in own),
        sum(order.fell_back for order in own),
        _mean(costs),
        costliest_bps(own),
        _mean(unfilled),
        record.stopped.get(arm, ""),
    )


def costliest_bps(orders: Sequence[AssignedOrder]) -> float | None:
    """Mean cost of the costliest 5 % of orders, of one at least, bps; None where no cost is known."""
    costs = sorted(order.cost_bps for order in orders if order.cost_bps is not None)
    return _mean(costs[-max(1, round(COSTLIEST * len(costs))) :])


def _mean(values: Sequence[float]) -> float | None:
    """Mean of values; None without any."""
    return sum(values) / len(values) if values else None


def _finite(value: float) -> float | None:
    """A finite value; None for one that is not."""
    return value if isfinite(value) else None


def _common_interval(path: Sequence[SequencePoint]) -> tuple[float | None, float | None]:
    """Bounds that the intervals of a path have in common, up to a look that would leave nothing; None before any."""
    low = -inf
    high = inf
    for point in path:
        new = max(low, point.mean - point.half), min(high, point.mean + point.half)
        if new[0] <= new[1]:
            low, high = new
    return _finite(low), _finite(high)


def _verdict(p: float, path: Sequence[SequencePoint]) -> str:
    """Verdict on an arm: better or worse than the baseline, as at the first look that told, once its adjusted p-value is at
    most 5 %."""
    first = next((point for point in path if abs(point.mean) > point.half), None)
    if p > 1.0 - LEVEL or first is None:
        return "not decided"
    return "better" if first.mean > 0 else "worse"


def _thinned(path: Sequence[SequencePoint]) -> tuple[tuple[int, float, float, float], ...]:
    """Points of a path for a plot, at most about 400, the last one among them; without those of an infinite interval."""
    finite = [point for point in path if isfinite(point.half)]
    kept = finite[:: max(1, len(finite) // 400)]
    kept = kept if not finite or kept[-1] is finite[-1] else [*kept, finite[-1]]
    return tuple(
        (point.n, point.mean, point.mean - point.half, point.mean + point.half) for point in kept
    )


def orders_needed(sd_bps: float, saving_bps: float) -> int:
    """Orders of two arms of equal shares after which a confidence sequence planned for them is as narrow as a saving.

    Parameters
    ----------
    sd_bps : float
        Standard deviation of an order's cost, after adjustment.
    saving_bps : float
        To be told from 0.

    >>> orders_needed(10.0, 2.0), orders_needed(10.0, 1.0) / orders_needed(10.0, 2.0) > 3.9
    (922, True)
    """
    variance = (2.0 * sd_bps) ** 2  # of a score
    # At the number that it is planned for, half of the interval is sqrt(constant x variance / number).
    growth = mixture_variance(1.0) + 1.0
    constant = growth / mixture_variance(1.0) * log(growth / (1.0 - LEVEL) ** 2)
    return ceil(constant * variance / saving_bps**2)
