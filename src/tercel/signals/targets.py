"""A file of positions to be reached, as `signals backtest` writes it for a desk.

    name,lots            or name,shares, or name,weight
    AAA,500
    BBB,-200

A file with a column `date` counts by its last one.
"""

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tercel.core.errors import DataError
from tercel.core.names import offer
from tercel.core.orders import Listing

UNITS: Final = ("lots", "shares", "weight")


@dataclass(frozen=True, slots=True)
class Target:
    """A position to be reached: `value` of lots, of shares, or the share of the desk's capital."""

    value: float
    unit: str

    def lots(self, listing: Listing, mid2: int, capital: float) -> float:
        """In lots of an instrument, at its mid in half ticks; not rounded.

        >>> Target(0.5, "weight").lots(Listing("A", 0.01, 100), 4000, 100_000.0)
        25.0
        """
        if self.unit == "weight":
            return self.value * capital / (mid2 / 2 * listing.tick * listing.lot)
        return self.value / (listing.lot if self.unit == "shares" else 1)


def read_targets(path: Path, names: Mapping[str, str]) -> dict[str, Target]:
    """Targets in a CSV file (comma, semicolon or tab), by instrument; `names` are those of the file's.

    Raises
    ------
    DataError
        With file and row: an unknown name, two rows of one, what is no number, no rows.
    """
    rows, unit = _rows(path)
    found: dict[str, Target] = {}
    for number, row in rows:
        name, where = row.get("name") or "", f"{path}, row {number}"
        value = _number(row[unit])
        if not math.isfinite(value):
            raise DataError(f"a number of {unit}", f"{row[unit]!r} in {where}", "write a number, 0 to hold none")
        if name not in names:
            if value == 0:
                continue
            remedy = offer(name, names, "add it as [[instrument]], map it by [signals.names], or take the row out")
            raise DataError(f"names among {', '.join(names)}", f"{name!r} in {where}", remedy)
        if names[name] in found:
            raise DataError("one row a name", f"a second of {name} in {where}", "take one out")
        found[names[name]] = Target(value, unit)
    if not found:
        raise DataError("rows of targets", f"none in {path}", "write one a name: name,lots")
    return found


def names_in(path: Path) -> tuple[str, ...]:
    """Names of a file of targets, each once, in its order.

    Raises
    ------
    DataError
        For a file that is none.
    """
    return tuple(dict.fromkeys(row.get("name") or "" for _, row in _rows(path)[0]))


def _rows(path: Path) -> tuple[list[tuple[int, dict[str, str]]], str]:
    """Rows of the last date with their numbers in the file, by columns in lower case; and the targets' column."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError("a CSV file of targets", f"{path}: {error}", "check signals.targets") from error
    head = lines[0] if lines else ""
    mark = max(",;\t", key=head.count)
    columns = [cell.strip().lower() for cell in head.split(mark)]
    units = [unit for unit in UNITS if unit in columns]
    if "name" not in columns or len(units) != 1:
        wanted = "columns name and one of lots, shares, weight"
        raise DataError(wanted, f"{', '.join(filter(None, columns)) or 'nothing'} in {path}, row 1", "name them so")
    comma = mark == ";"
    rows = []
    for number, cells in enumerate(csv.reader(lines[1:], delimiter=mark), start=2):
        row = dict(zip(columns, (cell.strip() for cell in cells), strict=False))
        if any(row.values()):
            row[units[0]] = row.get(units[0], "").replace(",", ".") if comma else row.get(units[0], "")
            rows.append((number, row))
    last = max((row.get("date") or "" for _, row in rows), default="")
    return [(number, row) for number, row in rows if (row.get("date") or "") == last], units[0]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
