"""On-disk record of every client order: its ClOrdIDs, trades and final state, so that memory stays bounded.

It is a database of SQLite: without a name, a temporary file that goes with the exchange; with one, what an exchange
that was killed begins again with. Memory has a few of its pages.
"""

import sqlite3
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import fields
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

from tercel.core.orders import ExecType, OrdStatus, Report

_FIELDS: Final = tuple(field.name for field in fields(Report))
_VALUES: Final = attrgetter(*_FIELDS)
_TABLES: Final = f"""
PRAGMA synchronous = OFF;
CREATE TABLE IF NOT EXISTS name (account, name, serial, PRIMARY KEY (account, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS report (number INTEGER PRIMARY KEY, serial, {", ".join(_FIELDS)});
CREATE TABLE IF NOT EXISTS accepted (number INTEGER PRIMARY KEY, serial, {", ".join(_FIELDS)});
CREATE INDEX IF NOT EXISTS report_of_order ON report (serial);
CREATE INDEX IF NOT EXISTS report_of_account ON report (account);
"""
"""`report` has trades, and of each order that has ended its state; `accepted` an order as it came, and as replaced."""
_PUT: Final = f"VALUES (NULL, ?{', ?' * len(_FIELDS)})"
_READ: Final = f"SELECT {', '.join(_FIELDS)} FROM report"
_OPEN: Final = f"""
SELECT serial, {", ".join(_FIELDS)}, max(number) FROM accepted
WHERE serial NOT IN (SELECT serial FROM report WHERE exec_type = ?) GROUP BY serial
"""
_TRADES: Final = "FROM report WHERE exec_type = ?"
# Names, or reports, that wait to be written.
_WAITING: Final = 512


class OrderRecord:
    """Used ClOrdIDs by account with the orders they name; reports by order and by account.

    Parameters
    ----------
    file : Path, optional
        Where it is kept: it outlives a process that is killed, not a machine that loses power.

    >>> record = OrderRecord()
    >>> record.take("ann", "c1"), record.take("ann", "c1"), record.take("bob", "c1")
    (True, False, True)
    >>> record.call("ann", "c1", 7)
    >>> record.serial("ann", "c1"), record.serial("bob", "c1"), record.serials("ann")
    (7, 0, [7])
    """

    def __init__(self, file: Path | None = None) -> None:
        self._rows = sqlite3.connect(file or "", isolation_level=None, check_same_thread=False)
        self._rows.execute(f"PRAGMA journal_mode = {'WAL' if file else 'OFF'}")
        self._rows.executescript(_TABLES)
        self._taken: list[tuple[int, Report]] = []
        self._names: dict[tuple[str, str], int] = {}
        self._said: list[tuple[int, Report]] = []
        weakref.finalize(self, self._rows.close)

    def take(self, account: str, name: str) -> bool:
        """Claim a ClOrdID; False if the account has used it before."""
        if self._find(account, name) is not None:
            return False
        self.call(account, name, 0)
        return True

    def call(self, account: str, name: str, serial: int) -> None:
        """Record that a ClOrdID names an order, beside earlier ones."""
        self._names[account, name] = serial
        if len(self._names) >= _WAITING:
            self.flush()

    def serial(self, account: str, name: str) -> int:
        """Serial number of the order that a ClOrdID names; 0: none."""
        return self._find(account, name) or 0

    def _find(self, account: str, name: str) -> int | None:
        if (serial := self._names.get((account, name))) is not None:
            return serial
        one = self._rows.execute(
            "SELECT serial FROM name WHERE account = ? AND name = ?", (account, name)
        ).fetchone()
        return one[0] if one else None

    def serials(self, account: str) -> list[int]:
        """Every order of an account, oldest first."""
        self.flush()
        asked = "SELECT DISTINCT serial FROM name WHERE account = ? AND serial > 0 ORDER BY serial"
        return [serial for (serial,) in self._rows.execute(asked, (account,))]

    def accept(self, serial: int, report: Report) -> None:
        """Store an order as it was accepted, or replaced."""
        self._taken.append((serial, report))

    def put(self, serial: int, report: Report) -> None:
        """Store a trade of an order, or its final state."""
        self._said.append((serial, report))
        if len(self._said) >= _WAITING:
            self.flush()

    def flush(self) -> None:
        """Write names and reports that wait, in one transaction: alone, each costs ten times as much."""
        if not (self._names or self._said or self._taken):
            return
        names = [(*key, serial) for key, serial in self._names.items()]
        self._names = {}
        rows = [(serial, *_VALUES(report)) for serial, report in self._said]
        self._said = []
        taken = [(serial, *_VALUES(report)) for serial, report in self._taken]
        self._taken = []
        self._rows.execute("BEGIN")
        self._rows.executemany("REPLACE INTO name VALUES (?, ?, ?)", names)
        self._rows.executemany(f"INSERT INTO report {_PUT}", rows)
        self._rows.executemany(f"INSERT INTO accepted {_PUT}", taken)
        self._rows.execute("COMMIT")

    def unended(self) -> Iterator[tuple[int, Report, int]]:
        """Orders without a final state: serial, as last accepted, and what was traded of it, 10^-8 of a lot."""
        self.flush()
        filled = dict(
            self._rows.execute(
                f"SELECT serial, sum(last_qty) {_TRADES} GROUP BY serial", (ExecType.TRADE,)
            )
        )
        for serial, *row, _ in self._rows.execute(_OPEN, (ExecType.STATUS,)).fetchall():
            yield serial, _report(row), filled.get(serial, 0)

    def last(self) -> int:
        """Serial number of the newest order; 0: there was none."""
        return int(
            self._rows.execute("SELECT coalesce(max(serial), 0) FROM accepted").fetchone()[0]
        )

    def held(self) -> list[tuple[str, str, int]]:
        """Account, instrument and signed position of all trades, 10^-8 of a lot."""
        asked = f"SELECT account, instrument, sum(side * last_qty) {_TRADES} GROUP BY account, instrument"
        return self._rows.execute(asked, (ExecType.TRADE,)).fetchall()

    def of_order(self, serial: int) -> list[Report]:
        """Stored reports of an order, oldest first."""
        return self._reports("WHERE serial = ? ORDER BY number", serial)

    def trades(self, account: str, after: str = "") -> list[Report] | None:
        """Trades of an account after execution `after` ("": all); None where that execution is unknown."""
        self.flush()
        number = 0
        if after:
            asked = "SELECT number FROM report WHERE account = ? AND exec_type = ? AND exec_id = ?"
            one = self._rows.execute(asked, (account, ExecType.TRADE, after)).fetchone()
            if one is None:
                return None
            number = one[0]
        return self._reports(
            "WHERE account = ? AND number > ? AND exec_type = ? ORDER BY number",
            account,
            number,
            ExecType.TRADE,
        )

    def _reports(self, which: str, *values: str | int) -> list[Report]:
        self.flush()
        return [_report(row) for row in self._rows.execute(f"{_READ} {which}", values)]


def _report(row: Sequence[Any]) -> Report:
    """SQLite has plain texts for enumerations, and 0 or 1 for what is true or not."""
    words = dict(zip(_FIELDS, row, strict=True))
    kind, status, passive = (
        ExecType(words["exec_type"]),
        OrdStatus(words["status"]),
        bool(words["passive"]),
    )
    return Report(**(words | {"exec_type": kind, "status": status, "passive": passive}))
