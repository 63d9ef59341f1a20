"""Resting orders at the touch at random moments of a day: what each fills in the replay, and in hftbacktest by FIFO queues.

No strategy is in it: every order is alone in its episode, limited at the touch that it sees, and cancelled after
`HOLD_S`. In hftbacktest all orders of a day are in one backtest, whose market does not see them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from studies.engines.hosts import Job, do_jobs
from studies.tape.commands_again import Command, send_again
from tercel import Task
from tercel.core import ADD, EXECUTE, NO_ASK, NO_BID, NS_PER_SECOND, Bools, Longs
from tercel.execution import step
from tercel.feeds.export import write_day
from tercel.lab.evaluation import Episodes, Plan, window_row
from tercel.market.simulator import Source, TapeDay, layout as sim, replay_source
from tercel.market.tape import Events, Lake

HOLD_S: Final = 60
SKIP_S: Final = 900
"""Orders leave so long after the opening and before the close."""
BATCH: Final = 250
KIND, STRICT = "kind", "strict"
BOUNDS: Final = (KIND, STRICT)
PLAIN, SHOWN, THROUGH = "plain", "shown", "through"
FEEDS: Final = (PLAIN, SHOWN, THROUGH)
"""hftbacktest on the day as exported, with the aggressor of each trade as an order, and so without fills of the tape's own
orders: trades through a price alone fill there."""


class Orders(NamedTuple):
    """Orders of one day, int64 (n,): when sent (ns, ascending), +1 buys and -1 sells, limit (ticks)."""

    ns: Longs
    side: Longs
    price: Longs


class Fills(NamedTuple):
    """Lots that each order filled before its cancel, and when the first did (ns; 0: none), int64 (n,)."""

    lots: Longs
    ns: Longs

    def same_lots(self, other: "Fills") -> Bools:
        """Whether each order filled as many lots, bool (n,)."""
        return np.asarray(self.lots == other.lots)

    def same(self, other: "Fills") -> Bools:
        """Whether each order filled as many lots, the first at the same nanosecond, bool (n,)."""
        return np.asarray((self.lots == other.lots) & (self.ns == other.ns))

    def same_start(self, other: "Fills") -> Bools:
        """Whether each order began to fill at the same nanosecond, or not at all, bool (n,)."""
        return np.asarray(self.ns == other.ns)


def joined(parts: Sequence[Fills]) -> Fills:
    """Fills of several days as one."""
    return Fills(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def draw(
    source: Source, day: TapeDay, n: int, latency_ns: int, rng: np.random.Generator
) -> tuple[Orders, Plan]:
    """`n` random orders at the touch of a day, and the episodes in which each is alone; fewer where a side is often empty."""
    margin = SKIP_S * NS_PER_SECOND
    ns = rng.integers(day.open_ns + margin, day.close_ns - margin, 2 * n)
    side = rng.choice([1, -1], 2 * n)
    look = Task(horizon=HOLD_S, decisions=1)
    touch = np.zeros((2 * n, 2), np.int64)
    for part in _parts(2 * n):
        plan = _plan(day, look, ns[part], side[part])
        episodes = Episodes(source, look, len(plan))
        episodes.start(plan)
        touch[part] = episodes.states[:, [sim.PUBLIC_BID, sim.PUBLIC_ASK]]
    price = np.where(side > 0, *touch.T)
    chosen = np.flatnonzero((touch[:, 0] != NO_BID) & (touch[:, 1] != NO_ASK))[:n]
    chosen = chosen[np.argsort(ns[chosen])]
    orders = Orders(ns[chosen], side[chosen], price[chosen])
    # an order is cancelled at the horizon, HOLD_S behind a nanosecond before its arrival
    return orders, _plan(day, look, orders.ns + latency_ns - 1, orders.side)


def _parts(n: int) -> list[slice]:
    return [slice(first, first + BATCH) for first in range(0, n, BATCH)]


def _plan(day: TapeDay, task: Task, ns: Longs, side: Longs) -> Plan:
    """Episodes that begin at moments of a day."""
    rows = [
        window_row(day, task, *row, 1, 0, number)
        for number, row in enumerate(zip(ns.tolist(), side.tolist(), strict=True))
    ]
    return Plan(np.array(rows, np.int64).reshape(-1, step.EPISODE_WORDS), np.arange(len(rows)))


def fills_here(source: Source, orders: Orders, plan: Plan, lots: int) -> Fills:
    """What orders of so many lots fill in the replay under the bound of `source`."""
    plan.rows[:, step.E_QUANTITY] = lots
    task = Task(horizon=HOLD_S, decisions=1)
    found = []
    for part in _parts(len(plan)):
        batch = plan.take(part)
        arrive = (batch.rows[:, step.E_START_NS] + 1).tolist()
        scripts = [
            [Command(ns, 0, True, price, lots, whole=False, immediate=False)]
            for ns, price in zip(arrive, orders.price[part].tolist(), strict=True)
        ]
        (sent,) = send_again(source, task, batch, [scripts])
        for fills in sent.fills:
            own = fills[fills[:, 6] == 0]  # without what goes at the horizon
            found.append((own[:, 2].sum(), own[0, 0] if len(own) else 0))
    return Fills(*np.array(found, np.int64).reshape(-1, 2).T)


class Compared(NamedTuple):
    """Fills of the same orders in the replay, by bound, and in hftbacktest, by feed; all (n,)."""

    here: Mapping[str, Fills]
    there: Mapping[str, Fills]
    older: Bools
    """Whether the first fill under `strict` is a trade with an order from before the recording."""


def compare(
    lake: Lake,
    symbol: str,
    dates: Sequence[str],
    orders_a_day: int,
    lots: int,
    latency_ns: int,
    seed: int,
    python: Path,
    folder: Path,
) -> Compared:
    """Send the same random orders of some days into both engines; `folder` takes the files that they exchange."""
    here: dict[str, list[Fills]] = {bound: [] for bound in BOUNDS}
    there: dict[str, list[Fills]] = {feed: [] for feed in FEEDS}
    jobs: list[Job] = []
    older: list[Bools] = []
    for number, date in enumerate(dates):
        source, (day,) = replay_source(lake, symbol, [date])
        orders, plan = draw(
            source, day, orders_a_day, latency_ns, np.random.default_rng((seed, number))
        )
        for bound in BOUNDS:
            bounded, _ = replay_source(lake, symbol, [date], bound=bound)
            here[bound].append(fills_here(bounded, orders, plan, lots))
        older.append(_with_older_orders(lake.read(symbol, date)[1], here[STRICT][-1]))
        exported = exported_day(lake, symbol, date, folder)
        sent = folder / f"orders-{symbol}-{date}.npz"
        origin = day.instrument.price_origin
        np.savez(sent, ns=orders.ns, side=orders.side, price=orders.price + origin)
        for feed in FEEDS:
            jobs.append({
                "job": "rest", "day": exported, "orders": sent, "feed": feed, "tick": day.instrument.tick,
                "size": lots * float(day.instrument.lot_units),
                "hold_ns": HOLD_S * NS_PER_SECOND - 1, "latency_ns": latency_ns,
                "out": folder / f"fills-{symbol}-{date}-{feed}.npz",
            })  # fmt: skip
    do_jobs(python, "tercel_hftbacktest", jobs, folder)
    for job in jobs:
        with np.load(job["out"]) as found:
            there[job["feed"]].append(Fills(lots * found["filled"], found["ns"]))
    return Compared(
        {bound: joined(parts) for bound, parts in here.items()},
        {feed: joined(parts) for feed, parts in there.items()},
        np.concatenate(older),
    )


def _with_older_orders(events: Events, fills: Fills) -> Bools:
    """Whether each first fill is at the time of a trade with an order that the tape never added."""
    known = np.isin(events.order_id, events.order_id[events.kind == ADD])
    return np.isin(fills.ns, events.exch_ns[(events.kind == EXECUTE) & ~known])


def exported_day(lake: Lake, symbol: str, date: str, folder: Path) -> Path:
    """A day of the lake in a file of hftbacktest's events, written once."""
    file = folder / f"{symbol}-{date}.npz"
    if not file.exists():
        write_day("hftbacktest", *lake.read(symbol, date), file)
    return file


QUEUE, OWN, ROUNDING = "queue", "own orders in the book", "rounding"
OLDER, OTHER = "orders from before the recording", "not explained"
CAUSES: Final = (QUEUE, OWN, ROUNDING, OLDER, OTHER)


def causes_of(found: Compared) -> Longs:
    """Cause of each order's difference between hftbacktest on the plain day and `strict`: of `CAUSES`, -1 for the same lots.

    A cause is what takes the difference away as it is switched off. Trades through a price alone fill in hftbacktest
    (`THROUGH`): it is the queue, or an own order alone beyond the touch if showing aggressors changed the lots. A trade
    behind the own order that `kind` lets pass had older orders at its tick before it: it came at a better price
    within the tick. Of trades with orders from before the recording hftbacktest knows nothing.
    """
    strict, kind = found.here[STRICT], found.here[KIND]
    plain, shown, through = (found.there[feed] for feed in FEEDS)
    cause = np.where(plain.same_lots(strict), -1, CAUSES.index(OTHER))
    open_ = (cause >= 0) & through.same_lots(strict)
    cause[open_ & ~plain.same_lots(shown)] = CAUSES.index(OWN)
    behind = open_ & plain.same_lots(shown)
    cause[behind & shown.same_lots(kind)] = CAUSES.index(QUEUE)
    cause[behind & ~shown.same_lots(kind)] = CAUSES.index(ROUNDING)
    cause[(cause == CAUSES.index(OTHER)) & found.older] = CAUSES.index(OLDER)
    return np.asarray(cause)
