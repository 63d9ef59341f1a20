"""A scenario: market, orders and seeds, which fix the judged episodes and the name of the folder of their results."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Any, Final, Self

from tercel import __version__
from tercel.core.errors import ConfigError, refuse_if
from tercel.execution.market import AT_ONCE, Market
from tercel.execution.orders import Order, assign_days
from tercel.execution.task import LATER, Task
from tercel.market.simulator.bounds import KIND
from tercel.market.tape import Lake

EPISODES = 1_000
OMITTED_IF_EMPTY: Final = ("orders", "bound", "dealers")
"""Keys of :meth:`Scenario.to_dict` that are left out where they are empty."""
VALIDATION_SEED = -1_900_000_000
"""Seed of the episodes on which the best rule is chosen: no training, pilot or judged seed."""
PLAIN = "plain"
FORMAT = 2
"""Version of the results on disk; results of another version lie in another folder."""


@dataclass(frozen=True)
class Scenario:
    """Orders in a market and their episodes: the unit of evaluation, tuning and learning.

    Parameters
    ----------
    market : Market
        Of one symbol, or of a list of orders. Its latencies, if it has any, replace those of the task.
    task : Task
        Order of each episode.
    orders : tuple of Order
        Orders of a list, each with its date, judged on a tape instead of the task's order.
    name : str
        Name in tables. Results on disk are found by it; it is required where a scenario is judged.
    seeds : tuple of int
        Base seeds of the episodes, in equal parts.
    episodes : int
        Number of episodes; on tape an upper limit. 0: all windows of the tape, or :data:`EPISODES` in a simulated market.
    validation : bool
        Whether these episodes choose a baseline: on tape, windows of the training days.
    content : tuple of str
        Hashes of the recorded days and files that a named scenario reads, as they were when it was made.

    Raises
    ------
    ConfigError
        An order by the clock, a list of orders or a price as limit in a simulated market.
    """

    market: Market
    task: Task = field(default_factory=Task)
    orders: tuple[Order, ...] = ()
    name: str = field(default="", kw_only=True)
    seeds: tuple[int, ...] = field(default=(1,), kw_only=True)
    episodes: int = field(default=0, kw_only=True)
    validation: bool = field(default=False, kw_only=True)
    content: tuple[str, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        """Move the market's latencies into the task and hash the content; ConfigError for clock times, listed orders or
        a price limit in a simulated market.
        """
        entry = self.market.latency
        feed = self.market.feed_latency
        if (entry, feed) != (AT_ONCE, AT_ONCE):
            task = replace(self.task, latency=entry) if entry != AT_ONCE else self.task
            task = replace(task, feed_latency=feed) if feed != AT_ONCE else task
            market = replace(self.market, latency=AT_ONCE, feed_latency=AT_ONCE)
            object.__setattr__(self, "task", task)
            object.__setattr__(self, "market", market)
        if not self.market.on_tape:
            refuse_if(
                self.task.start or self.orders,
                "an order by the clock on recorded days",
                f"{self.task.start or 'a list of orders'} in {self.market.preset}",
                "replay a lake (`tape=`), or leave it out",
            )
            if self.task.limit_price:
                self.task.limit_of_mid(1)
        if self.name and not self.content:
            object.__setattr__(self, "content", _content_hashes(self.market))

    def in_market(self, **changes: Any) -> Self:
        """Scenario with the same orders in a market with other values."""
        return replace(self, market=replace(self.market, **changes))

    def on_validation(self, episodes: int) -> Self:
        """Scenario of `episodes` validation episodes, separate from the judged ones, to choose the best rule on."""
        return replace(
            self,
            name=f"{self.name} validation",
            seeds=(VALIDATION_SEED,),
            episodes=episodes,
            validation=True,
        )

    @property
    def preset(self) -> str:
        """Name of the simulated market; empty on tape."""
        return "" if self.market.on_tape else self.market.name

    @property
    def by_clock(self) -> bool:
        """Whether orders have set times of day and are judged on every day that they name."""
        return self.market.on_tape and not self.market.days and bool(self.task.start or self.orders)

    @property
    def id(self) -> str:
        """Name of the scenario's folder of results: its name, with a hash of its content."""
        identity = {**self.to_dict(), "seed": list(self.seeds), "episodes": self.episodes}
        identity |= {"validation": self.validation, "version": __version__, "format": FORMAT}
        identity |= {"content": self.content} if self.content else {}
        slug = "".join(letter if letter.isalnum() else "-" for letter in self.name)
        return f"{slug[:40]}@{hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]}"

    def to_dict(self) -> dict[str, Any]:
        """Market, task and orders as plain values; optional fields are left out where they are empty."""
        market = asdict(self.market)
        task = {
            name: value for name, value in asdict(self.task).items() if value or name not in LATER
        }
        values = {
            "market": self.market.preset,
            "lake": self.market.lake,
            "symbol": self.market.symbol,
            "task": task,
            **{name: market[name] for name in ("regimes", "fees", "queue", "impact")},
            **self.market.impact_terms,
            "judged": ",".join(self.market.days),
            "orders": [order.to_dict() for order in self.orders],
            "bound": "" if self.market.bound == KIND else self.market.bound,
            "dealers": self.market.dealers,
        }
        return {
            name: value for name, value in values.items() if value or name not in OMITTED_IF_EMPTY
        }


def _content_hashes(market: Market) -> tuple[str, ...]:
    """Hashes of the days of a lake, or of the files of a simulated market and of its regimes."""
    if market.on_tape:
        days = Lake(market.lake).list()
        return tuple(
            f"{day.venue} {day.date} {day.content_hash}"
            for day in days
            if day.symbol == market.symbol
        )
    hashes = []
    for name in (market.preset, market.regimes):
        if name and (file := Path(name)).is_file():
            hashes.append(hashlib.sha256(file.read_bytes()).hexdigest())
    return tuple(hashes)


def write_regime_script(folder: Path, regime: str, at_s: float) -> str:
    """Write a file in which `regime` begins `at_s` seconds after arrival; returns its path for `Market.regimes`."""
    path = folder / "regimes" / f"{regime}-from-{at_s:g}-s.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'[[script]]\nat_s = {at_s}\nregime = "{regime}"\n', encoding="utf-8")
    return str(path.resolve())


def scenarios_of_orders(scenario: Scenario, orders: Sequence[Order]) -> dict[str, Scenario]:
    """Group listed orders into scenarios by name, one for each symbol and power of two of the horizon.

    For instance all orders of 512 to 1,023 s: the estimates of strategies are of one length.

    Parameters
    ----------
    scenario : Scenario
        The lake and its terms; its symbol is ignored.
    orders : sequence of Order

    Raises
    ------
    ConfigError, TapeError
        No lake, or an order that is not on the tapes (`execution.orders.assign_days`).
    """
    if not scenario.market.on_tape:
        raise ConfigError("a lake to judge orders on", scenario.market.name, "replay one (`tape=`)")

    def kind(order: Order) -> tuple[str, int]:
        """Symbol and power of two of the horizon (s) of an order: the key of its scenario."""
        return order.symbol, round(order.horizon_s).bit_length()

    scenarios: dict[str, Scenario] = {}
    for (symbol, _), group in groupby(
        sorted(assign_days(orders, Lake(scenario.market.lake)), key=kind), key=kind
    ):
        group_orders = sorted(group, key=lambda order: order.time)
        horizon_s = float(median(order.horizon_s for order in group_orders))
        task = replace(
            scenario.task,
            share=None,
            quantity=int(median(order.quantity for order in group_orders)),
            horizon_s=horizon_s,
        )
        name = (
            f"{symbol} tape"
            if f"{symbol} tape" not in scenarios
            else f"{symbol} tape, {horizon_s / 60:g} min"
        )
        scenarios[name] = replace(
            scenario.in_market(symbol=symbol, days=()), task=task, orders=tuple(group_orders)
        )
    return scenarios
