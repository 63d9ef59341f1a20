"""Configurations and files that the tests of `tercel signals` share."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from typer.testing import CliRunner, Result

from tercel.cli import app

PANEL = """
name = "small"
[panel]
kind = "synthetic"
instruments = 20
days = 160
strength = 0.2
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


def signals(*arguments: object) -> Result:
    """What `tercel signals ...` did."""
    return CliRunner().invoke(app, ["signals", *map(str, arguments)])


def done(*arguments: object) -> dict[str, Any]:
    """The one JSON object of a command that went well."""
    result = signals(*arguments, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def refused(*arguments: object) -> str:
    """What a command that was refused said: exit code 2, no traceback."""
    result = signals(*arguments)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    return " ".join(result.output.split())


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


def stocknet(folder: Path, names: int = 8, days: int = 420) -> Path:
    """A set like StockNet: a year of prices before tweets begin, then a tweet or more a day of each name."""
    rng = np.random.default_rng(5)
    weekdays = [d for d in (date(2013, 1, 1) + timedelta(days=i) for i in range(2 * days)) if d.weekday() < 5][:days]
    prices = folder / "price" / "raw"
    prices.mkdir(parents=True)
    for n in range(names):
        close = 40 * np.exp(np.cumsum(0.02 * rng.standard_normal(days)))
        lines = [
            f"{day},{c * 0.99:.4f},{c * 1.02:.4f},{c * 0.97:.4f},{c:.4f},{c / 2:.4f},{int(v)}"
            for day, c, v in zip(weekdays, close, rng.integers(100_000, 200_000, days), strict=True)
        ]
        (prices / f"N{n}.csv").write_text("Date,Open,High,Low,Close,Adj Close,Volume\n" + "\n".join(lines) + "\n")
        told = folder / "tweet" / "preprocessed" / f"N{n}"
        told.mkdir(parents=True)
        for day in weekdays[260:]:
            words = ["rally", "strong"] if rng.random() < 0.5 else ["falling", "weak"]
            stamp = day.strftime("%a %b %d") + " 15:00:00 +0000 " + str(day.year)
            line = json.dumps({"text": words[: rng.integers(1, 3)], "created_at": stamp}) + "\n"
            (told / str(day)).write_text(line * int(rng.integers(1, 4)))
    return folder
