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
