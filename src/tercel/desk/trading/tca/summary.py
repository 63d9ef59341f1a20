"""Summaries of cost analyses of parents: weighted means with intervals, in total and by agent, and sentences on them."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tercel.core.fixed_point import sum_numbers
from tercel.core.grouping import group_values
from tercel.core.records import Record
from tercel.core.report.formatting import format_money
from tercel.desk.trading.tca.measure import AnalysedCost
from tercel.desk.trading.tca.shortfall import weighted_mean


@dataclass(frozen=True, kw_only=True)
class CostMeans(Record):
    """Costs of several parents together: sums of lots, means in bps weighted by filled value.

    Parameters
    ----------
    parents : int
    quantity, filled, unfilled, refused : int or float
        Requested, filled, unfilled and refused lots.
    notional : float
        Arrival value of what was filled.
    is_bps, ..., passive_share, markouts_bps
        Means by that (`trading.tca.measure.ParentCost`); None: not known. `delay_bps` is None where it was not
        measured, NaN where it is not known.
    interval : (float or None, float or None), optional
        Of `is_bps`, 95 % of Student's t; of an agent.
    money : mapping of str to float, optional
        The same costs in money.
    """

    parents: int
    quantity: float
    filled: float
    unfilled: float
    refused: float
    notional: float
    is_bps: float | None
    delay_bps: float | None
    spread_bps: float | None
    walk_bps: float | None
    timing_bps: float | None
    forced_bps: float | None
    fees_bps: float | None
    vwap_bps: float | None
    twap_bps: float | None
    close_bps: float | None
    passive_share: float | None
    markouts_bps: Mapping[str, float | None]
    interval: tuple[float | None, float | None] | None = None
    money: Mapping[str, float] | None = None

    def json_fields(self) -> dict[str, object]:
        """Fields with the interval as `ci_low` and `ci_high`; interval, money and `delay_bps` are left out where None."""
        fields = {
            key: value
            for key, value in vars(self).items()
            if key not in ("interval", "money") and (value is not None or key != "delay_bps")
        }
        low, high = self.interval or (None, None)
        fields |= {} if self.interval is None else {"ci_low": low, "ci_high": high}
        return fields | ({} if self.money is None else {"money": self.money})


def labelled_parts(cost: AnalysedCost | CostMeans) -> dict[str, float | None]:
    """Parts whose sum is the cost of the fills, bps, by their names for people; `walk_bps` is called "depth cost"."""
    return {
        "delay": cost.delay_bps,
        "spread": cost.spread_bps,
        "depth cost": cost.walk_bps,
        "timing": cost.timing_bps,
        "forced": cost.forced_bps,
        "fees": cost.fees_bps,
    }


def benchmark_costs(cost: AnalysedCost | CostMeans) -> dict[str, float | None]:
    """Costs against VWAP, TWAP and close, bps, by "vwap", "twap", "close"; None: not known."""
    return {"vwap": cost.vwap_bps, "twap": cost.twap_bps, "close": cost.close_bps}


@dataclass(frozen=True)
class CostSummary:
    """Costs of all parents, and by agent those that no person took over."""

    total: CostMeans
    agents: Mapping[str, CostMeans]


def summary(rows: Sequence[AnalysedCost]) -> CostSummary:
    """Mean costs of all parents, and by agent of those that no person took over.

    Examples
    --------
    >>> from tercel.desk.trading.tca.measure import AnalysedCost
    >>> costs = [AnalysedCost("p", "X", "a", 1, 5, 0, 9, 5, is_bps=cost, notional=1.0) for cost in (1.0, 2.0, 3.0)]
    >>> found = summary(costs).agents["a"]
    >>> found.is_bps, [round(end, 3) for end in found.interval]
    (2.0, [-0.484, 4.484])
    """
    by_agent = group_values((row.agent, row) for row in rows if row.by_hand is None)
    agents = {
        name: replace(_means(by_agent[name]), interval=_interval(by_agent[name]))
        for name in sorted(by_agent)
    }
    return CostSummary(_means(rows), agents)


def sentences(
    rows: Sequence[AnalysedCost],
    money: Mapping[str, Any] | None = None,
    extra: Sequence[str] = (),
    unit: str = "bps",
) -> list[str]:
    """Summary of analysed parents in at most three sentences, for reports.

    Parameters
    ----------
    rows : sequence of AnalysedCost
    money : mapping of str to number, optional
        The same costs in money: ``fills``, ``opportunity``, ``refusal``.
    extra : sequence of str
        What else was left.
    unit : str
        What the rows' costs are in; where that is ticks, nothing is said of what the lots were worth.

    Examples
    --------
    >>> from tercel.desk.trading.tca.measure import AnalysedCost
    >>> split = {"is_bps": 2.0, "spread_bps": 2.0, "timing_bps": 0.0}
    >>> row = AnalysedCost("p", "X", "a", 1, 5, 0, 9, filled=4, unfilled=1, notional=600.0, **split)
    >>> for sentence in sentences([row, row]):
    ...     print(sentence)
    2 parents: 8 lots worth 1,200 filled cost 2.00 bps against arrival.
    In parts, bps: spread 2.00, timing 0.00.
    2 lots unfilled.
    """
    total = _means(rows)
    mean, half = weighted_mean((row.is_bps, row.notional) for row in rows)
    worth = f" worth {format_money(total.notional, digits=0)}" if unit == "bps" else ""
    parent_text = "1 parent" if len(rows) == 1 else f"{len(rows):,} parents"
    filled = f"{parent_text}: {total.filled:,} lots{worth} filled"
    if mean is None:
        lines = [f"{filled}, nothing to tell a cost of."]
    else:
        within = "" if half is None else f" ± {half:.2f}"
        paid = (
            f", {format_money(float(money['fills']), digits=2)} in currency units"
            if money is not None
            else ""
        )
        lines = [f"{filled} cost {mean:.2f}{within} {unit} against arrival{paid}."]
        parts = ", ".join(
            f"{name} {value:.2f}"
            for name, value in labelled_parts(total).items()
            if value is not None and (value or name not in ("delay", "forced"))
        )
        labelled = zip(("VWAP", "TWAP", "the close"), benchmark_costs(total).values(), strict=True)
        against = ", ".join(f"{word} {value:.2f}" for word, value in labelled if value is not None)
        benchmark_text = f"; against {against}" if against else ""
        lines += [f"In parts, {unit}: {parts}{benchmark_text}."] if parts else []
    losses = [
        f"{lots:,} lots {fate}"
        + (
            f", which came to {format_money(float(money[part]), digits=2)}"
            if money is not None
            else ""
        )
        for lots, fate, part in (
            (total.unfilled, "unfilled", "opportunity"),
            (total.refused, "refused", "refusal"),
        )
        if lots
    ]
    losses += extra
    return lines + ([f"{'; '.join(losses)}."] if losses else [])


def _means(rows: Sequence[AnalysedCost]) -> CostMeans:
    """Sums and weighted means over some parents."""

    def mean(figure: Callable[[AnalysedCost], float | None]) -> float | None:
        return weighted_mean((figure(row), row.notional) for row in rows)[0]

    spans = dict.fromkeys(span for row in rows for span in row.markouts_bps)
    delay = mean(lambda row: row.delay_bps)
    measured = any(row.delay_bps is not None for row in rows)
    return CostMeans(
        parents=len(rows),
        quantity=sum_numbers(row.quantity for row in rows),
        filled=sum_numbers(row.filled for row in rows),
        unfilled=sum_numbers(row.unfilled for row in rows),
        refused=sum_numbers(row.refused for row in rows),
        notional=sum(row.notional for row in rows),
        is_bps=mean(lambda row: row.is_bps),
        delay_bps=math.nan if measured and delay is None else delay,
        spread_bps=mean(lambda row: row.spread_bps),
        walk_bps=mean(lambda row: row.walk_bps),
        timing_bps=mean(lambda row: row.timing_bps),
        forced_bps=mean(lambda row: row.forced_bps),
        fees_bps=mean(lambda row: row.fees_bps),
        vwap_bps=mean(lambda row: row.vwap_bps),
        twap_bps=mean(lambda row: row.twap_bps),
        close_bps=mean(lambda row: row.close_bps),
        passive_share=mean(lambda row: row.passive_share),
        markouts_bps={
            span: weighted_mean((row.markouts_bps.get(span), row.notional) for row in rows)[0]
            for span in spans
        },
    )


def _interval(rows: Sequence[AnalysedCost]) -> tuple[float | None, float | None]:
    """95 % interval of the mean cost of fills, bps; (None, None) for fewer than two parents."""
    mean, half = weighted_mean(((row.is_bps, row.notional) for row in rows), least=2)
    return (None, None) if mean is None or half is None else (mean - half, mean + half)
