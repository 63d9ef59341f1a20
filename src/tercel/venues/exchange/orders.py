"""Client orders of the exchange, their execution reports, and their record on disk, so that memory stays bounded.

The record (names, trades, final states) is an SQLite database: without a path, a temporary file that is deleted with
the exchange; with one, the state from which a killed exchange begins again.
"""

import sqlite3
import weakref
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

from tercel.core.lifecycle import TRANSITIONS
from tercel.core.orders import (
    ONE,
    TERMINAL,
    ExecType,
    NewOrder,
    OrdStatus,
    Report,
    refused,
    working,
)
from tercel.core.vocabulary import MOST_LOTS

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
        Where it is stored: it outlives a process that is killed, not a machine that loses power.

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
    """Report of a row in SQLite, which has texts for enumerations, and 0 or 1 for booleans."""
    words = dict(zip(_FIELDS, row, strict=True))
    kind, status, passive = (
        ExecType(words["exec_type"]),
        OrdStatus(words["status"]),
        bool(words["passive"]),
    )
    return Report(**(words | {"exec_type": kind, "status": status, "passive": passive}))


FARTHEST = 2**29
"""Prices lie below it on both sides of 0."""
_AGAIN = "the exchange began again"


@dataclass(slots=True)
class ClientOrder:
    """State of one client order, under every ClOrdID it has had.

    Parameters
    ----------
    new : NewOrder
        As it came.
    market, place : int
        Which market, which place in its ledger; -1 once it is over or where it never was.
    number : int
        Of its place, also in market data: another order gets it once this one is over.
    cl_ord_id : str
        Its latest accepted name.
    status : OrdStatus
        By the table of `core.lifecycle`.
    serial : int
        No other order of the exchange ever has it.
    """

    new: NewOrder
    market: int
    place: int
    number: int
    cl_ord_id: str
    lots: int
    price: int | None
    cum: int = 0
    leaves: int = 0
    status: OrdStatus = OrdStatus.NEW
    serial: int = 0

    @property
    def order_id(self) -> str:
        """The exchange's order id, unique for its lifetime; the number before the dot is that of market data."""
        return f"{self.number}.{self.serial}"

    @property
    def open(self) -> bool:
        """Whether the order has leaves quantity."""
        return self.leaves > 0

    def move(self, kind: ExecType, lots: int = 0) -> None:
        """Go to its state after a trade of some lots, a replace, or an end, which leaves no lots to trade."""
        self.cum += lots
        self.leaves -= lots
        after = TRANSITIONS[self.status].get(kind, self.status)
        self.leaves = 0 if after in TERMINAL else self.leaves
        self.status = after if after in TERMINAL else working(self.cum, full=not self.leaves)


@dataclass(slots=True)
class OrderBooks:
    """Open client orders by ledger place and by account; ended orders are in `record`."""

    prefix: str = ""
    """Before the name of every execution, so that those of two runs differ."""
    record: OrderRecord = field(default_factory=OrderRecord)
    placed: dict[tuple[int, int], ClientOrder] = field(default_factory=dict)
    positions: dict[str, Counter[str]] = field(default_factory=dict)
    _open: dict[str, dict[int, ClientOrder]] = field(default_factory=dict)
    _numbers: dict[str, int] = field(default_factory=dict)
    _count: int = 0

    def keep(self, order: ClientOrder) -> None:
        """Add a new order."""
        self._count += 1
        order.serial = self._count
        self.placed[order.market, order.place] = order
        self._open.setdefault(order.new.account, {})[order.serial] = order
        self.call(order, order.cl_ord_id)

    def call(self, order: ClientOrder, name: str) -> None:
        """Give an order a new ClOrdID after a replace; it is still found under earlier ones."""
        order.cl_ord_id = name
        self.record.call(order.new.account, name, order.serial)

    def find(self, account: str, name: str) -> ClientOrder | Report | None:
        """The open order with a ClOrdID, past ones included; the last report of one that has ended."""
        serial = self.record.serial(account, name)
        if not serial:
            return None
        return self._open.get(account, {}).get(serial) or self.record.of_order(serial)[-1]

    def begin_again(self, ns: int) -> None:
        """Go on with the record of an exchange that was killed: whatever was open then is cancelled, at `ns`."""
        self._count = self.record.last()
        for account, instrument, qty in self.record.held():
            self.positions.setdefault(account, Counter())[instrument] = qty
        for serial, report, filled in self.record.unended():
            over = replace(
                report,
                exec_id="",
                exec_type=ExecType.STATUS,
                status=OrdStatus.CANCELED if filled < report.lots * ONE else OrdStatus.FILLED,
                ns=ns,
                text=_AGAIN,
            )
            self.record.put(serial, replace(over, cum_qty=filled, leaves_qty=0))
        self.record.flush()

    def forget_place(self, order: ClientOrder, ns: int) -> None:
        """Release an ended order's ledger place and drop it from memory."""
        if order.place >= 0 and not order.open:
            self.placed.pop((order.market, order.place), None)
            order.place = -1
            del self._open[order.new.account][order.serial]
            self.record.put(order.serial, said(order, "", ExecType.STATUS, ns))

    def open_of(self, account: str) -> list[ClientOrder]:
        """Open orders of an account ("": of all), oldest first by account."""
        accounts = [account] if account else list(self._open)
        return [order for name in accounts for order in self._open.get(name, {}).values()]

    def exec_id(self, instrument: str) -> str:
        """A new execution id; the same run gives the same ids."""
        self._numbers[instrument] = number = self._numbers.get(instrument, 0) + 1
        return f"{self.prefix}{instrument}:{number}"

    def report(self, order: ClientOrder, kind: ExecType, ns: int, **words: Any) -> Report:
        """Report on an order's current state, with keywords of :func:`said`; trades are stored for repetition."""
        report = said(order, self.exec_id(order.new.instrument), kind, ns, **words)
        if kind is ExecType.TRADE:
            self.positions.setdefault(report.account, Counter())[report.instrument] += (
                report.side * report.last_qty
            )
            self.record.put(order.serial, report)
        elif kind in (ExecType.NEW, ExecType.REPLACED):
            self.record.accept(order.serial, report)
        return report

    def states(self, account: str, name: str, ns: int) -> list[Report]:
        """Answer to an order status request ("": all of the account's orders): trades as reported, then the status."""
        found = [self.record.serial(account, name)] if name else self.record.serials(account)
        reports: list[Report] = []
        for serial in filter(None, found):
            reports += self.record.of_order(serial)
            order = self._open.get(account, {}).get(serial)
            state = reports.pop() if order is None else said(order, "", ExecType.STATUS, ns)
            reports.append(replace(state, exec_id=self.exec_id(state.instrument), ns=ns, orig=name))
        return reports

    def refused(
        self,
        new: NewOrder,
        ns: int,
        text: str,
        kind: ExecType = ExecType.REJECTED,
        status: OrdStatus = OrdStatus.REJECTED,
    ) -> Report:
        """The rejection of an order that never reached the book; it has no order id."""
        return refused(new, self.exec_id(new.instrument or "-"), ns, text, kind, status)


def said(
    order: ClientOrder,
    exec_id: str,
    kind: ExecType,
    ns: int,
    *,
    name: str = "",
    orig: str = "",
    last: tuple[int, int] = (0, 0),
    passive: bool = False,
    text: str = "",
) -> Report:
    """An execution report of an order's current state; `last` is quantity and price of a trade."""
    new = order.new
    return Report(
        exec_id=exec_id,
        exec_type=kind,
        status=order.status,
        cl_ord_id=name or order.cl_ord_id,
        orig=orig,
        order_id=order.order_id,
        account=new.account,
        instrument=new.instrument,
        side=new.side,
        lots=order.lots,
        price=order.price,
        last_qty=last[0] * ONE,
        last_px=last[1] * ONE,
        cum_qty=order.cum * ONE,
        leaves_qty=order.leaves * ONE,
        ns=ns,
        passive=passive,
        text=text,
    )


def fault_of(new: NewOrder, instruments: dict[str, int]) -> str:
    """Reason to reject an order, "" if it is valid."""
    if new.instrument not in instruments:
        return f"unknown instrument {new.instrument!r}; listed: {', '.join(sorted(instruments))}"
    if new.side not in (1, -1):
        return f"side {new.side} is neither +1 nor -1"
    if not 1 <= new.lots <= MOST_LOTS:
        return f"{new.lots} lots; from 1 to {MOST_LOTS}"
    return price_fault(new.price)


def price_fault(price: int | None) -> str:
    """Reason to reject a price, "" if it is valid."""
    if price is not None and not -FARTHEST < price < FARTHEST:
        return f"price {price} ticks is beyond +-{FARTHEST}"
    return ""
