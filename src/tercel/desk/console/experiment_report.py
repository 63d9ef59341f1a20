"""An experiment on a page: its table and sentences, and its part of a desk's report."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tercel.core.report.cells import NOTHING
from tercel.core.report.formatting import (
    format_count,
    format_half_width,
    format_interval,
    format_number,
    format_percent,
)
from tercel.core.stats import Estimate
from tercel.core.stats.confidence_sequence import LEAST_VALUES
from tercel.desk.console.report_base import ReportPart
from tercel.desk.trading.experiment import ExperimentRecord
from tercel.desk.trading.experiment_analysis import (
    LEAST_UNITS,
    ArmFigures,
    ArmSaving,
    ExperimentReport,
    analyse_experiment,
    orders_needed,
)

HEADINGS: Final = (
    "arm",
    "share",
    "orders",
    "cost, bps",
    "saves, bps",
    "p",
    "costliest 5 %",
    "unfilled",
    "verdict",
)
SAVING_BPS: Final = 2.0
"""Saving whose orders are counted where nobody names another."""
MOST_POINTS: Final = 100
"""Points of a saving's path in a desk's report."""

_SAID: Final[Mapping[str, str]] = {
    "better": "is better than {baseline}",
    "worse": "is worse than {baseline}",
    "not decided": "is not told from {baseline} yet",
}


@dataclass(kw_only=True)
class ArmPart(ReportPart):
    """An arm of an experiment; what it saves on the baseline is null, or empty, of that one. `path`: orders, saved, low, high."""

    arm: str
    share: float
    orders: int
    mean_bps: float | None
    costliest_bps: float | None
    unfilled: float | None
    verdict: str
    saved_bps: float | None
    low_bps: float | None
    high_bps: float | None
    adjusted_p: float | None
    path: list[tuple[int, float, float, float]]


@dataclass(kw_only=True)
class ExperimentPart(ReportPart):
    """An experiment on an agent's orders; `acts`: what people may still ask for, "stop" and "promote"."""

    name: str
    agent: str
    status: str
    unit: str
    orders: int
    days: int
    acts: list[str]
    arms: list[ArmPart]
    sentences: list[str]


def experiment_part(record: ExperimentRecord) -> ExperimentPart:
    """An experiment as it stands, analysed, for a desk's report."""
    report = analyse_experiment(record)
    savings = {saving.arm: saving for saving in report.savings}
    return ExperimentPart(
        name=report.name,
        agent=report.agent,
        status=report.status,
        unit=report.unit,
        orders=report.orders,
        days=report.days,
        acts=[act for act in ("stop", "promote") if record.is_open_to(act)],
        arms=[_arm_part(arm, savings.get(arm.arm)) for arm in report.arms],
        sentences=sentences_of(report, SAVING_BPS),
    )


def _arm_part(arm: ArmFigures, saving: ArmSaving | None) -> ArmPart:
    """An arm with its saving; without one it is the baseline."""
    path = () if saving is None else saving.path
    every = max(1, -(-len(path) // MOST_POINTS))
    return ArmPart(
        arm=arm.arm,
        share=arm.share,
        orders=arm.orders,
        mean_bps=arm.mean_bps,
        costliest_bps=arm.costliest_bps,
        unfilled=arm.unfilled,
        verdict=verdict_of(arm, saving),
        saved_bps=None if saving is None else saving.saved_bps,
        low_bps=None if saving is None else saving.low_bps,
        high_bps=None if saving is None else saving.high_bps,
        adjusted_p=None if saving is None else saving.adjusted_p,
        path=list(path[::-1][::every][::-1]),
    )


def interval_text(saving: ArmSaving) -> str:
    """Saving of an arm with its interval as text; a dash before it begins."""
    if saving.low_bps is None:
        return NOTHING
    return format_interval(Estimate(saving.saved_bps, saving.low_bps, saving.high_bps), digits=1)


def _p_text(saving: ArmSaving) -> str:
    """p-value of a saving as text; a dash before its interval begins."""
    if saving.low_bps is None:
        return NOTHING
    return "< 0.001" if saving.adjusted_p < 0.001 else format_number(saving.adjusted_p, 3)


def verdict_of(arm: ArmFigures, saving: ArmSaving | None) -> str:
    """Verdict on an arm: that it was stopped, else how it compares with the baseline; "" of the baseline."""
    return "stopped" if arm.stopped else "" if saving is None else saving.verdict


def arm_rows(report: ExperimentReport) -> list[list[str]]:
    """Cells of the table, a row an arm, by `HEADINGS`."""
    savings = {saving.arm: saving for saving in report.savings}
    return [
        [
            arm.arm,
            format_percent(arm.share),
            f"{arm.orders:,}",
            format_number(arm.mean_bps, 1),
            interval_text(savings[arm.arm]) if arm.arm in savings else "baseline",
            _p_text(savings[arm.arm]) if arm.arm in savings else "",
            format_number(arm.costliest_bps, 1),
            format_percent(arm.unfilled, 1),
            verdict_of(arm, savings.get(arm.arm)),
        ]
        for arm in report.arms
    ]


def sentences_of(report: ExperimentReport, saving_bps: float) -> list[str]:
    """What an experiment says, in five sentences at most."""
    days = format_count(report.days, "day")
    lines = [
        f"{saving.arm} {_SAID[saving.verdict].format(baseline=saving.baseline)}: it saves "
        f"{interval_text(saving)} bps an order, over {format_count(saving.orders, 'order')} on {days}."
        if saving.low_bps is not None
        else f"Nothing is said of {saving.arm} yet: that takes {LEAST_VALUES} orders and {LEAST_UNITS} draws of either arm."
        for saving in report.savings[:2]
    ]
    first = report.savings[0]
    if first.low_bps is not None and first.sd_bps is not None:
        needed = orders_needed(first.sd_bps / 2, saving_bps)
        lines.append(
            f"A saving of {saving_bps:g} bps shows after about {needed:,} orders, at even odds; what is known at arrival "
            f"explains {format_percent(max(first.removed or 0.0, 0.0))} of the variance."
        )
    odd = [
        f"{count} of {arm.arm} {text}"
        for arm in report.arms
        for count, text in (
            (arm.uncosted, "have no cost and are left out"),
            (arm.by_hand, "were taken over by people"),
            (arm.fell_back, "were worked by the fallback"),
        )
        if count
    ]
    without = (
        f"; without those of people {format_half_width(first.without_hands_bps, first.without_hands_half_bps)} bps"
        if first.without_hands_bps is not None
        else ""
    )
    if odd:
        lines.append(f"Orders count in the arm that they drew{without}: {', '.join(odd)}.")
    balance = ", ".join(report.imbalances)
    lines.append(
        f"OUT OF BALANCE: {balance}; look for orders that do not reach the draw before you believe the saving."
        if balance
        else f"{'Assignment and covariates are in balance. ' if report.balance else ''}Status: {report.status}."
    )
    return lines
