"""Detailed verdicts on a policy, line by line: least gains, ratios to the schedules, price-move beta, deflation."""

from collections.abc import Iterator, Mapping

from tercel.core.report.formatting import format_interval
from tercel.core.report.interval_text import verdict, verdict_sentence
from tercel.lab.evaluation.claims import verdict_of
from tercel.lab.evaluation.comparisons import ScenarioCell
from tercel.lab.evaluation.pipeline.analysis_tables import adaptation_lines
from tercel.lab.evaluation.pipeline.claim_text import POOLING_TEXTS, claim_lines
from tercel.lab.evaluation.pipeline.evaluation_result import EvaluationResult
from tercel.lab.evaluation.risk_statistics import ScheduleRatios

# A difference of risks below zero is the lower risk.
_RISK = {"worse": "lower", "better": "higher", "open": "no significant difference"}


def verdict_lines(result: EvaluationResult, name: str) -> Iterator[str]:
    """Verdicts on a policy as lines of text."""
    best = result.best_baseline
    yield from claim_lines(name, result.claims[name], result.comparisons)
    detectable = result.power[name].get(best)
    if detectable is not None:
        yield f"{name} in {result.market}: minimum detectable effect against {best} {detectable:.2f} bps (80 % power)."
    yield from _least_gains(result, name, best)
    for market, ratios in result.bars.items():
        yield from _ratio_lines(market, ratios[name], name)
    yield from adaptation_lines(result, name)
    slope = result.price_move_beta[name]
    best_slope = result.price_move_beta[best]
    yield f"{name}: cost rises {format_interval(slope)} bps a bp of adverse move ({best}: {format_interval(best_slope)})."
    deflated = result.deflated.get(name)
    if deflated is not None and deflated.variants > 1:
        yield (
            f"{name}, deflated ({deflated.variants} variants): gain a unit of risk {deflated.ratio:.3f}, "
            f"threshold {deflated.best_of_none:.3f}, probability of a true gain {deflated.probability:.3f}."
        )
    if name in result.iqm:
        middle = format_interval(result.iqm[name], signed=True)
        yield f"{name} against {best}: interquartile mean over training seeds and markets {middle} bps."
    for view, pooling_text in (
        (result.pooled.any_markets, POOLING_TEXTS["any_markets"]),
        (result.pooled.these_markets, POOLING_TEXTS["these_markets"]),
    ):
        pooled = view.get(name, {}).get(best)
        if pooled is not None:
            yield verdict_sentence(f"{name}, {pooling_text}", {best: pooled}, judge=verdict_of)


def _least_gains(result: EvaluationResult, name: str, best: str) -> Iterator[str]:
    """Lines on the part of each kind (regimes, markets, liquidity) in which a policy gains least."""
    kinds: Mapping[str, Mapping[str, ScenarioCell]] = {
        "regimes": result.by_regime,
        "markets": result.by_market,
        "thirds of liquidity": result.thirds,
    }
    for unit, parts in kinds.items():
        gained = {part: cell.paired[name][best] for part, cell in parts.items() if cell.paired}
        if len(gained) < 2:
            continue
        least_part = min(gained, key=lambda part: gained[part].mean)
        lost = [part for part, cell in gained.items() if verdict_of(cell) == "worse"]
        won = sum(verdict_of(cell) == "better" for cell in gained.values())
        yield (
            f"{name} against {best} in {len(gained)} {unit}: better in {won}, worse in {len(lost)}"
            f"{' (' + ', '.join(lost) + ')' if lost else ''}; least in {least_part}, "
            f"{format_interval(gained[least_part], signed=True)} bps."
        )


def _ratio_lines(market: str, schedule_ratios: ScheduleRatios, name: str) -> Iterator[str]:
    """Lines on ratios to the schedules with their denominators, and differences of risk and adaptability."""
    for row, measure in (
        (schedule_ratios.is_bps, "shortfall"),
        (schedule_ratios.impact_bps, "impact"),
    ):
        ratios = [
            f"{format_interval(cell)} of {schedule}'s {format_interval(cell.denominator)} bps"
            for schedule, cell in row.items()
            if cell is not None
        ]
        if ratios:
            yield f"{name} in {market}: {measure} {', '.join(ratios)}."
    risks = [
        f"{format_interval(cell, signed=True)} bps against {schedule} ({_RISK[verdict(cell)]})"
        for schedule, cell in schedule_ratios.timing_risk_bps.items()
    ]
    if risks:
        yield f"{name} in {market}: timing risk {', '.join(risks)}."
    for schedule, difference in schedule_ratios.adaptability.items():
        if difference is not None:
            yield f"{name} in {market}: adaptability {format_interval(difference, signed=True)} over {schedule}'s."


def closing_lines(result: EvaluationResult) -> Iterator[str]:
    """Closing lines that hold for all rows: best rule, hindsight bound, notes and checks."""
    episodes_text = f"{result.validation.episodes:,} other episodes"
    yield f"{result.best_baseline} is the best rule on {episodes_text}; it was chosen there."
    bound = result.hindsight
    if bound is not None:
        bound_text = format_interval(bound.is_bps)
        yield f"{bound.label}: {bound_text} bps, the cost of the same orders with perfect foresight of the path."
    yield from dict.fromkeys([*result.notes, *result.checks])
