"""Scores of a forecaster on a lake's unseen days, as tables, sentences and an HTML page; `scores` has the measures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tercel.core.errors import DataError
from tercel.core.report import palette
from tercel.core.report.formatting import format_number
from tercel.core.report.page import Section, render_page
from tercel.core.report.svg import Figure, finish_figure, sketch, small_panels
from tercel.core.report.tables import plain_table
from tercel.execution.foresight.forecast_kernels import HORIZONS
from tercel.execution.foresight.forecaster import Forecaster
from tercel.market.tape.lake import Lake
from tercel.signals.flow.scores import Accuracy, ScoredSymbol, score_symbol
from tercel.signals.flow.train import FlowTraining, read_days

Table = tuple[str, tuple[str, ...], list[tuple[Any, ...]]]
"""Title, headings and rows."""


@dataclass(frozen=True)
class FlowScore:
    """Scores of a forecaster on the days of some symbols: its hash, the version of its features, scores by symbol."""

    model: str
    features: int
    symbols: dict[str, ScoredSymbol]


def score(forecaster: Forecaster, lake: Lake, symbols: Sequence[str]) -> FlowScore:
    """Score a forecaster on the days of some symbols that it was neither trained nor recalibrated on.

    Raises
    ------
    DataError
        When it was trained on all days of a symbol.
    """
    cards = {}
    for symbol in symbols:
        dates = list(lake.days(symbol))
        fresh = [date for date in dates if date not in forecaster.seen.get(symbol, ())]
        if not fresh:
            raise DataError(
                f"days of {symbol} that {forecaster.id} was not trained on",
                f"{len(dates)} that it was",
                "import other days, or train on fewer",
            )
        days = read_days(lake, [symbol], fresh)[symbol]
        cards[symbol] = score_symbol(forecaster.of(symbol), days, len(dates) - len(fresh))
    return FlowScore(forecaster.id, forecaster.facts.features, cards)


def trained_table(training: FlowTraining) -> Table:
    """Table of a training's skill on later days and on symbols that it never saw."""
    rows = []
    for symbol, card in training.symbols.items():
        for sample, accuracies in (("later days", card.forward), ("never seen", card.stranger)):
            rows += [
                (symbol, sample, f"{h} s", *_format_accuracy(horizon_accuracy))
                for h, horizon_accuracy in accuracies.items()
            ]
    return "out of sample", ("symbol", "on", "ahead", "R², %", "AUC", "slope"), rows


def scored_table(flow_score: FlowScore) -> Table:
    """Scores of a forecaster, one row per symbol and horizon."""
    rows = []
    for symbol, card in flow_score.symbols.items():
        for h, horizon in card.horizons.items():
            r2, area, slope = _format_accuracy(horizon)
            coverage = ", ".join(f"{100 * share:.0f}" for share in horizon.coverage.values())
            rows.append(
                (
                    symbol,
                    f"{h} s",
                    f"{r2}{_format_interval(horizon.r2_ci, 100)}",
                    f"{area}{_format_interval(horizon.auc_ci, 1)}",
                    format_number(horizon.queue_auc, 3),
                    slope,
                    coverage,
                )
            )
    heads = ("symbol", "ahead", "R², %", "AUC", "queue's AUC", "slope", "inside 80, 95 %")
    return f"forecaster {flow_score.model} on days that it was not trained on", heads, rows


def sentences(flow_score: FlowScore) -> list[str]:
    """Two sentences: worth of a free choice between now and 30 s later, by symbol; what intervals and AUC of the table count."""
    symbol_sentences = []
    for symbol, card in flow_score.symbols.items():
        t = "" if card.choice_t is None else f", t {card.choice_t:.1f}"
        gain = f"{card.choice_bps:+.2f} bps{t}"
        symbol_sentences.append(
            f"{symbol}: {'none' if card.worth_bps is None else 'it is worth something'} ({gain})."
        )
    head = "Worth of one free choice, now or 30 s later, carried out 1 s late: " + " ".join(
        symbol_sentences
    )
    tail = "Intervals are over days; AUC counts moves alone; the queue's AUC is the imbalance at the touch alone."
    return [head, tail]


def flow_page(flow_score: FlowScore) -> str:
    """HTML page of a forecaster's scores."""
    title, heads, rows = scored_table(flow_score)
    areas = {name: card.horizons[str(HORIZONS[0])].auc for name, card in flow_score.symbols.items()}
    best = max(areas, key=lambda name: areas[name] or 0.0)
    lead = (
        f"{best}: AUC {format_number(areas[best], 3)} of the next 10 s, its best of {len(areas)}."
    )
    sections = [
        Section(
            "What it forecasts and what came", figures=[reliability_figure(flow_score.symbols)]
        ),
        Section(title, sentences(flow_score), plain_table(heads, rows)),
    ]
    facts = {
        "model": flow_score.model,
        "days left out": sum(card.left_out for card in flow_score.symbols.values()),
    }
    return render_page(
        "Forecasts of the next seconds",
        lead,
        sections,
        facts,
        "printed by: tercel signals flow score",
    )


def reliability_figure(symbols: Mapping[str, ScoredSymbol]) -> Figure:
    """Forecast against outcome in ten bins, one panel per symbol, with the line on which both are equal."""
    columns = min(4, len(symbols))
    with sketch(0.6 + 2.1 * -(-len(symbols) // columns)) as drawing:
        for panel, (name, card) in zip(
            small_panels(drawing, len(symbols), columns), symbols.items(), strict=False
        ):
            x = [bin_.forecast for bin_ in card.reliability]
            y = [bin_.outcome for bin_ in card.reliability]
            ends = [min(*x, *y), max(*x, *y)]
            panel.plot(ends, ends, color=palette.RULE.token, linewidth=0.8)
            panel.plot(x, y, color=palette.INK.token, marker="o", markersize=3, linewidth=1.0)
            panel.set_title(name)
        drawing.supxlabel("forecast of 10 s, half spreads", fontsize=9.5, color=palette.SOFT.token)
        drawing.supylabel("outcome, half spreads", fontsize=9.5, color=palette.SOFT.token)
    alt = "Forecast and mean outcome in ten bins: " + "; ".join(
        f"{name} from {card.reliability[0].outcome:+.2f} to {card.reliability[-1].outcome:+.2f}"
        for name, card in symbols.items()
    )
    return finish_figure(
        drawing, "reliability", alt, "On the line a forecast is as large as what comes."
    )


def _format_accuracy(scores: Accuracy) -> Sequence[str]:
    """R² in per cent, AUC and slope as texts of a table's cells."""
    return (
        format_number(100 * scores.r2, 1),
        format_number(scores.auc, 3),
        format_number(scores.slope, 2),
    )


def _format_interval(ends: Sequence[float] | None, factor: float) -> str:
    """Interval times `factor` as text, ` [low, high]`; empty without an interval."""
    digits = 1 if factor > 1 else 3
    return (
        "" if ends is None else f" [{factor * ends[0]:.{digits}f}, {factor * ends[1]:.{digits}f}]"
    )
