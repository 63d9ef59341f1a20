"""Configurations and files that the tests of `tercel signals` share."""

import json
import shutil
from datetime import date, timedelta
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
from typer.testing import CliRunner, Result

from tercel.cli import app

PANEL = """
name = "small"
[panel]
kind = "synthetic"
instruments = 20
days = 160
strength = 0.3
"""
TRAIN = """
[train]
families = ["linear"]
splits = 3
embargo_days = 2
"""
SERIES = """
[[source]]
kind = "series"
path = "trend.csv"
date = "date"
series = ["debt"]
lag_days = 1
"""


def ran(*arguments: object) -> Result:
    """What `tercel ...` did."""
    return CliRunner().invoke(app, [*map(str, arguments)], env={"COLUMNS": "200"})


def told(*arguments: object) -> dict[str, Any]:
    """The one JSON object of a command that went well."""
    result = ran(*arguments, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def denied(*arguments: object) -> str:
    """What a command that was refused said: exit code 2, no traceback."""
    result = ran(*arguments)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    return " ".join(result.output.split())


signals, done, refused = (partial(one, "signals") for one in (ran, told, denied))


def configured(folder: Path, *parts: str) -> Path:
    file = folder / "config.toml"
    file.write_text("".join((PANEL, *parts, TRAIN)), encoding="utf-8")
    return file


def trend(folder: Path, days: int = 170, first: date = date(2020, 1, 1)) -> Path:
    """A dated series beside the synthetic market, whose first day is 2020-01-01."""
    values = np.random.default_rng(3).normal(20, 3, days).round(3)
    rows = "".join(f"{first + timedelta(days=d)},{value}\n" for d, value in enumerate(values))
    path = folder / "trend.csv"
    path.write_text("date,debt\n" + rows, encoding="utf-8")
    return path


def daily_model(folder: Path) -> Path:
    """The run's folder of a model that was trained on daily prices of twelve names, beside its files."""
    shutil.copytree(_daily().name, folder, dirs_exist_ok=True)
    return folder / "o"


@cache
def _daily(days: int = 560, names: int = 12) -> TemporaryDirectory[str]:
    """Trained once in a process; what is handed out is a copy."""
    made = TemporaryDirectory()
    folder = Path(made.name)
    rng, frames = np.random.default_rng(4), []
    calendar = (date(2010, 1, 1) + timedelta(days=i) for i in range(2 * days))
    weekdays = [one for one in calendar if one.weekday() < 5][:days]
    for n in range(names):
        drift = 0.006 * np.sign(np.sin(2 * np.pi * (np.arange(days) / 120 + n / names)))  # momentum
        close = 40 * np.exp(np.cumsum(drift + 0.02 * rng.standard_normal(days)))
        frames.append(pl.DataFrame({
            "ticker": f"N{n:02d}", "date": weekdays, "open": close * 0.995, "high": close * 1.01, "low": close * 0.99,
            "close": close, "volume": 1e5 * rng.integers(1, 20, days).astype(float),
        }))  # fmt: skip
    pl.concat(frames).write_parquet(folder / "prices.parquet")
    panel = '[panel]\nkind = "daily"\npath = "prices.parquet"\nfirst = "2010-01-01"\n'
    (folder / "s.toml").write_text(f'name = "days"\n{panel}{TRAIN}', encoding="utf-8")
    done("train", folder / "s.toml", "--out", folder / "o")
    return made
