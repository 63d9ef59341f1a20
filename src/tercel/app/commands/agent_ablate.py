"""Body of `tercel agent ablate`: train variants of a recipe side by side, judge them together, show and write."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tercel.app.job.ablation.judged import RULE, judged
from tercel.app.job.ablation.page import write_page
from tercel.app.job.ablation.trainings import Run, refuse_others, runs_of, train_all
from tercel.app.job.ablation.variants import SHIPPED, WHOLE, Variant, variants_of, whole, with_frames
from tercel.app.job.agent_config import AgentConfig, preset_file, preset_names, read_config
from tercel.app.job.agent_guards import variants_tried
from tercel.app.job.agent_learner import refuse_settings
from tercel.app.output import json_text, print_json, print_table, progress_console, say
from tercel.core.errors import ConfigError, DataError
from tercel.report.markdown import around, replace_table

MARKS: Final = "<!-- table: tercel agent ablate -->", "<!-- end of table -->"
RESULT: Final = "ablation.json"
HEADINGS: Final = (
    "variant", "says", "cost", "difference", "p", "told", "could tell", "dearest 5 %", "CPU min",
)  # fmt: skip
LEAVES: Final = ("says", "dearest 5 %", "CPU min", "could tell", "p")


def ablate(
    *,
    config: Path | None,
    preset: str | None,
    variants: Path | None,
    only: Sequence[str],
    seeds: Sequence[int],
    frames: int | None,
    episodes: int,
    judged_on: Sequence[int],
    workers: int,
    out: Path,
    write: Path | None,
    as_json: bool,
) -> int:
    """Train what is missing, judge what is missing, and show; the exit code.

    Raises
    ------
    ConfigError
        A recipe, a variant or a folder that does not fit, before anything is trained.
    """
    if write is not None:
        around(write, MARKS)
    file = variants or SHIPPED
    recipe = _recipe(config, preset, frames)
    listed = [whole(recipe), *variants_of(recipe, file, only)]
    runs = runs_of(listed, seeds, out)
    every = [run for row in runs.values() for run in row]
    refuse_others(every)
    out.mkdir(parents=True, exist_ok=True)
    _train(every, workers)
    failed = _failed(listed, runs)
    kept = [one for one in listed if one.name not in failed]
    result = judged(recipe, kept, runs, judged_on, episodes, out)
    result |= {
        "recipe": recipe.name,
        "variants_file": str(file),
        "variants": len(listed) - 1,
        "before": variants_tried(recipe),
        "failed": failed,
        "seeds": list(seeds),
        "judged_on": list(judged_on),
        "frames": recipe.learner.frames,
    }
    result["said"] = " ".join(said(result))
    (out / RESULT).write_text(json_text(result) + "\n")
    page = write_page(out, result, runs)
    if write is not None:
        replace_table(write, markdown(result), MARKS)
        say(f"written  {write}")
    if as_json:
        print_json({**result, "out": str(out), "report": str(page)})
        return 0
    title = f"{recipe.name} and variants of it: implementation shortfall, bps"
    rows = [list(line) for line in lines(result)]
    print_table(title, HEADINGS, rows, LEAVES, ["told"], ["says"])
    for text in said(result):
        say(text)
    say(f"report   {page}")
    return 0


def _recipe(config: Path | None, preset: str | None, frames: int | None) -> AgentConfig:
    if config is not None and preset is not None:
        raise ConfigError("a configuration file or --preset NAME", "both", f"presets: {', '.join(preset_names())}")
    file = config if config is not None else preset_file(preset or "one_market")
    recipe = read_config(file)
    refuse_settings(recipe, str(file))
    return recipe if frames is None else with_frames(recipe, frames)


def _train(runs: Sequence[Run], workers: int) -> None:
    """All trainings, with a bar."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f} %"))
    folders = {run.folder: run for run in runs}
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=progress_console()) as progress:
        total = sum(run.config.learner.frames for run in folders.values())
        bar = progress.add_task(f"train {len(folders)} agents", total=total)
        train_all(runs, workers, lambda frames: progress.update(bar, completed=min(frames, total)))


def _failed(listed: Sequence[Variant], runs: Mapping[str, Sequence[Run]]) -> dict[str, str]:
    """Variants that have a training which could not be finished, and why.

    Raises
    ------
    DataError
        The recipe itself is among them.
    """
    failed = {one.name: run.failure for one in listed for run in runs[one.name] if not run.finished}
    if WHOLE in failed:
        raise DataError("a recipe that can be trained", failed[WHOLE], "mend the recipe; what is trained is kept")
    return failed


def lines(result: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """A line for the rule, the recipe and each variant, the dearest of these last."""
    head = [row for row in result["rows"] if row["name"] in (RULE, WHOLE)]
    tail = [row for row in result["rows"] if row["name"] not in (RULE, WHOLE)]
    for row in [*head, *sorted(tail, key=lambda row: float(row["difference_bps"]["mean"]))]:
        difference = row.get("difference_bps")
        adjusted = None if difference is None or row["name"] == RULE else difference["p_adjusted"]
        cpu = row.get("cpu_s")
        yield (
            row["name"], row["says"], interval(row["is_bps"]), "" if difference is None else interval(difference, "+"),
            "" if adjusted is None else f"{adjusted:.3f}", row["called"], _number(row.get("detectable_bps"), ".2f"),
            _number(row["cvar95_bps"]["mean"], ".1f"), "" if cpu is None else f"{cpu / 60:.1f}",
        )  # fmt: skip
    for name, why in result["failed"].items():
        yield name, f"Failed: {why}", *("",) * (len(HEADINGS) - 2)


def interval(told: Mapping[str, float | None], sign: str = "") -> str:
    """A mean with its interval where it has one, two digits.

    >>> interval({"mean": 1.0, "ci_low": 0.25, "ci_high": 1.75}, "+")
    '+1.00 [+0.25, +1.75]'
    """
    mean = _number(told["mean"], f"{sign}.2f")
    if told["ci_low"] is None or told["ci_high"] is None:
        return mean
    return f"{mean} [{told['ci_low']:{sign}.2f}, {told['ci_high']:{sign}.2f}]"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else f"{value:{form}}"


def said(result: Mapping[str, Any]) -> list[str]:
    """What a reader of the table must know."""
    seeds = result["seeds"]
    told = [
        f"Implementation shortfall in bps with 95 % intervals; {result['episodes']:,} paired fresh episodes in "
        f"{', '.join(result['markets'])}, base seeds {', '.join(map(str, result['judged_on']))}, the same for all; "
        f"{result['frames']:,} decisions a training.",
        "Difference: variant minus whole recipe; above 0 the variant is dearer: what it takes away has paid, what it "
        f"adds has cost. Intervals draw {'training seeds and ' if len(seeds) > 1 else ''}clusters of episodes. "
        f"Training seeds: {', '.join(map(str, seeds))}.",
        f"{_count(result['variants'], 'variant')} tried here, {_count(result['before'], 'recipe')} before the whole "
        f"one was kept (itself included); p after Benjamini and Hochberg over the {result['compared']} compared, "
        "called below 0.05. Could tell: the true difference that would have been told from none four times in five, "
        "before that correction.",
    ]
    if len(seeds) == 1:
        told.append("One training seed: intervals hold for these very networks, not for the recipes.")
    if result["failed"]:
        told.append(f"Failed and not judged: {', '.join(result['failed'])}.")
    return told


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def markdown(result: Mapping[str, Any]) -> str:
    """The table and what is said of it, as Markdown."""
    table = [_line(HEADINGS), _line(["---", "---"] + ["---:"] * 3 + ["---"] + ["---:"] * 3)]
    table += [_line([cell.replace("|", "\\|").replace("\n", " ") for cell in line]) for line in lines(result)]
    return "\n".join([" ".join(said(result)), "", *table]) + "\n"


def _line(parts: Sequence[str]) -> str:
    return "| " + " | ".join(parts) + " |"
