"""Rows and lines for two analyses: adaptation to a new regime, and the savings of each part of a strategy."""

from collections.abc import Iterator, Mapping

from tercel.core.report.formatting import format_interval, format_percent_interval
from tercel.core.stats import Estimate
from tercel.execution.policies.parts import PARTS
from tercel.lab.evaluation.pipeline.evaluation_record import EvaluationRecord

# Cost of a regime that begins half-way, less that of the policy trained in it: in bps, then in percent.
ADAPTATION_HEADINGS = ("regime", "trained for it", "strategy", "costs more, bps", "costs more, %")


ABLATION_HEADINGS = ("part", "what it is", "saves, bps")
KNOWS = "learned_less_placebo"
"""Key of the learned part less its placebo: cost saving by the information in forecasts."""
PART_TEXTS = {**PARTS, KNOWS: "what network and forecast save beyond that"}


def adaptation_rows(result: EvaluationRecord) -> Iterator[tuple[str, ...]]:
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
