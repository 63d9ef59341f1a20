"""A small tape of quotes whose price at any moment is known without reading it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.reports.command import done

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
BASE = {
    ("RWE", "20240403"): 2850,
    ("RWE", "20240304"): 2700,
    ("RWEUSDT", "20240403"): 2850,
    ("BTCUSD", "20240403"): 5000,
}
"""Ticks of the bid at the full hour, by symbol and day."""
STEP = 20
"""Seconds from quote to quote."""


def bid(symbol: str, when: datetime) -> int:
    """Ticks of the best bid at a moment, the ask is two above: a tick up every two minutes, back at the full hour."""
    return BASE[symbol, f"{when.astimezone(UTC):%Y%m%d}"] + when.astimezone(UTC).minute // 2


def mid(symbol: str, when: datetime) -> float:
    """Price units."""
    return (bid(symbol, when) + 1) / 100


def written(folder: Path, days: Sequence[tuple[str, str]] = tuple(BASE)) -> Path:
    """A lake with those days."""
    (folder / "map.toml").write_text(MAP)
    files = []
    for symbol, date in days:
        rows = ["t,b,a,n"]
        for second in range(8 * 3600, 19 * 3600, STEP):
            when = datetime.strptime(f"{date}+0000", "%Y%m%d%z").replace(
                hour=second // 3600, minute=second // 60 % 60
            )
            ticks = bid(symbol, when)
            rows.append(f"{second},{ticks / 100:.2f},{(ticks + 2) / 100:.2f},5000")
        files.append(folder / f"{symbol}_{date}.csv")
        files[-1].write_text("\n".join(rows) + "\n")
    done("data", "import", "csv", *files, "--map", folder / "map.toml", "--lake", folder / "lake")
    return folder / "lake"
