"""`tercel agent table`: every strategy in every market and regime, intervals and gains, as Markdown."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from studies.markdown import around, marks_of, replace_table
from tercel.cli import AsJson, Ray, hand_over, parse_seeds, print_table, say
from tercel.core import json_text

if TYPE_CHECKING:
    from studies.big_table.table import BigTable

MARKS = marks_of("agent table")


@dataclass(frozen=True)
class TableRequest:
    """What is asked of `tercel agent table`."""

    interrupted: ClassVar[str] = "what is finished is kept in {out}; the same command continues"

    policies: Annotated[
        list[str] | None,
        typer.Argument(
            help="Policies, as in `agent evaluate`; none: rules alone.", metavar="POLICY"
        ),
    ] = None
    family: Annotated[
        str,
        typer.Option(
            help="Show all these policies as one of this name, each in the markets that it was made for.",
            metavar="NAME",
        ),
    ] = ""
    market: Annotated[
        list[str] | None,
        typer.Option("--market", help="Preset market; several. Default: all.", metavar="NAME"),
    ] = None
    regimes: Annotated[
        str,
        typer.Option(
            help="Named regimes, each by itself, separated by commas; all; none.",
            metavar="all|NAME,...",
        ),
    ] = "all"
    against: Annotated[str, typer.Option(help="Rules, or all.", metavar="all|NAME,...")] = "all"
    episodes: Annotated[
        int, typer.Option(help="Episodes of each cell.", min=2, max=1_000_000, metavar="N")
    ] = 512
    seeds: Annotated[str, typer.Option(help="Base seeds of the episodes.", metavar="S,...")] = "1"
    write: Annotated[
        Path | None,
        typer.Option(
            help="Markdown file whose table is replaced; the figure of gains goes into figures beside it.",
            metavar="FILE.md",
        ),
    ] = None
    ray: Ray = None
    out: Annotated[
        Path, typer.Option(help="Folder of results; what is finished there is not run again.")
    ] = Path("runs/evaluate")
    as_json: AsJson = False


def table(request: TableRequest) -> None:
    """Print the big table: all strategies in all markets and regimes, with intervals."""
    seeds, out = parse_seeds(request.seeds), request.out
    from studies.big_table.markdown import heads, lines
    from studies.big_table.table import regimes_of, result_of, scenarios_of
    from studies.ray import on_cluster
    from tercel.lab.evaluation.pipeline import PLAIN, baselines_of, run_jobs, select_participants

    if request.write is not None:
        around(request.write, MARKS)
    elsewhere = None if request.ray is None else on_cluster(request.ray)
    baselines = baselines_of(request.against)
    scenarios = scenarios_of(
        request.market or (), regimes_of(request.regimes), request.episodes, tuple(seeds)
    )
    field = select_participants(
        request.policies or (), request.family if request.policies else "", scenarios[PLAIN]
    )
    out.mkdir(parents=True, exist_ok=True)
    work = {
        (regime, market): (scenario, [*field.teams[market], *baselines], False)
        for regime, row in scenarios.items()
        for market, scenario in row.items()
    }
    results = run_jobs(work, out, "the big table", elsewhere)
    result = result_of(results, field, baselines, request.episodes, seeds)
    (out / "table.json").write_text(json_text(result) + "\n")
    if request.write is not None:
        _write(request.write, result)

    def show() -> None:
        for regime in result.cells:
            title = f"{regime}: implementation shortfall, bps"
            print_table(
                title, heads(result, regime), [list(line) for line in lines(result, regime)]
            )
        for name, found in result.claims.items():
            for verdict in found.verdict.values():
                say(f"{name}: {verdict}")

    hand_over(result, request.as_json, show)


def _write(path: Path, result: "BigTable") -> None:
    from studies.big_table.markdown import IMAGE, markdown
    from tercel.lab.evaluation.pipeline import gains_figure

    replace_table(path, markdown(result), MARKS)
    say(f"written  {path}")
    for name, found in result.claims.items():
        folder = path.parent / IMAGE
        folder.mkdir(exist_ok=True)
        say(f"written  {gains_figure(name, found, result.recipes).save(folder)}")
