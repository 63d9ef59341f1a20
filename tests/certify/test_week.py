"""The week: what its judge finds in records that were tampered with, when faults fall, and a short week itself."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.api.test_desk_day import days_of

from certify.week import judge
from certify.week.faults import FIRST, KINDS, draw_plan, prices
from certify.week.judge import JournalRows, Terms, VenueRecord
from tercel.core.fixed_point import ONE
from tercel.core.orders import NewOrder, OrdStatus, Report, Tif
from tercel.core.ports import Entry
from tercel.desk.gate.process import FOLDER
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.codec import entry_in, entry_out
from tercel.desk.trading.journal.store import SqlJournal
from tercel.market.flow.registry import load
from tercel.market.simulator.source import reactive
from tercel.venues.exchange import MarketSpec, SimulatedExchange
from tercel.venues.exchange.folder import ORDERS

S = 10**9
SPAN = (0, 2**62)
CAPS = {
    "order_lots": 50, "order_value": 100_000, "gross_value": 100_000, "long_lots": 60, "short_lots": 60,
    "messages": 10, "window_ms": 1000,
}  # fmt: skip
COMMAND = (sys.executable, "-m", "tercel.cli", "certify", "week", "--json")


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A venue that keeps its record, and the journal of who traded there: bought 40, sold 10, one order cancelled."""
    folder = tmp_path_factory.mktemp("traded")
    source = reactive(load("csco-santa-fe"), settle_s=60.0)
    venue = SimulatedExchange({"X": MarketSpec(source, seed=1)}, run="r-", keep=folder / "venue")
    journal = SqlJournal(folder / "week", "test")
    journal.append(
        [Entry(kinds.SESSION, venue.now_ns, body={"session": 1, "venue": "x", "holder": "t"})]
    )
    for name, side, lots, price in (("a", 1, 40, None), ("b", -1, 10, None), ("c", 1, 5, 1)):
        tif = Tif.IOC if price is None else Tif.DAY
        command = NewOrder(name, "X", side, lots, price, tif, "ann", "p", venue.now_ns)
        journal.append([entry_out(command)])
        venue.send(command)
        events = [
            event
            for _ in range(9)
            for event in venue.step(venue.now_ns + S // 10)
            if isinstance(event, Report)
        ]
        journal.append([entry_in(event, "p") for event in events])
    venue.login("ann", cancel_on_disconnect=True)
    venue.disconnect("ann")
    gone = [event for event in venue.step(venue.now_ns + S) if isinstance(event, Report)]
    assert [event.status for event in gone] == [OrdStatus.CANCELED]
    journal.append([entry_in(event, "p") for event in gone])
    journal.append([Entry(kinds.HEARTBEAT, venue.now_ns, body={"positions": {"ann": {"X": 30}}})])
    alert = {"severity": "critical", "code": "link_down", "text": "gone"}
    journal.append(
        [Entry(kinds.ALERT, venue.now_ns, body=alert), Entry(kinds.ALERT, venue.now_ns, body=alert)]
    )
    own = {
        "command": "own_alert",
        "body": {"alert": journal.last},
        "by": "ann",
        "reason": "seen",
        "id": 1,
    }
    journal.append([Entry(kinds.OPERATOR, venue.now_ns, body=own)])
    journal.close()
    gate = SqlJournal(folder / "week" / FOLDER, "test")
    unwatched = {"severity": "critical", "code": "unwatched", "text": "its session is gone"}
    gate.append([Entry(kinds.ALERT, venue.now_ns, agent="ann", body=unwatched) for _ in range(2)])
    own |= {"body": {"alert": 1}}
    gate.append([Entry(kinds.OPERATOR, venue.now_ns, body=own)])
    gate.close()
    return folder


def read(
    folder: Path, tmp: Path, journal: str | None = None, venue: str | None = None
) -> tuple[Any, JournalRows]:
    """What the judge reads of copies that somebody changed."""
    copied = Path(shutil.copytree(folder, tmp / "copy", dirs_exist_ok=True))
    for file, tamper in (
        (copied / "week" / judge.JOURNAL, journal),
        (copied / "venue" / ORDERS, venue),
    ):
        if tamper is not None:
            with closing(sqlite3.connect(file)) as rows:
                rows.execute(tamper)
                rows.commit()
    return VenueRecord.read(copied / "venue" / ORDERS, ["ann"]), JournalRows.read(copied / "week")


def found(record: VenueRecord, journal: JournalRows) -> dict[str, Any]:
    """Everything that the judge counts."""
    terms = Terms(CAPS, CAPS, CAPS, {"X": 0.01})
    return {
        "lost": len(judge.lost_executions(record, journal, SPAN)),
        "doubled": len(judge.doubled_executions(record, journal, SPAN)),
        "strangers": judge.strangers(record, journal), "open": judge.still_open(record),
        "positions": judge.position_differences(journal.positions, record.positions, "desk"),
        "breaches": [text for _, text in judge.breaches(record, terms, [])],
    }  # fmt: skip


NOTHING_COUNTED = {"lost": 0, "doubled": 0, "strangers": [], "open": [], "positions": 0}
NOTHING = NOTHING_COUNTED | {"positions": [], "breaches": []}


def test_a_sound_record_has_no_fault(traded: Path, tmp_path: Path) -> None:
    record, journal = read(traded, tmp_path)
    assert record.positions == {("ann", "X"): 30 * ONE}
    assert len(record.orders) == 3 == len(record.ended)
    assert found(record, journal) == NOTHING


TRADES = "kind = 'report_in' AND json_extract(body, '$.exec_type') = 'trade'"
MANY = """
number + 100 * n, serial + 100 * n, exec_id, exec_type, status, cl_ord_id || n, orig, order_id, account, instrument,
side, 1, price, last_qty, last_px, cum_qty, leaves_qty, ns, passive, text, ref, fault
"""
FIRST_TRADE = f"seq = (SELECT min(seq) FROM journal WHERE {TRADES})"


COLUMNS = "kind, ns, instrument, agent, parent, ord"
AGAIN = f"""
INSERT INTO journal SELECT (SELECT max(seq) + 1 FROM journal), {COLUMNS}, json_set(body, '$.cum_qty', {{}}), blob, hash
FROM journal WHERE {FIRST_TRADE}
"""
MORE = f"""
UPDATE journal SET body = json_set(body, '$.last_qty', json_extract(body, '$.last_qty') + {ONE}) WHERE {FIRST_TRADE}
"""
TAMPERED = {
    # the heartbeat counts it, and nobody wrote it down
    "the journal lacks an execution": (
        f"DELETE FROM journal WHERE {FIRST_TRADE}", None, {"lost": 1, "doubled": 1, "positions": 1},
    ),
    "an execution is told again": (AGAIN.format("json_extract(body, '$.cum_qty')"), None, {}),
    "an execution is told again and says something else": (AGAIN.format(7), None, {"doubled": 1}),
    "positions were booked otherwise than written": (
        "UPDATE journal SET body = json_set(body, '$.positions.ann.X', 70) WHERE kind = 'heartbeat'", None,
        {"doubled": 1},
    ),
    # its number is another's: positions are as before
    "nobody made an execution": (
        f"UPDATE journal SET body = json_set(body, '$.exec_id', 'r-X:999') WHERE {FIRST_TRADE}", None,
        {"doubled": 1, "lost": 1},
    ),
    "an execution is of more lots": (MORE, None, {"positions": 1, "doubled": 1}),
    "nobody wrote an order down": (
        "DELETE FROM journal WHERE kind = 'order_out' AND ord = 'b'", None, {"strangers": ["b of ann"]},
    ),
    "an order never ended": (
        None, "DELETE FROM report WHERE exec_type = 'status' AND cl_ord_id = 'c'", {"open": ["c of ann"]},
    ),
    "too many lots": (
        None, "UPDATE accepted SET lots = 51 WHERE cl_ord_id = 'b'", {"breaches": "above order_lots = 50"},
    ),
    "too much money": (
        None, "UPDATE accepted SET price = 3000000 WHERE cl_ord_id = 'c'", {"breaches": "above order_value"},
    ),
    "too long": (
        None, "UPDATE accepted SET lots = 31 WHERE cl_ord_id = 'c'", {"breaches": "above long_lots = 60"},
    ),
    "too much held": (
        None, "UPDATE report SET last_px = last_px * 300 WHERE exec_type = 'trade'", {"breaches": "above gross_value"},
    ),
    "too many messages": (
        None,
        f"INSERT INTO accepted SELECT {MANY} FROM accepted, (WITH RECURSIVE up(n) AS "
        "(SELECT 1 UNION SELECT n + 1 FROM up WHERE n < 11) SELECT n FROM up) WHERE cl_ord_id = 'c'",
        {"breaches": "orders in 1000 ms, above 10"},
    ),
}  # fmt: skip
"""What is done to the journal or to the venue's record, and what the judge finds."""


@pytest.mark.parametrize("tampered", TAMPERED)
def test_what_was_tampered_with_is_found(traded: Path, tmp_path: Path, tampered: str) -> None:
    journal, venue, wanted = TAMPERED[tampered]
    seen = found(*read(traded, tmp_path, journal, venue))
    breaches = seen.pop("breaches")
    if "breaches" in wanted:
        assert any(wanted["breaches"] in text for text in breaches), breaches
    else:
        assert breaches == []
        seen["positions"] = len(seen["positions"])
        assert seen == NOTHING_COUNTED | wanted


def test_an_order_that_came_while_its_agent_was_killed_is_a_breach(
    traded: Path, tmp_path: Path
) -> None:
    record, _ = read(traded, tmp_path)
    terms, ns = Terms(CAPS, CAPS, CAPS, {}), record.orders[1].ns
    assert judge.breaches(record, terms, [(ns, ns + 1)]) == []
    assert [text for _, text in judge.breaches(record, terms, [(ns - 1, ns + 1)])] == [
        "b was accepted while ann was killed"
    ]


def test_an_order_that_works_while_nobody_watches_is_timed(traded: Path, tmp_path: Path) -> None:
    record, _ = read(traded, tmp_path)
    rests = record.orders[-1]
    until = record.ended[rests.serial]
    assert judge.unwatched_ns(record, [(rests.ns + 7, until + S)]) == until - rests.ns - 7
    assert (
        judge.unwatched_ns(record, [(until + 1, until + S)]) == judge.unwatched_ns(record, []) == 0
    )


def test_an_alert_that_is_nobodys_or_not_told_is_named(traded: Path, tmp_path: Path) -> None:
    _, journal = read(traded, tmp_path)
    day = days_of([traded / "week"])
    first, second = (one["seq"] for one in journal.alerts)
    assert judge.unowned_alerts(journal, day, SPAN) == [f"link_down ({first})"]
    assert judge.owners(day) == {"ann": 2}  # and one of the gate
    assert judge.unowned_alerts(journal, {"desks": []}, SPAN) == [
        f"link_down ({n})" for n in (first, second)
    ]
    assert judge.unowned_alerts(journal, day, (0, 1)) == []
    assert judge.unowned_after(journal, 0) == [f"link_down ({first})"]
    assert judge.unowned_after(journal, 2**61) == []


def test_alerts_of_the_gate_are_judged_by_its_own_journal(traded: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(traded, tmp_path / "copy")) / "week"
    gate, day = JournalRows.read(folder / FOLDER), days_of([folder])
    assert [one["seq"] for one in gate.alerts] == [1, 2]
    assert judge.unowned_alerts(gate, day, SPAN, at_gate=True) == ["unwatched (2)"]
    assert judge.owners(day) == {"ann": 2}
    assert judge.unowned_after(gate, 0) == ["unwatched (2)"]
    # without the gate's rows, or with the desk's in their place, nobody has them
    for desk in day["desks"]:
        desk["alerts"] = [row | {"gate": False} for row in desk["alerts"]]
    assert judge.unowned_alerts(gate, day, SPAN, at_gate=True) == ["unwatched (1)", "unwatched (2)"]
    shutil.rmtree(folder / FOLDER)
    assert judge.unowned_alerts(gate, days_of([folder]), SPAN, at_gate=True) == [
        "unwatched (1)",
        "unwatched (2)",
    ]


def test_every_fault_falls_once_in_a_week_at_times_of_its_seed() -> None:
    for seed in range(20):
        week = draw_plan(5, seed)
        assert sorted(one.kind for one in week) == sorted([*FIRST, *KINDS])
        assert max(sum(one.session == n for one in week) for n in range(5)) <= 3
    assert draw_plan(5, 1) == draw_plan(5, 1) != draw_plan(5, 2)
    assert prices(["2019-01-01"], 1) == prices(["2019-01-01"], 1) != prices(["2019-01-01"], 2)


def _week(out: Path, *words: str) -> dict[str, Any]:
    done = subprocess.run(
        [*COMMAND, "--out", str(out), *words], capture_output=True, text=True, timeout=2400, check=False,
        env=os.environ | {"COLUMNS": "200"},
    )  # fmt: skip
    seen: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == 0, (seen["failed"], seen["faults"], done.stderr[-2000:])
    return seen


@pytest.mark.long
def test_a_session_with_a_venue_and_a_desk_that_are_killed(tmp_path: Path) -> None:
    words = ("--sessions", "1", "--hours", "0.4", "--speed", "60", "--round-s", "300")
    seen = _week(tmp_path, *words, "--fault", "venue: kill -9", "--fault", "desk: kill -9")
    (row,) = seen["rows"]
    assert sorted(what for what, _ in row["faults"]) == ["desk: kill -9", "venue: kill -9"]
    assert row["fills"] > 0
    assert row["alerts"] > 0
