"""Ways to earn money in a market without an order to work: orders of one trader on both sides, flat at the end.

A pattern is a generator: it sends and cancels orders, and yields the seconds until it looks again. What it holds at its
end is taken back at the market, so a profit is cash. Each is played twice in the same world, begun by buying and by
selling; the mean of both is one observation, in which what the market did by itself cancels.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from studies.round_trips.search import one_sided
from tercel.core import (
    M_LOTS,
    M_PRICE,
    M_SIDE,
    NS_PER_SECOND,
    ONE,
    TERMINAL,
    CancelOrder,
    ExecType,
    Floats,
    NewOrder,
    Report,
    Tif,
)
from tercel.market.flow import Preset
from tercel.market.impact import ImpactLaw
from tercel.market.simulator import Source, layout as sim, replay_source
from tercel.market.tape import Lake
from tercel.venues.exchange import MarketSpec, SimulatedExchange

NAME: Final = "market"
WARM_S: Final = 60.0
LENGTH_S: Final = 900.0
"""Of patterns that go on."""
CLOSE_S: Final = 60
"""Tries, a second apart, to take back what is held at the end."""
LAYERS: Final = 5
LAYER_TRADES: Final = 10
"""Lots of a layer, mean trades."""
SKIP_S: Final = 870.0
"""Of a recorded day's opening; its checkpoints stand a quarter of an hour apart, give or take a message."""
QUIET_S: Final = 60.0
MOST_TRADES: Final = 10
"""Mean trades that a quoting pattern holds at most."""


@dataclass
class RestingOrder:
    """An order of the trader: side, price (None: at the market) and lots that are left."""

    side: int
    price: int | None
    left: int


@dataclass
class Trader:
    """One trader in a simulated market.

    Attributes
    ----------
    cash : int
        Ticks x lots received less paid.
    position : int
        Lots held, signed.
    traded : int
        Lots bought and sold.
    """

    exchange: SimulatedExchange
    orders: dict[str, RestingOrder] = field(default_factory=dict)
    cash: int = 0
    position: int = 0
    traded: int = 0
    number: int = 0

    def touch(self) -> tuple[int, int] | None:
        """Best bid and ask of others; None where a side is empty."""
        rows = self.exchange.snapshot(NAME).rows
        best = []
        for side in (1, -1):
            levels = rows[rows[:, M_SIDE] == side]
            prices, at = np.unique(side * levels[:, M_PRICE], return_inverse=True)
            lots = np.bincount(at, levels[:, M_LOTS], len(prices))
            for order in self.orders.values():
                if order.side == side and order.price is not None:
                    lots[prices == side * order.price] -= order.left
            if not (lots > 0).any():
                return None
            best.append(side * int(prices[lots > 0][-1]))
        return best[0], best[1]

    def send(self, side: int, lots: int, price: int | None = None) -> None:
        """Rest lots at a price, or without one take them at the market."""
        if lots < 1:
            return
        self.number += 1
        name = f"o{self.number}"
        tif = Tif.IOC if price is None else Tif.DAY
        self.orders[name] = RestingOrder(side, price, lots)
        now_ns = self.exchange.now_ns
        self.exchange.send(NewOrder(name, NAME, side, lots, price, tif, "desk", "attack", now_ns))

    def cancel(self, side: int = 0, but: Collection[int | None] = ()) -> None:
        """Cancel resting orders of a side (0: both), but those at some prices."""
        for name, order in self.orders.items():
            if side in (0, order.side) and order.price is not None and order.price not in but:
                self.number += 1
                now_ns = self.exchange.now_ns
                self.exchange.send(
                    CancelOrder(f"c{self.number}", name, NAME, order.side, "desk", now_ns)
                )

    def quote(self, side: int, lots: int, price: int) -> None:
        """Have so many lots of a side rest at a price, and none elsewhere."""
        self.cancel(side, {price} if lots > 0 else ())
        resting = sum(
            order.left
            for order in self.orders.values()
            if order.side == side and order.price == price
        )
        self.send(side, lots - resting, price)

    def run(self, seconds: float) -> None:
        """Let the market go on, and book fills."""
        until_ns = self.exchange.now_ns + round(seconds * NS_PER_SECOND)
        while self.exchange.now_ns < until_ns:
            for event in self.exchange.step(until_ns):
                if isinstance(event, Report):
                    self._book(event)

    def _book(self, report: Report) -> None:
        name = report.cl_ord_id if report.cl_ord_id in self.orders else report.orig
        order = self.orders.get(name)
        if order is None:
            return
        if report.exec_type is ExecType.TRADE:
            lots = report.last_qty // ONE
            self.cash -= order.side * lots * (report.last_px // ONE)
            self.position += order.side * lots
            self.traded += lots
            order.left -= lots
        if report.status in TERMINAL or order.left < 1:
            del self.orders[name]

    def flatten(self) -> None:
        """Cancel all, and take back what is held."""
        self.cancel()
        self.run(0.1)
        for _ in range(CLOSE_S):
            if self.position == 0:
                return
            self.take_back()
            self.run(1.0)

    def take_back(self) -> None:
        """Send an order at the market for what is held."""
        self.send(-int(np.sign(self.position)), abs(self.position))


Pattern = Callable[[Trader, int, int], Iterator[float]]
"""A trader, the side that begins (+1 buys), lots of a mean trade -> seconds until it looks again."""


def take_and_take_back(
    trader: Trader, side: int, lots: int, *, trades: int, wait_s: float
) -> Iterator[float]:
    """Take, wait, take back."""
    trader.send(side, trades * lots)
    yield wait_s


def take_then_rest(
    trader: Trader, side: int, lots: int, *, trades: int, exit_s: int
) -> Iterator[float]:
    """Take at once, then rest at the other touch."""
    trader.send(side, trades * lots)
    yield 0.1
    yield from rest_out(trader, exit_s)


def take_slowly_then_rest(
    trader: Trader, side: int, lots: int, *, trades: int, seconds: float, exit_s: int, inside: int = 0
) -> Iterator[float]:  # fmt: skip
    """Take a mean trade at a time, then rest all at the other touch or ticks inside; take back what is left as slowly."""
    for _ in range(trades):
        trader.send(side, lots)
        yield seconds / trades
    for _ in range(exit_s):
        if trader.position == 0:
            break
        if touch := trader.touch():
            better = inside if touch[1] - touch[0] > inside else 0
            trader.quote(-side, abs(trader.position), touch[side > 0] - side * better)
        yield 1.0
    trader.cancel()
    yield 0.1
    while trader.position:
        trader.send(-side, min(lots, abs(trader.position)))
        yield seconds / trades


def rest_then_take(
    trader: Trader, side: int, lots: int, *, trades: int, wait_s: int
) -> Iterator[float]:
    """Rest at the touch until filled, hold for a time, take back."""
    for _ in range(wait_s):
        touch = trader.touch()
        if touch is not None:
            trader.quote(side, trades * lots - abs(trader.position), touch[side < 0])
        if abs(trader.position) >= trades * lots:
            break
        yield 1.0
    trader.cancel()
    yield 30.0


def rest_out(trader: Trader, exit_s: int) -> Iterator[float]:
    """Rest what is held at the touch, and go with it; take back what is left."""
    for _ in range(exit_s):
        if trader.position == 0:
            break
        if touch := trader.touch():
            side = -int(np.sign(trader.position))
            trader.quote(side, abs(trader.position), touch[side < 0])
        yield 1.0
    trader.cancel()
    yield 0.1
    trader.take_back()
    yield 0.1


def layer_and_rest(trader: Trader, side: int, lots: int) -> Iterator[float]:
    """Show layers against the side that rests, so that the price comes to it; when it has filled, turn round."""
    for _ in range(int(LENGTH_S)):
        if touch := trader.touch():
            wanted = side if trader.position == 0 else -int(np.sign(trader.position))
            _show_layers(trader, -wanted, lots, touch)
            trader.quote(wanted, abs(trader.position) or lots, touch[wanted < 0])
        yield 1.0


def layer_and_take(trader: Trader, side: int, lots: int) -> Iterator[float]:
    """Take, show layers behind the own side so that the price goes on, take back, and again."""
    for _ in range(int(LENGTH_S // 60)):
        trader.send(side, lots)
        yield 0.1
        for _ in range(59):
            if touch := trader.touch():
                _show_layers(trader, side, lots, touch)
            yield 1.0
        trader.cancel()
        trader.take_back()
        yield 0.9


def _show_layers(trader: Trader, side: int, lots: int, touch: tuple[int, int]) -> None:
    """Have layers of a side rest behind its touch, and no other order of the side."""
    first = touch[side < 0] - side
    prices = {first - side * n for n in range(LAYERS)}
    held = {order.price for order in trader.orders.values() if order.side == side}
    if held != prices:
        trader.cancel(side)
        for price in prices:
            trader.send(side, LAYER_TRADES * lots, price)


def ping_inside(trader: Trader, side: int, lots: int) -> Iterator[float]:
    """Show a few lots inside the spread for a second every five, which hidden orders and takers meet; rest out what filled."""
    for _ in range(int(LENGTH_S // 5)):
        touch = trader.touch()
        if touch is not None and touch[1] - touch[0] > 1 and trader.position == 0:
            trader.quote(side, max(lots // 4, 1), touch[side < 0] + side)
            yield 1.0
            trader.cancel()
            yield 0.1
            yield from rest_out(trader, 30)
            side = -side
        yield 4.0


def empty_and_rest(trader: Trader, side: int, lots: int) -> Iterator[float]:
    """Take more than the best price shows, rest where it was before it is refilled, and again every minute."""
    for _ in range(int(LENGTH_S // 60)):
        touch = trader.touch()
        if touch is not None and trader.position == 0:
            price = touch[side > 0]
            trader.send(side, 3 * lots)
            yield 0.01
            if trader.position:
                trader.quote(-side, abs(trader.position), price)
            yield 20.0
            yield from rest_out(trader, 30)
        yield 9.0


def probe_and_rest(trader: Trader, side: int, lots: int) -> Iterator[float]:
    """Take small lots in a row so that others follow, then rest out, and again."""
    for _ in range(int(LENGTH_S // 90)):
        for _ in range(6):
            trader.send(side, max(lots // 4, 1))
            yield 2.0
        yield from rest_out(trader, 75)


def quote_both(
    trader: Trader, side: int, lots: int, *, inside: int, levels: int
) -> Iterator[float]:
    """Quote both sides all the time, at each of some levels, going with the touch each second."""
    most = MOST_TRADES * lots
    for _ in range(int(LENGTH_S)):
        touch = trader.touch()
        if touch is not None:
            better = inside if touch[1] - touch[0] > 2 * inside else 0
            for quoted in (side, -side):
                best = touch[quoted < 0] + quoted * better
                room = most - quoted * trader.position
                wanted = {best - quoted * n for n in range(levels)} if room >= lots else set()
                trader.cancel(quoted, wanted)
                held = {order.price for order in trader.orders.values() if order.side == quoted}
                for price in wanted - held:
                    trader.send(quoted, lots, price)
        yield 1.0


PATTERNS: Final[dict[str, Pattern]] = {
    "take 1 trade, back in 10 s": partial(take_and_take_back, trades=1, wait_s=10.0),
    "take 20 trades, back in 300 s": partial(take_and_take_back, trades=20, wait_s=300.0),
    "take 1 trade, rest 60 s": partial(take_then_rest, trades=1, exit_s=60),
    "take 5 trades, rest 300 s": partial(take_then_rest, trades=5, exit_s=300),
    "take 20 trades, rest 900 s": partial(take_then_rest, trades=20, exit_s=900),
    "take 10 trades in 100 s, rest 900 s": partial(
        take_slowly_then_rest, trades=10, seconds=100.0, exit_s=900
    ),
    "take 10 trades in 100 s, rest inside": partial(
        take_slowly_then_rest, trades=10, seconds=100.0, exit_s=900, inside=1
    ),
    "rest 1 trade, take in 30 s": partial(rest_then_take, trades=1, wait_s=300),
    "rest 5 trades, take in 30 s": partial(rest_then_take, trades=5, wait_s=600),
    "layer and rest": layer_and_rest,
    "layer and take": layer_and_take,
    "ping inside": ping_inside,
    "empty the touch and rest": empty_and_rest,
    "probe and rest": probe_and_rest,
    "quote both touches": partial(quote_both, inside=0, levels=1),
    "quote both inside": partial(quote_both, inside=1, levels=1),
    "quote both, 5 levels": partial(quote_both, inside=0, levels=5),
}


@dataclass(frozen=True, eq=False)
class Played:
    """A pattern in n worlds: cash (ticks x lots) and lots bought and sold, float64 (n,), means of both signs.

    `unfinished` worlds were not flat at their end; they are left out.
    """

    cash: Floats
    lots: Floats
    unfinished: int

    @property
    def p(self) -> float:
        """One-sided p-value of no profit against a profit."""
        return one_sided(self.cash, np.arange(len(self.cash)))[1]


def play(pattern: Pattern, worlds: Sequence[MarketSpec], lots: int) -> Played:
    """Play a pattern in worlds, simulated or recorded, begun by buying and by selling; `lots` of a mean trade."""
    pairs = [[_play_once(pattern, world, lots, side) for side in (1, -1)] for world in worlds]
    finished = [pair for pair in pairs if all(trader.position == 0 for trader in pair)]
    return Played(
        np.array([np.mean([trader.cash for trader in pair]) for pair in finished]),
        np.array([np.mean([trader.traded for trader in pair]) / 2.0 for pair in finished]),
        len(pairs) - len(finished),
    )


def simulated_worlds(source: Source, count: int, seed: int) -> list[MarketSpec]:
    """Worlds of a simulated market; `source` has the law of impact."""
    return [MarketSpec(source, seed, n, n % len(source.worlds_b)) for n in range(count)]


def recorded_worlds(lake: Path, preset: Preset, law: ImpactLaw | None) -> list[MarketSpec]:
    """Quarters of an hour of the days on a market's card, in which no minute passes without a message.

    Raises
    ------
    TapeError
        Days that the lake does not hold.
    """
    source, days = replay_source(
        Lake(lake), preset.symbol, preset.card["days"], preset.venue, impact=law
    )
    worlds = []
    for day in days:
        next_ns = day.open_ns + int(SKIP_S * NS_PER_SECOND)
        for ns, first_row, world in zip(day.world_ns, day.world_row, day.world, strict=True):
            end_ns = ns + int((WARM_S + LENGTH_S + CLOSE_S) * NS_PER_SECOND)
            times = source.tape[first_row : day.last_row, sim.T_NS]
            silences = np.diff(times[times < end_ns], prepend=ns, append=end_ns)
            if next_ns <= ns < end_ns <= day.close_ns and silences.max() < QUIET_S * NS_PER_SECOND:
                worlds.append(
                    MarketSpec(
                        source,
                        world=int(world),
                        first_row=int(first_row),
                        last_row=day.last_row,
                    )
                )
                next_ns = ns + int(LENGTH_S * NS_PER_SECOND)
    return worlds


def _play_once(pattern: Pattern, world: MarketSpec, lots: int, side: int) -> Trader:
    trader = Trader(SimulatedExchange({NAME: world}))
    trader.run(WARM_S)
    for wait_s in pattern(trader, side, lots):
        trader.run(wait_s)
    trader.flatten()
    return trader
