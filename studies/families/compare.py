"""The table of what each family of models can do, and verdicts on what the field says."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from studies.families.cells import PROBLEMS, FittedCell, candidates, lacking, plan, run, warm
from studies.families.claims import judge, summary
from studies.families.panel import ProcessMeter, compare_on_panel
from studies.families.report import compare_page
from studies.families.settings import CompareSection, compare_section
from studies.zoo import card_of
from tercel.cli import progress, say
from tercel.core import ConfigError, json_text, write_atomic
from tercel.signals.runs import SignalsConfig

SETTINGS = "compare.json"
CELLS = "cells"
REPORT = "report.html"


@dataclass(frozen=True)
class Settings:
    """What a comparison is: everything that decides its cells."""

    families: tuple[str, ...]
    problems: tuple[str, ...]
    rows: int
    test_rows: int
    noise: tuple[float, ...]
    seeds: tuple[int, ...]


def compare(config: SignalsConfig, seed: int, out: Path) -> dict[str, Any]:
    """Run the cells that are not there yet, judge and write the report; what was found."""
    section = compare_section(config)
    settings, missing = _settings(section, seed)
    claim_folder(settings, out)
    (out / CELLS).mkdir(exist_ok=True)
    rows = _measure(settings, out)
    panel = None if section.panel == "off" else compare_on_panel(config, seed, out / "panel")
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
    return result


def _settings(section: CompareSection, seed: int) -> tuple[Settings, list[dict[str, str]]]:
    """Settings of the families that are installed, and those that are not, with the extra that brings them."""
    asked = section.families or candidates()
    for family in asked:
        if family not in candidates():
            card_of(family)
    absent = [(family, module) for family in asked if (module := lacking(family)) is not None]
    missing = [
        {"family": f, "module": m, "extra": f"tercel[{card_of(f).extra}]"} for f, m in absent
    ]
    gone = {one["family"] for one in missing}
    seeds = tuple(seed * 1000 + i for i in range(section.seeds))
    problems: tuple[str, ...] = section.problems or tuple(PROBLEMS)
    here = tuple(f for f in asked if f not in gone)
    return Settings(here, problems, section.rows, section.test_rows, section.noise, seeds), missing


def claim_folder(settings: Any, out: Path) -> None:
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
                "an `out=` of the same comparison, or a new one",
                f"{out}, which holds another (other families, rows, noise, seeds or extras)",
                "name another `out=`, or remove that folder",
            )
        return
    if out.exists() and any(out.iterdir()):
        raise ConfigError(
            "an empty or new folder as `out=`", f"{out} holds other files", "name another `out=`"
        )
    out.mkdir(parents=True, exist_ok=True)
    file.write_text(json_text(mine) + "\n", encoding="utf-8")


def _measure(settings: Settings, out: Path) -> list[dict[str, Any]]:
    """Measured cells, from the folder where they are there."""
    cells = plan(
        settings.families, settings.problems, settings.rows, settings.noise, settings.seeds
    )
    found = {cell: kept for cell in cells if (kept := _kept(out, cell)) is not None}
    todo = [cell for cell in cells if cell not in found]
    if found and todo:
        say(f"{len(found)} of {len(cells)} cells are measured already")
    if todo:
        with progress(counted=True, transient=True, now=True) as bar:
            task = bar.add_task(
                "compare", total=len(cells), completed=len(found), now="loading libraries"
            )
            warm(settings.families)
            meter = ProcessMeter()
            for cell in todo:
                bar.update(task, now=f"{cell.family} on {cell.problem}")
                found[cell] = run(cell, settings.test_rows, meter)
                _keep(out, cell, found[cell])
                bar.advance(task)
    return [found[cell] for cell in cells]


def _kept(out: Path, cell: FittedCell) -> dict[str, Any] | None:
    """A measured cell; one that was cut short by a crash is measured anew."""
    try:
        kept: dict[str, Any] = json.loads(
            (out / CELLS / f"{cell.key}.json").read_text(encoding="utf-8")
        )
    except (OSError, ValueError):
        return None
    return kept if kept.get("seed") == cell.seed else None


def _keep(out: Path, cell: FittedCell, row: dict[str, Any]) -> None:
    write_atomic(out / CELLS / f"{cell.key}.json", json_text(row) + "\n")
