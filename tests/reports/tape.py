"""A small tape of quotes whose price at any moment is known without reading it, and what fills cost there."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.reports.remedies import done

MAP = """
[instrument]
venue = "X"
tick = 0.01
timezone = "UTC"
session = ["08:00", "19:00"]
[[file]]
name = '(?P<symbol>[A-Z]+)_(?P<date>\\d{8})\\.csv'
[file.time]
column = "t"
unit = "s"
[file.quote]
bid = "b"
ask = "a"
bid_size = "n"
ask_size = "n"
[clean]
outliers = 0
"""
BASE = 2850
"""Ticks of the bid at the full hour."""
STEP = 20
"""Seconds from quote to quote."""


def mid(when: datetime) -> float:
    """Price units: the bid rises by a tick every two minutes and is back at the full hour, the ask is two above."""
    return (BASE + when.minute // 2 + 1) / 100


def written(folder: Path) -> Path:
    """A lake with that day."""
    rows = ["t,b,a,n"]
    for second in range(8 * 3600, 19 * 3600, STEP):
        ticks = BASE + second // 60 % 60 // 2
        rows.append(f"{second},{ticks / 100:.2f},{(ticks + 2) / 100:.2f},5000")
    (folder / "map.toml").write_text(MAP)
    (folder / "RWE_20240403.csv").write_text("\n".join(rows) + "\n")
    made = ("--map", folder / "map.toml", "--lake", folder / "lake")
    done("data", "import", "csv", folder / "RWE_20240403.csv", *made)
    return folder / "lake"


class Fill(NamedTuple):
    """A fill as it was: the moment, the side, units, price units."""

    when: datetime
    side: int
    quantity: float
    price: float


def at(clock: str) -> datetime:
    """A moment of UTC."""
    return datetime.fromisoformat(f"2024-04-03T{clock}").replace(tzinfo=UTC)


def holds(found: dict[str, Any], fills: Sequence[Fill]) -> None:
    """The totals are those of a loop over the fills: one parent a side, arrived with its first fill, without fees."""
    arrival: dict[int, float] = {}
    cost = quantity = notional = 0.0
    for fill in sorted(fills):
        price = arrival.setdefault(fill.side, mid(fill.when))
        cost += fill.side * (fill.price - price) * fill.quantity
        quantity += fill.quantity
        notional += price * fill.quantity
    total = found["total"]
    assert found["fills"] == len(fills)
    assert float(total["filled"]) == pytest.approx(quantity, rel=1e-9)
    assert total["notional"] == pytest.approx(notional, rel=1e-9)
    assert total["money"]["fees"] == 0
    assert total["money"]["fills"] == pytest.approx(cost, abs=1e-6)
