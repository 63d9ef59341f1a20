"""Positions that a desk is to reach, from a file: parents are made from target less position.

    name,lots            or name,shares, or name,weight with `capital` in the desk's file
    AAA,500
    BBB,-200

A name without a row is left as it is. A file with dates counts by its last one. Lots that are still at work for the
desk's agents count as traded, so that a session which follows another asks for nothing twice.
"""

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from tercel.core.errors import ConfigError, DataError
from tercel.core.fixed import ONE
from tercel.core.names import offer
from tercel.core.orders import Listing
from tercel.core.vocabulary import BUY, SELL
from tercel.desk.rounds.config import DeskConfig
from tercel.desk.rounds.demand import Demand
from tercel.desk.trading.session import Session

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


def targets_of(config: DeskConfig) -> dict[str, Target] | None:
    """Targets by instrument; None where a desk's orders are drawn.

    Raises
    ------
    ConfigError, DataError
        For a desk's file that names none, or a file that cannot be obeyed to the letter.
    """
    section = config.signals
    if section.orders != "targets":
        return None
    if not section.targets:
        raise ConfigError("a file of targets", 'signals.orders = "targets" alone', 'add targets = "targets.csv"')
    names = {section.names.get(one.name, one.name): one.name for one in config.instrument}
    found = read_targets(Path(section.targets), names)
    if any(one.unit == "weight" for one in found.values()) and not section.capital > 0:
        raise ConfigError("capital for weights", f"{section.targets} and no signals.capital", "add capital = 1_000_000")
    return found


def read_targets(path: Path, names: Mapping[str, str]) -> dict[str, Target]:
    """Targets in a CSV file (comma, semicolon or tab), by instrument; `names` are those of the file's.

    Raises
    ------
    DataError
        With file and row: an unknown name, two rows of one, what is no number, no rows.
    """
    rows, unit = _rows(path)
    dates = [row.get("date") or "" for _, row in rows]
    found: dict[str, Target] = {}
    for (number, row), day in zip(rows, dates, strict=True):
        if day != max(dates):
            continue
        name, text = row.get("name") or "", row.get(unit) or ""
        where = f"{path}, row {number}"
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise DataError(f"a number of {unit}", f"{text!r} in {where}", "write a number, 0 to hold none")
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


def _rows(path: Path) -> tuple[list[tuple[int, dict[str, str]]], str]:
    """Rows with their numbers in the file, by names of columns in lower case; and the column that holds targets."""
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
    return rows, units[0]


class TargetOrders:
    """Orders of a desk towards its targets, each once, as soon as its instrument has a market.

    Parameters
    ----------
    targets : mapping of instrument to Target
    session : Session
    capital : float
        Of the desk, in money.
    """

    def __init__(self, targets: Mapping[str, Target], session: Session, capital: float) -> None:
        self._targets, self._session, self._capital = dict(targets), session, capital

    def due(self, number: int) -> Iterator[Demand]:
        """Orders that can be sized now, for round `number`; an alert says what became of each target."""
        say = partial(self._session.gateway.alert, "info", "TARGET")
        for name in list(self._targets):
            mid2 = self._session.follow(name).mid2
            if not mid2:
                say("no two-sided market yet: its target waits a round", name)
                continue
            exact = self._targets.pop(name).lots(self._session.listings[name], mid2, self._capital)
            target, held, works = round(exact), *self._held(name)
            lots = target - held - works
            rounded = "" if target == exact else f" ({exact:.6g} rounded)"
            order = f"{'buys' if lots > 0 else 'sells'} {abs(lots)}" if lots else "nothing to trade"
            say(f"target {target} lots{rounded}, holds {held}, {works} at work: {order}", name)
            if lots:
                yield Demand(number, name, BUY if lots > 0 else SELL, abs(lots))

    def _held(self, name: str) -> tuple[int, int]:
        """Lots that the desk's agents hold of an instrument, and those that their open parents will still trade."""
        held = sum(of.get(name, 0) for of in self._session.ledger.positions.qty().values())
        open_ones = [one for one in self._session.ledger.parents.open() if one.order.instrument == name]
        return round(held / ONE), sum(one.order.side * one.left for one in open_ones)
