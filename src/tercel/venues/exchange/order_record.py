"""Record of client orders in an SQLite file: names, trades and final states, so that memory stays bounded.

Without a path it is a temporary file that is deleted with the exchange; with one, the state from which a killed exchange
begins again.
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
    """Store of used ClOrdIDs with the orders they name, and of reports by order and by account.

    Parameters
    ----------
    file : Path, optional
        Where it is stored: it outlives a process that is killed, not a machine that loses power.

    >>> record = OrderRecord()
    >>> record.claim_name("ann", "c1"), record.claim_name("ann", "c1"), record.claim_name("bob", "c1")
    (True, False, True)
    >>> record.bind_name("ann", "c1", 7)
    >>> record.serial("ann", "c1"), record.serial("bob", "c1"), record.serials("ann")
    (7, 0, [7])
    """

    def __init__(self, file: Path | None = None) -> None:
        """Open the database and create its tables if need be; without a file it is temporary."""
        self._rows = sqlite3.connect(file or "", isolation_level=None, check_same_thread=False)
        self._rows.execute(f"PRAGMA journal_mode = {'WAL' if file else 'OFF'}")
        self._rows.executescript(_TABLES)
        self._pending_accepted: list[tuple[int, Report]] = []
        self._pending_names: dict[tuple[str, str], int] = {}
        self._pending_reports: list[tuple[int, Report]] = []
        weakref.finalize(self, self._rows.close)

    def claim_name(self, account: str, name: str) -> bool:
        """Claim a ClOrdID; False if the account has used it before."""
        if self._find(account, name) is not None:
            return False
        self.bind_name(account, name, 0)
        return True

    def bind_name(self, account: str, name: str, serial: int) -> None:
        """Record that a ClOrdID names an order, beside earlier ones."""
        self._pending_names[account, name] = serial
        if len(self._pending_names) >= _WAITING:
            self.flush()

    def serial(self, account: str, name: str) -> int:
        """Serial number of the order that a ClOrdID names; 0: none."""
        return self._find(account, name) or 0

    def _find(self, account: str, name: str) -> int | None:
        """Serial number of the order that a ClOrdID names, 0 if the name is claimed without an order, None if it is unused."""
        if (serial := self._pending_names.get((account, name))) is not None:
            return serial
        row = self._rows.execute(
            "SELECT serial FROM name WHERE account = ? AND name = ?", (account, name)
        ).fetchone()
        return row[0] if row else None

    def serials(self, account: str) -> list[int]:
        """Serial numbers of all orders of an account, ended ones included, oldest first."""
        self.flush()
        query = "SELECT DISTINCT serial FROM name WHERE account = ? AND serial > 0 ORDER BY serial"
        return [serial for (serial,) in self._rows.execute(query, (account,))]

    def accept(self, serial: int, report: Report) -> None:
        """Queue the report of an order as it was accepted, or replaced, for the next `flush`."""
        self._pending_accepted.append((serial, report))

    def put(self, serial: int, report: Report) -> None:
        """Queue a trade of an order, or its final state, for the next `flush`."""
        self._pending_reports.append((serial, report))
        if len(self._pending_reports) >= _WAITING:
            self.flush()

    def flush(self) -> None:
        """Write waiting names and reports in one transaction, which is much faster than one each."""
        if not (self._pending_names or self._pending_reports or self._pending_accepted):
            return
        names = [(*key, serial) for key, serial in self._pending_names.items()]
        self._pending_names = {}
        rows = [(serial, *_VALUES(report)) for serial, report in self._pending_reports]
        self._pending_reports = []
        taken = [(serial, *_VALUES(report)) for serial, report in self._pending_accepted]
        self._pending_accepted = []
        self._rows.execute("BEGIN")
        self._rows.executemany("REPLACE INTO name VALUES (?, ?, ?)", names)
        self._rows.executemany(f"INSERT INTO report {_PUT}", rows)
        self._rows.executemany(f"INSERT INTO accepted {_PUT}", taken)
        self._rows.execute("COMMIT")

    def unfinished_orders(self) -> Iterator[tuple[int, Report, int]]:
        """Orders without a final state: serial, as last accepted, and what was traded of it, 10^-8 of a lot."""
        self.flush()
        filled = dict(
            self._rows.execute(
                f"SELECT serial, sum(last_qty) {_TRADES} GROUP BY serial", (ExecType.TRADE,)
            )
        )
        for serial, *row, _ in self._rows.execute(_OPEN, (ExecType.STATUS,)).fetchall():
            yield serial, _report_of_row(row), filled.get(serial, 0)

    def last_serial(self) -> int:
        """Serial number of the newest order; 0: there was none."""
        return int(
            self._rows.execute("SELECT coalesce(max(serial), 0) FROM accepted").fetchone()[0]
        )

    def sum_positions(self) -> list[tuple[str, str, int]]:
        """Account, instrument and signed position of all trades, 10^-8 of a lot."""
        query = f"SELECT account, instrument, sum(side * last_qty) {_TRADES} GROUP BY account, instrument"
        return self._rows.execute(query, (ExecType.TRADE,)).fetchall()

    def reports_of(self, serial: int) -> list[Report]:
        """Stored reports of an order, oldest first: its trades, and its final state once it has ended."""
        return self._reports("WHERE serial = ? ORDER BY number", serial)

    def trades(self, account: str, after: str = "") -> list[Report] | None:
        """Trades of an account after execution `after` ("": all); None where that execution is unknown."""
        self.flush()
        number = 0
        if after:
            query = "SELECT number FROM report WHERE account = ? AND exec_type = ? AND exec_id = ?"
            row = self._rows.execute(query, (account, ExecType.TRADE, after)).fetchone()
            if row is None:
                return None
            number = row[0]
        return self._reports(
            "WHERE account = ? AND number > ? AND exec_type = ? ORDER BY number",
            account,
            number,
            ExecType.TRADE,
        )

    def _reports(self, clause: str, *values: str | int) -> list[Report]:
        """Stored reports that match an SQL clause."""
        self.flush()
        return [_report_of_row(row) for row in self._rows.execute(f"{_READ} {clause}", values)]


def _report_of_row(row: Sequence[Any]) -> Report:
    """Report of a row in SQLite, which has texts for enumerations, and 0 or 1 for booleans."""
    values = dict(zip(_FIELDS, row, strict=True))
    kind = ExecType(values["exec_type"])
    status = OrdStatus(values["status"])
    passive = bool(values["passive"])
    return Report(**(values | {"exec_type": kind, "status": status, "passive": passive}))
