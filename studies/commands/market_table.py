"""`tercel market table`: every model on every data set of a lake, scored on tape that it has not seen."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from studies.markdown import Write, around, markdown_table, marks_of, replace_table
from tercel import TercelError
from tercel.cli import AsJson, hand_over, print_table, say
from tercel.cli.market_score_tables import passed_text, prediction_text, share_text
from tercel.core import ConfigError, Estimate, TapeError, check_known, split_commas
from tercel.core.report import format_interval, format_number

if TYPE_CHECKING:
    from studies.realism.sets import DataSet
    from tercel.market import CardRow, ScoreCard, ScoreGate

HEADINGS = (
    "data set", "model", "Spearman", "MEAN14", "a real day", "real pooled", "x ceiling", "interleaved", "x interleaved",
    "gates", "gates, train", "dynamics", "shares of the ceiling", "AUC", "AUC real", "sd60", "MO", "judged",
)  # fmt: skip
LEAVES = (
    "judged", "gates, train", "AUC real", "sd60", "MO", "real pooled", "AUC", "interleaved", "gates", "dynamics",
    "shares of the ceiling",
)  # fmt: skip
MARKS = marks_of("market table")


@dataclass(frozen=True)
class MarketTableRequest:
    """What is asked of `tercel market table`."""

    lakes: Annotated[
        list[Path], typer.Option("--lake", help="Lake with the data sets; may be given again.")
    ]
    names: Annotated[
        str, typer.Option("--set", help="Data sets, separated by commas. Default: all.")
    ] = ""
    models: Annotated[
        str, typer.Option("--model", help="Models, separated by commas. Default: all.")
    ] = ""
    seeds: Annotated[int, typer.Option(help="Simulated paths for each day.", min=1, max=100)] = 3
    impact: Annotated[
        bool, typer.Option("--impact", help="Measure impact cards too (minutes each).")
    ] = False
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the scores in the cards of the shipped presets.")
    ] = False
    write: Write = None
    as_json: AsJson = False


@dataclass(frozen=True)
class Row:
    """The score of a model on a data set."""

    set: str
    about: str
    card: "ScoreCard"


def table(request: MarketTableRequest) -> None:
    """Score every model on every data set: the table of studies/realism/README.md."""
    from studies.realism import sets
    from tercel.market import models as every_model

    names = split_commas(request.names)
    models = split_commas(request.models)
    every = [data.name for data in sets.SETS]
    fitted = [kind for kind, one in every_model().items() if one.calibrate]
    for given, known, what in ((names, every, "data set"), (models, fitted, "model")):
        for one in given:
            check_known(one, known, f"a {what}:", error=ConfigError)
    if request.write is not None:
        around(request.write, MARKS)  # refused before minutes of scoring
    rows = []
    for data in sets.SETS:
        if not names or data.name in names:
            rows += _rows(request, data, models or fitted)
    if not rows:
        lakes = ", ".join(map(str, request.lakes))
        raise TapeError("a data set of the table in a lake", f"none in {lakes}", "import one")
    if request.write is not None:
        replace_table(request.write, markdown(rows), MARKS)
        say(f"written  {request.write}")

    def show() -> None:
        title = "models on tape that they have not seen"
        print_table(title, HEADINGS, [cells(row) for row in rows], LEAVES, ["model"])

    hand_over(
        {"rows": [{"set": row.set, "about": row.about, **vars(row.card)} for row in rows]},
        request.as_json,
        show,
    )


def _rows(request: MarketTableRequest, data: "DataSet", models: Sequence[str]) -> list["Row"]:
    """Every model that can be had for a data set."""
    from studies.fills.fill_comparison import measured_rows
    from studies.impact.card import impact_card
    from studies.realism.sets import made_for, shipped_for
    from tercel.market import ScoreDraw, score_preset as score, with_scores
    from tercel.market.flow import registry as presets

    for lake in request.lakes:
        try:
            train, test = data.days(lake)
            break
        except TapeError:
            continue
    else:
        say(f"{data.name}: not in the lake")
        return []
    rows = []
    for model in models:
        began = time.perf_counter()
        try:
            shipped = shipped_for(data, model, train)
            preset = shipped or made_for(data, model, train, say)
            drawn = ScoreDraw(preset, test, train, range(1, request.seeds + 1))
            measured = (
                impact_card(preset)
                if request.impact
                else preset.card.get("scores", {}).get("impact")
            )
            fills = measured_rows(preset, test, train)
            card = score(drawn, impact=measured, conditional=False, fills=fills)
        except TercelError as error:
            say(f"{data.name}, {model}: left out ({error})")
            continue
        if request.keep and shipped:
            folder = presets.model_of(model).presets or presets.FOLDER
            with_scores(shipped, drawn.tape, card).save(folder / f"{shipped.name}.json")
        say(f"{data.name}, {model}: {card.mean_l1:.3f} in {time.perf_counter() - began:.0f} s")
        rows.append(Row(data.name, data.about, card))
    return rows


def cells(row: Row) -> list[str]:
    """One line of the table."""
    gates = row.card.gates
    floor, between = row.card.floor_mean_l1, row.card.interleaved_floor_mean_l1

    return [
        row.set, row.card.model, prediction_text(row.card.prediction),
        format_number(row.card.mean_l1, 3), format_number(floor, 3),
        format_number(row.card.pooled_floor_mean_l1, 3), _over(row.card.mean_l1, floor), format_number(between, 3),
        _over(row.card.interleaved_mean_l1, between),
        passed_text(gates), passed_text(row.card.gates_train), passed_text(row.card.dynamics),
        _shares(row.card.rows),
        format_number(row.card.classifier_auc, 3),
        format_number(row.card.classifier_auc_real, 3), _over(gates["sd_60s"].value, gates["sd_60s"].real),
        _over(gates["market_orders"].value, gates["market_orders"].real), "yes" if row.card.judged else "no",
    ]  # fmt: skip


def _shares(rows: "Sequence[CardRow]") -> str:
    """Shares of the ceiling of the checks of each group: flow, dynamics and, where they were measured, fills."""
    checks = [row for row in rows if row.kind == "checks" and row.share is not None]
    return ", ".join(f"{row.measure.partition(':')[0]} {share_text(row.share)}" for row in checks)


def _over(value: float | None, of: float | None) -> str:
    return "" if not of or value is None else f"{value / of:.2f}"


def markdown(rows: Sequence[Row]) -> str:
    """The table, the gates that the judged model missed (each model, where none is it), and the impact figures."""
    from tercel.market import JUDGED_MODEL

    told = [row for row in rows if row.card.model == JUDGED_MODEL] or rows
    lines = [*markdown_table(HEADINGS, [cells(row) for row in rows], HEADINGS), ""]
    lines += ["Gates missed (simulated / real):", ""]
    for row in told:
        missed = [
            f"{key.replace('_', ' ')} {_pair(gate)}"
            for key, gate in row.card.gates.items()
            if not gate.passed
        ]
        lines.append(f"- {row.set}, {row.card.model}: {', '.join(missed) or 'none'}")
    lines.append("")
    with_impact = [row for row in rows if any(row.card.impact.values())]
    if with_impact:
        keys = list(with_impact[0].card.impact)
        headings = ["data set", "model", *(key.replace("_", " ") for key in keys)]
        impact_cells = [
            [
                row.set,
                row.card.model,
                *(format_interval(Estimate.of(row.card.impact[key] or {})) for key in keys),
            ]
            for row in with_impact
        ]
        lines += markdown_table(headings, impact_cells, headings)
    return "\n".join(lines).rstrip() + "\n"


def _pair(gate: "ScoreGate") -> str:
    value, real = ("none" if x is None else f"{x:.3g}" for x in (gate.value, gate.real))
    return f"{value} / {real}"
