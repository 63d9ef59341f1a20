"""`tercel market score`: the realism card of a preset on days that it has not seen, or another benchmark's figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Protocol

import typer

from tercel.cli.shared import (
    PRESET,
    From,
    JsonRequest,
    PresetsSymbol,
    To,
    Venue,
    hand_over,
    listed_dates,
    print_table,
    say,
)
from tercel.core.errors import ConfigError, refuse_if
from tercel.core.extras import entry_point
from tercel.core.report.cells import NOTHING
from tercel.core.report.tables import plain_table, spelt_cell

if TYPE_CHECKING:
    from tercel.core.report.svg import Figure
    from tercel.market.flow.port import Preset
    from tercel.market.score.card import (
        RankCorrelation,
        ScoreCard,
        ScoreDraw,
        StoredLessons,
        StoredPrediction,
    )
    from tercel.market.score.distance import ScoreGate
    from tercel.market.score.dynamics import DynamicFigure

Table = tuple[tuple[str, ...], list[list[str]]]
"""Names of columns, and rows."""


def distance_table(card: "ScoreCard") -> Table:
    """A row for each statistic, the means before the curves, which are not in them."""
    from tercel.market.score.sample import CURVES

    rows = [
        [
            _in_words(name),
            cell(row.l1),
            cell(row.wasserstein),
            cell(row.floor_l1),
            cell(row.pooled_floor_l1),
        ]
        for name, row in card.distances.items()
    ]
    at = len(rows) - len(CURVES)
    floor, pooled = cell(card.floor_mean_l1), cell(card.pooled_floor_mean_l1)
    odd, odd_floor = cell(card.interleaved_mean_l1), cell(card.interleaved_floor_mean_l1)
    rows[at:at] = [
        ["mean of 14", cell(card.mean_l1), "", floor, pooled],
        ["mean of 14, odd against even half hours", odd, "", odd_floor, ""],
    ]
    return ("statistic", "L1", "Wasserstein", "floor: a real day", "floor: real days pooled"), rows


def gate_table(card: "ScoreCard") -> Table:
    """A row for each gate."""
    rows = []
    for name, gate in card.gates.items():
        train, level = card.gates_train.get(name), card.gates_level.get(name)
        rows.append(
            [
                _in_words(name),
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
    """A row for each figure of how it moves."""
    rows = [
        [
            _in_words(name),
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
    return ("", "simulated", "real", "interval", "floor", "bar", "calibrated on", "passed"), rows


def given_table(card: "ScoreCard") -> Table:
    """A row for each statistic given the spread or the half hour."""
    rows = [
        [name, cell(row.l1), cell(row.pooled_floor_l1)] for name, row in card.conditional.items()
    ]
    return ("statistic | given", "L1", "floor"), rows


def impact_rows(card: "ScoreCard") -> list[list[str]]:
    """A row for each figure of impact that was measured."""
    return [
        [_in_words(name), spelt_cell(one, digits=3)] for name, one in card.impact.items() if one
    ]


def passed(gates: "Mapping[str, ScoreGate | DynamicFigure]", of: str = "/") -> str:
    """Number of passed gates and of all, such as 3/4; "" without gates."""
    return f"{sum(gate.passed for gate in gates.values())}{of}{len(gates)}" if gates else ""


def correlated(found: "RankCorrelation | None") -> str:
    """Spearman of a stored prediction with its interval, and the tape's own ceiling.

    >>> from tercel.market.score.card import RankCorrelation
    >>> correlated(RankCorrelation(mean=0.86, ci_low=0.71, ci_high=0.97, ceiling=0.95))
    '0.86 [0.71, 0.97] of 0.95'
    """
    if found is None or found.mean is None:
        return ""
    interval = "" if found.ci_low is None else f" [{found.ci_low:.2f}, {found.ci_high:.2f}]"
    ceiling = "" if found.ceiling is None else f" of {found.ceiling:.2f}"
    return f"{found.mean:.2f}{interval}{ceiling}"


def predicted(card: Any) -> str:
    """Spearman of the prediction that a score or a preset's card has; empty without one."""
    from tercel.market.score.card import stored_prediction

    found = stored_prediction(card)
    return correlated(found.spearman if found else None)


def prediction_rows(one: "StoredPrediction") -> list[list[str]]:
    """Rows of a prediction that a card has."""
    agree = "" if one.signs.agree is None else f", {one.signs.agree:.0%} with the same sign"
    return [
        [
            f"Spearman over {one.strategies} strategies, of the tape's ceiling",
            correlated(one.spearman) or NOTHING,
        ],
        ["Spearman over those that mostly rest", correlated(one.spearman_resting) or NOTHING],
        ["pairs that differ significantly on tape", f"{one.signs.told}{agree}"],
        ["days of tape", str(len(one.days))],
    ]


TAUGHT: Final = (
    *(f"fills {wait} s" for wait in (30, 300, 900)),
    *(f"mark-out {h} s" for h in (10, 60)),
    *(f"R² {h} s" for h in (10, 30)),
)
"""Columns of lessons: fill rates of an order at the best price, mark-outs (bps), R² of forecasts on tape."""


def taught(one: "StoredLessons | None") -> list[str]:
    """Cells of fill rates, mark-outs and forecasts, simulated / tape; empty if not on the card."""
    if one is None:
        return [""] * len(TAUGHT)
    found = [(one.filled or {}).get(wait) for wait in ("30", "300", "900")]
    found += [(one.markouts_bps or {}).get(h) for h in ("10", "60")]
    found += [(one.horizons or {}).get(h) for h in ("10", "30")]
    return [f"{cell(each.simulated)} / {cell(each.tape)}" if each else "" for each in found]


def cell(value: float | None, digits: int = 3) -> str:
    """A number of so many digits."""
    if value is None:
        return NOTHING
    return f"{value:.3f}" if digits == 3 else f"{value:.{digits}g}"


def _in_words(name: str) -> str:
    return name.replace("_", " ")


OWN: Final = "tercel"
JUDGES: Final = "tercel.judges"


@dataclass(frozen=True)
class ScoreRequest(JsonRequest):
    """Options of `tercel market score`."""

    preset: Annotated[str, PRESET]
    lake: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the tape lake. Default: the tape of the preset's card; lob-bench: see --data.",
            metavar="DIR",
        ),
    ] = None
    dates: Annotated[
        str,
        typer.Option("--date", help="Days to score on, separated by commas.", metavar="D[,D...]"),
    ] = ""
    symbol: PresetsSymbol = ""
    venue: Venue = ""
    start: From = ""
    end: To = ""
    seeds: Annotated[
        int | None,
        typer.Option(
            help="Simulated paths for each day. Default: 3, by lob-bench 5.", min=1, max=100
        ),
    ] = None
    out: Annotated[Path | None, typer.Option(help="Folder for the report.", metavar="DIR")] = None
    by: Annotated[
        str,
        typer.Option(
            help="Benchmark of the figures: tercel, or lob-bench (its own code; see --peers).",
            metavar="JUDGE",
        ),
    ] = OWN
    peers: Annotated[
        Path | None,
        typer.Option(
            help="(lob-bench) A clone of peernagy/lob_bench, or its folder.",
            envvar="TERCEL_PEERS",
            metavar="DIR",
        ),
    ] = None
    data: Annotated[
        Path | None,
        typer.Option(
            help="(lob-bench, without --lake) Folder of data sets with held-out days of csco, ibm, amzn or goog.",
            envvar="TERCEL_DATA",
            metavar="DIR",
        ),
    ] = None
    windows: Annotated[
        int, typer.Option(help="(lob-bench) Windows of 500 messages a side.", min=2, max=10_000)
    ] = 64
    classifier: Annotated[bool, typer.Option(help="Train the classifier (needs scikit-learn).")] = (
        True
    )
    seen: Annotated[bool, typer.Option("--seen", help="Score on days of the calibration too.")] = (
        False
    )
    write: Annotated[
        bool,
        typer.Option(
            "--write", help="Keep scores, and the tape that they need, in the preset file's card."
        ),
    ] = False

    def impact_card(self, preset: "Preset") -> dict[str, Any] | None:
        """Impact card that is measured beside the score, of a package that measures one."""
        return None

    def impact_figures(self, measured: dict[str, Any]) -> "list[Figure]":
        """Figures of that card on the report's page."""
        return []


def score(request: ScoreRequest) -> None:
    """Score a market against tape that it has not seen (a lake's, or its card's), real against real beside it."""
    dates = listed_dates(request.dates)
    if request.by != OWN:
        judge: Judge = entry_point(JUDGES, request.by, (OWN,), "a judge:", f"--by {request.by}")
        if request.out is not None or request.write:
            raise ConfigError(
                f"--by {request.by} alone", "--out or --write", "leave them out; --json has all"
            )
        found = judge.score(request, dates)
        hand_over(found, request.as_json, lambda: judge.show(found))
    else:
        card = _by_card(request) if request.lake is None else _by_tape(request, request.lake, dates)
        hand_over(card, request.as_json, lambda: show(card))


class Judge(Protocol):
    """Another benchmark's judge of markets: a module that a package names in the entry point group `JUDGES`."""

    def score(self, request: ScoreRequest, dates: list[str]) -> dict[str, Any]:
        """Figures that the judge finds, as `--json` prints them."""

    def show(self, found: dict[str, Any]) -> None:
        """Print the figures as tables."""


def _by_card(request: ScoreRequest) -> "ScoreCard":
    """Score against the tape on the preset's card."""
    alone = (
        request.symbol,
        request.venue,
        request.start,
        request.end,
        request.out,
        request.seen,
        request.write,
    )
    refuse_if(
        request.dates or any(alone),
        "--lake with the days to score on",
        "options about days without it",
        "name both, or neither to score against the tape on the card",
    )
    from tercel.market.flow.preset import load
    from tercel.market.score.card import score_by_card

    return score_by_card(load(request.preset), range(1, (request.seeds or 3) + 1))


def _by_tape(request: ScoreRequest, lake: Path, dates: list[str]) -> "ScoreCard":
    """Score on days of a lake; write the report and the card if requested."""
    refuse_if(
        not dates,
        "--date with --lake",
        f"--lake {lake} alone",
        "name the days to score on, or leave out both",
    )
    file = file_to_write(request.preset) if request.write else None
    from tercel.market.flow.preset import load
    from tercel.market.score.calibrated import days_of, refuse_seen, train_days
    from tercel.market.score.card import ScoreDraw, keep, score as scored

    preset = load(request.preset)
    days = days_of(
        preset,
        lake,
        dates,
        symbol=request.symbol,
        venue=request.venue,
        start=request.start,
        end=request.end,
    )
    if not request.seen:
        refuse_seen(preset, days)
    drawn = ScoreDraw(preset, days, train_days(lake, preset), range(1, (request.seeds or 3) + 1))
    measured = request.impact_card(preset)
    known = preset.card.get("scores", {}).get("impact")
    card = scored(drawn, classifier=request.classifier, impact=measured or known)
    if file is not None:
        keep(preset, drawn.tape, card).save(file)
        say(f"written  {file}")
    if request.out is not None:
        figures = request.impact_figures(measured) if measured else []
        say(f"report   {write_page(request.out, drawn, card, figures)}")
    return card


def file_to_write(which: str) -> Path:
    """Preset file that is to store the scores.

    Raises
    ------
    ConfigError
        A name and no file.
    """
    refuse_if(
        not which.endswith(".json"),
        "a preset file (.json) to write into",
        f"the name {which}",
        "give its path",
    )
    return Path(which)


# -- what people see --------------------------------------------------------------------------------------------------


def show(card: "ScoreCard") -> None:
    """The card as tables."""
    from tercel.market.score.card import stored_lessons, stored_prediction
    from tercel.signals.flow.recalibrate import in_words

    lessons = stored_lessons(card.teaches)
    if prediction := stored_prediction(card.prediction):
        print_table("does it predict tape?", ["", "value"], prediction_rows(prediction))
    if lessons:
        rows = list(zip(TAUGHT, taught(lessons), strict=True))
        print_table("what it teaches, simulated / tape", ["", "value"], rows)
    title = f"{card.preset} ({card.model}) on {', '.join(card.scored_on)}"
    print_table(f"{title}: distance to real tape", *distance_table(card))
    level = (
        f"; at equal level of the days {passed(card.gates_level, ' of ')}"
        if card.gates_level
        else ""
    )
    print_table(
        f"gates: {passed(card.gates, ' of ')} passed{level}",
        *gate_table(card),
        ["calibrated on"],
        left=["passed", "at equal level"],
    )
    if level:
        say("by model: simulated over the days calibrated on; by day: those over the days scored")
    if card.dynamics:
        near = [
            abs(one.train - one.real) <= one.bar
            for one in card.dynamics.values()
            if one.train is not None
        ]
        beside = f"; by the days calibrated on {sum(near)} of {len(near)}" if near else ""
        print_table(
            f"dynamics: {passed(card.dynamics, ' of ')} passed{beside}",
            *dynamics_table(card),
            ["calibrated on", "bar", "interval"],
            left=["passed"],
        )
    if card.conditional:
        print_table("L1 given the spread, and given the half hour", *given_table(card))
    facts = [
        ["classifier AUC, simulated against real", cell(card.classifier_auc)],
        ["classifier AUC, real against real", cell(card.classifier_auc_real)],
        *([f"impact: {name}", text] for name, text in impact_rows(card)),
        ["the bars apply (default model, two hours each)", "yes" if card.judged else "no"],
    ]
    print_table("and", ["", "value"], facts)
    for note in [*card.notes, in_words(lessons)]:
        say(f"note: {note}")


def write_page(
    folder: Path, drawn: "ScoreDraw", card: "ScoreCard", impact_figures: Sequence["Figure"] = ()
) -> Path:
    """Write ``report.html`` into `folder` (made if need be) and say where it is."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "report.html"
    path.write_text(page(drawn, card, impact_figures), encoding="utf-8")
    return path


def page(drawn: "ScoreDraw", card: "ScoreCard", impact_figures: Sequence["Figure"] = ()) -> str:
    """The whole page, with figures of the impact card where it was measured: verdict first, then pictures and figures."""
    from tercel.core.report.svg import Section, render  # matplotlib only for a page
    from tercel.market.score import figures

    gates = card.gates
    failed = [name.replace("_", " ") for name, gate in gates.items() if not gate.passed]
    facts = {
        "model": card.model,
        "calibrated on": _some(card.calibrated_on),
        "scored on": _some(card.scored_on),
        "paths a day": card.seeds,
        "classifier AUC": f"{cell(card.classifier_auc)} (real against real {cell(card.classifier_auc_real)})",
        "judged": "yes" if card.judged else "no",
    }
    lead = (
        f"Mean L1 distance {cell(card.mean_l1)} to tape it has not seen, where another real day is "
        f"{cell(card.floor_mean_l1)} away and the days calibrated on, pooled, "
        f"{cell(card.pooled_floor_mean_l1)}. {passed(gates, ' of ')} gates passed"
        + (f"; missed: {', '.join(failed)}." if failed else ".")
    )
    sections = [
        Section(
            "Distances and floors",
            html=plain_table(*distance_table(card)),
            figures=[figures.floors(card.distances)],
        ),
        Section(
            "Gates",
            "What marginal laws do not show.",
            html=plain_table(*gate_table(card)),
            figures=[figures.moves(drawn)],
        ),
        Section(
            "Dynamics", "How it moves, and what lasts.", html=plain_table(*dynamics_table(card))
        ),
        Section("Laws", figures=[figures.laws(drawn)]),
        Section("Memory", figures=[figures.memories(drawn)]),
        Section(
            "Given the spread, and the time of day",
            html=plain_table(*given_table(card)),
            figures=[figures.conditionals(drawn)],
        ),
        Section(
            "Impact",
            "" if any(card.impact.values()) else "Not measured in this score.",
            html=plain_table(("", "mean [95 %]"), impact_rows(card))
            if any(card.impact.values())
            else "",
            figures=impact_figures,
        ),
    ]
    if card.notes:
        sections.append(Section("Notes", card.notes))
    return render(f"How real is {card.preset}?", lead, sections, facts, "tercel market score")


def _some(days: Sequence[str]) -> str:
    return ", ".join(days) if len(days) <= 3 else f"{days[0]} to {days[-1]} ({len(days)} days)"
