"""The commands of recorded episodes sent again into another recording of the same market, each cut to the lots left."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from tercel import Task
from tercel.core import NO_ASK, NO_BID, AnyArray, Bools, CapacityError, Ints
from tercel.execution import ANCHOR, KEEP, OUTSIDE, Costs, Strategy, empty_intents, step
from tercel.lab.evaluation import Episodes, Plan, markets_of
from tercel.market.book import layout as lay
from tercel.market.simulator import Source, engine, layout as sim

EXTRA_ROWS = 1 << 14
"""Rows of a record beyond those of the tape: own commands and what became of them."""
LOG_ROWS = 1 << 13
NO_PRICE = 1 << 28
"""Where no own order rests: an intent anchored there leaves all as it is."""


class Command(NamedTuple):
    """A command: when it arrives (ns), which order of the episode, whether it is new, price, lots; `whole`: a cancel of all."""

    ns: int
    order: int
    is_new: bool
    price: int
    lots: int
    whole: bool
    immediate: bool


Commands = list[Command]


def record_commands(
    source: Source, task: Task, plan: Plan, strategy: Strategy
) -> tuple[list[Commands], Costs]:
    """Commands of a strategy in each episode of a plan, without those at the horizon, and what the episodes cost."""
    episodes = markets_of(
        strategy, source, task, plan, 0, _most_rows(source, task, plan) + EXTRA_ROWS
    )
    episodes.run(strategy)
    return [commands_in(episodes.record(n)) for n in range(len(plan))], episodes.costs()


def _most_rows(source: Source, task: Task, plan: Plan) -> int:
    """Largest number of tape rows in an episode, warm-up included."""
    columns = [step.E_CURSOR, step.E_CURSOR_END, step.E_START_NS]
    return max(
        int(np.searchsorted(source.tape[begin:end, sim.T_NS], start + task.horizon_ns, "right"))
        for begin, end, start in plan.rows[:, columns].tolist()
    )


def commands_in(record: Ints) -> Commands:
    """Commands of an episode's record; orders are numbered, since places of the ledger are used again."""
    found: Commands = []
    number_at: dict[int, int] = {}
    open_lots: dict[int, int] = {}
    for row in record[record[:, sim.R_KIND] >= sim.OWN_REST].tolist():
        kind, place, lots, flags = row[sim.R_KIND], row[sim.R_WHO], row[sim.R_LOTS], row[sim.R_MID2]
        if kind in (sim.OWN_FILL, sim.OWN_DEAD):
            open_lots[place] = (
                open_lots.get(place, 0) - lots
            )  # those of the horizon were not followed
        if kind != sim.OWN_SENT or flags & sim.FORCED:
            continue
        is_new = row[sim.R_SIDE] == sim.NEW
        if is_new:
            number_at[place] = len(found)
            open_lots[place] = lots
        found.append(
            Command(
                row[sim.R_TOUCH2],
                number_at[place],
                is_new,
                row[sim.R_PRICE],
                lots,
                not is_new and lots >= open_lots[place],
                bool(flags & sim.IMMEDIATE),
            )
        )
    return found


class Sent(NamedTuple):
    """What the commands of one strategy gave: costs, own fills of each episode (`Episodes.fills`), and where all that was
    shown on the other side was taken."""

    costs: Costs
    fills: list[Ints]
    emptied: Bools


def send_again(
    source: Source, task: Task, plan: Plan, scripts: Sequence[Sequence[Commands]]
) -> list[Sent]:
    """Send scripts of commands, one for each episode of a plan, in the recording `source`; what is left goes at the horizon.

    Each list of `scripts` is one strategy's. A new order is cut to the lots that are left and in no other order, a cancel
    to those that are open.

    Raises
    ------
    CapacityError
        An episode of more fills than are logged.
    """
    once = replace(task, decisions=1, clock="time", clock_step=0)
    episodes = Episodes(source, once, len(plan), log_rows=LOG_ROWS)
    episodes.start(plan)
    arrived = episodes.snapshot()
    unchanged = empty_intents(len(plan))
    unchanged[:, [OUTSIDE, ANCHOR]] = KEEP, NO_PRICE
    found = []
    for commands_by_episode in scripts:
        episodes.restore(arrived)
        emptied = [
            _send(source, episodes.books[n], episodes.states[n], commands)
            for n, commands in enumerate(commands_by_episode)
        ]
        while episodes.working.any():
            episodes.step(unchanged)
        most = int(episodes.states[:, sim.FILL_ROWS].max())
        if most > LOG_ROWS:
            raise CapacityError(
                f"at most {LOG_ROWS} fills an order", f"{most}", "work smaller orders"
            )
        fills = [episodes.fills(n).copy() for n in range(len(plan))]
        costs = episodes.costs()
        found.append(Sent(costs, fills, np.array(emptied) | (costs.unfilled_lots > 0)))
    return found


def _send(source: Source, book: AnyArray, state: AnyArray, commands: Commands) -> bool:
    """Let the commands of one episode arrive at their times, before the horizon; whether one emptied the other side."""
    market = engine.single_market(book, state, source.flow)
    at, words = int(book[lay.AT_LEDGER]), int(book[lay.OWN])
    ledger = book[at : at + words * lay.LEDGER].reshape(words, lay.LEDGER)
    place_of: dict[int, tuple[int, int]] = {}
    emptied = False
    horizon_ns = int(state[sim.START_NS] + state[sim.HORIZON_NS])
    for command in commands:
        if command.ns >= horizon_ns:
            break
        state[sim.DUE_NS] = command.ns
        while (
            engine.run(book, state, source.flow, source.tape) == sim.ACKNOWLEDGED
        ):  # a fill is no reason to stop
            pass
        if command.is_new:
            alive = ledger[:, lay.STATE] != lay.FREE_SLOT
            lots = min(command.lots, int(state[sim.LEFT] - ledger[alive, lay.OPEN].sum()))
            if lots > 0:
                place = int(alive.argmin())
                side = int(state[sim.SIDE])
                engine.enter_new(
                    book, state, source.flow, market, 0, place, side, command.price, lots, command.immediate
                )  # fmt: skip
                place_of[command.order] = place, int(ledger[place, lay.SENT])
                far = int(book[lay.BEST_ASK if side > 0 else lay.BEST_BID])
                emptied |= far == (NO_ASK if side > 0 else NO_BID)
        elif command.order in place_of:
            place, sent = place_of[command.order]
            if ledger[place, lay.STATE] != lay.FREE_SLOT and ledger[place, lay.SENT] == sent:
                lots = int(ledger[place, lay.OPEN])
                engine.enter_cancel(
                    book, state, source.flow, market, 0, place, lots if command.whole else min(lots, command.lots)
                )  # fmt: skip
    return emptied
