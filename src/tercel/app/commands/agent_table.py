"""`tercel agent table`: every strategy in every market and regime, intervals and gains, as Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tercel.app.commands.agent_evaluate import markets_of
from tercel.app.commands.agent_evaluate_result import SEED
from tercel.app.commands.agent_evaluate_shown import called
from tercel.app.commands.market_table import around, replace_table
from tercel.app.job.contest.cells import Judged, read_place
from tercel.app.job.contest.contenders import Contender, Recipe, baselines_of, policies_of, recipes_of
from tercel.app.job.contest.hold import hold, refuse_absent
from tercel.app.job.contest.places import PLAIN, Place
from tercel.app.output import json_text, print_json, print_table, say
from tercel.core.errors import UnknownNameError
from tercel.evaluation.comparisons import Ledger, Scores, compared
from tercel.evaluation.task import Task
from tercel.market.flow import preset as presets
from tercel.market.regimes.named import NAMED
from tercel.market.simulator.terms import NO_FEES

MARKS = "<!-- table: tercel agent table -->", "<!-- end of table -->"
RESULT = "table.json"


def table(
    *,
    policies: Sequence[str],
    markets: Sequence[str],
    regimes: str,
    against: str,
    episodes: int,
    seeds: Sequence[int],
    write: Path | None,
    ray: str | None,
    out: Path,
    as_json: bool,
) -> int:
    """Run what is missing, and show."""
    if write is not None:
        around(write, MARKS)
    refuse_absent(ray)
    found, baselines = policies_of(policies) if policies else [], baselines_of(against)
    recipes = recipes_of(found)
    listed = _regimes(regimes)
    places = _places(markets, listed, episodes, tuple(seeds))
    everyone = [*found, *baselines]
    out.mkdir(parents=True, exist_ok=True)
    hold([(place, everyone, False) for row in places.values() for place in row.values()], out, "the big table", ray)
    result = _cells(places, found, baselines, recipes, out)
    result |= {"episodes": episodes, "seeds": list(seeds)}
    (out / RESULT).write_text(json_text(result) + "\n")
    if write is not None:
        replace_table(write, markdown(result), MARKS)
        say(f"written  {write}")
    if as_json:
        print_json(result)
    else:
        for regime, row in result["cells"].items():
            heads = ["strategy", *row]
            print_table(
                f"{regime}: implementation shortfall, bps", heads, [list(line) for line in lines(result, regime)]
            )
    return 0


def _regimes(text: str) -> list[str]:
    if text == "all":
        return list(NAMED)
    names = [] if text == "none" else [part.strip() for part in text.split(",") if part.strip()]
    for name in names:
        if name not in NAMED:
            raise UnknownNameError(f"regimes among {', '.join(NAMED)}, all or none", repr(name), "separate with commas")
    return [PLAIN, *(name for name in names if name != PLAIN)]


def _places(
    markets: Sequence[str], regimes: Sequence[str], episodes: int, seeds: tuple[int, ...]
) -> dict[str, dict[str, Place]]:
    """Regime -> market -> place."""
    settings = {
        regime: markets_of(
            markets or _all_markets(), None, None, None, Task(), NO_FEES, "" if regime == PLAIN else regime
        )
        for regime in regimes
    }
    return {
        regime: {
            name: Place(name if regime == PLAIN else f"{name} {regime}", one, seeds, episodes)
            for name, one in row.items()
        }
        for regime, row in settings.items()
    }


def _all_markets() -> list[str]:
    """Every shipped market that a day's order is traded in: those of published studies have tasks of their own."""
    return [name for name in presets.names() if presets.load(name).model != "cheridito_weiss"]


def _cells(
    places: Mapping[str, Mapping[str, Place]],
    policies: Sequence[Contender],
    baselines: Sequence[Contender],
    recipes: Sequence[Recipe],
    out: Path,
) -> dict[str, Any]:
    """The table's figures; comparisons are corrected over all of it."""
    ledger, rng = Ledger(), np.random.default_rng(SEED)
    members = {recipe.key: recipe.members for recipe in recipes}
    challengers = [*members, *(one.key for one in policies)]
    written = [one.key for one in baselines if one.kind == "baseline"]
    cells: dict[str, dict[str, Any]] = {}
    for regime, row in places.items():
        cells[regime] = {}
        for market, place in row.items():
            judged: Judged = read_place(place, [*policies, *baselines], out)
            scores = Scores.of(judged.costs, members)
            means = scores.means()
            cells[regime][market] = {
                **compared(scores, challengers, members, ledger, rng),
                "best_baseline": min(written, key=lambda name: means[name]),
            }
    comparisons = ledger.adjust() if ledger.rows else 0
    return {
        "cells": cells,
        "policies": challengers,
        "strategies": [*challengers, *(one.key for one in baselines)],
        "comparisons": comparisons,
    }


def lines(result: Mapping[str, Any], regime: str) -> Iterator[tuple[str, ...]]:
    """Lines of one regime: a strategy's shortfalls; below, what each policy saves on the best baseline there."""
    row = result["cells"][regime]
    for name in result["strategies"]:
        yield name, *(_cost(cell, name) for cell in row.values())
    for name in result["policies"]:
        yield f"{name} saves on the best", *(_saved(cell, name) for cell in row.values())


def _cost(cell: Mapping[str, Any], name: str) -> str:
    if cell["is_bps"] is None:
        return ""
    one = cell["is_bps"][name]
    half = "" if one["ci_low"] is None else f" ± {(one['ci_high'] - one['ci_low']) / 2:.2f}"
    return f"{one['mean']:.2f}{half}{' *' if name == cell['best_baseline'] else ''}"


def _saved(cell: Mapping[str, Any], name: str) -> str:
    if cell["paired"] is None:
        return ""
    one = cell["paired"][name][cell["best_baseline"]]
    mark = {"better": "better", "worse": "WORSE", "open": "open"}[called(one)]
    bounds = "" if one["ci_low"] is None else f" [{one['ci_low']:+.2f}, {one['ci_high']:+.2f}]"
    return f"{one['mean']:+.2f}{bounds} {mark}"


def markdown(result: Mapping[str, Any]) -> str:
    """The whole table as Markdown."""
    said = [
        f"Implementation shortfall in bps, mean ± half of its 95 % interval; {result['episodes']:,} paired episodes a "
        f"cell, base seeds {', '.join(map(str, result['seeds']))}. * the cheapest written strategy of the cell, chosen "
        "on these very episodes (which flatters it). Better, WORSE and open: paired gains after Benjamini and Hochberg "
        f"over all {result['comparisons']:,} comparisons."
    ]
    for regime, row in result["cells"].items():
        heads = ["strategy", *row]
        said += ["", f"Regime {regime}:", "", _line(heads), _line(["---"] + ["---:"] * len(row))]
        said += [_line(line) for line in lines(result, regime)]
    return "\n".join(said) + "\n"


def _line(parts: Sequence[str]) -> str:
    return "| " + " | ".join(parts) + " |"
