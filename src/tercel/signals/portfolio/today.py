"""Today's book of a portfolio: one step of a rule from the holdings to the newest targets, at the costs that desks paid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from tercel.core.arrays import Floats
from tercel.core.bounded_parsing import parse_json
from tercel.core.errors import ConfigError, DataError, check_known, refuse_if
from tercel.core.files import write_atomic
from tercel.core.report.formatting import format_half_width, format_number
from tercel.core.serialization import json_text
from tercel.core.stats.mean_intervals import weighted_interval
from tercel.signals.models.predict import format_utc
from tercel.signals.portfolio.backtest import TARGETS, write_weights
from tercel.signals.portfolio.config import EXAMPLE, open_portfolio, read_config
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
    pick_dates,
    step,
)
from tercel.signals.portfolio.targets import read_named_values

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
        """Mean cost ± half-width of its interval, in bps, without the unit.

        >>> str(PaidSession("d", 3, 1.5, 0.25, 1.0, 1.2)), str(PaidSession("d", 3, 1.5, None, 1.0, 1.2))
        ('1.50 ± 0.25', '1.50')
        """
        return format_half_width(self.bps, self.half_bps, 2)


@dataclass(frozen=True)
class TriedParameter:
    """A parameter of a rule, and the net Sharpe ratio that it would have had."""

    parameter: float
    sharpe_net: float | None


@dataclass(frozen=True)
class NameTrade:
    """Weights of one name: previous target, held weight, target without costs, new weight."""

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


def step_book(
    file: Path,
    folder: Path,
    desks: Mapping[str, Paid],
    rule: str = "rate",
    seed: int = 1,
    held: Mapping[str, float] | None = None,
) -> BookStep:
    """Write today's book as `targets.csv`, one step of a rule from what is held; returns the step, which is not journalled here.

    Parameters
    ----------
    file : Path
        As `tercel portfolio backtest` reads it; its cost is the belief before any fill.
    folder : Path
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
    inputs = open_portfolio(config, file.resolve().parent, seed, newest=True)
    book_targets = inputs.targets
    walk = book_targets.walk
    names = book_targets.walk.names.tolist()
    last = len(book_targets.level) - 1
    belief = CostBelief(float(book_targets.level[-1]), learns=True, half_life=config.cost.half_life)
    learned = [
        learn_cost(belief, book_targets, config.cost.capital, *each)
        for each in desks.items()
        if each[1]
    ]
    pick = 0
    chosen_rule = RULES[rule]
    past = int(labels_ended(walk)[pick_dates(walk)[-1]])
    past_ratios = list[float]()
    if len(chosen_rule.parameters) > 1:
        paper = on_paper(book_targets, chosen_rule)
        pick = choose(paper, past, belief.level)
        if past >= LEAST_PAST:
            past_ratios = (
                past_sharpes(paper, past, belief.level) * book_targets.periods**0.5
            ).tolist()
    targeted = read_held_weights(folder / TARGETS, book_targets)
    before = targeted if held is None else held
    held_weights: Floats = np.array([before.get(name, 0.0) for name in names])
    new_weights = (
        held_weights
        + step(
            book_targets,
            chosen_rule,
            last,
            held_weights[None, :],
            np.array([[chosen_rule.parameters[pick]]]),
        )[0]
    )
    book = {
        name: weight if abs(weight) > DUST else 0.0
        for name, weight in zip(names, new_weights.tolist(), strict=True)
    }
    target_weights = dict(zip(names, book_targets.target[last].tolist(), strict=True))
    rows = [
        NameTrade(
            name=name,
            asked=targeted.get(name, 0.0),
            held=before.get(name, 0.0),
            target=target_weights.get(name, 0.0),
            weight=book.get(name, 0.0),
            trade=book.get(name, 0.0) - before.get(name, 0.0),
        )
        for name in dict.fromkeys([*names, *before, *targeted])
        if book.get(name) or before.get(name) or targeted.get(name)
    ]
    day = format_utc(walk.time_ns[-1])
    book_step = BookStep(
        name=config.name,
        file=str(file),
        at=day,
        rule=rule,
        parameter=chosen_rule.parameters[pick],
        cost_said=float(book_targets.level[-1]),
        cost_believed=belief.level,
        desks=list(desks),
        parents=sum(session.parents for session in learned),
        learned=learned,
        tried=[
            TriedParameter(*figures)
            for figures in zip(chosen_rule.parameters, past_ratios, strict=False)
        ],
        past=past,
        trades=sorted(rows, key=lambda row: -abs(row.trade)),
        turnover=float(sum(abs(row.trade) for row in rows)),
        targets=str(write_weights(folder / TARGETS, day[:10], book, before)),
        seed=seed,
        held="targets" if held is None else "positions",
        missed=None if held is None else turnover_between(held, targeted),
        sentences=[],
    )
    return replace(book_step, sentences=[*sentences(book_step), *inputs.sentences])


def steps_of(folder: Path) -> list[BookStep]:
    """Steps in the journal of a book's folder, in the order of its lines; empty without a journal.

    Raises
    ------
    DataError
        A line of the journal is no step.
    """
    path = folder / STEPS
    steps = list[BookStep]()
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    for number, line in enumerate(lines, 1):
        try:
            steps.append(msgspec.convert(parse_json(line), BookStep))
        except ValueError as error:
            raise DataError(
                "a step of a book, one JSON object",
                f"row {number} of {path}: {error}",
                "take the row out, or move the file away: then the page starts over",
            ) from None
    return steps


def write_steps(folder: Path, steps: Sequence[BookStep]) -> list[BookStep]:
    """Write all steps as the journal of a book's folder; returns the last one of each date, by date."""
    write_atomic(folder / STEPS, "".join(json_text(step) + "\n" for step in steps))
    return [book_step for _, book_step in sorted({step.at: step for step in steps}.items())]


def turnover_between(held: Mapping[str, float], targeted: Mapping[str, float]) -> float:
    """One-way turnover between holdings and targets; 0 without targets."""
    return float(
        sum(
            abs(held.get(name, 0.0) - targeted.get(name, 0.0))
            for name in ({*held, *targeted} if targeted else ())
        )
    )


def read_held_weights(path: Path, targets: BookTargets) -> dict[str, float]:
    """Weights of the previous file of targets; empty without one; raises DataError if it is nearly as new as the forecast.

    Raises
    ------
    DataError
        They are not as old as a step of the forecasts is long: they would be taken a second time.
    """
    if not path.is_file():
        return {}
    _, rows, day = read_named_values(path, {"weight": ("weight",)}, {"weight_unit": "fraction"})
    times = targets.walk.time_ns.astype("datetime64[ns]")
    if day is not None and times[-1] - np.datetime64(day) < SPACED * np.median(np.diff(times[:-1])):
        raise DataError(
            "a forecast one step after the previous targets",
            f"{times[-1].astype('datetime64[D]')}, and those of {day} in {path}",
            "bring the prices up to date, or remove the file: then nothing is held",
        )
    return {name: weight for name, weight, _ in rows}


def learn_cost(
    belief: CostBelief, targets: BookTargets, capital: float, desk: str, paid: Paid
) -> PaidSession:
    """Update a belief by the costs of a desk's session; the session with its parents counted and their mean cost.

    Parents count that are of names with a forecast now; their mean is by value, with its interval over parents; the belief
    before and after is kept too.

    Raises
    ------
    DataError
        None of them.
    """
    name_index = {name: i for i, name in enumerate(targets.walk.names.tolist())}
    matched = [
        (name_index[name], bps, value)
        for name, bps, value in paid
        if name in name_index and np.isfinite(targets.sd[-1, name_index[name]])
    ]
    if not matched:
        raise DataError(
            "filled parents of names that the forecasts have",
            f"{', '.join(dict.fromkeys(name for name, _, _ in paid)) or 'none'} of {desk}",
            "leave the desk out",
        )
    indices = np.array([i for i, _, _ in matched])
    bps, value = np.array([row[1:] for row in matched]).T
    scale = np.broadcast_to(targets.law.scale_at(len(targets.level) - 1), targets.target[-1].shape)[
        indices
    ]
    unit = scale * (value / capital) ** (targets.law.power - 1.0)
    noise = NOISE * targets.sd[-1, indices]
    mean, half = weighted_interval(bps.tolist(), value.tolist())
    before = belief.level
    belief.learn(float(((unit / noise) ** 2).sum()), float((unit * BPS * bps / noise**2).sum()))
    return PaidSession(desk, len(matched), mean, half, before, belief.level)


def sentences(book_step: BookStep) -> list[str]:
    """Summary of today's book for a desk, in at most four sentences."""
    last = book_step.learned[-1] if book_step.learned else None
    aside = (
        f", a one-way turnover of {book_step.missed:.3f} from the previous targets"
        if book_step.missed
        else ""
    )
    believed = f"Cost believed {book_step.cost_believed:.3g}"
    return [
        f"{book_step.rule} at {book_step.parameter:g} trades a one-way turnover of {book_step.turnover:.3f} in "
        f"{len(book_step.trades)} names towards the targets of {book_step.day}.",
        f"Holdings are the desk's positions{aside}."
        if book_step.held == "positions"
        else "Holdings are assumed to be the previous targets; no desk with a capital has positions.",
        f"{believed}, as the file says: no desk has filled a parent yet."
        if last is None
        else f"{believed}, {last.before:.3g} before the last session: {last.parents} parents that paid "
        f"{last} bps; the file says {book_step.cost_said:.3g}.",
        *([parameter_reason(book_step)] if book_step.tried else []),
    ]


def parameter_reason(book_step: BookStep) -> str:
    """The reason of a step's parameter, in words."""
    rows = sorted(book_step.tried, key=lambda row: -(row.sharpe_net or 0.0))
    near = ", ".join(f"{row.parameter:g} {format_number(row.sharpe_net)}" for row in rows[:3])
    return (
        f"At this cost the {book_step.past} dates before {book_step.at[:4]} would have had these Sharpe ratios, the best "
        f"three of {len(rows)} parameters: {near}."
    )
