"""``python -m studies passive-impact``: planted ratios, found again by trials of own orders in a simulated market.

In a market whose law counts a resting fill as `passive_impact` of a take, orders of a mean trade are drawn to rest at
the touch for a minute, to take, or to be withheld. Three designs read the same orders:

    twin    the mid `AFTER_S` after the first fill, less that of the same market without the order
    ghost   its move from before the first fill; withheld orders have ghosts that fill where an order would have
    intent  its move from assignment, of all orders, at one time
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from studies.impact.passive_impact import PassiveImpact, estimate_passive_impact
from studies.twins import without_own_orders
from tercel import Latency, Task
from tercel.cli import print_json, print_table, say
from tercel.core import ConfigError, Floats, Ints
from tercel.execution import E_WORLD, Costs, Peg, empty_intents, take_to
from tercel.lab.evaluation import Episodes, Plan, streams_plan
from tercel.market.flow import load
from tercel.market.impact import law_for
from tercel.market.simulator import Source, layout as sim, reactive

Arms = NDArray[np.str_]
Orders = tuple[Arms, Floats, Floats]
"""Arms, lots and moves, as `estimate_passive_impact` reads them."""

RATIOS: Final = (0.25, 0.5, 1.0)
DESIGNS: Final = ("twin", "ghost", "intent")
WAIT_S: Final = 60
"""For so long an order rests; what is left is cancelled."""
AFTER_S: Final = 30
"""From the first fill to the mid that is read: lots that rested or returned have left the touch, the law has hardly decayed."""
DECISION_S: Final = 10
END_S: Final = WAIT_S + AFTER_S + 1
"""When moves from assignment are read."""
LEVELS: Final = (0.95, 0.99)
GOAL: Final = 0.3
"""Width of an interval that the last column asks orders for."""
WORLDS: Final = 48


@dataclass(frozen=True)
class Trial:
    """Orders of one trial by design, and lots of resting fills.

    Attributes
    ----------
    orders : mapping of design to (arms, lots, moves)
        Lots in mean trades; moves in ticks, in the direction of the order.
    rested, crossed : int
        Lots of resting orders that were filled, and those of them by public limit orders that crossed.
    """

    orders: dict[str, Orders]
    rested: int
    crossed: int


@dataclass(frozen=True)
class Row:
    """Trials of one ratio in one design: mean over seeds, intervals of both levels that hold the ratio, the widest of the
    wider level, orders for a width of `GOAL` at the narrower (infinite where most intervals are)."""

    planted: float
    design: str
    found: float
    inside: tuple[int, ...]
    seeds: int
    widest: float
    orders_needed: float
    crossed_share: float


def run(market: str, orders: int, seeds: Sequence[int], as_json: bool) -> None:
    """Print a row a ratio and design."""
    rows = [row for ratio in RATIOS for row in measure(market, ratio, orders, seeds)]
    if as_json:
        print_json(
            {
                "market": market,
                "orders": orders,
                "levels": LEVELS,
                "rows": [asdict(x) for x in rows],
            }
        )
        return
    shown = [
        (
            f"{x.planted:g}", x.design, _cell(x.found, ".2f"), *(f"{n} of {x.seeds}" for n in x.inside),
            _cell(x.widest, ".2f"), _cell(x.orders_needed, ",.0f"), f"{100 * x.crossed_share:.0f} %",
        )
        for x in rows
    ]  # fmt: skip
    print_table(
        f"ratios planted in {market}, and found by {len(seeds)} trials of {orders:,} orders",
        ("planted", "design", "found", "in 95 %", "in 99 %", "widest", f"orders for {GOAL:g}", "crossed"),
        shown,
    )  # fmt: skip
    say(
        "Found: mean of the trials. In 95 %, 99 %: intervals that hold the planted ratio; widest: of those of 99 %. Orders "
        f"for {GOAL:g}: at which half of the 95 % intervals are narrower. Crossed: share of resting lots that public limit "
        "orders filled; they count as any resting fill."
    )


def _cell(value: float, form: str) -> str:
    return format(value, form) if np.isfinite(value) else "-"


def measure(market: str, ratio: float, orders: int, seeds: Sequence[int]) -> list[Row]:
    """Trials with one ratio planted, one a seed, in every design."""
    trials = [run_trial(market, ratio, orders, seed) for seed in seeds]
    crossed = sum(trial.crossed for trial in trials) / max(sum(t.rested for t in trials), 1)
    rows = []
    for design in DESIGNS:
        found = [[_estimate(trial, design, level) for level in LEVELS] for trial in trials]
        inside = tuple(
            sum(pair[n].ci_low <= ratio <= pair[n].ci_high for pair in found)
            for n in range(len(LEVELS))
        )
        narrow, wide = (
            np.array([pair[n].ci_high - pair[n].ci_low for pair in found])
            for n in range(len(LEVELS))
        )
        needed = orders * (float(np.median(narrow)) / GOAL) ** 2
        mean = float(np.mean([pair[0].ratio for pair in found]))
        rows.append(
            Row(ratio, design, mean, inside, len(found), float(wide.max()), needed, crossed)
        )
    return rows


def _estimate(trial: Trial, design: str, level: float) -> PassiveImpact:
    try:
        return estimate_passive_impact(*trial.orders[design], level=level)
    except ConfigError:  # takes that are not significant exclude no ratio
        return PassiveImpact(float("nan"), -float("inf"), float("inf"), 0.0, 0.0)


def run_trial(market: str, ratio: float, orders: int, seed: int) -> Trial:
    """One trial in a market with a ratio planted: a third of the orders in each arm, at random."""
    preset = load(market)
    law = law_for(preset, None)
    if law is None:
        raise ConfigError(
            "a market with a law of impact", market, "such as ibm (`tercel market list`)"
        )
    source = reactive(preset, worlds=WORLDS, seed=seed, impact=law.scaled(1.0, ratio))
    lots = max(int(law.mean_trade_lots), 1)
    seconds = WAIT_S + AFTER_S + DECISION_S
    task = Task(
        quantity=lots,
        horizon_s=float(seconds),
        decisions=seconds // DECISION_S,
        warmup_s=60.0,
        latency=Latency("constant", 1_000_000, 0),
        grid_points=seconds + 1,
    )
    plan = streams_plan(task, lots, seed, 0, orders)
    plan.rows[:, E_WORLD] = np.arange(orders) % WORLDS
    drawn = np.random.default_rng((seed, orders)).permutation(np.arange(orders) % 3)
    arms = np.array(["none", "rest", "take"])[drawn]
    twin = without_own_orders(source, task, plan).costs()
    ours = _work(source, task, plan, arms)
    costs = ours.costs()
    ghosts = _work(source, task, plan, np.where(arms == "none", "rest", arms)).costs()
    rested = arms == "rest"
    return Trial(
        _read_designs(arms, costs, twin, ghosts.lots_grid, law.mean_trade_lots),
        int(costs.lots_grid[rested].sum()),
        int(ours.states[rested, sim.CROSSED_LOTS].sum()),
    )


def _read_designs(
    arms: Arms, costs: Costs, twin: Costs, ghost_fills: Ints, trade: float
) -> dict[str, Orders]:
    """Arms, lots in mean trades and moves of the mid in ticks that each design reads of the same orders.

    `ghost_fills`, int64 (n, G): lots that withheld orders would have been filled by second of the grid.
    """
    each, fills = np.arange(len(arms)), costs.lots_grid
    own, without = costs.mid2_grid / 2.0, twin.mid2_grid / 2.0
    side = costs.side.astype(np.float64)
    first, ghost_first = _fill_seconds(fills, last=False), _fill_seconds(ghost_fills, last=False)
    read = _fill_seconds(fills, last=True) + AFTER_S
    by_twin = (
        arms,
        _lots_before(fills, read) / trade,
        side * (own[each, read] - without[each, read]),
    )
    lots_at_end = _lots_before(fills, np.full(len(arms), END_S)) / trade
    by_intent = (arms, lots_at_end, side * (own[:, END_S] - own[:, 0]))
    # Withheld orders stand twice: as ghosts that fill, and beside takes from assignment.
    haunted = np.flatnonzero((arms == "none") & ghost_fills.any(axis=1))
    filled = np.flatnonzero((arms != "rest") | fills.any(axis=1))
    moved = side * (own[each, first + AFTER_S] - own[each, first])
    ghosts_moved = side * (without[each, ghost_first + AFTER_S] - without[each, ghost_first])
    lots_after = _lots_before(fills, first + AFTER_S) / trade
    by_ghost = (
        np.concatenate((arms[filled], np.full(len(haunted), "ghost"))),
        np.concatenate((lots_after[filled], np.zeros(len(haunted)))),
        np.concatenate((moved[filled], ghosts_moved[haunted])),
    )
    return dict(zip(DESIGNS, (by_twin, by_ghost, by_intent), strict=True))


def _fill_seconds(lots_grid: Ints, *, last: bool) -> Ints:
    """Second of each order's first or last fill, int64 (n,), 0 without one; the mid at that second is the one before it."""
    filled = lots_grid[:, : END_S - AFTER_S] > 0
    place = (
        (filled.shape[1] - 1 - filled[:, ::-1].argmax(axis=1)) if last else filled.argmax(axis=1)
    )
    return np.asarray(np.where(filled.any(axis=1), place, 0))


def _lots_before(lots_grid: Ints, seconds: Ints) -> Floats:
    """Lots that each order filled before so many seconds, float64 (n,)."""
    return np.array([row[:end].sum() for row, end in zip(lots_grid, seconds, strict=True)], float)


def _work(source: Source, task: Task, plan: Plan, arms: Arms) -> Episodes:
    """Episodes in which orders of the arm "take" take at once, and those of "rest" rest at the touch up to `WAIT_S`."""
    episodes, rule = Episodes(source, task, len(plan)), Peg(0)
    episodes.start(plan)
    decision = 0
    while episodes.working.any():
        view = episodes.view
        intents = empty_intents(len(plan))
        if decision == 0:
            taking = arms == "take"
            intents[taking] = take_to(view.left, view)[taking]
        if decision < WAIT_S // DECISION_S:
            resting = arms == "rest"
            intents[resting] = rule.decide(view)[resting]
        episodes.step(intents)
        decision += 1
    return episodes
