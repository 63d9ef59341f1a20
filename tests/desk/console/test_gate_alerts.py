"""Alerts that a gate wrote into its own journal: on the pages of the desks behind it, with one owner in one journal."""

import shutil
import sqlite3
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

pytest.importorskip("prometheus_client", reason="the console needs the extra [trade]")

from tests.api.test_desk_day import days_of
from tests.desk.console.desks import S, a_session, report

from tercel.api.console.connected import ConnectedDesk, RemoteDesk
from tercel.api.console.desk_rows import LAST, alert_page
from tercel.api.console.request_book import RequestBook
from tercel.core.ports import Entry
from tercel.core.serialization import to_jsonable
from tercel.desk.console.desk import FolderDesk
from tercel.desk.console.follow import JournalFollower
from tercel.desk.gate.process import FOLDER
from tercel.desk.trading.journal import database, kinds
from tercel.desk.trading.journal.codec import entry_in
from tercel.desk.trading.journal.database import BRIEFLY, LOCK, hold_lock
from tercel.desk.trading.journal.reader import JournalReader
from tercel.desk.trading.journal.store import SqlJournal
from tercel.desk.trading.journal.verification import verify


def alert(ns: int, code: str, agent: str = "", severity: str = "critical") -> Entry:
    return Entry(
        kinds.ALERT,
        ns * S,
        agent=agent,
        body={"severity": severity, "code": code, "text": f"{code} at {ns}"},
    )


def begun(ns: int = 1, gate: Path | None = None, accounts: Sequence[str] = ()) -> Entry:
    told = {} if gate is None else {"gate": {"journal": str(gate), "accounts": list(accounts)}}
    return Entry(
        kinds.SESSION,
        ns * S,
        body={"session": 1, "venue": "x", "holder": "t", "resume": False, **told},
    )


def kept(folder: Path, *entries: Entry) -> Path:
    with closing(SqlJournal(folder, "test")) as journal:
        journal.append(entries)
    return folder


def looked(folder: Path) -> JournalFollower:
    """A console that has just been started."""
    follower = JournalFollower(RemoteDesk(folder, time.time_ns), time.monotonic)
    follower.catch_up()
    follower.poll_gate()
    return follower


def rows(follower: JournalFollower) -> list[tuple[str, bool, str]]:
    page = to_jsonable(follower.report())
    return [(row["code"], row.get("gate", False), row.get("owner", "")) for row in page["alerts"]]


def own(follower: JournalFollower, code: str, who: str) -> Entry | None:
    """Somebody takes the gate's alert of a code."""
    assert isinstance(follower.gate.desk, RemoteDesk)
    seq = next(
        row["seq"]
        for row in to_jsonable(follower.report())["alerts"]
        if row["code"] == code and row.get("gate")
    )
    return follower.gate.desk.ask("own_alert", {"alert": seq}, who, "I look at it")


def owned(folder: Path) -> list[int]:
    """Entries of a journal that say whose an alert is."""
    with closing(JournalReader(folder)) as journal:
        said = journal.read(0, (kinds.OPERATOR,))
        return [
            int(entry.body["body"]["alert"])
            for _, entry in said
            if entry.body["command"] == "own_alert"
        ]


def test_a_gates_alerts_are_on_its_desks_page_and_are_owned_in_its_own_journal(
    tmp_path: Path,
) -> None:
    desk = kept(tmp_path, begun(), alert(5, "DRIFT", "ann", "warning"))
    gate = kept(
        tmp_path / FOLDER,
        begun(),
        alert(3, "unwatched", "ann"),
        alert(7, "POSITIONS_AGREE", "", "info"),
    )
    follower = looked(desk)
    assert rows(follower) == [
        ("POSITIONS_AGREE", True, ""),
        ("DRIFT", False, ""),
        ("unwatched", True, ""),
    ]
    summary = to_jsonable(follower.report())["summary"]
    assert (summary["alerts"], summary["unowned"]) == ({"critical": 1, "warning": 1, "info": 1}, 2)
    assert own(follower, "unwatched", "ann (password)") is not None
    follower.poll_gate()
    assert rows(follower)[2] == ("unwatched", True, "ann (password)")
    assert rows(follower)[1] == (
        "DRIFT",
        False,
        "",
    )  # which has the same number, in the other journal
    assert follower.report().summary.unowned == 1
    assert (owned(desk), owned(gate)) == ([], [2])
    assert verify(gate).fault == verify(desk).fault == ""
    assert rows(looked(desk)) == rows(follower)  # a console that is started again
    metrics = follower.metrics().decode()
    assert 'tercel_alerts_total{code="unwatched",severity="critical"} 1.0' in metrics
    assert "tercel_critical_alerts 1.0" in metrics


def test_what_comes_while_a_page_is_open_is_told(tmp_path: Path) -> None:
    desk = kept(tmp_path, begun(), alert(5, "DRIFT", "ann", "warning"))
    gate = kept(tmp_path / FOLDER, begun(), alert(3, "unwatched", "ann"))
    follower = looked(desk)
    turn, _ = follower.changes_since()
    kept(gate, alert(9, "link_down"))
    own(follower, "unwatched", "bob (password)")
    follower.poll_gate()
    follower._text_s = 0.0
    follower.write()
    assert "link_down at 9" in follower.changes_since(turn)[1]
    assert rows(follower) == [
        ("link_down", True, ""),
        ("DRIFT", False, ""),
        ("unwatched", True, "bob (password)"),
    ]


def test_two_desks_behind_one_gate_show_the_same_alert_with_one_owner(tmp_path: Path) -> None:
    gate = kept(
        tmp_path / "wall",
        begun(),
        alert(2, "link_down"),
        alert(3, "unwatched", "ann"),
        alert(4, "unwatched", "cy"),
    )
    one, two = (kept(tmp_path / name, begun(1, gate, [name])) for name in ("ann", "cy"))
    kept(two / FOLDER, begun(), alert(1, "OLD", "cy"))  # a gate of its own, of an earlier session
    first, second = looked(one), looked(two)
    assert rows(first) == [("unwatched", True, ""), ("link_down", True, "")]
    assert [row["agent"] for row in to_jsonable(second.report())["alerts"]] == ["cy", ""]
    own(first, "link_down", "ann (password)")
    for follower in (first, second):
        follower.poll_gate()
        assert rows(follower)[1] == ("link_down", True, "ann (password)")
        assert rows(follower)[0] == ("unwatched", True, "")
        assert follower.report().summary.unowned == 1
    assert (owned(gate), owned(one), owned(two)) == ([2], [], [])


def test_a_gate_whose_journal_cannot_be_read_is_said(tmp_path: Path) -> None:
    desk = kept(tmp_path / "desk", begun(1, tmp_path / "away", ["ann"]), alert(5, "DRIFT", "ann"))
    follower = looked(desk)
    assert f"a desk's journal at {tmp_path / 'away'}" in follower.report().gate_fault
    assert rows(follower) == [("DRIFT", False, "")]
    kept(tmp_path / "away", begun(), alert(3, "unwatched", "ann"))
    follower.poll_gate()
    assert follower.report().gate_fault == ""
    assert rows(follower) == [("DRIFT", False, ""), ("unwatched", True, "")]
    shutil.move(tmp_path / "away", tmp_path / "before")
    kept(tmp_path / "away", begun(), alert(4, "OTHER", "ann"))
    follower.poll_gate()
    assert rows(follower) == [("DRIFT", False, ""), ("OTHER", True, "")]


def test_executions_that_the_gate_alone_has_are_counted_while_no_session_runs(
    tmp_path: Path,
) -> None:
    entries = a_session()
    desk, gate = (
        kept(tmp_path, *entries),
        kept(tmp_path / FOLDER, begun(0), entry_in(report("e0", 9, S // 2))),
    )
    kept(
        gate,
        entry_in(report("e1", 20, 3 * S)),
        entry_in(report("e2", 7, 11 * S)),
        entry_in(report("e3", 1, 12 * S)),
    )
    follower = looked(desk)
    assert follower.report().unbooked == 2  # e0 is of before the last session
    with closing(SqlJournal(desk, "a session")) as journal:
        follower.poll_gate()
        assert follower.report().unbooked == 0
        journal.append([entry_in(report("e2", 7, 11 * S), "p1")])
    follower.catch_up()
    follower.poll_gate()
    assert follower.report().unbooked == 1
    assert [RemoteDesk(gate, time.time_ns).last_seq_before(ns * S) for ns in (0, 3, 4, 12, 99)] == [
        0,
        2,
        3,
        4,
        5,
    ]


def test_who_takes_an_alert_holds_nobody_up_and_several_do_at_once(tmp_path: Path) -> None:
    gate = kept(tmp_path / FOLDER, begun(), *(alert(n, "unwatched", "ann") for n in range(2, 8)))
    held = ExitStack()
    held.enter_context(hold_lock(gate / LOCK, f"ann (an alert, {BRIEFLY}"))
    with ThreadPoolExecutor(6) as people:
        takes = RemoteDesk(gate, time.time_ns).ask
        asked = [
            people.submit(takes, "own_alert", {"alert": 2 + n}, f"p{n}", "mine") for n in range(6)
        ]
        assert not any(one.done() for one in asked)
        held.close()
        assert all(one.result(30) is not None for one in asked)
    assert sorted(owned(gate)) == [2, 3, 4, 5, 6, 7]
    held = ExitStack()
    held.enter_context(hold_lock(gate / LOCK, f"ann (an alert, {BRIEFLY}"))
    with ThreadPoolExecutor(1) as gates:
        begins = gates.submit(kept, gate, begun(9))
        assert not begins.done()
        held.close()
        assert begins.result(30) == gate


ODD = [{}, [], None, "x", 7, {"alert": "x"}, {"alert": [2]}, {"alert": True}, {"alert": -1}, {"alert": 2.0},
       {"alert": 10**30}, {"alert": 3}, {"alert": None}]  # fmt: skip


def taken(body: object, by: str = "eve") -> Entry:
    return Entry(
        kinds.OPERATOR,
        4 * S,
        body={"id": 1, "command": "own_alert", "body": body, "by": by, "reason": "mine"},
    )


@pytest.mark.parametrize("body", ODD, ids=repr)
def test_no_word_in_an_inbox_stops_a_console_or_owns_what_is_not_told_yet(
    tmp_path: Path, body: object
) -> None:
    story = [begun(), alert(3, "DRIFT"), taken(body), alert(5, "GAP")]
    desk = kept(tmp_path, *story)
    kept(tmp_path / FOLDER, *story)
    follower = looked(desk)
    assert (follower.report().fault, follower.report().gate_fault) == ("", "")
    told = [("GAP", False, ""), ("GAP", True, ""), ("DRIFT", False, ""), ("DRIFT", True, "")]
    assert rows(follower) == told
    assert follower.report().summary.unowned == 4
    (day,) = days_of([desk])["desks"]
    assert {(row["code"], row["owner"], row["n"]) for row in day["alerts"]} == {
        ("DRIFT", "", 1),
        ("GAP", "", 1),
    }


@pytest.mark.parametrize("told", [[], 7, "x", {}, {"journal": "x"}, {"journal": 7, "accounts": []},
                                  {"journal": "x", "accounts": 7}, {"accounts": ["ann"]}], ids=repr)  # fmt: skip
def test_a_session_that_says_nonsense_of_its_gate_has_its_own(tmp_path: Path, told: object) -> None:
    said = {"session": 1, "venue": "x", "holder": "t", "resume": False, "gate": told}
    desk = kept(tmp_path, Entry(kinds.SESSION, S, body=said))
    kept(tmp_path / FOLDER, begun(), alert(3, "unwatched", "ann"))
    assert rows(looked(desk)) == [("unwatched", True, "")]
    assert [row["code"] for row in days_of([desk])["desks"][0]["alerts"]] == ["unwatched"]


def test_an_entry_that_cannot_be_is_said_and_nothing_after_it_is_shown(tmp_path: Path) -> None:
    desk = kept(
        tmp_path, begun(), Entry(kinds.SHARE, 2 * S, "AAA", body={"shares": 5}), alert(5, "DRIFT")
    )
    follower = looked(desk)
    for _ in range(2):
        assert follower.report().fault.startswith("entry 2 (share) is invalid")
        assert (follower.report().seq, rows(follower)) == (2, [])
        follower.catch_up()
    shutil.rmtree(tmp_path)
    kept(
        tmp_path, begun(2), alert(5, "GAP")
    )  # a new one, whose file may well have the number of the old one's
    follower.catch_up()
    assert (follower.report().fault, rows(follower)) == ("", [("GAP", False, "")])


def test_a_gate_whose_journal_vanishes_takes_no_alert_of_the_desk_away(tmp_path: Path) -> None:
    desk = kept(tmp_path / "desk", begun(), alert(5, "DRIFT", "ann"))
    gate = kept(tmp_path / "desk" / FOLDER, begun(), alert(3, "unwatched", "ann"))
    follower = looked(desk)
    served = ConnectedDesk(follower._desk, follower, RequestBook(desk, time.time_ns))  # type: ignore[arg-type]
    assert len(alert_page(served, LAST, 50, False, None).alerts) == 2
    (gate / "journal.db").write_bytes(b"half of it")
    then = to_jsonable(follower.report_at(9 * S))
    assert [row["code"] for row in then["alerts"]] == ["DRIFT"]
    assert "the gate's journal cannot be read" in then["gate_fault"]
    assert [row.code for row in alert_page(served, LAST, 50, False, None).alerts] == ["DRIFT"]
    assert [row.code for row in alert_page(served, 6 * S, 50, False, 9 * S).alerts] == ["DRIFT"]
    assert "cannot be read" in follower.report().gate_fault


def test_who_asks_for_alerts_waits_once_at_most_for_a_gate_that_is_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = kept(tmp_path / "desk", begun(), alert(5, "DRIFT", "ann"))
    gate = kept(tmp_path / "desk" / FOLDER, begun(), alert(3, "unwatched", "ann"))
    follower = looked(desk)
    served = ConnectedDesk(follower._desk, follower, RequestBook(desk, time.time_ns))  # type: ignore[arg-type]
    monkeypatch.setattr(database, "BUSY_MS", 50)
    with closing(sqlite3.connect(gate / "journal.db", isolation_level=None)) as locks:
        locks.execute("pragma locking_mode = exclusive")
        locks.execute("begin exclusive")
        locks.execute("update meta set value = value")
        follower.poll_gate()
        assert "the gate's journal cannot be read" in follower.report().gate_fault
        tried = list[object]()
        monkeypatch.setattr(FolderDesk, "gate", lambda *_: tried.append(1))
        monkeypatch.setattr(follower.gate.desk, "read", lambda *_: tried.append(2))
        assert [row.code for row in alert_page(served, LAST, 50, False, None).alerts] == ["DRIFT"]
        assert [row["code"] for row in to_jsonable(follower.report_at(9 * S))["alerts"]] == [
            "DRIFT"
        ]
        assert (served.owner(2, at_gate=True), served.owner(9, at_gate=True), tried) == (
            "",
            None,
            [],
        )
        monkeypatch.undo()
        locks.execute("rollback")
    follower.poll_gate()
    assert len(alert_page(served, LAST, 50, False, None).alerts) == 2


def test_alerts_are_counted_once_however_often_a_gate_is_read_anew(tmp_path: Path) -> None:
    gate = kept(
        tmp_path / "wall",
        begun(),
        alert(2, "GAP"),
        alert(3, "GAP", "ann"),
        alert(3, "GAP", "cy", "warning"),
    )
    desk = kept(tmp_path / "desk", begun(1, gate, ["ann"]), alert(4, "GAP"))
    follower = looked(desk)
    count = 'tercel_alerts_total{code="GAP",severity="critical"}'
    assert f"{count} 3.0" in follower.metrics().decode()
    kept(
        desk, begun(9, gate, ["ann", "cy"])
    )  # a session with more agents: all of the gate is read again
    follower.catch_up()
    follower.poll_gate()
    assert f"{count} 3.0" in follower.metrics().decode()
    assert 'severity="warning"} 1.0' in follower.metrics().decode()
    shutil.move(desk, tmp_path / "before")  # a new journal of the desk counts anew; the gate's stay
    follower._desk = RemoteDesk(kept(desk, begun(1, gate, ["ann"])), time.time_ns)
    follower.catch_up()
    follower.poll_gate()
    assert f"{count} 2.0" in follower.metrics().decode()
    assert "tercel_critical_alerts 2.0" in follower.metrics().decode()


def test_an_alert_of_a_shared_gate_about_nobody_is_told_once_over_desks(tmp_path: Path) -> None:
    gate = kept(
        tmp_path / "wall",
        begun(),
        alert(2, "GAP"),
        alert(3, "unwatched", "ann"),
        alert(3, "X", "", "info"),
    )
    folders = [kept(tmp_path / name, begun(1, gate, [name])) for name in ("ann", "cy")]
    one, two = (to_jsonable(looked(folder).report())["summary"] for folder in folders)
    assert [(row["unowned"], row["of_gate"]) for row in (one, two)] == [(2, 1), (1, 1)]
    assert one["gate"] == two["gate"] == str(gate)
    found = days_of(folders)
    shared = "1 critical alert of a gate of several desks without an owner"
    assert [day["needs"] for day in found["desks"]] == [
        ["1 critical alert without an owner", shared],
        [shared],
    ]
    assert found["all"]["needs"] == ["ann: 1 critical alert without an owner", f"ann: {shared}"]
    own = looked(kept(tmp_path / "own", begun(), alert(5, "GAP")))
    kept(tmp_path / "own" / FOLDER, begun(), alert(5, "GAP"))
    own.poll_gate()
    assert (
        to_jsonable(own.report())["summary"]["unowned"],
        to_jsonable(own.report())["summary"]["of_gate"],
    ) == (2, 0)
