"""Today's book of a portfolio: from what is held a step towards the newest targets, at the cost that desks paid."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.errors import ConfigError, DataError
from tercel.core.names import check_known
from tercel.signals.rebalance import NOISE, RULES, CostBelief, Sought, choose, finished, on_paper, picks_of, step
from tercel.signals.runs.backtest import TARGETS, when, write_weights
from tercel.signals.runs.portfolio_file import EXAMPLE, opened, read_config
from tercel.signals.targets import read_named

BPS: Final = 1e-4
DUST: Final = 1e-9
"""Weight below which a name is not held."""
SPACED: Final = 0.7
"""Of the spacing of dates, between two steps of a book."""
Paid = Sequence[tuple[str, float, float]]
"""A desk day's filled parents: name, cost in bps, and value at arrival."""


def stepped(
    file: Path, out: Path, desks: Mapping[str, Paid], rule: str = "rate", seed: int = 1,
    held: Mapping[str, float] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Write today's book as targets that a desk reads, one step of a rule from those of before.

    Parameters
    ----------
    file : Path
        As `tercel portfolio backtest` reads it; its cost is what is believed before any fill.
    out : Path
        Folder of `targets.csv`; where `held` says nothing the one of before says what is held, none: nothing.
    desks : mapping of str to sequence of (str, float, float)
        What was paid, a day each, the oldest first.
    rule : str
    held : mapping of str to float, optional
        Weights that are held, as a desk's positions say.

    Raises
    ------
    ConfigError, DataError
        As :mod:`tercel.signals.runs.portfolio_file`; an unknown rule; parents of names that no forecast has.
    """
    check_known(rule, RULES, "rules among", error=ConfigError)
    config = read_config(file)
    if not config.forecasts.model:
        raise ConfigError("forecasts.model, whose files have a newest date", f"a table in {file}", EXAMPLE)
    sought = opened(config, file.resolve().parent, seed, newest=True).sought
    walk, names, last = sought.walk, sought.walk.names.tolist(), len(sought.level) - 1
    belief = CostBelief(float(sought.level[-1]), learns=True, half_life=config.cost.half_life)
    parents = [learn(belief, sought, config.cost.capital, *each) for each in desks.items() if each[1]]
    pick, able = 0, RULES[rule]
    if len(able.parameters) > 1:
        pick = choose(on_paper(sought, able), int(finished(walk)[picks_of(walk)[-1]]), belief.level)
    targeted = held_before(out / TARGETS, sought)
    before = targeted if held is None else held
    own: Floats = np.array([before.get(name, 0.0) for name in names])
    wanted = own + step(sought, able, last, own[None, :], np.array([[able.parameters[pick]]]))[0]
    book = {name: w if abs(w) > DUST else 0.0 for name, w in zip(names, wanted.tolist(), strict=True)}
    day = when(walk.time_ns[-1])
    rows = [
        {"name": name, "held": before.get(name, 0.0), "target": float(sought.target[last, i]), "weight": book[name],
         "trade": book[name] - before.get(name, 0.0)}
        for i, name in enumerate(names) if book[name] or before.get(name)
    ]  # fmt: skip
    gone = [
        {"name": n, "held": w, "target": 0.0, "weight": 0.0, "trade": -w}
        for n, w in before.items()
        if n not in book and w
    ]
    result = {
        "name": config.name, "file": file, "at": day, "rule": rule, "parameter": able.parameters[pick],
        "cost_said": float(sought.level[-1]), "cost_believed": belief.level, "desks": list(desks),
        "parents": sum(parents), "trades": sorted(rows + gone, key=lambda row: -abs(row["trade"])),
        "turnover": float(sum(abs(row["trade"]) for row in rows + gone)),
        "targets": write_weights(out / TARGETS, day[:10], book, before), "seed": seed,
        "held": "targets" if held is None else "positions",
        "missed": None if held is None else away(held, targeted),
    }  # fmt: skip
    return {**result, "sentences": sentences(result)}


def away(held: Mapping[str, float], targeted: Mapping[str, float]) -> float:
    """Half-turns between what is held and what was targeted; 0 where nothing was."""
    return float(sum(abs(held.get(n, 0.0) - targeted.get(n, 0.0)) for n in ({*held, *targeted} if targeted else ())))


def held_before(path: Path, sought: Sought) -> dict[str, float]:
    """Weights of the file of targets of before; nothing where there is none.

    Raises
    ------
    DataError
        They are not as old as a step of the forecasts is long: they would be taken a second time.
    """
    if not path.is_file():
        return {}
    _, rows, day = read_named(path, {"weight": ("weight",)})
    times = sought.walk.time_ns.astype("datetime64[ns]")
    if day is not None and times[-1] - np.datetime64(day) < SPACED * np.median(np.diff(times[:-1])):
        received = f"{times[-1].astype('datetime64[D]')}, and those of {day} in {path}"
        remedy = "bring the prices up to date, or remove the file: then nothing is held"
        raise DataError("a forecast one step after the targets of before", received, remedy)
    return {name: weight for name, weight, _ in rows}


def learn(belief: CostBelief, sought: Sought, capital: float, desk: str, paid: Paid) -> int:
    """Tell a belief what a desk day paid; how many of its parents are of names that have a forecast now.

    Raises
    ------
    DataError
        None of them.
    """
    at = {name: i for i, name in enumerate(sought.walk.names.tolist())}
    known = [(at[name], bps, value) for name, bps, value in paid if name in at and np.isfinite(sought.sd[-1, at[name]])]
    if not known:
        received = f"{', '.join(dict.fromkeys(name for name, _, _ in paid)) or 'none'} of {desk}"
        raise DataError("filled parents of names that the forecasts have", received, "leave the desk out")
    who = np.array([i for i, _, _ in known])
    bps, value = np.array([row[1:] for row in known]).T
    scale = np.broadcast_to(sought.law.at(len(sought.level) - 1), sought.target[-1].shape)[who]
    unit = scale * (value / capital) ** (sought.law.power - 1.0)
    noise = NOISE * sought.sd[-1, who]
    belief.learn(float(((unit / noise) ** 2).sum()), float((unit * BPS * bps / noise**2).sum()))
    return len(known)


def sentences(found: Mapping[str, Any]) -> list[str]:
    """What a desk would say of today's book, in at most four sentences."""
    missed = found["missed"]
    aside = f", {missed:.3f} half-turns away from the targets of before" if missed else ""
    said = f"by {found['parents']} parents of desks" if found["parents"] else "no desk has filled a parent yet"
    return [
        f"{found['rule']} at {found['parameter']:g} trades {found['turnover']:.3f} half-turns in "
        f"{len(found['trades'])} names towards the targets of {found['at'][:10]}.",
        f"What is held is said by the desk's positions{aside}."
        if found["held"] == "positions"
        else "What is held is taken to be the targets of before; no desk with a capital said otherwise.",
        f"Cost believed {found['cost_believed']:.3g}, {said}; the file says {found['cost_said']:.3g}.",
    ]
