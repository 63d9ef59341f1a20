"""An evaluation as it is asked for: who, where, on what; held, read and written down."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tercel.core.errors import ConfigError, UnknownNameError
from tercel.core.written import write_whole
from tercel.evaluation.contest.cells import Judged, episodes_of, read_place
from tercel.evaluation.contest.contenders import Contender, policies_of
from tercel.evaluation.contest.families import Field, members_of
from tercel.evaluation.contest.held import LISTED, Contest, as_one
from tercel.evaluation.contest.hold import Elsewhere, hold
from tercel.evaluation.contest.leaks import judged_days, refuse_leaks
from tercel.evaluation.contest.outside import notes_on, untrained_in
from tercel.evaluation.contest.page import write_page
from tercel.evaluation.contest.places import PLAIN, Place, build_place, switching
from tercel.evaluation.contest.result import composed
from tercel.evaluation.contest.room import with_room
from tercel.evaluation.market import judged_words, split_dates, validated
from tercel.evaluation.needed import needed_words
from tercel.evaluation.order_files import with_orders
from tercel.evaluation.orders import Order
from tercel.evaluation.settings import RunSettings
from tercel.evaluation.standing import FROZEN
from tercel.execution.task import Latency, Task
from tercel.market.flow import preset as presets
from tercel.market.impact.law import LAWS
from tercel.market.impact.propagator import TAPE_LAWS
from tercel.market.regimes.choice import chosen
from tercel.market.regimes.named import NAMED
from tercel.market.simulator.terms import Fees
from tercel.market.tape import Lake
from tercel.report.terminal import json_text, say

EACH = "each"
LATENCIES_MS = (0.0, 10.0, 100.0, 1000.0)
FEES = ((0.0, 0.0), (-0.2, 0.3), (0.0, 1.0))
"""Maker and taker, bps of the value."""
SHARES = (0.02, 0.05, 0.1, 0.2)
SHORT = (*FROZEN, "vwap_take", "vwap_passive", "peg_behind", "score_rule")
"""Written strategies of the sensitivity and adaptation tests, besides the best one."""


@dataclass(frozen=True)
class Asked:
    """What was typed, checked.

    Parameters
    ----------
    field : Field
        Policies, and who is judged where.
    baselines : list of Contender
    markets : dict of name to RunSettings
        The first is the one whose table is printed.
    episodes : int
        In each place.
    seeds : tuple of int
    regimes : str
        Words of `market.regimes.choice`, "each", or none.
    sensitivity, adaptation : bool
    trained_for : dict of regime to list of Contender
        Policies trained in that regime, training seeds of one recipe.
    elsewhere : callable or None
        Runs episodes on other machines.
    here : bool
        Whether everything runs in this process, silently.
    chosen_on : int
        Episodes at most on which the best written strategy is chosen.
    allow_seen_days : bool
        Whether policies are judged on days that they learned from, which the notes then say.
    """

    field: Field
    baselines: list[Contender]
    markets: dict[str, RunSettings]
    episodes: int
    seeds: tuple[int, ...]
    regimes: str
    sensitivity: bool
    adaptation: bool
    trained_for: dict[str, list[Contender]]
    elsewhere: Elsewhere | None = None
    here: bool = False
    chosen_on: int = 1_000
    allow_seen_days: bool = False

    def contenders(self, market: str) -> list[Contender]:
        """Everyone who is judged in a market, policies first."""
        return [*self.field.teams[market], *self.baselines]

    def place(self, name: str, settings: RunSettings) -> Place:
        """Judged episodes in a market."""
        return Place(name, settings, self.seeds, self.episodes)


def judged(asked: Asked, out: Path, notes: Sequence[str], file: Path, page: Path, footer: str = "") -> dict[str, Any]:
    """Judge, write figures and page; what was found.

    Parameters
    ----------
    asked : Asked
    out : Path
        Folder that keeps what is finished.
    notes : sequence of str
        What is to be said before anybody is judged (:func:`notes_of`).
    file, page : Path
        For the figures and the page.
    footer : str
        Last line of the page.
    """
    out.mkdir(parents=True, exist_ok=True)
    for note in notes:
        say(note)
    contest = held(asked, out, notes)
    for note in contest.notes[len(notes) :]:
        say(note)
    result = composed(contest)
    result["out"] = str(out)
    write_whole(file, json_text(result) + "\n")
    write_page(page, contest, result, footer=footer or f"cells, figures and page: {out}")
    return result


def notes_of(asked: Asked) -> list[str]:
    """What is to be said before anybody is judged; refuses who learned from what is judged.

    Raises
    ------
    ConfigError
        With the first day that a policy has seen.
    """
    specialists = [one for row in asked.trained_for.values() for one in row]
    notes = [
        *asked.field.notes,
        *notes_on(asked.field.teams, asked.markets),
        *untrained_in(asked.trained_for),
        *(
            f"Nothing was learned: {one.key} is what its training began with."
            for one in asked.field.policies
            if one.learned and one.card.kept_start
        ),
    ]
    for name, settings in asked.markets.items():
        everyone = [*asked.field.teams[name], *specialists]
        notes += refuse_leaks(everyone, [settings], allowed=asked.allow_seen_days)
    return notes


def held(asked: Asked, out: Path, notes: Sequence[str]) -> Contest:
    """Run what is missing of everything that was asked for, and read it."""
    build_place.cache_clear()  # a lake may have grown since
    places = {name: asked.place(name, settings) for name, settings in asked.markets.items()}
    first, main = next(iter(places.items()))
    for name, place in places.items():
        if place.settings.on_tape and not asked.here:
            say(judged_words(name, episodes_of(place)))
    choosers = [_chooser(asked, place) for place in (places.values() if main.settings.orders else [main])]
    if main.settings.on_tape and not asked.here:
        written = f"{len(asked.baselines)} written strategies"
        say(f"first {written} work {sum(one.episodes for one in choosers)} orders that are not judged, to choose")
    choosing = [(one, asked.baselines, False) for one in choosers]
    hold(choosing, out, "choose the best written strategy", asked.elsewhere, asked.here)
    chosen_on = as_one([read_place(one, asked.baselines, out) for one in choosers])
    if not asked.here:
        say(needed_words(chosen_on.costs, _orders_a_day(list(places.values()))))
    regimes = {name: _regimes(asked, place) for name, place in places.items()}
    others = [(place, asked.contenders(name), False) for name, row in regimes.items() for place in row.values()]
    everywhere = [*((place, asked.contenders(name), True) for name, place in places.items()), *others]
    hold(everywhere, out, elsewhere=asked.elsewhere, here=asked.here)
    contest = Contest(
        asked.field.policies,
        asked.baselines,
        asked.field.recipes,
        chosen_on,
        {name: read_place(place, asked.contenders(name), out, recorded=True) for name, place in places.items()},
        {
            name: {regime: read_place(place, asked.contenders(name), out) for regime, place in row.items()}
            for name, row in regimes.items()
        },
        asked.seeds,
        list(notes),
    )
    contest = with_room(contest)
    if main.settings.orders:
        return replace(contest, markets={LISTED: as_one(list(contest.markets.values()))})
    few = [one for one in contest.baselines if one.key in {*SHORT, contest.best}]
    team = asked.field.teams[first]
    return with_room(
        replace(
            contest,
            sensitivity=_sensitivity(asked, main, [*team, *few], out) if asked.sensitivity else {},
            adaptation=_adaptation(asked, main, [*team, *few], out) if asked.adaptation else {},
            trained_for={regime: tuple(one.key for one in row) for regime, row in asked.trained_for.items()},
        )
    )


def _orders_a_day(places: Sequence[Place]) -> float:
    """Judged orders of a recorded day, of a list those of all its symbols; 0 in a simulated market."""
    if not places[0].settings.on_tape:
        return 0.0
    mine = places if places[0].settings.orders else places[:1]
    days = {day for place in mine for day in judged_days(place.settings).days}
    return round(sum(episodes_of(place) for place in mine) / len(days), 1)


def _chooser(asked: Asked, place: Place) -> Place:
    """Episodes of a place on which the best written strategy is chosen."""
    episodes = min(max(asked.episodes, 64), asked.chosen_on)
    return place.on_validation(validated(episodes, episodes_of(place)) if place.settings.on_tape else episodes)


# -- where it is held -------------------------------------------------------------------------------------------------


def markets_of(
    names: Sequence[str],
    lake: Path | None,
    symbol: str | None,
    impact: str | None,
    task: Task,
    fees: Fees,
    regimes: str,
    dates: Sequence[str] = (),
    orders: Sequence[Order] = (),
) -> dict[str, RunSettings]:
    """Settings of every market that was named, by name, and of the tapes of symbols or orders; nothing is begun with
    words that mean nothing.
    """
    listed = [part.strip() for name in names for part in name.split(",") if part.strip()]
    if not listed and lake is None:
        listed = [presets.DEFAULT]
    if orders and lake is None:
        raise ConfigError("a lake to judge orders on", ", ".join(listed), "replay one (--tape)")
    found: dict[str, RunSettings] = {}
    for name in listed:
        preset = presets.load(name)
        if regimes:
            chosen(regimes, preset)
        law = impact if lake is None else None
        if law is not None and law not in LAWS:
            raise ConfigError(f"an impact law of a preset's market: {', '.join(LAWS)}", f"--impact {law}", "name one")
        path = str(Path(name).resolve()) if name.endswith(".json") else name
        found[preset.name] = RunSettings(market=path, task=task, fees=fees, regimes=regimes, impact=law or "")
    symbols = [part.strip() for part in (symbol or "").split(",") if part.strip()]
    if lake is not None and (symbols or orders):
        if regimes and not listed:
            raise ConfigError("regimes in a preset's market", "--regimes with --tape", "a tape has those that it had")
        law = impact or "square_root"
        if law not in TAPE_LAWS:
            raise ConfigError(f"an impact law of a tape: {', '.join(TAPE_LAWS)}", f"--impact {law}", "name one")
        tape = RunSettings(
            lake=str(lake.resolve()), symbol=symbol or "", task=task, fees=fees, impact=law, judged=",".join(dates)
        )
        for one in () if orders else symbols:
            split_dates(Lake(lake), one, tape.judged)
            found[f"{one} tape"] = replace(tape, symbol=one)
        found |= with_orders(tape, orders) if orders else {}
    return found


def _regimes(asked: Asked, place: Place) -> dict[str, Place]:
    """With `--regimes each`: a market once with each named regime."""
    if asked.regimes != EACH or place.settings.on_tape:
        return {}
    return {
        name: replace(place, name=f"{place.name} {name}", settings=replace(place.settings, regimes=name))
        for name in NAMED
        if name != PLAIN
    }


def specialists(typed: Sequence[str], observations: Sequence[str]) -> dict[str, list[Contender]]:
    """Policies trained in a regime, as REGIME=POLICY; several of one regime are its training seeds."""
    found: dict[str, list[str]] = {}
    for text in typed:
        regime, equals, policy = text.partition("=")
        if not equals or regime not in NAMED or regime == PLAIN:
            known = ", ".join(name for name in NAMED if name != PLAIN)
            raise UnknownNameError(f"REGIME=POLICY with a regime among {known}", repr(text), "such as thin=runs/thin")
        found.setdefault(regime, []).extend(members_of(policy) or (policy,))
    return {regime: policies_of(policies, observations) for regime, policies in found.items()}


def _sensitivity(asked: Asked, main: Place, everyone: list[Contender], out: Path) -> dict[str, dict[str, Judged]]:
    """The first market with other latencies, fees and order sizes, one at a time."""
    settings = main.settings

    def task(**changes: Any) -> RunSettings:
        return replace(settings, task=replace(settings.task, **changes))

    axes: dict[str, dict[str, RunSettings]] = {
        "latency, ms": {f"{ms:g}": task(latency=Latency("constant", round(ms * 1e6))) for ms in LATENCIES_MS},
        "fees, bps": {f"{m:g}/{t:g}": replace(settings, fees=Fees(m, t, "bps")) for m, t in FEES},
        "share of volume": {f"{share:g}": task(share=share, quantity=0) for share in SHARES},
    }
    grid = {
        axis: {
            value: Place(f"{main.name} {axis} {value}", one, main.seeds, main.episodes) for value, one in row.items()
        }
        for axis, row in axes.items()
    }
    hold(
        [(place, everyone, False) for row in grid.values() for place in row.values()],
        out,
        "other conditions",
        asked.elsewhere,
    )
    return {
        axis: {value: read_place(place, everyone, out) for value, place in row.items()} for axis, row in grid.items()
    }


def _adaptation(asked: Asked, main: Place, everyone: list[Contender], out: Path) -> dict[str, Judged]:
    """The first market, where a regime begins half-way through the order."""
    half = main.settings.task.horizon_s / 2
    places = {
        regime: replace(
            main,
            name=f"{main.name} to {regime}",
            settings=replace(main.settings, regimes=switching(out, regime, half)),
        )
        for regime in NAMED
        if regime != PLAIN
    }
    who = {regime: list(everyone) for regime in places}
    for regime, row in asked.trained_for.items():
        who.get(regime, []).extend(one for one in row if one not in everyone)
    hold([(place, who[regime], False) for regime, place in places.items()], out, "regimes that switch", asked.elsewhere)
    return {regime: read_place(place, who[regime], out) for regime, place in places.items()}
