"""`tercel market score`: the realism card of a preset on days that it has not seen, or another benchmark's figures."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Protocol

import typer

from tercel.cli.market_score_page import show, write_page
from tercel.cli.options import PRESET, From, JsonRequest, PresetsSymbol, To, Venue, parse_dates
from tercel.cli.output import hand_over, say
from tercel.core.entry_points import resolve_entry_point
from tercel.core.errors import ConfigError, refuse_if

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tercel.core.report.svg import Figure
    from tercel.market.flow.port import Preset
    from tercel.market.score.card import ScoreCard
    from tercel.market.score.scored_days import Day
    from tercel.market.score.stored_scores import CardRow

OWN: Final = "tercel"
JUDGES: Final = "tercel.judges"


@dataclass(frozen=True)
class FillsRequest(JsonRequest):
    """Options of a command that prints a market's card."""

    def fill_rows(
        self, preset: "Preset", test: "Sequence[Day]", train: "Sequence[Day]"
    ) -> "Sequence[CardRow]":
        """Hook for other packages: rows on fills, measured on the days scored on; by default none, and the card's stand."""
        return ()


@dataclass(frozen=True)
class ScoreRequest(FillsRequest):
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
            help="(lob-bench, without --lake) Folder of data sets with held-out days of ibm, amzn or goog.",
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
        """Hook for other packages: the impact card that is measured beside the score; by default None."""
        return None

    def impact_figures(self, measured: dict[str, Any]) -> "list[Figure]":
        """Hook for other packages: figures of the measured impact card for the report's page; by default none."""
        return []


def score(request: ScoreRequest) -> None:
    """Score a market against tape that it has not seen (a lake's, or its card's), real against real beside it."""
    dates = parse_dates(request.dates)
    if request.by != OWN:
        judge: Judge = resolve_entry_point(
            JUDGES, request.by, (OWN,), "a judge:", f"--by {request.by}"
        )
        if request.out is not None or request.write:
            raise ConfigError(
                f"--by {request.by} alone", "--out or --write", "leave them out; --json has all"
            )
        figures = judge.score(request, dates)
        hand_over(figures, request.as_json, lambda: judge.show(figures))
    else:
        card = _by_card(request) if request.lake is None else _by_tape(request, request.lake, dates)
        hand_over(card, request.as_json, lambda: show(card))


class Judge(Protocol):
    """Interface of another benchmark's judge of markets: a module in the entry point group `JUDGES`."""

    def score(self, request: ScoreRequest, dates: list[str]) -> dict[str, Any]:
        """Figures that the judge finds, as `--json` prints them."""

    def show(self, figures: dict[str, Any]) -> None:
        """Print the figures as tables."""


def _by_card(request: ScoreRequest) -> "ScoreCard":
    """Score against the tape on the preset's card."""
    day_options = (
        request.symbol,
        request.venue,
        request.start,
        request.end,
        request.out,
        request.seen,
        request.write,
    )
    refuse_if(
        request.dates or any(day_options),
        "--lake with the days to score on",
        "options about days without it",
        "name both, or neither to score against the tape on the card",
    )
    from tercel.market.flow.registry import load
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
    from tercel.market.flow.registry import load
    from tercel.market.score.card import ScoreDraw, score as scored, with_scores
    from tercel.market.score.held_back import unseen_days
    from tercel.market.score.scored_days import read_preset_days, train_days

    preset = load(request.preset)
    days = read_preset_days(
        preset,
        lake,
        dates,
        symbol=request.symbol,
        venue=request.venue,
        start=request.start,
        end=request.end,
    )
    train = train_days(lake, preset)
    if not request.seen:
        parts = unseen_days(preset, days, train)
        train, days = parts.train, parts.test
    score_draw = ScoreDraw(preset, days, train, range(1, (request.seeds or 3) + 1))
    measured = request.impact_card(preset)
    stored_impact = preset.card.get("scores", {}).get("impact")
    card = scored(
        score_draw,
        classifier=request.classifier,
        impact=measured or stored_impact,
        fills=request.fill_rows(preset, days, train),
    )
    if file is not None:
        with_scores(preset, score_draw.tape, card).save(file)
        say(f"written  {file}")
    if request.out is not None:
        figures = request.impact_figures(measured) if measured else []
        say(f"report   {write_page(request.out, score_draw, card, figures)}")
    return card


def file_to_write(preset_name: str) -> Path:
    """Path of the preset file that is to store the scores; refuses a preset's name.

    Raises
    ------
    ConfigError
        A name and no file.
    """
    refuse_if(
        not preset_name.endswith(".json"),
        "a preset file (.json) to write into",
        f"the name {preset_name}",
        "give its path",
    )
    return Path(preset_name)
