"""Prices with a planted reversal, a model trained on them, and a desk that names it."""

import shutil
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

from tercel.api.desk.config import read_config as read_desk
from tercel.api.simulated_desk import SimulatedMarkets, open_demo
from tercel.core.ports import Entry
from tercel.desk.engine.assembly import check_config
from tercel.desk.engine.loop import DeskLoop
from tercel.desk.trading.journal.memory import MemoryJournal
from tercel.signals.models.signal_model import MODEL
from tercel.signals.runs.config import read_config
from tercel.signals.runs.train import train

NAMES = ("AAA", "BBB", "CCC", "DDD", "EEE", "FFF", "GGG", "HHH")
SIGNALS = """
name = "small"
[panel]
kind = "daily"
path = "prices.parquet"
first = "2016-01-04"
every = 1
[train]
families = ["linear"]
splits = 3
embargo_days = 2
"""
DESK = """
[desk]
rounds = 2
round_s = 120.0
decision_s = 20.0
warmup_s = 60.0
[risk]
posture = "off"
[[instrument]]
name = "AAA"
[[instrument]]
name = "BBB"
[[agent]]
name = "taker"
strategy = "twap_take"
[signals]
model = "o/model"
"""


def weekdays(days: int, first: date = date(2015, 1, 5)) -> list[date]:
    """So many days from Monday to Friday."""
    every = (first + timedelta(days=n) for n in range(2 * days))
    return [day for day in every if day.weekday() < 5][:days]


def prices(days: int, seed: int = 3, reversal: float = 0.15, turns: int = 700) -> pl.DataFrame:
    """Daily prices of :data:`NAMES`: each gives back a part of its last week, and goes on with it from day `turns` on.
    Fewer days are the first of more."""
    rng, asked, days = np.random.default_rng(seed), days, 700
    moves = 0.02 * rng.standard_normal((days, len(NAMES)))
    for day in range(6, days):
        moves[day] -= (reversal if day < turns else -reversal) * moves[day - 6 : day - 1].sum(
            axis=0
        )
    close = 50.0 * np.exp(np.cumsum(moves, axis=0))
    nights = close * np.exp(0.002 * rng.standard_normal(close.shape))
    frame = {
        "ticker": np.tile(NAMES, days), "date": [day for day in weekdays(days) for _ in NAMES],
        "open": nights.ravel(), "high": (1.01 * np.maximum(close, nights)).ravel(),
        "low": (0.99 * np.minimum(close, nights)).ravel(), "close": close.ravel(),
        "volume": rng.integers(200_000, 400_000, close.size),
    }  # fmt: skip
    return pl.DataFrame(frame).head(asked * len(NAMES))


def trained(folder: Path, days: int = 620, more: str = "") -> Path:
    """A model folder of such prices, with more lines of its panel; returns it."""
    shutil.copytree(_project(days, more).name, folder, dirs_exist_ok=True)
    return folder / "o" / MODEL


@cache
def _project(days: int, more: str) -> TemporaryDirectory[str]:
    """Trained once in a process; what is handed out is a copy."""
    made = TemporaryDirectory()
    folder = Path(made.name)
    prices(days).write_parquet(folder / "prices.parquet")
    (folder / "s.toml").write_text(SIGNALS.replace("[train]", f"{more}[train]"))
    train(read_config(folder / "s.toml"), 1, folder / "o")
    return made


def desk_file(folder: Path, more: str = "", old: str = "", new: str = "") -> Path:
    """The desk's file beside the model's folder."""
    file = folder / "desk.toml"
    file.write_text(DESK.replace(old, new) if old else DESK + more)
    return file


def ran(file: Path, tools: SimulatedMarkets) -> tuple[DeskLoop, list[Entry]]:
    """A desk of a file that ran to its end, and its journal."""
    config, journal = read_desk(file), MemoryJournal(chained=False)
    check_config(config, file.parent)
    opened = open_demo(config, journal, tools)
    opened.run()
    return opened, [entry for _, entry in journal.read(0)]
