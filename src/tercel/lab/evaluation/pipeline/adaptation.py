"""Cost of a regime that begins half-way, less that of the policy trained in it: in bps, then in percent."""

from collections.abc import Iterator

from tercel.core.report.tables import spelt
from tercel.core.stats import Estimate
from tercel.lab.evaluation.pipeline.evaluation_result import AdaptationCell, EvaluationResult

HEADINGS = ("regime", "trained for it", "strategy", "costs more, bps", "costs more, %")


def adapted(result: EvaluationResult, name: str) -> Iterator[str]:
    """A line for each regime, the loss of schedules frozen at arrival beside it."""
    for regime, cell in result.adaptation.items():
        dearer = cell.difference_to_specialist or {}
        if name not in dearer:
            continue
        beside = [
            f"{other} {spelt(dearer[other], '+')} bps" for other in cell.frozen if other in dearer
        ]
        text = f"; schedules frozen at arrival: {', '.join(beside)}" if beside else ""
        yield (
            f"{name} where {regime} begins half-way: costs {_more(cell, name)} than {cell.specialist}, "
            f"given as trained in it{text}."
        )


def rows(result: EvaluationResult) -> Iterator[tuple[str, ...]]:
    """Rows of the adaptation table; see `HEADINGS`."""
    for regime, cell in result.adaptation.items():
        for name, (difference, loss) in cell.beside_specialist.items():
            yield (
                regime,
                f"{cell.specialist}",
                name,
                spelt(difference, "+"),
                percent(loss) if cell.is_cost else "",
            )


def _more(cell: AdaptationCell, name: str) -> str:
    """How much more or less; a percentage only of what is surely a cost."""
    difference, share = cell.beside_specialist[name]
    less = difference.mean < 0
    difference, share = (one.times(-1) if less else one for one in (difference, share))
    text = f"{spelt(difference)} bps"
    if cell.is_cost:
        beside = percent(share, sign="")
        text += f" ({beside})"
    return f"{text} {'less' if less else 'more'}"


def percent(share: Estimate, sign: str = "+") -> str:
    """A share as percent with its interval.

    >>> percent(Estimate(0.1, None, None))
    '+10.0 %'
    """
    return f"{spelt(share.times(100), sign, 1)} %"
