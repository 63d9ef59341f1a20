"""`tercel signals predict`: a trained model's forecast of every name on one date."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tercel.cli.options import check_date
from tercel.cli.output import hand_over, print_rows, say
from tercel.cli.signals_backtest import OfModel
from tercel.core.files import write_atomic
from tercel.core.report.cells import NOTHING, csv_text

if TYPE_CHECKING:
    from tercel.signals.models.predict import NameForecast, ServedForecasts
    from tercel.signals.models.signal_model import SignalModel


SHOWN = 10
"""Names at either end of a forecast's table."""
FEW = 5
"""Names in a forecast's table if every forecast is 0."""


@dataclass(frozen=True)
class PredictSignals(OfModel):
    """Options of `tercel signals predict`."""

    date: Annotated[
        str | None,
        typer.Option(help="A day of the files (default: the last).", metavar="YYYY-MM-DD"),
    ] = None
    out: Annotated[
        Path | None, typer.Option(help="Also write the rows as CSV.", metavar="FILE.csv")
    ] = None
    seed: Annotated[
        int, typer.Option(help="Of the training, where a CONFIG.toml is named.", min=0)
    ] = 1


def predict(request: PredictSignals) -> None:
    """Forecast every name on the last date of the files, or another, as a desk with this model does."""
    from datetime import date

    from tercel.signals.models.predict import predict as served

    check_date(request.date)
    model, _ = request.open_model()
    forecasts = served(model, None if request.date is None else date.fromisoformat(request.date))
    rows = forecasts.rows()
    if request.out is not None:
        texts = [{**vars(row), "sources": " ".join(row.sources)}.values() for row in rows]
        write_atomic(request.out, csv_text([vars(rows[0]) if rows else (), *texts]))
    about = {"name": model.name, "ic": model.facts.ic} | forecasts.about()
    hand_over(
        about | {"rows": rows}, request.as_json, lambda: _show_forecasts(model, rows, forecasts)
    )


def _show_forecasts(
    model: "SignalModel", rows: "list[NameForecast]", served: "ServedForecasts"
) -> None:
    """Print the highest and lowest forecasts, the model's skill, and what was missing."""
    from tercel.signals.models.skill import skill_sentence
    from tercel.signals.portfolio.backtest import head_and_tail

    ordered = sorted(rows, key=lambda row: -row.expected_bps)
    silent = not any(row.expected_bps for row in rows)
    extremes = ordered[:FEW] if silent else head_and_tail(ordered, SHOWN)
    cells = [
        (
            row.name,
            f"{row.expected_bps + 0.0:+.1f}",
            f"{row.sd_bps:.0f}",
            NOTHING if row.low_bps is None else f"{row.low_bps:+.0f} to {row.high_bps:+.0f}",
            ", ".join(row.sources) or NOTHING,
        )
        for row in extremes
    ]
    print_rows(
        f"{model.name}, model {served.model}: forecast of {served.at}, to the close of {served.held.last}",
        ("name", "expected, bps", "sd, bps", "90 %", "sources"),
        cells,
    )
    between_text = (
        f", {len(rows) - len(extremes):,} between them"
        if len(extremes) < len(rows) and not silent
        else ""
    )
    say(
        f"{len(extremes)} of {len(rows):,} names shown{between_text}; each beyond the mean of all, {served.held}."
    )
    if not silent or model.ic:
        say(skill_sentence(model.ic))
    for line in served.sentences():
        say(line)
    missing_texts = [
        f"without source {source}: {reason}" for source, reason in served.missing.items()
    ]
    if missing_texts := [*filter(None, [served.note]), *missing_texts]:
        say(f"Note: {'; '.join(missing_texts)}.")
