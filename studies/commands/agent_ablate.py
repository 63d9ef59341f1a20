"""`tercel agent ablate`: train variants of a recipe side by side, judge them together, show and write."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

import typer

from studies.markdown import Write, around, markdown_table, marks_of, replace_table
from tercel.cli import AsJson, hand_over, parse_seeds, print_table, progress, say
from tercel.core import ConfigError, DataError, Estimate, json_text, split_commas
from tercel.core.report import format_interval, format_number

if TYPE_CHECKING:
    from studies.ablation.trainings import Run
    from studies.ablation.variants import Variant
    from tercel.lab.learning.agent import AgentConfig

VARIANTS_FILE: Final = (
    "variants of a training", "studies.ablation.variants:VariantsFile", "studies.ablation.variants:check_file",
)  # fmt: skip
"""A kind of file of `tercel config`, found by the entry point group ``tercel.files``."""
MARKS: Final = marks_of("agent ablate")
RESULT: Final = "ablation.json"
HEADINGS: Final = (
    "variant", "idea", "cost", "difference", "p", "verdict", "detectable", "most expensive 5 %", "CPU min",
)  # fmt: skip
LEAVES: Final = ("idea", "most expensive 5 %", "CPU min", "detectable", "p")


@dataclass(frozen=True)
class Ablate:
    """What is asked of `tercel agent ablate`."""

    interrupted: ClassVar[str] = (
        "what is trained and judged is kept in {out}; the same command continues"
    )

    config: Annotated[
        Path | None, typer.Argument(help="TOML file of the recipe.", metavar="CONFIG")
    ] = None
    preset: Annotated[
        str | None,
        typer.Option(
            help="A shipped recipe in its place; one_market if neither is given.", metavar="NAME"
        ),
    ] = None
    variants: Annotated[
        Path | None,
        typer.Option(help="TOML file of variants; the built-in ones if not given.", metavar="FILE"),
    ] = None
    only: Annotated[str | None, typer.Option(help="These variants alone.", metavar="NAME,...")] = (
        None
    )
    seeds: Annotated[str, typer.Option(help="Training seeds of each variant.", metavar="S,...")] = (
        "1,2,3"
    )
    frames: Annotated[
        int | None,
        typer.Option(
            help="Decisions of a training; the recipe's if not given.", min=1, metavar="N"
        ),
    ] = None
    episodes: Annotated[
        int,
        typer.Option(
            help="Judged episodes in each of the recipe's markets.",
            min=2,
            max=1_000_000,
            metavar="N",
        ),
    ] = 4_000
    judged_on: Annotated[
        str, typer.Option(help="Base seeds of the judged episodes.", metavar="S,...")
    ] = "901"
    workers: Annotated[
        int | None,
        typer.Option(help="Trainings side by side; one a core if not given.", min=1, metavar="N"),
    ] = None
    out: Annotated[
        Path,
        typer.Option(
            help="Folder of trainings and results; what is finished there is not run again."
        ),
    ] = Path("runs/ablate")
    write: Write = None
    as_json: AsJson = False


def ablate(request: Ablate) -> None:
    """Try each idea of a recipe: variants trained alike, judged against the whole on fresh episodes."""
    only, seeds, judged_on = (
        split_commas(request.only or ""),
        parse_seeds(request.seeds),
        parse_seeds(request.judged_on),
    )
    if request.only is not None and not only:
        raise ConfigError(
            "names of variants", f"--only {request.only!r}", "leave --only out for all of them"
        )
    from studies.ablation.evaluation import judged
    from studies.ablation.page import write_page
    from studies.ablation.trainings import refuse_others, runs_of
    from studies.ablation.variants import SHIPPED, variants_of, whole_recipe
    from tercel.lab.learning.agent.training import variants_tried

    if request.write is not None:
        around(request.write, MARKS)
    file, recipe, out = request.variants or SHIPPED, _recipe(request), request.out
    every = [whole_recipe(recipe), *variants_of(recipe, file, only)]
    runs = runs_of(every, seeds, out)
    wanted = [run for row in runs.values() for run in row]
    refuse_others(wanted)
    out.mkdir(parents=True, exist_ok=True)
    _train(wanted, request.workers or os.cpu_count() or 1)
    failed = _failed(every, runs)
    complete = [one for one in every if one.name not in failed]
    result = judged(recipe, complete, runs, judged_on, request.episodes, out)
    result |= {
        "recipe": recipe.name,
        "variants_file": str(file),
        "variants": len(every) - 1,
        "before": variants_tried(recipe),
        "failed": failed,
        "seeds": seeds,
        "judged_on": judged_on,
        "frames": recipe.learner.frames,
    }
    result["said"] = " ".join(sentences(result))
    (out / RESULT).write_text(json_text(result) + "\n")
    page = write_page(out, result, runs)
    if request.write is not None:
        replace_table(request.write, markdown(result), MARKS)
        say(f"written  {request.write}")

    def show() -> None:
        title = f"{recipe.name} and variants of it: implementation shortfall, bps"
        print_table(
            title, HEADINGS, [list(line) for line in lines(result)], LEAVES, ["verdict"], ["idea"]
        )
        for text in sentences(result):
            say(text)
        say(f"report   {page}")

    hand_over({**result, "out": str(out), "report": str(page)}, request.as_json, show)


def _recipe(request: Ablate) -> "AgentConfig":
    """The recipe that is named, with fewer frames where they are asked for."""
    from studies.ablation.variants import with_frames
    from tercel.lab.learning.agent import preset_file, preset_names, read_config
    from tercel.lab.learning.agent.learner import refuse_settings

    config, preset = request.config, request.preset
    if config is not None and preset is not None:
        raise ConfigError(
            "a configuration file or --preset NAME", "both", f"presets: {', '.join(preset_names())}"
        )
    file = config if config is not None else preset_file(preset or "one_market")
    recipe = read_config(file)
    refuse_settings(recipe, str(file))
    return recipe if request.frames is None else with_frames(recipe, request.frames)


def _train(runs: "Sequence[Run]", workers: int) -> None:
    """All trainings, with a bar."""
    from studies.ablation.trainings import train_all

    folders = {run.folder: run for run in runs}
    with progress() as bars:
        total = sum(run.config.learner.frames for run in folders.values())
        bar = bars.add_task(f"train {len(folders)} agents", total=total)
        train_all(runs, workers, lambda frames: bars.update(bar, completed=min(frames, total)))


def _failed(listed: "Sequence[Variant]", runs: "Mapping[str, Sequence[Run]]") -> dict[str, str]:
    """Variants that have a training which could not be finished, and why.

    Raises
    ------
    DataError
        The recipe itself is among them.
    """
    from studies.ablation.variants import WHOLE

    failed = {one.name: run.failure for one in listed for run in runs[one.name] if not run.finished}
    if WHOLE in failed:
        raise DataError(
            "a recipe that can be trained",
            failed[WHOLE],
            "mend the recipe; what is trained is kept",
        )
    return failed


def lines(result: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """A line for the rule, the recipe and each variant, the most expensive of these last."""
    from studies.ablation.evaluation import RULE
    from studies.ablation.variants import WHOLE

    head = [row for row in result["rows"] if row["name"] in (RULE, WHOLE)]
    tail = [row for row in result["rows"] if row["name"] not in (RULE, WHOLE)]
    for row in [*head, *sorted(tail, key=lambda row: float(row["difference_bps"]["mean"]))]:
        difference = row.get("difference_bps")
        adjusted = None if difference is None or row["name"] == RULE else difference["p_adjusted"]
        cpu = row.get("cpu_s")
        yield (
            row["name"], row["says"], format_interval(Estimate.of(row["is_bps"])),
            "" if difference is None else format_interval(Estimate.of(difference), signed=True),
            "" if adjusted is None else f"{adjusted:.3f}", row["called"], format_number(row.get("detectable_bps")),
            format_number(row["cvar95_bps"]["mean"], 1), "" if cpu is None else f"{cpu / 60:.1f}",
        )  # fmt: skip
    for name, why in result["failed"].items():
        yield name, f"Failed: {why}", *("",) * (len(HEADINGS) - 2)


def sentences(result: Mapping[str, Any]) -> list[str]:
    """What a reader of the table must know."""
    seeds = result["seeds"]
    found = [
        f"{result['episodes']:,} paired fresh episodes in {', '.join(result['markets'])} (base seeds "
        f"{', '.join(map(str, result['judged_on']))}); {result['frames']:,} decisions a training, training seeds "
        f"{', '.join(map(str, seeds))}.",
        "Costs and differences are in bps, with 95 % intervals; a difference above 0: the variant is more expensive than the "
        "whole recipe.",
        f"Intervals draw {'training seeds and ' if len(seeds) > 1 else ''}clusters of episodes; p is adjusted for the "
        f"{result['compared']} comparisons (Benjamini and Hochberg) and significant below 0.05.",
        "Detectable: the minimum detectable effect (80 % power), before that correction.",
        f"{_count(result['variants'], 'variant')} tried here, {_count(result['before'], 'recipe')} before the whole "
        "one was kept (itself included).",
    ]
    if len(seeds) == 1:
        found.append(
            "One training seed: intervals hold for these very networks, not for the recipes."
        )
    if result["failed"]:
        found.append(f"Failed and not judged: {', '.join(result['failed'])}.")
    return found


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def markdown(result: Mapping[str, Any]) -> str:
    """The table and what is said of it, as Markdown."""
    table = markdown_table(HEADINGS, lines(result), ("idea", "verdict"))
    return "\n".join([" ".join(sentences(result)), "", *table]) + "\n"
