"""What a run is: everything that decides its result, kept as `run.json` in its folder."""

import itertools
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tercel.core.errors import ConfigError
from tercel.execution.task import LATER, Task
from tercel.lab.evaluation.orders import Order
from tercel.market.simulator.queue_models import DEFAULT
from tercel.market.simulator.terms import NO_FEES, Fees

FILE = "run.json"
QUICK_FRAMES = 16_384
QUICK_EPISODES = 64
EPISODES = 1_000
SEEDS = 2


@dataclass(frozen=True)
class RunSettings:
    """Settings of one run.

    Parameters
    ----------
    market : str
        Preset name or file; empty on tape.
    lake, symbol : str
        Where the recorded days are, and whose; empty in a simulated market.
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
    task : Task
        What is to be done.
    regimes : str
        Which regimes switch in a simulated market (`market.regimes.choice`), in training and judging; none: "".
    fees : Fees
        What the venue asks.
    queue : str
        Queue model of tapes of level totals (`market.simulator.levels`).
    impact : str
        Law of impact: of a preset none, translation, weights; of a tape none, square_root, propagator; "": what the
        preset carries, none on tape.
    judged : str
        Days of a tape to judge on, separated by commas; "": the later third.
    orders : tuple of Order
        What is judged on a tape in the place of the task's order; each with its date.
    strategies : tuple of str
        Strategies of the user's, as they were named (`execution.own`).
    """

    market: str = ""
    lake: str = ""
    symbol: str = ""
    quick: bool = False
    seed: int = 1
    episodes: int = EPISODES
    seeds: int = SEEDS
    frames: int = 0
    task: Task = field(default_factory=Task)
    regimes: str = ""
    fees: Fees = NO_FEES
    queue: str = DEFAULT
    impact: str = ""
    judged: str = ""
    orders: tuple[Order, ...] = ()
    strategies: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse counts that are none (a damaged `run.json`)."""
        counts = {"episodes": 1, "seeds": 1, "frames": 0, "seed": 0}
        for name, least in counts.items():
            value = getattr(self, name)
            if type(value) is not int or value < least:
                remedy = "correct it, or start a new run in another folder"
                raise ConfigError(f"settings of a run whose {name} is a whole number from {least}", repr(value), remedy)
        if self.market and (self.task.start or self.orders):
            received = f"{self.task.start or 'a list of orders'} in {self.market}"
            raise ConfigError(
                "an order by the clock on recorded days", received, "replay a lake (`tape=`), or leave it out"
            )
        if self.market:
            self.task.limit_of_mid(1)

    @property
    def on_tape(self) -> bool:
        """Whether recorded days are replayed."""
        return bool(self.lake)

    @property
    def answers(self) -> bool:
        """Whether the market answers own trades."""
        return not self.on_tape or self.impact not in ("", "none")

    @property
    def by_clock(self) -> bool:
        """Whether orders at times of their own are judged, on every day that they name."""
        return self.on_tape and not self.judged and bool(self.task.start or self.orders)

    @property
    def training_seeds(self) -> list[int]:
        """Seeds of the trainings, apart from each other and from the judged episodes."""
        return [self.seed * 1000 + i for i in range(self.seeds)]

    def to_dict(self) -> dict[str, Any]:
        """Plain values; what came later and is not used is left out."""
        out = asdict(self)
        for name in LATER:
            if not out["task"][name]:
                del out["task"][name]
        out["orders"] = [order.to_dict() for order in self.orders]
        for name in ("orders", "strategies"):
            if not out[name]:
                del out[name]
        return out

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
                    remedy = "add `resume=True` to go on with it, or name another `out=`"
                    raise ConfigError("a new run folder", f"{folder} holds a run", remedy) from None
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
        fees = Fees(**raw.pop("fees", {}))
        raw |= {name: tuple(raw.get(name, ())) for name in ("orders", "strategies")}
        raw["orders"] = tuple(Order(**row) for row in raw["orders"])
        return RunSettings(**raw, task=task, fees=fees)
    except OSError as error:
        raise ConfigError(
            "the folder of a run", f"{path}: {error.strerror}", "start one without `resume=True`"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError("a run's settings", f"{path}: {error}", "start a new run in another folder") from error
