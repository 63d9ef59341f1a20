"""What is to be done in a market; and runs: everything that decides their results, kept as `run.json`."""

import itertools
import json
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Self

from tercel.core.errors import ConfigError, listed
from tercel.execution.market import AT_ONCE, Market
from tercel.execution.task import LATER, Task
from tercel.lab.evaluation.orders import Order
from tercel.market.simulator.source import KIND
from tercel.market.simulator.terms import Fees

FILE = "run.json"
QUICK_FRAMES = 16_384
QUICK_EPISODES = 64
EPISODES = 1_000
UNSAID: Final = ("orders", "strategies", "bound")
"""Left out of `run.json` where there are none."""
ASIDE: Final = ("lake", "symbol", "regimes", "queue", "impact", "bound")
"""What of a market stands in `run.json` by its own name."""
WRITTEN: Final = (
    *(
        "market",
        "lake",
        "symbol",
        "quick",
        "seed",
        "episodes",
        "seeds",
        "frames",
        "task",
        "regimes",
        "fees",
        "queue",
    ),
    *("impact", "judged", "orders", "strategies", "bound"),
)


@dataclass(frozen=True)
class MarketTask:
    """What is to be done, and where: what is judged, tuned and learned in.

    Parameters
    ----------
    market : Market
        Of one symbol, or of a list of orders. Its latencies, where it has some, are those of the task, and kept there.
    task : Task
        What is to be done.
    orders : tuple of Order
        What is judged on a tape in the place of the task's order; each with its date.

    Raises
    ------
    ConfigError
        An order by the clock, a list of orders or a price as limit in a simulated market.
    """

    market: Market
    task: Task = field(default_factory=Task)
    orders: tuple[Order, ...] = ()

    def __post_init__(self) -> None:
        """Take the latencies of the market into the task, refuse what asks for recorded days in a simulated market."""
        said: dict[str, Any] = {
            name: one
            for name in ("latency", "feed_latency")
            if (one := getattr(self.market, name)) != AT_ONCE
        }
        if said:
            object.__setattr__(self, "task", replace(self.task, **said))
            object.__setattr__(
                self, "market", replace(self.market, latency=AT_ONCE, feed_latency=AT_ONCE)
            )
        if not self.market.on_tape:
            if self.task.start or self.orders:
                raise ConfigError(
                    "an order by the clock on recorded days",
                    f"{self.task.start or 'a list of orders'} in {self.market.preset}",
                    "replay a lake (`tape=`), or leave it out",
                )
            self.task.limit_of_mid(1)

    def in_market(self, **changes: Any) -> Self:
        """The same in a market with other values."""
        return replace(self, market=replace(self.market, **changes))

    @property
    def by_clock(self) -> bool:
        """Whether orders at times of their own are judged, on every day that they name."""
        return self.market.on_tape and not self.market.days and bool(self.task.start or self.orders)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, the market's beside the task; what came later and is not used is left out."""
        out = asdict(self)
        market = out.pop("market")
        for name in LATER:
            if not out["task"][name]:
                del out["task"][name]
        out["orders"] = [order.to_dict() for order in self.orders]
        if market["bound"] == KIND:  # as runs that know no bounds
            market["bound"] = ""
        out = market | out | {"market": market["preset"], "judged": ",".join(market["days"])}
        return {
            name: out[name] for name in WRITTEN if name in out and (out[name] or name not in UNSAID)
        }


@dataclass(frozen=True)
class RunSettings(MarketTask):
    """Settings of one run: market, task, and how much is trained and judged.

    Parameters
    ----------
    quick : bool
        A smoke run: it proves the road, not the agent.
    seed : int
        Of everything that is drawn.
    episodes : int
        Judged episodes in a simulated market (on tape every window is judged).
    seeds : int
        Training seeds.
    frames : int
        Decisions that each training sees.
    strategies : tuple of str
        Strategies of the user's, as they were named (`execution.user_strategy`).
    """

    quick: bool = False
    seed: int = 1
    episodes: int = EPISODES
    seeds: int = 1
    frames: int = 0
    strategies: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse counts that are none (a damaged `run.json`)."""
        counts = {"episodes": 1, "seeds": 1, "frames": 0, "seed": 0}
        for name, least in counts.items():
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise ConfigError(
                    f"settings of a run whose {name} is a whole number from {least}",
                    repr(value),
                    "correct it, or start a new run in another folder",
                )
        super().__post_init__()

    @property
    def training_seeds(self) -> list[int]:
        """Seeds of the trainings, apart from each other and from the judged episodes."""
        return [self.seed * 1000 + i for i in range(self.seeds)]

    def claim(self, folder: Path, named: bool) -> Path:
        """Make the folder of a new run and write `run.json` in it, whole or not at all; returns the folder.

        Of two runs that want one folder at once one gets it; the other is refused, or, where the folder was not
        `named` by a person, takes one with a number behind it.

        Raises
        ------
        ConfigError
            When a named folder is another run's by now.
        """
        for number in itertools.count(1):
            mine = folder if number == 1 else folder.with_name(f"{folder.name}-{number}")
            mine.mkdir(parents=True, exist_ok=True)
            aside = mine / f".{FILE}.{os.getpid()}.part"
            aside.write_text(json.dumps(self.to_dict(), indent=2) + "\n")
            try:
                os.link(aside, mine / FILE)
                return mine
            except FileExistsError:
                if named:
                    raise ConfigError(
                        "a new run folder",
                        f"{folder} holds a run",
                        "add `resume=True` to go on with it, or name another `out=`",
                    ) from None
            finally:
                aside.unlink()
        raise AssertionError("counting ends")


def load_settings(folder: Path) -> RunSettings:
    """Settings of the run in a folder.

    Raises
    ------
    ConfigError
        When there is no run there, or its file is damaged.
    """
    path = folder / FILE
    try:
        raw = json.loads(path.read_text())
        task = Task.of(raw.pop("task"))
        orders = tuple(Order(**row) for row in raw.pop("orders", ()))
        told = {name: raw.pop(name) for name in ASIDE if name in raw}
        told["impact"] = told.get("impact") or ("none" if told.get("lake") else "")
        told["bound"] = told.get("bound") or (KIND if told.get("lake") else "")
        fees, days = Fees(**raw.pop("fees", {})), tuple(listed(raw.pop("judged", "")))
        market = Market(raw.pop("market"), **told, fees=fees, days=days)
        return RunSettings(
            market, task, orders, **{**raw, "strategies": tuple(raw.get("strategies", ()))}
        )
    except OSError as error:
        raise ConfigError(
            "the folder of a run", f"{path}: {error.strerror}", "start one without `resume=True`"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            "a run's settings", f"{path}: {error}", "start a new run in another folder"
        ) from error
