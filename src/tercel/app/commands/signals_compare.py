"""``tercel signals compare``: the table of what each family of models can do, and verdicts on what the field says."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tercel.app.commands.signals_config import CompareSection, SignalsConfig
from tercel.app.commands.signals_figures import compare_page
from tercel.app.commands.signals_meter import ProcessMeter
from tercel.app.output import json_text, print_json, progress_console, result_console, say
from tercel.core.errors import ConfigError
from tercel.core.written import write_whole
from tercel.signals.compare.cells import Cell, contenders, lacking, plan, run, warm
from tercel.signals.compare.claims import Verdict, judge, summary
from tercel.signals.compare.problems import PROBLEMS

SETTINGS = "compare.json"
CELLS = "cells"
REPORT = "report.html"
EXTRA = "tercel[signals]"


@dataclass(frozen=True)
class Settings:
    """What a comparison is: everything that decides its cells."""

    families: tuple[str, ...]
    problems: tuple[str, ...]
    rows: int
    test_rows: int
    noise: tuple[float, ...]
    seeds: tuple[int, ...]


def compare(config: SignalsConfig, name: str, seed: int, out: Path, as_json: bool) -> int:
    """Run the cells that are not there yet, judge, print, write the report."""
    settings, missing = _settings(config.compare, seed)
    _claim(settings, out)
    try:
        rows = _measure(settings, out)
        panel = _panel(config, seed, out)
    except KeyboardInterrupt:
        again = shlex.join(["tercel", "signals", "compare", name, "--seed", str(seed), "--out", str(out)])
        raise KeyboardInterrupt(f"what is measured is kept; to go on: {again}") from None
    verdicts = judge(rows, settings.rows)
    result = {
        "settings": asdict(settings),
        "absent": missing,
        "table": summary(rows, settings.rows),
        "claims": [asdict(verdict) for verdict in verdicts],
        "panel": panel,
        "report": out / REPORT,
    }
    (out / "result.json").write_text(json_text(result) + "\n", encoding="utf-8")
    (out / REPORT).write_text(compare_page(result, verdicts), encoding="utf-8")
    if as_json:
        print_json(result)
    else:
        _show(result, verdicts)
        say(f"report    {out / REPORT}")
    return 0


def _settings(section: CompareSection, seed: int) -> tuple[Settings, list[dict[str, str]]]:
    """Settings of the families that are installed, and those that are not, with the extra that brings them."""
    asked = section.families or contenders()
    for family in asked:
        if family not in contenders():
            from tercel.signals.zoo import family as known

            known(family)
    missing = [{"family": f, "module": m, "extra": EXTRA} for f in asked if (m := lacking(f)) is not None]
    gone = {one["family"] for one in missing}
    seeds = tuple(seed * 1000 + i for i in range(section.seeds))
    problems: tuple[str, ...] = section.problems or tuple(PROBLEMS)
    here = tuple(f for f in asked if f not in gone)
    return Settings(here, problems, section.rows, section.test_rows, section.noise, seeds), missing


def _claim(settings: Settings, out: Path) -> None:
    """Make the folder this comparison's own, or go on with it."""
    file = out / SETTINGS
    mine = json.loads(json_text(asdict(settings)))
    if file.exists():
        try:
            theirs = json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            theirs = None
        if theirs != mine:
            raise ConfigError(
                "an --out of the same comparison, or a new one",
                f"{out}, which holds another (other families, rows, noise, seeds or extras)",
                "name another --out, or remove that folder",
            )
        return
    if out.exists() and any(out.iterdir()):
        raise ConfigError("an empty or new folder as --out", f"{out} holds other files", "name another --out")
    (out / CELLS).mkdir(parents=True, exist_ok=True)
    file.write_text(json_text(mine) + "\n", encoding="utf-8")


def _measure(settings: Settings, out: Path) -> list[dict[str, Any]]:
    """Measured cells, from the folder where they are there."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    cells = plan(settings.families, settings.problems, settings.rows, settings.noise, settings.seeds)
    found = {cell: kept for cell in cells if (kept := _kept(out, cell)) is not None}
    todo = [cell for cell in cells if cell not in found]
    if found and todo:
        say(f"{len(found)} of {len(cells)} cells are measured already")
    if todo:
        columns = (TextColumn("compare"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, TextColumn("{task.fields[now]}"), console=progress_console(), transient=True) as bar:
            task = bar.add_task("", total=len(cells), completed=len(found), now="loading libraries")
            warm(settings.families)
            meter = ProcessMeter()
            for cell in todo:
                bar.update(task, now=f"{cell.family} on {cell.problem}")
                found[cell] = run(cell, settings.test_rows, meter)
                _keep(out, cell, found[cell])
                bar.advance(task)
    return [found[cell] for cell in cells]


def _kept(out: Path, cell: Cell) -> dict[str, Any] | None:
    """A measured cell; one that was cut short by a crash is measured anew."""
    try:
        kept: dict[str, Any] = json.loads((out / CELLS / f"{cell.key}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return kept if kept.get("seed") == cell.seed else None


def _keep(out: Path, cell: Cell, row: dict[str, Any]) -> None:
    write_whole(out / CELLS / f"{cell.key}.json", json_text(row) + "\n")


def _panel(config: SignalsConfig, seed: int, out: Path) -> dict[str, Any] | None:
    """Families on the panel that the configuration names, None where it names none."""
    if config.compare.panel == "off":
        return None
    from tercel.app.commands.signals_panel import compare_on_panel

    return compare_on_panel(config, seed, out / "panel")


def _show(result: dict[str, Any], verdicts: Sequence[Verdict]) -> None:
    console = result_console()
    for table in (_skill_table(result["table"]), _cost_table(result["table"])):
        console.print(table)
    if result["panel"]:
        from tercel.app.commands.signals_panel import panel_tables

        for table in panel_tables(result["panel"]):
            console.print(table)
    claims = _table("what the field says: confirmed where the interval over seeds lies above 0", ("family", "claim"))
    claims.add_column("verdict", no_wrap=True)
    claims.add_column("number", no_wrap=True)
    judged = [one for one in verdicts if one.verdict != "absent"]
    for one in judged:
        claims.add_row(one.family, one.text, one.verdict, interval_text(one))
    if judged:
        console.print(claims)
    if len(judged) < len(verdicts):
        say(f"{len(verdicts) - len(judged)} claims speak of families or problems that were not run")
    for missing in result["absent"]:
        say(f"absent: {missing['family']} (no module {missing['module']}); pip install '{missing['extra']}'")


def _table(title: str, names: Sequence[str]) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left")
    for name in names:
        table.add_column(name, no_wrap=name == "family")
    return table


def _skill_table(lines: Sequence[dict[str, Any]]) -> Any:
    """Families by problems: the share of the oracle's skill."""
    problems = list(dict.fromkeys(line["problem"] for line in lines))
    table = _table("share of the oracle's skill, (AUC - 1/2) / (oracle's AUC - 1/2)", ("family",))
    for problem in problems:
        table.add_column(problem, justify="right", no_wrap=True)
    found = {(line["family"], line["problem"]): f"{line['share']:.2f}" for line in lines}
    for family in dict.fromkeys(line["family"] for line in lines):
        table.add_row(family, *(found.get((family, problem), "-") for problem in problems))
    return table


def _cost_table(lines: Sequence[dict[str, Any]]) -> Any:
    """Families by what they take: means over problems, and the share that label noise leaves."""
    levels = sorted({level for line in lines for level in line["share_by_noise"]} - {"0"}, key=float)
    table = _table("means over problems; share kept on `mixed` under label noise", ("family",))
    for heading in ("ECE", "Brier", "fit ms", "MiB", "us/one", *(f"{float(x):.0%}" for x in levels)):
        table.add_column(heading, justify="right", no_wrap=True)
    for family in dict.fromkeys(line["family"] for line in lines):
        mine = [line for line in lines if line["family"] == family]
        mean = {key: _mean(mine, key) for key in ("ece", "brier", "fit_s", "peak_mib", "one_us")}
        noise: dict[str, float] = next((line["share_by_noise"] for line in mine if len(line["share_by_noise"]) > 1), {})
        table.add_row(
            *(family, f"{mean['ece']:.3f}", f"{mean['brier']:.3f}", f"{1e3 * mean['fit_s']:.0f}"),
            *(f"{mean['peak_mib']:.1f}", f"{mean['one_us']:.0f}"),
            *(f"{noise[level]:.2f}" if level in noise else "-" for level in levels),
        )
    return table


def _mean(lines: Sequence[dict[str, Any]], key: str) -> float:
    told = [line[key] for line in lines if line[key] is not None]
    return sum(told) / len(told) if told else float("nan")


def interval_text(one: Verdict) -> str:
    """A verdict's number with its interval."""
    if one.mean is None:
        return "-"
    if one.ci_low is None or one.ci_high is None:
        return f"{one.mean:+.2f}"
    return f"{one.mean:+.2f} ({one.ci_low:+.2f}..{one.ci_high:+.2f})"
