"""`tercel agent table`: every strategy in every market and regime, intervals and gains, as Markdown."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tercel.app.commands.agent_claims import gains_figure
from tercel.app.commands.agent_evaluate import markets_of
from tercel.app.commands.agent_evaluate_result import SEED
from tercel.app.commands.agent_table_page import IMAGE, heads, lines, markdown
from tercel.app.job.contest.cells import read_place
from tercel.app.job.contest.contenders import Contender, baselines_of
from tercel.app.job.contest.families import Field, field_of
from tercel.app.job.contest.held import challengers_in, entries_in, headliners_of, members_in
from tercel.app.job.contest.hold import hold, refuse_absent
from tercel.app.job.contest.places import PLAIN, Place
from tercel.app.job.contest.room import cramped, roomy
from tercel.app.output import json_text, print_json, print_table, say
from tercel.core.errors import UnknownNameError
from tercel.evaluation.claims import claim, settle
from tercel.evaluation.comparisons import Compared, Ledger, Scores, compare
from tercel.evaluation.standing import SCHEDULES, ratios
from tercel.evaluation.task import Task
from tercel.market.flow import preset as presets
from tercel.market.regimes.named import NAMED
from tercel.market.simulator.terms import NO_FEES
from tercel.report.markdown import around, replace_table

MARKS = "<!-- table: tercel agent table -->", "<!-- end of table -->"
RESULT = "table.json"
Rows = Mapping[str, Mapping[str, Any]]
"""Regime -> market -> anything."""


def table(
    *,
    policies: Sequence[str],
    family: str,
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
    baselines = baselines_of(against)
    places = _places(markets, _regimes(regimes), episodes, tuple(seeds))
    held_in = {market: place.settings for market, place in places[PLAIN].items()}
    field = field_of(policies, family, held_in) if policies else Field([], [], dict.fromkeys(held_in, ()), [])
    out.mkdir(parents=True, exist_ok=True)
    work = [
        (place, _everyone(field, baselines, market), False) for row in places.values() for market, place in row.items()
    ]
    hold(work, out, "the big table", ray)
    result = _result(places, field, baselines, out)
    result |= {"episodes": episodes, "seeds": list(seeds)}
    (out / RESULT).write_text(json_text(result) + "\n")
    if write is not None:
        _write(write, result)
    if as_json:
        print_json(result)
    else:
        for regime in result["cells"]:
            title = f"{regime}: implementation shortfall, bps"
            print_table(title, heads(result, regime), [list(line) for line in lines(result, regime)])
        for name, found in result["claims"].items():
            for verdict in found["verdict"].values():
                say(f"{name}: {verdict}")
    return 0


def _write(path: Path, result: Mapping[str, Any]) -> None:
    replace_table(path, markdown(result), MARKS)
    say(f"written  {path}")
    for name in result["claims"]:
        folder = path.parent / IMAGE
        folder.mkdir(exist_ok=True)
        say(f"written  {gains_figure(result, name).save(folder)}")


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


def _everyone(field: Field, baselines: Sequence[Contender], market: str) -> list[Contender]:
    return [*field.teams[market], *baselines]


def _result(
    places: Mapping[str, Mapping[str, Place]], field: Field, baselines: Sequence[Contender], out: Path
) -> dict[str, Any]:
    """The table's figures; comparisons are corrected over all of it."""
    ledger, rng = Ledger(), np.random.default_rng(SEED)
    held = {
        regime: {market: read_place(place, _everyone(field, baselines, market), out) for market, place in row.items()}
        for regime, row in places.items()
    }
    gone = cramped((judged for row in held.values() for judged in row.values()), baselines)
    baselines = [one for one in baselines if one.key not in gone]
    left_out = list(gone.values())
    written = [one.key for one in baselines if one.kind == "baseline"]
    found: dict[str, dict[str, Compared]] = {}
    schedules: dict[str, Any] = {}
    teams: dict[str, dict[str, tuple[str, ...]]] = {}
    headliners = headliners_of(field.policies, field.recipes)
    for regime, row in held.items():
        found[regime] = {}
        for market, whole in row.items():
            judged, words = roomy(whole.without(gone))
            left_out += words
            members = members_in(field.recipes, judged)
            scores, rows = Scores.of(judged.costs, members), challengers_in(field.policies, field.recipes, judged)
            found[regime][market] = compare(scores, rows, members, ledger, rng)
            if regime == PLAIN:
                entries = entries_in(field.policies, baselines, field.recipes, judged)
                wanted = [one for one in entries if one.name in {*headliners, *SCHEDULES}]
                schedules[market] = ratios(wanted, None, rng)
                teams[market] = members
    claims = {
        name: claim(name, found, {market: row.get(name, (name,)) for market, row in teams.items()}, ledger, rng)
        for name in headliners
    }
    comparisons = ledger.adjust() if ledger.rows else 0
    for one in claims.values():
        settle(one)
    return {
        "cells": {
            regime: {market: {**one.cell, "best_baseline": _cheapest(one, written)} for market, one in row.items()}
            for regime, row in found.items()
        },
        "policies": headliners,
        "recipes": {recipe.key: list(recipe.members) for recipe in field.recipes},
        "baselines": [one.key for one in baselines],
        "claims": claims,
        "schedules": schedules,
        "comparisons": comparisons,
        "notes": [*field.notes, *left_out],
    }


def _cheapest(one: Compared, written: Sequence[str]) -> str:
    return min(written, key=lambda name: float(one.cell["is_bps"][name]["mean"]))
