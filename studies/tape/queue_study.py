"""The value of a queue model: the same own orders on a tape of orders, and on the level totals that it shows.

A passive order is put at the best price of each side at regular times and waits for so long. On the tape of orders its
place in the queue is known exactly; on the totals each queue model guesses it (`simulator.levels`). "Touch fills" is
what a backtest without queues grants: a print at the order's price, or a touch on the other side at it, fills it whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studies.tape.to_levels import to_levels
from tercel.core import EXECUTE, FOREVER_NS, NO_ASK, NO_BID, NS_PER_SECOND, TapeError
from tercel.market import compile_day
from tercel.market.book import layout as lay
from tercel.market.simulator import Source, engine, layout as sim, source_of
from tercel.market.tape import Events, Instrument

EXACT = "exact"
MIN_EVENTS = 500
TOUCH = "touch_fills"
COMPARED = (
    "risk_averse",
    "power_prob:1",
    "power_prob:2",
    "power_prob:3",
    "power_prob2:2",
    "log_prob",
    "log_prob2",
)


@dataclass(frozen=True)
class Orders:
    """Orders put and what became of them: when (ns), side, price in ticks, seconds to the whole fill (inf: none)."""

    ns: NDArray[np.int64]
    side: NDArray[np.int64]
    price: NDArray[np.int64]
    filled_s: NDArray[np.float64]


@dataclass(frozen=True)
class QueueRow:
    """One model beside the exact queue.

    Parameters
    ----------
    model : str
        Its name.
    filled : float
        Share of orders filled within the wait.
    mean_fill_s : float
        Seconds to the fill, of those filled.
    agree : float
        Share of orders filled in both or in neither.
    extra, missed : float
        Shares filled here alone, and exactly alone.
    mean_error_s, mean_abs_error_s : float
        Of the seconds to the fill against the exact queue, unfilled ones at the end of the wait.
    """

    model: str
    filled: float
    mean_fill_s: float
    agree: float
    extra: float
    missed: float
    mean_error_s: float
    mean_abs_error_s: float


def compare_queues(
    instrument: Instrument,
    events: Events,
    *,
    wait_s: float = 60.0,
    lots: int = 1,
    models: Sequence[str] = COMPARED,
) -> tuple[int, list[QueueRow]]:
    """Orders at both touches, one after the other all day, under the exact queue and under each model.

    Returns
    -------
    (int, list of QueueRow)
        Orders put, and one row for the exact queue, each model, and touch = fill.

    Raises
    ------
    TapeError
        For a tape without orders, of too few events, or too short for one wait.
    """
    wait_ns = int(wait_s * NS_PER_SECOND)
    day = compile_day(instrument, events)
    if day.by_level:
        raise TapeError("a tape of single orders", f"level totals in {instrument.symbol} {instrument.date}",
                        "compare on a day whose queues are known")  # fmt: skip
    if len(events.kind) < MIN_EVENTS:
        received = f"{len(events.kind)} in {instrument.symbol} {instrument.date}"
        raise TapeError(
            f"at least {MIN_EVENTS} events to compare queues on", received, "take a longer tape"
        )
    source = source_of([day])[0]
    places = placements(source, instrument, wait_ns)
    if len(places) == 0:
        raise TapeError(
            f"a session of more than {wait_s:g} s",
            f"{instrument.symbol} {instrument.date}",
            "wait less",
        )
    exact = run_orders(source, places, wait_ns, lots)
    rows = [_row(EXACT, exact, exact, wait_s)]
    shown = compile_day(*to_levels(instrument, events))
    for model in models:
        rows.append(
            _row(
                model,
                run_orders(source_of([shown], model)[0], places, wait_ns, lots),
                exact,
                wait_s,
            )
        )
    rows.append(_row(TOUCH, touched(exact, events, wait_ns), exact, wait_s))
    return len(exact.ns), rows


def _row(model: str, mine: Orders, exact: Orders, wait_s: float) -> QueueRow:
    here, there = np.isfinite(mine.filled_s), np.isfinite(exact.filled_s)
    error = np.minimum(mine.filled_s, wait_s) - np.minimum(exact.filled_s, wait_s)
    return QueueRow(
        model, float(here.mean()), float(mine.filled_s[here].mean()) if here.any() else float("nan"),
        float((here == there).mean()), float((here & ~there).mean()), float((there & ~here).mean()),
        float(error.mean()), float(np.abs(error).mean()),
    )  # fmt: skip


class _Replay:
    """One replay of a source from its start, driven from Python."""

    def __init__(self, source: Source) -> None:
        self.b, self.k = source.worlds_b[0].copy(), source.worlds_k[0].copy()
        self.flow, self.tape = source.flow, source.tape
        self.k[sim.CURSOR_END], self.k[sim.ATTENTIVE] = len(self.tape), 1
        self.k[sim.LEFT] = 1 << 60
        self.k[sim.FLOW_NS] = self.tape[0, sim.T_NS] if len(self.tape) else FOREVER_NS
        self.at = engine.single_market(self.b, self.k, self.flow)

    def until(self, ns: int) -> bool:
        """Run to a time or to the next own fill; whether it came to that time."""
        self.k[sim.DUE_NS] = ns
        return engine.run(self.b, self.k, self.flow, self.tape) != sim.ACKNOWLEDGED

    def send(self, own: int, side: int, price: int, lots: int) -> None:
        """A limit order."""
        engine.enter_new(self.b, self.k, self.flow, self.at, 0, own, side, price, lots, False)

    def cancel(self, own: int, lots: int) -> None:
        """Take lots of an order back."""
        engine.enter_cancel(self.b, self.k, self.flow, self.at, 0, own, lots)

    def open_lots(self, own: int) -> int:
        """Lots of an own order that are not dead."""
        return int(self.b[self.b[lay.AT_LEDGER] + own * lay.LEDGER + lay.OPEN])


def placements(source: Source, instrument: Instrument, wait_ns: int) -> NDArray[np.int64]:
    """When and where orders are put: rows of ns, best bid, best ask, as the tape alone shows them."""
    replay = _Replay(source)
    start = instrument.session_open_ns or int(source.tape[0, sim.T_NS])
    stop = instrument.session_close_ns or int(source.tape[-1, sim.T_NS])
    rows = []
    for now in range(start + wait_ns, stop - wait_ns, wait_ns):
        replay.until(now)
        bid, ask = int(replay.k[sim.PUBLIC_BID]), int(replay.k[sim.PUBLIC_ASK])
        if not replay.k[sim.HALTED] and bid != NO_BID and ask != NO_ASK and bid < ask:
            rows.append((now, bid, ask))
    return np.array(rows, np.int64).reshape(-1, 3)


def run_orders(source: Source, places: NDArray[np.int64], wait_ns: int, lots: int) -> Orders:
    """Put an order at each place of both sides, wait, take back what is left, and go on to the next."""
    replay = _Replay(source)
    rows: list[tuple[int, int, int, float]] = []
    for now, *touch in places.tolist():
        while not replay.until(now):
            pass
        for own, side in enumerate((1, -1)):
            replay.send(own, side, touch[own], lots)
        filled = [float("inf"), float("inf")]
        over = False
        while not over:
            over = replay.until(now + wait_ns - 1)
            for own in range(2):
                if replay.open_lots(own) == 0 and filled[own] == float("inf"):
                    filled[own] = (int(replay.k[sim.NOW]) - now) / NS_PER_SECOND
        for own, side in enumerate((1, -1)):
            rows.append((now, side, touch[own], filled[own]))
            if replay.open_lots(own) > 0:
                replay.cancel(own, lots)
    ns, sides, price, filled_s = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Orders(
        np.array(ns, np.int64),
        np.array(sides, np.int64),
        np.array(price, np.int64),
        np.array(filled_s, float),
    )


def touched(orders: Orders, events: Events, wait_ns: int) -> Orders:
    """Seconds to the first print at an order's price or through it, whatever stands in front."""
    traded = events.kind == EXECUTE
    ns, side, price = events.exch_ns[traded], events.side[traded], events.price_ticks[traded]
    filled = np.full(len(orders.ns), np.inf)
    for i in range(len(orders.ns)):
        s = orders.side[i]
        first, last = np.searchsorted(ns, [orders.ns[i] + 1, orders.ns[i] + wait_ns])
        hit = (side[first:last] == s) & ((price[first:last] - orders.price[i]) * s <= 0)
        hit |= (side[first:last] == -s) & (
            (price[first:last] - orders.price[i]) * s <= 0
        )  # the other side stands there
        if hit.any():
            filled[i] = (ns[first + int(np.argmax(hit))] - orders.ns[i]) / NS_PER_SECOND
    return Orders(orders.ns, orders.side, orders.price, filled)
