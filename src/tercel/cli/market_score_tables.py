"""Table rows of a market's realism card: distances, gates, dynamics, impact, predictions, lessons."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from tercel.core.estimate import Estimate
from tercel.core.report.cells import NOTHING
from tercel.core.report.formatting import format_interval

if TYPE_CHECKING:
    from tercel.market.score.card import ScoreCard
    from tercel.market.score.dynamics import DynamicFigure
    from tercel.market.score.realism_gates import ScoreGate
    from tercel.market.score.stored_scores import RankCorrelation, StoredLessons

Table = tuple[tuple[str, ...], list[list[str]]]
"""Names of columns, and rows."""


LESSON_COLUMNS: Final = (
    *(f"fills {wait} s" for wait in (30, 300, 900)),
    *(f"mark-out {span_s} s" for span_s in (10, 60)),
    *(f"R² {span_s} s" for span_s in (10, 30)),
)
"""Columns of lessons: fill rates of an order at the best price, mark-outs (bps), R² of forecasts on tape."""


def row_table(card: "ScoreCard") -> Table:
    """Headings and rows of the whole card."""
    headings = ("measure", "simulated", "recorded", "ratio", "ceiling", "share")
    return headings, [
        [
            _with_spaces(row.measure),
            _card_cell(row.simulated),
            _card_cell(row.recorded),
            NOTHING if row.ratio is None else f"{row.ratio:.2f}",
            ("± " if row.kind == "figure" and row.ceiling is not None else "")
            + _card_cell(row.ceiling),
            share_text(row.share),
        ]
        for row in card.rows
    ]


def _card_cell(value: float | None) -> str:
    """A number of a card: three significant digits, those of 100 and more whole."""
    return NOTHING if value is None else f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def share_text(share: float | None) -> str:
    """A share of a ceiling in percent; a dash for None.

    >>> share_text(0.876), share_text(None)
    ('88 %', '–')
    """
    return NOTHING if share is None else f"{share:.0%}".replace("%", " %")


def distance_table(card: "ScoreCard") -> Table:
    """Headings and rows of L1 distances, a row per statistic; the rows of their mean stand before those of curves.
    Curves are not in the mean.
    """
    from tercel.market.score.sample import CURVES

    rows = [
        [
            _with_spaces(name),
            cell(row.l1),
            cell(row.wasserstein),
            cell(row.floor_l1),
            cell(row.pooled_floor_l1),
        ]
        for name, row in card.distances.items()
    ]
    mean_row = len(rows) - len(CURVES)
    floor = cell(card.floor_mean_l1)
    pooled = cell(card.pooled_floor_mean_l1)
    odd = cell(card.interleaved_mean_l1)
    odd_floor = cell(card.interleaved_floor_mean_l1)
    rows[mean_row:mean_row] = [
        ["mean of 14", cell(card.mean_l1), "", floor, pooled],
        ["mean of 14, odd against even half hours", odd, "", odd_floor, ""],
    ]
    return (
        "statistic",
        "L1",
        "Wasserstein",
        "ceiling: a real day",
        "ceiling: real days pooled",
    ), rows


def gate_table(card: "ScoreCard") -> Table:
    """Headings and rows of gates: simulated and real values, and whether the gate passed."""
    rows = []
    for name, gate in card.gates.items():
        train = card.gates_train.get(name)
        level = card.gates_level.get(name)
        rows.append(
            [
                _with_spaces(name),
                cell(gate.value, 4),
                cell(gate.real, 4),
                cell(train.real if train else None, 4),
                "yes" if gate.passed else "NO",
                cell(level.by_model if level else None, 2),
                cell(level.by_day if level else None, 2),
                ("yes" if level.passed else "NO") if level else NOTHING,
            ]
        )
    return (
        "",
        "simulated",
        "real",
        "calibrated on",
        "passed",
        "by model",
        "by day",
        "at equal level",
    ), rows


def dynamics_table(card: "ScoreCard") -> Table:
    """Headings and rows of dynamic figures: simulated and real values, bar, and whether passed."""
    rows = [
        [
            _with_spaces(name),
            cell(row.value),
            cell(row.real),
            f"{cell(row.ci_low)} to {cell(row.ci_high)}",
            cell(row.floor),
            cell(row.bar),
            cell(row.train),
            "yes" if row.passed else "NO",
        ]
        for name, row in card.dynamics.items()
    ]
    return ("", "simulated", "real", "interval", "ceiling", "bar", "calibrated on", "passed"), rows


def given_table(card: "ScoreCard") -> Table:
    """Headings and rows of L1 distances of each statistic, conditional on the spread and on the half hour."""
    rows = [
        [name, cell(row.l1), cell(row.pooled_floor_l1)] for name, row in card.conditional.items()
    ]
    return ("statistic | given", "L1", "ceiling"), rows


def impact_rows(card: "ScoreCard") -> list[list[str]]:
    """Rows of the measured figures of impact: name, and mean with interval."""
    return [
        [_with_spaces(name), format_interval(Estimate.of(estimate), digits=3)]
        for name, estimate in card.impact.items()
        if estimate
    ]


def passed_text(gates: "Mapping[str, ScoreGate | DynamicFigure]", separator: str = "/") -> str:
    """Number of passed gates and of all, such as 3/4; "" without gates."""
    return f"{sum(gate.passed for gate in gates.values())}{separator}{len(gates)}" if gates else ""


def spearman_text(correlation: "RankCorrelation | None") -> str:
    """Spearman correlation of a stored prediction as text: mean, interval, and the tape's own ceiling; "" without a mean.

    >>> from tercel.market.score.stored_scores import RankCorrelation
    >>> spearman_text(RankCorrelation(mean=0.86, ci_low=0.71, ci_high=0.97, ceiling=0.95))
    '0.86 [0.71, 0.97] of 0.95'
    """
    if correlation is None or correlation.mean is None:
        return ""
    interval = (
        ""
        if correlation.ci_low is None
        else f" [{correlation.ci_low:.2f}, {correlation.ci_high:.2f}]"
    )
    ceiling = "" if correlation.ceiling is None else f" of {correlation.ceiling:.2f}"
    return f"{correlation.mean:.2f}{interval}{ceiling}"


def prediction_text(stored: Any) -> str:
    """Text of the Spearman correlation in `stored`, the prediction of a score or of a preset's card; "" without one."""
    from tercel.market.score.stored_scores import stored_prediction

    prediction = stored_prediction(stored)
    return spearman_text(prediction.spearman if prediction else None)


def lesson_cells(lessons: "StoredLessons") -> list[str]:
    """Cells of fill rates, mark-outs and forecasts, simulated / tape; empty if not on the card."""
    pairs = [(lessons.filled or {}).get(wait) for wait in ("30", "300", "900")]
    pairs += [(lessons.markouts_bps or {}).get(span_s) for span_s in ("10", "60")]
    pairs += [(lessons.horizons or {}).get(span_s) for span_s in ("10", "30")]
    return [f"{cell(pair.simulated)} / {cell(pair.tape)}" if pair else "" for pair in pairs]


def cell(value: float | None, digits: int = 3) -> str:
    """A number as the text of a cell: 3 decimals, or for other `digits` so many significant digits; a dash for None."""
    if value is None:
        return NOTHING
    return f"{value:.3f}" if digits == 3 else f"{value:.{digits}g}"


def _with_spaces(name: str) -> str:
    """The name with spaces for underscores."""
    return name.replace("_", " ")
