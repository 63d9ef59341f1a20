"""Rows and lines for two analyses: adaptation to a new regime, and the savings of each part of a strategy."""

from collections.abc import Iterator, Mapping

from tercel.core.report.formatting import format_interval, format_percent_interval
from tercel.core.stats import Estimate
from tercel.execution.policies.parts import PARTS
from tercel.lab.evaluation.pipeline.evaluation_result import AdaptationCell, EvaluationResult

# Cost of a regime that begins half-way, less that of the policy trained in it: in bps, then in percent.
ADAPTATION_HEADINGS = ("regime", "trained for it", "strategy", "costs more, bps", "costs more, %")


ABLATION_HEADINGS = ("part", "what it is", "saves, bps")
KNOWS = "learned_less_placebo"
"""Key of the learned part less its placebo: cost saving by the information in forecasts."""
PART_TEXTS = {**PARTS, KNOWS: "what network and forecast save beyond that"}


def adaptation_lines(result: EvaluationResult, name: str) -> Iterator[str]:
    """Line for each new regime: loss of a row, with the loss of schedules frozen at arrival beside it."""
    for regime, cell in result.adaptation.items():
        losses = cell.difference_to_specialist or {}
        if name not in losses:
            continue
        frozen_losses = [
            f"{schedule} {format_interval(losses[schedule], signed=True)} bps"
            for schedule in cell.frozen
            if schedule in losses
        ]
        text = f"; schedules frozen at arrival: {', '.join(frozen_losses)}" if frozen_losses else ""
        yield (
            f"{name} where {regime} begins half-way: costs {_compare_with_specialist(cell, name)} than {cell.specialist}, "
            f"given as trained in it{text}."
        )


def adaptation_rows(result: EvaluationResult) -> Iterator[tuple[str, ...]]:
    """Rows of the adaptation table, with columns `ADAPTATION_HEADINGS`."""
    for regime, cell in result.adaptation.items():
        for name, (difference, loss) in cell.versus_specialist.items():
            yield (
                regime,
                f"{cell.specialist}",
                name,
                format_interval(difference, signed=True),
                format_percent_interval(loss, signed=True) if cell.is_cost else "",
            )


def _compare_with_specialist(cell: AdaptationCell, name: str) -> str:
    """Text on the unsigned difference in cost to the specialist, with "more" or "less", and a percentage if the specialist's
    cost is significantly above 0.
    """
    difference, share = cell.versus_specialist[name]
    is_less = difference.mean < 0
    difference, share = (
        estimate.times(-1) if is_less else estimate for estimate in (difference, share)
    )
    text = f"{format_interval(difference)} bps"
    if cell.is_cost:
        percent_text = format_percent_interval(share)
        text += f" ({percent_text})"
    return f"{text} {'less' if is_less else 'more'}"


def ablation_rows(savings: Mapping[str, Estimate | None]) -> list[tuple[str, str, str]]:
    """Rows of the ablation table, with columns `ABLATION_HEADINGS`."""
    return [
        (
            part,
            PART_TEXTS[part],
            "it has none" if saves is None else format_interval(saves, signed=True),
        )
        for part, saves in savings.items()
    ]
