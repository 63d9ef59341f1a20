"""A journal from when executions had no parts opens and reads as it did: what that version said of it lies beside it.

`whole_lots` was written by that version: a random session with fills, busts and corrections, a snapshot in its middle,
what a person settled, a heartbeat.
"""

import gzip
import json
import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from tests.desk.trading.desk_of_two import WIDE
from tests.parts import whole

from tercel.core.fixed import ONE, PAID_ONE
from tercel.core.orders import ExecType, Listing, NewOrder, OrdStatus, Report, Tif
from tercel.desk.limits import LimitGate, parse
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.codec import entry_in, entry_out, message_of
from tercel.desk.trading.journal.store import SqlJournal, verify
from tercel.desk.trading.ledger import Ledger
from tercel.desk.trading.parents import ParentRequest, accepted
from tercel.desk.trading.recovery import refold
from tercel.desk.trading.snapshot import Snapshots, blank_of, version_of
from tercel.desk.trading.tca.figures import fills_in
from tercel.fix.memory import FILE, OrderMemory
from tercel.fix.profiles.model import NamesTable

HERE = Path(__file__).parent / "whole_lots"
SAID = json.loads((HERE / "expected.json").read_text())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "journal.db").write_bytes(gzip.decompress((HERE / "journal.db.gz").read_bytes()))
    shutil.copy(HERE / "journal.head", tmp_path)
    return tmp_path


def limits_of() -> LimitGate:
    return LimitGate(parse(WIDE), [Listing(name, 0.01, 1, 1000) for name in "XY"], ["ann", "bob"])


def paid(value: int) -> int:
    found, rest = divmod(value, PAID_ONE)
    assert rest == 0
    return found


def told(ledger: Ledger, limits: LimitGate) -> dict[str, object]:
    """What the version that wrote it was asked to say, in its units."""
    held, orders = ledger.positions.all(), ledger.orders
    return {
        "positions": {
            f"{account} {name}": [
                *(whole(one.qty), paid(one.cash2), paid(one.basis2), whole(one.bought), whole(one.sold)),
                *(one.average, paid(one.realised2)),
            ]
            for (account, name), one in held.items()
        },
        "fills": [
            [f.exec_id, f.order, f.parent, f.account, f.instrument, f.side, whole(f.qty), whole(f.px), f.ns, f.passive]
            for f in orders.fills
        ],
        "rebooked": len(orders.rebooked),
        "orders": {
            one.root: [
                *(str(one.status), one.lots, one.price, whole(one.cum_qty), paid(one.paid), whole(one.counted_qty)),
                *(whole(one.open_qty), one.settled),
            ]
            for one in orders
        },
        "parents": {p.id: [str(p.status), p.lots, p.filled, p.left, p.refused] for p in ledger.parents},
        "settled": [[*where, whole(qty)] for where, qty in ledger.settled.items()],
        "limits": {
            f"{agent} {name}": [whole(qty) for qty in (one.position, one.buys, one.sells, one.exposure)]
            for (agent, name), one in limits.holdings.items()
        },
        "money": {
            scope.name or "desk": [paid(value) for value in (scope.gross, scope.equity, scope.opening, scope.high)]
            for scope in limits.scopes()
        },
        "usage": json.loads(json.dumps(limits.usage())),
        "faults": ledger.faults(),
        "fault": limits.fault,
        "quarantined": len(orders.quarantined),
        "past": len(ledger.past or ()),
        "live": [order.root for order in orders.live()],
    }


def test_it_reads_as_it_did(folder: Path) -> None:
    assert verify(folder).fault == ""
    with closing(SqlJournal(folder, "test")) as journal:
        limits = limits_of()
        assert told(refold(journal, limits), limits) == SAID
        bodies = [entry.body for _, entry in journal.read(kinds=(kinds.REPORT_IN,)) if "last_lots" in entry.body]
    assert len(bodies) > 50
    for body in bodies:
        report = message_of(body)
        assert isinstance(report, Report)
        terms = report.last_qty, report.last_px, report.cum_qty, report.leaves_qty
        assert [whole(one) for one in terms] == [body[key] for key in ("last_lots", "last_price", "cum", "leaves")]


def test_a_session_goes_on_in_it_with_parts_of_lots_and_a_snapshot_of_its_own(folder: Path) -> None:
    with closing(SqlJournal(folder, "test")) as journal:
        limits = limits_of()
        before = refold(journal, limits).positions.of("ann", "X").qty
        ns, order = 10**15, NewOrder("z.1", "X", 1, 2, 100, Tif.DAY, "ann", "z", 10**15)
        fill = Report(
            "z1", ExecType.TRADE, OrdStatus.PARTIALLY_FILLED, "z.1", "", "V", "ann", "X", 1, 2, 100, ONE // 2,
            99 * ONE + 1, ONE // 2, ONE * 3 // 2, ns,
        )  # fmt: skip
        asked = accepted(ParentRequest("z", "X", 1, 2, 10**12, 1, "t", "ann"), ns)
        journal.append([asked, entry_out(order, "z"), entry_in(fill, "z")])
        blank = limits_of()
        Snapshots(journal, blank_of(blank), version_of(blank), refold).keep()
        assert journal.snapshot(version_of(blank)) is not None
        ledger = refold(journal, limits := limits_of())
        held = ledger.positions.of("ann", "X")
        assert held == Ledger.of(journal).positions.of("ann", "X")
        assert held.qty == limits.holdings["ann", "X"].position == before + ONE // 2
        assert limits.fault == ""


def test_what_a_session_of_fix_was_told_reads_as_it_did(tmp_path: Path) -> None:
    line = {"wire": "W1", "name": "p.1", "orig": "", "account": "a", "instrument": "X", "side": 1, "lots": 5}
    line |= {
        "price": 9,
        "parent": "p",
        "kind": "new",
        "order_id": "V",
        "status": "new",
        "cum": 3,
        "base": 2,
        "swaps": "",
    }
    (tmp_path / FILE).write_text(json.dumps(line) + "\n")
    memory = OrderMemory(NamesTable(letters="[A-Z0-9]", most=12), tmp_path)
    found = memory.by_wire["W1"]
    assert (whole(found.cum_qty), whole(found.base_qty)) == (3, 2)
    memory.close()


def test_an_analysis_of_then_draws_as_one_of_now() -> None:
    old = np.array([[5, 100, 7, 201, 202, 0, 0]])
    new = old.copy()
    new[:, [1, 2]] *= ONE
    assert fills_in({"fills": old}).tolist() == fills_in({"executions": new}).tolist() == old.tolist()
