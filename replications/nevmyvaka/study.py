"""The study on a tape: actions tried at all moments of the earlier days, tables swept, judged on the later days."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from replications.nevmyvaka import state
from replications.nevmyvaka.rules import SubmitAndLeave, Swept
from replications.nevmyvaka.sweep import Tried, sweep
from tercel import Task, View
from tercel.core import FOREVER_NS, ConfigError
from tercel.execution import BPS, Costs, Intents, Strategy, shares, step as kernels
from tercel.lab.evaluation import Episodes, Plan, batches, run_strategies, tape_plan
from tercel.market.simulator import Source, TapeDay, layout as sim, replay_source as replay
from tercel.market.tape import Lake

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SHARES: Final = 5000
TRAINING_SHARE: Final = 2 / 3
"""Of the days, or of the one day."""
STEPS_AWAY: Final = (-8, -5, -3, -2, -1, 0, 1, 2, 3, 5)
"""Limit prices tried: halves of the usual spread through the own touch."""
VARIANTS: Final[dict[str, tuple[int, ...]]] = {
    "private": (),
    "spread": (0,),
    "imbalance": (1,),
    "cost": (2,),
    "volume": (3,),
    "spread, cost, volume": (0, 2, 3),
    "all": (0, 1, 2, 3),
}
"""Market variables in the state, besides time and units left."""


@dataclass(frozen=True)
class Setting:
    """Minutes to the horizon, decisions, units of the order."""

    minutes: int
    steps: int
    units: int

    @property
    def name(self) -> str:
        """As in tables."""
        return f"{self.minutes} min, T {self.steps}, I {self.units}"

    @property
    def task(self) -> Task:
        """The order in full."""
        return Task(
            horizon_s=60.0 * self.minutes, decisions=self.steps, warmup_s=0.0, grid_points=2
        )

    @property
    def step(self) -> Task:
        """One decision of it."""
        return replace(self.task, horizon_s=self.task.horizon_s / self.steps, decisions=1)


SETTINGS: Final = (Setting(2, 4, 4), Setting(2, 8, 8), Setting(8, 4, 4), Setting(8, 8, 8))


@dataclass(frozen=True, eq=False)
class Tape:
    """A symbol's days, the earlier to train on, the later to judge on; one day is cut."""

    symbol: str
    source: Source
    training: list[TapeDay]
    judged: list[TapeDay]
    cut_ns: int = 0

    @property
    def spans(self) -> tuple[str, str]:
        """Both parts in words."""
        if self.cut_ns:
            date = self.judged[0].instrument.date
            return f"{date}, first two thirds", f"{date}, the rest"
        earlier, later = self.training, self.judged
        dates = [
            (d[0].instrument.date, d[-1].instrument.date) if d else ("none", "none")
            for d in (earlier, later)
        ]
        return f"{dates[0][0]} to {dates[0][1]}", f"{dates[1][0]} to {dates[1][1]}"


def open_tape(lake: Lake, symbol: str, trained_on: Sequence[str] = ()) -> Tape:
    """All days of a symbol; those after `trained_on` are judged, the later third by default.

    Raises
    ------
    ConfigError
        For a lake without it, or without later days.
    """
    dates = list(lake.days(symbol))
    source, days = replay(lake, symbol, dates)
    if len(days) == 1 and list(trained_on) in ([], dates):
        cut = int(days[0].open_ns + TRAINING_SHARE * (days[0].close_ns - days[0].open_ns))
        return Tape(symbol, source, days, days, cut)
    first = (
        sum(date <= max(trained_on) for date in dates)
        if trained_on
        else max(int(len(days) * TRAINING_SHARE), 1)
    )
    if first == len(days):
        raise ConfigError(
            f"days of {symbol} after {max(trained_on)}, the last one trained on",
            f"{dates[0]} to {dates[-1]}",
            "import later days, or learn anew with --train",
        )
    return Tape(symbol, source, days[:first], days[first:])


# -- windows ----------------------------------------------------------------------------------------------------------


def windows(
    tape: Tape,
    task: Task,
    shares: int,
    *,
    judged: bool,
    every_ns: int | None = None,
    shift_ns: int = 0,
) -> Plan:
    """Windows of the training or of the judged days, each bought and sold; clusters are half hours.

    Raises
    ------
    ConfigError
        When no window fits.
    """
    rows, clusters = [], []
    days = tape.judged if judged else tape.training
    for number, day in enumerate(days):
        begin = max(day.open_ns, int(day.world_ns[0]), tape.cut_ns if judged else 0) + shift_ns
        until = tape.cut_ns if tape.cut_ns and not judged else FOREVER_NS
        part = tape_plan([day], task, [1e12], every_ns=every_ns, earliest_ns=begin, latest_ns=until)
        rows.append(part.rows)
        clusters.append(part.cluster + 1000 * number)
    plan = Plan(np.concatenate(rows), np.concatenate(clusters))
    lots = shares // tape.source.lot
    if lots < 1:
        raise ConfigError(
            f"at least {tape.source.lot} shares, one lot of {tape.symbol}",
            f"{shares}",
            "raise --shares",
        )
    plan.rows[:, kernels.E_QUANTITY] = lots
    return _quoted(tape.source, task, plan)


def _quoted(source: Source, task: Task, plan: Plan) -> Plan:
    """The windows that arrive when both sides have been quoted; a holiday's tape has none."""
    mids = []
    for part in batches(plan):
        episodes = Episodes(source, task, len(part))
        episodes.start(part)
        mids.append(episodes.states[:, sim.ARRIVAL_MID2].copy())
    there = np.flatnonzero(np.concatenate(mids) > 0)
    if len(there) == 0:
        raise ConfigError(
            "windows in which both sides are quoted",
            f"none of {len(plan)}",
            "import days that trade",
        )
    return plan.take(there)


def thin(plan: Plan, most: int) -> Plan:
    """At most so many episodes, evenly spread, buys and sells in pairs."""
    if len(plan) <= most:
        return plan
    pairs = np.unique(np.linspace(0, len(plan) // 2 - 1, max(most // 2, 1)).astype(np.int64))
    return plan.take(np.stack([2 * pairs, 2 * pairs + 1], axis=1).ravel())


# -- trying -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Always:
    """One offset, whatever is seen."""

    offset: int
    name: str = "always"

    def decide(self, view: View) -> Intents:
        return state.one_price(view, np.full(view.n, self.offset))

    def expected(self, view: View) -> Floats:
        return shares(self.decide(view), view)


@dataclass(frozen=True, eq=False)
class Trial:
    """Everything a setting's sweeps need: what actions do, and what the market showed, float64 (n, I, 4)."""

    tried: Tried
    seen: Floats


def offsets_for(tape: Tape) -> Ints:
    """Limit prices in ticks through the own touch, then the market order."""
    task = Task(horizon_s=300.0, decisions=1, warmup_s=0.0, grid_points=2)
    plan = windows(tape, task, SHARES, judged=False)
    unit = max(int(np.median(_seen(tape.source, task, plan)[:, 0])) // 2, 1)
    return np.array([unit * away for away in STEPS_AWAY] + [state.MARKET])


def _seen(source: Source, task: Task, plan: Plan) -> Floats:
    parts = []
    for part in batches(plan):
        episodes = Episodes(source, task, len(part))
        episodes.start(part)
        parts.append(state.market_state(episodes.view, episodes.view.qty0))
    return np.concatenate(parts)


def try_all(tape: Tape, setting: Setting, offsets: Ints, shares: int) -> Trial:
    """Every offset from every multiple of a step, with every number of units left, on the training days."""
    step, units = setting.step, setting.units
    plan = windows(tape, step, shares, judged=False, every_ns=step.horizon_ns)
    whole = int(plan.rows[0, kernels.E_QUANTITY])
    following = _following(plan, step.horizon_ns)
    shape = (len(plan), units, len(offsets))
    paid, closed, left, seen = (
        np.zeros(shape),
        np.zeros(shape),
        np.zeros(shape),
        np.zeros((len(plan), units, 4)),
    )
    for level in range(units):
        rows = plan.rows.copy()
        rows[:, kernels.E_QUANTITY] = lots = max((level + 1) * whole // units, 1)
        part = Plan(rows, plan.cluster)
        seen[:, level] = _seen(tape.source, step, part)
        costs = run_strategies(tape.source, step, part, [_Always(int(o)) for o in offsets])
        for action, one in enumerate(costs):
            scale = BPS / (one.arrival_mid2 * whole)
            moved = one.side * (one.mid2_grid[:, -1] - one.arrival_mid2)
            done = one.spread + one.walk + one.timing
            paid[:, level, action] = (done + moved * one.forced_lots) * scale
            closed[:, level, action] = one.shortfall * scale
            left[:, level, action] = one.forced_lots * ((level + 1) / lots)
    return Trial(Tried(paid, closed, np.clip(left, 0.0, units), following), seen)


def _following(plan: Plan, step_ns: int) -> Ints:
    """Number of the moment a step later, of the same side; -1 at the end of a day."""
    at = {
        (row[kernels.E_START_NS], row[kernels.E_SIDE]): n
        for n, row in enumerate(plan.rows.tolist())
    }
    rows = plan.rows.tolist()
    return np.array(
        [at.get((row[kernels.E_START_NS] + step_ns, row[kernels.E_SIDE]), -1) for row in rows]
    )


def cuts_of(seen: Floats) -> Floats:
    """Thirds of each variable by units left, float64 (I, 4, 2)."""
    return np.moveaxis(np.quantile(seen, [1 / 3, 2 / 3], axis=0), 0, -1)


# -- learning ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Table:
    """All that is learned of a setting.

    Parameters
    ----------
    setting : Setting
    leave : int
        Offset of the best submit and leave on the training windows.
    cuts : float64 (I, 4, 2)
    actions : dict of str to int8 (T, I, C)
        By the names of `VARIANTS`.
    """

    setting: Setting
    leave: int
    cuts: Floats
    actions: dict[str, NDArray[np.int8]]


def learn(tape: Tape, setting: Setting, offsets: Ints, shares: int) -> Table:
    """Sweep every variant, and choose the price of submit and leave, on the training days."""
    trial = try_all(tape, setting, offsets, shares)
    cuts = cuts_of(trial.seen)
    actions = {}
    for name, which in VARIANTS.items():
        cells = np.stack(
            [state.jobs_of(trial.seen[:, i], cuts[i], which) for i in range(setting.units)], axis=1
        )
        actions[name] = sweep(trial.tried, cells, state.PARTS ** len(which), setting.steps)[0]
    plan = windows(tape, setting.task, shares, judged=False, every_ns=setting.step.horizon_ns)
    limits = [int(o) for o in offsets if o != state.MARKET]
    costs = run_strategies(tape.source, setting.task, plan, [SubmitAndLeave(o) for o in limits])
    leave = limits[int(np.argmin([cost_bps(c).mean() for c in costs]))]
    return Table(setting, leave, cuts, actions)


# -- judging ----------------------------------------------------------------------------------------------------------


def cost_bps(costs: Costs) -> Floats:
    """Shortfall against the mid at arrival, float64 (n,)."""
    return costs.shortfall / costs.denominator * BPS


def judged_plan(tape: Tape, setting: Setting, shares: int, seeds: Sequence[int], most: int) -> Plan:
    """Windows a horizon apart on the judged days; each seed but the first shifts them by a part of it."""
    plans = []
    for number, seed in enumerate(seeds):
        shift = (
            0
            if number == 0
            else int(np.random.default_rng((seed, 0x2006)).integers(setting.task.horizon_ns))
        )
        plans.append(windows(tape, setting.task, shares, judged=True, shift_ns=shift))
    whole = Plan(
        np.concatenate([p.rows for p in plans]), np.concatenate([p.cluster for p in plans])
    )
    return thin(whole, most)


def judge(tape: Tape, table: Table, offsets: Ints, plan: Plan) -> dict[str, Floats]:
    """Cost of every strategy in every window, bps."""
    strategies: dict[str, Strategy] = {
        "market order": SubmitAndLeave(state.MARKET, "market order"),
        "submit and leave": SubmitAndLeave(table.leave),
        **{
            name: Swept(name, table.actions[name], offsets, table.cuts, which)
            for name, which in VARIANTS.items()
        },
    }
    costs = run_strategies(tape.source, table.setting.task, plan, list(strategies.values()))
    lost = {
        name: int(one.overflow.sum())
        for name, one in zip(strategies, costs, strict=True)
        if one.overflow.any()
    }
    if lost:
        raise ConfigError(
            "windows whose orders all find a place", f"overflows: {lost}", "choose other windows"
        )
    return {name: cost_bps(one) for name, one in zip(strategies, costs, strict=True)}
