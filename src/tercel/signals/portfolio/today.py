"""Today's book of a portfolio: one step of a rule from the holdings towards the newest targets, at the cost that desks paid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from tercel.core.arrays import Floats
from tercel.core.errors import ConfigError, DataError, check_known, refuse_if
from tercel.core.files import write_atomic
from tercel.core.report import svg
from tercel.core.report.svg import (
    PAGE,
    Figure,
    Section,
    finished,
    name_rows,
    render,
    sketch,
    small_panels,
)
from tercel.core.report.tables import fixed, plain_table
from tercel.core.serialization import json_text, parse_json
from tercel.core.stats.inference import weighted_interval
from tercel.signals.models.predict import when
from tercel.signals.portfolio.backtest import TARGETS, write_weights
from tercel.signals.portfolio.config import EXAMPLE, opened, read_config
from tercel.signals.portfolio.rebalance import (
    LEAST_PAST,
    NOISE,
    RULES,
    BookTargets,
    CostBelief,
    choose,
    labels_ended,
    on_paper,
    past_sharpes,
    picks_of,
    step,
)
from tercel.signals.portfolio.targets import read_named

BPS: Final = 1e-4
DUST: Final = 1e-9
"""Weight below which a name is not held."""
STEPS: Final = "steps.jsonl"
"""The journal of a book: one line per step."""
SPACED: Final = 0.7
"""Of the spacing of dates, between two steps of a book."""
Paid = Sequence[tuple[str, float, float]]
"""A desk day's filled parents: name, cost in bps, and value at arrival."""


@dataclass(frozen=True)
class PaidSession:
    """Trading cost of a desk's session: filled parents of names with a forecast, their mean cost by value with its
    half-width (bps), the cost believed before and after.
    """

    desk: str
    parents: int
    bps: float | None
    half_bps: float | None
    before: float
    after: float

    def __str__(self) -> str:
        """Mean cost, bps, with its interval.

        >>> str(PaidSession("d", 3, 1.5, 0.25, 1.0, 1.2)), str(PaidSession("d", 3, 1.5, None, 1.0, 1.2))
        ('1.50 ± 0.25', '1.50')
        """
        return fixed(self.bps) + ("" if self.half_bps is None else f" ± {fixed(self.half_bps)}")


@dataclass(frozen=True)
class TriedParameter:
    """A parameter of a rule, and the net Sharpe ratio that it would have had."""

    parameter: float
    sharpe_net: float | None


@dataclass(frozen=True)
class NameTrade:
    """Weights of a name: previous target, held, target without costs, and new book."""

    name: str
    asked: float
    held: float
    target: float
    weight: float
    trade: float


@dataclass(frozen=True)
class BookStep:
    """A step of a book, as `steps.jsonl` holds it.

    `cost_said` is the file's cost, `cost_believed` the belief after the `learned` sessions; `past` counts the
    dates that the `tried` parameters are judged on; `held` says whose weights were held, those of the previous
    `targets` or of a desk's `positions`; `missed` is how far positions were from the previous targets, one-way turnover.
    """

    name: str
    file: str
    at: str
    rule: str
    parameter: float
    cost_said: float
    cost_believed: float
    desks: list[str]
    parents: int
    learned: list[PaidSession]
    tried: list[TriedParameter]
    past: int
    trades: list[NameTrade]
    turnover: float
    targets: str
    seed: int
    held: str
    missed: float | None
    sentences: list[str]

    @property
    def day(self) -> str:
        """ISO date of its forecast."""
        return self.at[:10]


def stepped(
    file: Path,
    out: Path,
    desks: Mapping[str, Paid],
    rule: str = "rate",
    seed: int = 1,
    held: Mapping[str, float] | None = None,
) -> BookStep:
    """Write today's book as targets that a desk reads, one step of a rule from the previous ones.

    Parameters
    ----------
    file : Path
        As `tercel portfolio backtest` reads it; its cost is the belief before any fill.
    out : Path
        Folder of `targets.csv`; if `held` is None, the previous file is the holdings; without one there are none.
    desks : mapping of str to sequence of (str, float, float)
        Costs paid, one entry per day, the oldest first.
    rule : str
    held : mapping of str to float, optional
        Weights that are held, as a desk's positions say.

    Raises
    ------
    ConfigError, DataError
        As :mod:`tercel.signals.portfolio.config`; an unknown rule; parents of names that no forecast has.
    """
    check_known(rule, RULES, "rules among", error=ConfigError)
    config = read_config(file)
    refuse_if(
        not config.forecasts.model,
        "forecasts.model, whose files have a newest date",
        f"a table in {file}",
        EXAMPLE,
    )
    found = opened(config, file.resolve().parent, seed, newest=True)
    sought = found.sought
    walk, names, last = sought.walk, sought.walk.names.tolist(), len(sought.level) - 1
    belief = CostBelief(float(sought.level[-1]), learns=True, half_life=config.cost.half_life)
    learned = [
        learn(belief, sought, config.cost.capital, *each) for each in desks.items() if each[1]
    ]
    pick, able, past, tried = (
        0,
        RULES[rule],
        int(labels_ended(walk)[picks_of(walk)[-1]]),
        list[float](),
    )
    if len(able.parameters) > 1:
        paper = on_paper(sought, able)
        pick = choose(paper, past, belief.level)
        if past >= LEAST_PAST:
            tried = (past_sharpes(paper, past, belief.level) * sought.periods**0.5).tolist()
    targeted = held_before(out / TARGETS, sought)
    before = targeted if held is None else held
    own: Floats = np.array([before.get(name, 0.0) for name in names])
    wanted = own + step(sought, able, last, own[None, :], np.array([[able.parameters[pick]]]))[0]
    book = {
        name: w if abs(w) > DUST else 0.0 for name, w in zip(names, wanted.tolist(), strict=True)
    }
    aims = dict(zip(names, sought.target[last].tolist(), strict=True))
    rows = [
        NameTrade(
            name=name,
            asked=targeted.get(name, 0.0),
            held=before.get(name, 0.0),
            target=aims.get(name, 0.0),
            weight=book.get(name, 0.0),
            trade=book.get(name, 0.0) - before.get(name, 0.0),
        )
        for name in dict.fromkeys([*names, *before, *targeted])
        if book.get(name) or before.get(name) or targeted.get(name)
    ]
    day = when(walk.time_ns[-1])
    made = BookStep(
        name=config.name,
        file=str(file),
        at=day,
        rule=rule,
        parameter=able.parameters[pick],
        cost_said=float(sought.level[-1]),
        cost_believed=belief.level,
        desks=list(desks),
        parents=sum(one.parents for one in learned),
        learned=learned,
        tried=[TriedParameter(*one) for one in zip(able.parameters, tried, strict=False)],
        past=past,
        trades=sorted(rows, key=lambda row: -abs(row.trade)),
        turnover=float(sum(abs(row.trade) for row in rows)),
        targets=str(write_weights(out / TARGETS, day[:10], book, before)),
        seed=seed,
        held="targets" if held is None else "positions",
        missed=None if held is None else away(held, targeted),
        sentences=[],
    )
    return replace(made, sentences=[*sentences(made), *found.said])


def steps_of(out: Path) -> list[BookStep]:
    """Steps in the journal of a book's folder, as they were taken.

    Raises
    ------
    DataError
        A line of the journal is no step.
    """
    path, found = out / STEPS, list[BookStep]()
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    for number, line in enumerate(lines, 1):
        try:
            found.append(msgspec.convert(parse_json(line), BookStep))
        except ValueError as error:
            raise DataError(
                "a step of a book, one JSON object",
                f"row {number} of {path}: {error}",
                "take the row out, or move the file away: then the page starts over",
            ) from None
    return found


def recorded(out: Path, steps: Sequence[BookStep]) -> list[BookStep]:
    """Write the journal of a book's folder; its steps by date, the last one of each."""
    write_atomic(out / STEPS, "".join(json_text(step) + "\n" for step in steps))
    return [one for _, one in sorted({step.at: step for step in steps}.items())]


def away(held: Mapping[str, float], targeted: Mapping[str, float]) -> float:
    """One-way turnover between holdings and targets; 0 without targets."""
    return float(
        sum(
            abs(held.get(n, 0.0) - targeted.get(n, 0.0))
            for n in ({*held, *targeted} if targeted else ())
        )
    )


def held_before(path: Path, sought: BookTargets) -> dict[str, float]:
    """Weights of the previous file of targets; empty without one.

    Raises
    ------
    DataError
        They are not as old as a step of the forecasts is long: they would be taken a second time.
    """
    if not path.is_file():
        return {}
    _, rows, day = read_named(path, {"weight": ("weight",)}, {"weight_unit": "fraction"})
    times = sought.walk.time_ns.astype("datetime64[ns]")
    if day is not None and times[-1] - np.datetime64(day) < SPACED * np.median(np.diff(times[:-1])):
        raise DataError(
            "a forecast one step after the previous targets",
            f"{times[-1].astype('datetime64[D]')}, and those of {day} in {path}",
            "bring the prices up to date, or remove the file: then nothing is held",
        )
    return {name: weight for name, weight, _ in rows}


def learn(
    belief: CostBelief, sought: BookTargets, capital: float, desk: str, paid: Paid
) -> PaidSession:
    """Tell a belief what a desk day paid: how many of its parents are of names that have a forecast now, their mean by
    value with its interval over parents, what was believed before and after.

    Raises
    ------
    DataError
        None of them.
    """
    at = {name: i for i, name in enumerate(sought.walk.names.tolist())}
    known = [
        (at[name], bps, value)
        for name, bps, value in paid
        if name in at and np.isfinite(sought.sd[-1, at[name]])
    ]
    if not known:
        raise DataError(
            "filled parents of names that the forecasts have",
            f"{', '.join(dict.fromkeys(name for name, _, _ in paid)) or 'none'} of {desk}",
            "leave the desk out",
        )
    who = np.array([i for i, _, _ in known])
    bps, value = np.array([row[1:] for row in known]).T
    scale = np.broadcast_to(sought.law.at(len(sought.level) - 1), sought.target[-1].shape)[who]
    unit = scale * (value / capital) ** (sought.law.power - 1.0)
    noise = NOISE * sought.sd[-1, who]
    mean, half = weighted_interval(bps.tolist(), value.tolist())
    before = belief.level
    belief.learn(float(((unit / noise) ** 2).sum()), float((unit * BPS * bps / noise**2).sum()))
    return PaidSession(desk, len(known), mean, half, before, belief.level)


def sentences(found: BookStep) -> list[str]:
    """Summary of today's book for a desk, in at most four sentences."""
    last = found.learned[-1] if found.learned else None
    aside = (
        f", a one-way turnover of {found.missed:.3f} from the previous targets"
        if found.missed
        else ""
    )
    believed = f"Cost believed {found.cost_believed:.3g}"
    return [
        f"{found.rule} at {found.parameter:g} trades a one-way turnover of {found.turnover:.3f} in "
        f"{len(found.trades)} names towards the targets of {found.day}.",
        f"Holdings are the desk's positions{aside}."
        if found.held == "positions"
        else "Holdings are assumed to be the previous targets; no desk with a capital has positions.",
        f"{believed}, as the file says: no desk has filled a parent yet."
        if last is None
        else f"{believed}, {last.before:.3g} before the last session: {last.parents} parents that paid "
        f"{last} bps; the file says {found.cost_said:.3g}.",
        *([why(found)] if found.tried else []),
    ]


def why(found: BookStep) -> str:
    """The reason of a step's parameter, in words."""
    rows = sorted(found.tried, key=lambda row: -(row.sharpe_net or 0.0))
    near = ", ".join(f"{row.parameter:g} {fixed(row.sharpe_net)}" for row in rows[:3])
    return (
        f"At this cost the {found.past} dates before {found.at[:4]} would have had these Sharpe ratios, the best "
        f"three of {len(rows)} parameters: {near}."
    )


# -- steps page -----------------------------------------------------------------------------------
# Page of a book's steps: targets and holdings, costs paid, costs believed, and the parameters chosen.

Steps = Sequence[BookStep]
LAST: Final = 10
"""Steps that are drawn name by name."""
MOST: Final = 16
"""Names drawn of one step, those with the largest targets."""


def steps_page(steps: Steps) -> str:
    """HTML page of the steps of a book, in order (:func:`tercel.signals.portfolio.today.recorded`)."""
    last, asked = steps[-1], [one for one in steps if one.missed is not None]
    sections = [
        Section(
            "Step by step",
            "A row begins with what the desk's last session made of the step before.",
            plain_table(*table_of(steps)),
            [paid(steps)] if any(one.learned for one in steps) else [],
        ),
        Section(
            "Targets and holdings",
            "Positions at their last marks, over the capital of the desk's file.",
            figures=[held(asked[-LAST:])] if asked else [],
        ),
        *([Section("Why this parameter", why(last), figures=[tried(steps)])] if last.tried else []),
    ]
    facts = {
        "rule": last.rule,
        "steps": len(steps),
        "cost the file says": f"{last.cost_said:.3g}",
        "cost believed": f"{last.cost_believed:.3g}",
    }
    text = last.sentences
    return render(
        f"{last.name}: {len(steps)} steps",
        text[0],
        sections,
        facts,
        "printed by: tercel portfolio run",
    )


def table_of(steps: Steps) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Headings and rows, a step each."""
    heads = (
        "forecast of",
        "parents",
        "paid, bps",
        "cost believed before",
        "after",
        "missed",
        "parameter",
        "past Sharpe net",
        "turnover",
    )
    rows = list[tuple[str, ...]]()
    for one in steps:
        new = one.learned[-1] if one.learned else None
        missed = "" if one.missed is None else fixed(one.missed, 3)
        cells = (
            ("", "", f"{one.cost_said:.3g}")
            if new is None
            else (str(new.parents), str(new), f"{new.before:.3g}")
        )
        best = next(
            (row.sharpe_net for row in one.tried if row.parameter == one.parameter),
            None,
        )
        rows.append(
            (
                one.day,
                *cells,
                f"{one.cost_believed:.3g}",
                missed,
                f"{one.parameter:g}",
                fixed(best),
                fixed(one.turnover, 3),
            )
        )
    return heads, rows


def _days(panel: Any, steps: Steps) -> None:
    panel.set_xticks(range(len(steps)), [one.at[5:10] for one in steps])
    panel.margins(x=0.04)


def paid(steps: Steps) -> Figure:
    """Cost paid in the last session before each step, with its interval, and the cost believed."""
    sessions = [(n, one.learned[-1]) for n, one in enumerate(steps) if one.learned]
    with sketch(3.0, PAGE) as drawing:
        left, middle, right = drawing.subplots(1, 3)
        left.axhline(0.0, color=svg.SOFT.token, linewidth=0.9)
        means = [one.bps or 0.0 for _, one in sessions]
        halves = [one.half_bps or 0.0 for _, one in sessions]
        left.errorbar(
            [n for n, _ in sessions],
            means,
            halves,
            fmt="o",
            color=svg.SERIES[1].token,
            markersize=4,
        )
        left.set(title="paid by the session before, bps", xlim=(-0.5, len(steps) - 0.5))
        middle.plot(
            [one.cost_believed for one in steps], "o-", color=svg.SERIES[2].token, markersize=4
        )
        middle.set(title="cost believed", ylim=(0, None))
        right.step(
            range(len(steps)),
            [one.parameter for one in steps],
            where="mid",
            color=svg.SERIES[3].token,
        )
        right.set(title=f"parameter of {steps[-1].rule}", ylim=(0, None))
        for panel in (left, middle, right):
            _days(panel, steps)
    spelt = "; ".join(f"{steps[n].day} {one!s} bps" for n, one in sessions)
    return finished(
        drawing, "paid", f"Paid: {spelt}.", "Bars are 95 % intervals over a session's parents."
    )


def held(steps: Steps) -> Figure:
    """Targets of the step before, and weights that the desk held at the next."""
    with sketch(2.9 * -(-len(steps) // 5), PAGE) as drawing:
        panels = small_panels(drawing, len(steps), min(5, len(steps)))
        for panel, one in zip(panels, steps, strict=True):
            rows = sorted(one.trades, key=lambda row: -max(abs(row.asked), abs(row.held)))[:MOST]
            rows.sort(key=lambda row: -row.asked)
            at = np.arange(len(rows))
            name_rows(panel, [row.name for row in rows])
            panel.barh(at, [100 * row.held for row in rows], 0.6, color=svg.SERIES[1].token)
            panel.plot(
                [100 * row.asked for row in rows],
                at,
                "|",
                color=svg.SERIES[0].token,
                markersize=10,
                markeredgewidth=2,
            )
            panel.set_title(f"before {one.day}", fontsize=9)
            panel.set_xlabel("% of capital")
    missed = "; ".join(f"{one.day} {one.missed:.3f}" for one in steps)
    return finished(
        drawing,
        "held",
        f"One-way turnover away from the targets: {missed}.",
        "Bars: holdings. Strokes: targets.",
    )


def tried(steps: Steps) -> Figure:
    """Past net Sharpe ratio of each parameter at the cost believed, one line per step; the one that was taken is marked."""
    able = [one for one in steps if one.tried][-LAST:]
    with sketch(3.2, PAGE) as drawing:
        panel = drawing.subplots()
        for one, shade in zip(able, np.linspace(0.35, 1.0, len(able)), strict=True):
            x = [row.parameter for row in one.tried]
            y = [np.nan if row.sharpe_net is None else row.sharpe_net for row in one.tried]
            colour = svg.SERIES[1].token
            panel.plot(range(len(x)), y, color=colour, alpha=shade)
            at = x.index(one.parameter)
            panel.plot(at, y[at], "o", color=colour, alpha=shade)
            panel.set_xticks(range(len(x)), [f"{value:g}" for value in x])
            panel.annotate(
                one.at[5:10], (at, y[at]), (3, 3), textcoords="offset points", fontsize=7
            )
        panel.set(xlabel=f"parameter of {steps[-1].rule}", ylabel="past Sharpe ratio, net")
    taken = "; ".join(f"{one.day} {one.parameter:g}" for one in able)
    return finished(
        drawing,
        "tried",
        f"Taken: {taken}.",
        "Later steps are darker; the year's past is the same for all.",
    )
