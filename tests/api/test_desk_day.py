"""A desk's day against a twin that adds up one by one; what others wrote is text and nothing else."""

import math
import re
import shutil
import sqlite3
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from tests.desk.console.desks import ListedDesk, S, a_session, report
from tests.desk.trading.test_money import LISTED, a_story, cash

from tercel.api.console.connected import RemoteDesk
from tercel.api.desk import posted_commands
from tercel.api.desk.day import day_of
from tercel.api.desk.day_folders import days_of as read_days
from tercel.api.desk.day_page import NO_OWNER, DayReport
from tercel.api.desk.day_window import DayWindow
from tercel.core.errors import ConfigError
from tercel.core.ports import Entry
from tercel.desk.gate.process import FOLDER
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.codec import entry_in
from tercel.desk.trading.journal.store import SqlJournal
from tercel.desk.trading.journal.verification import verify
from tercel.desk.trading.ledger import Ledger
from tercel.desk.trading.risk.money import DAY_NS

EVIL = "<script>alert(1)</script>\r\nBcc: all@desk.example"


def day(entries, **window):
    (found,) = DayReport([day_of(ListedDesk(entries), "mine", DayWindow(**window))]).to_json()[
        "desks"
    ]
    return found


def days_of(folders, window=None):
    return DayReport(read_days(folders, window)).to_json()


def worth(entries):
    """Cash, what is held at the last two-sided mark, and fees so far: by agent and currency."""
    ledger, marks, found = Ledger(), {}, {}
    for entry in entries:
        ledger.apply(entry)
        if entry.kind == kinds.MARKET and None not in (entry.body["bid"], entry.body["ask"]):
            marks[entry.instrument] = Fraction(entry.body["bid"] + entry.body["ask"], 2)
    for (agent, name), (received, lots, fees) in cash(ledger).items():
        words = LISTED[name]
        unit = Fraction(str(words["tick"])) * Fraction(str(words["lot"]))
        sums = found.setdefault((agent, words["currency"]), [Fraction(0), Fraction(0)])
        sums[0] += received + lots * marks[name] * unit
        sums[1] += fees
    return found, ledger


@pytest.mark.parametrize("seed", range(4))
def test_profit_and_fees_of_a_day_are_what_a_twin_adds_up(seed: int) -> None:
    entries = a_story(seed)
    at = entries[2 * len(entries) // 3].ns
    before, now = [one for one in entries if one.ns < at], entries
    (was, old), (is_, new) = worth(before), worth(now)
    found = day(entries, from_ns=at)
    gained = {
        key: [a - b for a, b in zip(row, was.get(key, (0, 0)), strict=True)]
        for key, row in is_.items()
    }
    for one in found["agents"]:
        for row in one["money"]:
            profit, fees = gained.get((one["name"], row["currency"]), (0, 0))
            assert row["profit"] == pytest.approx(float(profit - fees), abs=1e-6)
            assert row["fees"] == pytest.approx(float(fees), abs=1e-9)
    for row in found["money"]:
        profit = sum(a - b for (_, at_), (a, b) in gained.items() if at_ == row["currency"])
        assert row["profit"] == pytest.approx(float(profit), abs=1e-6)
    assert found["fills"] == new.fills - old.fills
    assert sum(one["fills"] for one in found["agents"]) == found["fills"]
    assert {one["order"] for one in found["unknown"]} == {one.root for one in new.orders.unknown()}
    assert len(found["open_parents"]) == len(new.parents.open())
    assert found["faults"] == new.faults()


def test_two_days_add_up_to_both() -> None:
    entries = a_story(5)
    at = entries[len(entries) // 2].ns
    days = [
        day(entries, to_ns=at - 1, from_ns=0),
        day(entries, from_ns=at),
        day(entries, from_ns=0),
    ]
    for name in ("profit", "realised", "fees", "cost"):
        first, second, both = ({row["currency"]: row[name] for row in one["money"]} for one in days)
        assert {
            key: pytest.approx(first.get(key, 0.0) + second.get(key, 0.0), abs=1e-6) for key in both
        } == both
    assert days[0]["parents"]["over"] + days[1]["parents"]["over"] == days[2]["parents"]["over"]


def a_cost(ns, parent, bps, notional, agent="peg", kind=kinds.FEEDBACK):
    body = {"is_bps": bps, "notional": notional, "filled": 5, "unfilled": 1, "refused": 0}
    return Entry(kind, ns * S, "AAA", agent, parent, body=body)


def test_a_parent_counts_where_it_was_first_told_and_by_its_last_analysis() -> None:
    session = a_session()[:1]
    costs = [
        a_cost(2, "p1", 9.0, 100.0), a_cost(5, "p1", 9.5, 100.0, kind=kinds.TCA), a_cost(6, "p2", 1.0, 300.0),
        a_cost(7, "p3", 4.0, 100.0), a_cost(8, "p2", 2.0, 200.0, kind=kinds.TCA), a_cost(9, "p4", 3.0, 500.0, "ppo"),
    ]  # fmt: skip
    found = day([*session, *costs], from_ns=4 * S)
    rows = [(2.0, 200.0), (4.0, 100.0), (3.0, 500.0)]
    mean = sum(cost * value for cost, value in rows) / 800.0
    assert found["costs"]["parents"] == 3
    assert found["costs"]["is_bps"] == pytest.approx(mean)
    spread = math.sqrt(sum((value * (cost - mean)) ** 2 for cost, value in rows) * 3 / 2) / 800.0
    assert found["costs"]["high_bps"] - mean == pytest.approx(4.302653 * spread, rel=1e-5)
    assert found["costs"]["unfilled"] == 3
    (money,) = found["money"]
    assert money["cost"] == pytest.approx(mean * 800.0 / 1e4)
    assert {one["name"]: one["costs"]["parents"] for one in found["agents"]} == {"peg": 2, "ppo": 1}


def busy() -> list[Entry]:
    """A session with acts of people, alerts and words of somebody hostile."""
    killed = {"scope": "ppo", "by": "ann", "reason": EVIL, "open": 3}
    changes = {"changes": {"agents.ppo.order_lots": "500"}, "reason": "seen", "hash": "h"}
    beat = {"limits": {"agents": {"ppo": {"messages": [400, 500], "gross_value": [10.0, 500.0]}}}}
    alert = {"severity": "critical", "code": "GAP", "text": EVIL}
    return [
        *a_session(),
        Entry(kinds.HEARTBEAT, 11 * S, body=beat),
        Entry(kinds.KILL, 12 * S, agent="ppo", body=killed | {"event": "latched"}),
        Entry(kinds.KILL, 12 * S, agent="peg", body=killed | {"event": "latched", "scope": "peg"}),
        Entry(kinds.KILL, 13 * S, agent="peg", body=killed | {"event": "confirmed", "scope": "peg", "by": ""}),
        Entry(kinds.REARM, 14 * S, agent="peg", body={"scope": "peg", "by": "bob", "reason": "right"}),
        Entry(kinds.PROMOTED, 15 * S, agent="peg", body={"champion": "a", "challenger": EVIL, "by": "cy"}),
        Entry(kinds.LIMITS, 16 * S, body=changes | {"event": "requested", "request": 3, "by": "ann", "was": {}}),
        Entry(kinds.LIMITS, 17 * S, body=changes | {"event": "loosened", "request": 3, "limits": {}, "by": "bob",
                                                    "asked_by": "ann"}),
        Entry(kinds.ALERT, 18 * S, agent="peg", body=alert), Entry(kinds.ALERT, 19 * S, agent="peg", body=alert),
        Entry(kinds.ALERT, 20 * S, body={"severity": "info", "code": "HELLO", "text": "x"}),
    ]  # fmt: skip


def owned(seq: int, ns: int, by: str = "dee") -> Entry:
    body = {"id": 1, "command": "own_alert", "body": {"alert": seq}, "by": by, "reason": "on it"}
    return Entry(kinds.OPERATOR, ns, body=body)


def test_people_alerts_and_limits_of_a_day() -> None:
    entries = busy()
    last = len(entries) - 1
    found = day([*entries, owned(last, 30 * S)], to_ns=25 * S)
    kill, rearm, promoted, requested, loosened = found["people"]
    assert (kill["agents"], kill["who"], kill["events"]) == (
        ["ppo", "peg"],
        "ann",
        {"ppo": "latched", "peg": "confirmed"},
    )
    assert (rearm["what"], rearm["agents"], rearm["who"], rearm["why"]) == (
        "re-armed",
        ["peg"],
        "bob",
        "right",
    )
    assert promoted["who"] == "cy"
    assert requested["what"] == "looser limits requested: agents.ppo.order_lots = 500"
    assert (loosened["who"], loosened["why"]) == ("bob, requested by ann", "seen")
    first, second, warning = found["alerts"]
    assert [(row["seqs"], row["owner"]) for row in (first, second)] == [
        ([last - 1], ""),
        ([last], "dee"),
    ]
    assert (warning["severity"], found["severities"]) == (
        "warning",
        {"warning": 1, "critical": 2, "info": 1},
    )
    used = {(row["name"], row["limit"]): (row["used"], row["ns"]) for row in found["limits"]}
    assert used == {("ppo", "messages"): (400, 11 * S), ("ppo", "gross_value"): (450.0, 5 * S)}
    assert found["denials"] == {"COLLAR": 1}
    assert any("ppo is killed" in need for need in found["needs"])
    assert "1 critical alert without an owner" in found["needs"]
    assert found["sentence"].count("\n") == 0


def test_a_day_is_the_last_24_hours_or_a_session() -> None:
    one, later = a_session(), 3 * DAY_NS
    entries = [*one, Entry(kinds.SESSION, later, body={"session": 2}), Entry(kinds.MARKET, later + DAY_NS, "AAA",
               body={"bid": 1, "ask": 2})]  # fmt: skip
    desk = ListedDesk(entries)
    for window, span in (
        *(
            (DayWindow(), (later, later + DAY_NS)),
            (DayWindow(session=True), (later, later + DAY_NS)),
        ),
        (DayWindow(session=True, to_ns=later - 1), (S, later - 1)),
        *(
            (DayWindow(to_ns=DAY_NS), (0, DAY_NS)),
            (DayWindow(9 * DAY_NS), (9 * DAY_NS, 9 * DAY_NS)),
        ),
    ):
        assert window.bounds(desk) == span
    assert day_of(desk, "mine").fills.total() == 0
    assert day_of(desk, "mine", DayWindow(9 * DAY_NS)).severities == {}
    with pytest.raises(ConfigError, match="leave one"):
        DayWindow(1, session=True)
    with pytest.raises(ConfigError, match="swap"):
        DayWindow(2, 1)


def kept(folder: Path, entries: list[Entry]) -> Path:
    with closing(SqlJournal(folder, "test")) as journal:
        journal.append(entries)
    return folder


def told(*folders: Path, window: DayWindow | None = None) -> dict[str, Any]:
    """The day of the first of some desks."""
    first: dict[str, Any] = days_of(list(folders), window)["desks"][0]
    return first


def at_gate(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Alerts of the gate."""
    return [row for row in found["alerts"] if row["gate"]]


def test_a_damaged_and_a_missing_desk_are_said_and_the_others_told(tmp_path: Path) -> None:
    sound = kept(tmp_path / "sound", busy())
    damaged = Path(shutil.copytree(sound, tmp_path / "damaged"))
    with sqlite3.connect(damaged / "journal.db") as database:
        database.execute("update journal set body = replace(body, 'COLLAR', 'COLOUR')")
    report_ = DayReport(read_days([sound, damaged, tmp_path / "none"]))
    found = report_.to_json()
    assert ["error" in one for one in found["desks"]] == [False, True, True]
    assert (found["all"]["desks"], found["all"]["read"]) == (3, 1)
    assert found["all"]["costs"] == found["desks"][0]["costs"]
    assert "not what was written" in found["desks"][1]["error"]["received"]
    assert found["all"]["sentence"].startswith("1 of 3 desks: ")
    for text in (report_.html(), " ".join(report_.text)):
        assert "damaged: its journal cannot be read" in text
        assert "none: its journal cannot be read" in text


def test_a_page_holds_no_markup_of_others(tmp_path: Path) -> None:
    for number in range(2):
        kept(tmp_path / f"d{number}", busy())
    for folders in ([tmp_path / "d0"], [tmp_path / "d0", tmp_path / "d1"]):
        made = DayReport(read_days(folders))
        html = made.html()
        assert "<script" not in html
        assert "&lt;script&gt;alert(1)&lt;/script&gt; Bcc: all@desk.example" in html
        assert not re.search(r"(src|href)=\"(?!#)", html)
        assert NO_OWNER in html
        assert made.text[1].count("\n") == 0


def test_what_happened_as_a_desk_ended_is_somebodys_in_the_same_evening(tmp_path: Path) -> None:
    folder = kept(tmp_path / "d1", busy())
    before = told(folder)
    (seq, *_), *_ = (row["seqs"] for row in before["alerts"] if not row["owner"])
    body, ann = {"alert": seq}, ("ann (password)", "I look at it")
    assert RemoteDesk(folder, lambda: 7).ask("own_alert", body, *ann) is not None
    after = told(folder)
    (row,) = (row for row in after["alerts"] if seq in row["seqs"])
    assert (row["owner"], row["note"]) == ann
    assert verify(folder).fault == ""
    with closing(
        SqlJournal(folder, "a session")
    ):  # a desk that runs is asked, and here it does not answer
        assert (
            posted_commands.write_alert_owner(folder, {"alert": seq}, "bob (password)", "mine")
            is None
        )
    assert (after["from_ns"], after["to_ns"]) == (before["from_ns"], before["to_ns"])


def a_gate(ns: int, code: str, agent: str = "") -> Entry:
    return Entry(
        kinds.ALERT,
        ns * S,
        agent=agent,
        body={"severity": "critical", "code": code, "text": "gone"},
    )


def test_alerts_of_the_gate_are_told_with_their_owners_also_of_after_the_desk(
    tmp_path: Path,
) -> None:
    folder = kept(tmp_path / "d1", busy())
    plain = told(folder)
    gate = kept(
        folder / FOLDER,
        [a_gate(11, "unwatched", "ppo"), a_gate(12, "unwatched", "ppo"), a_gate(99, "GAP")],
    )
    RemoteDesk(gate, lambda: 7).ask("own_alert", {"alert": 2}, "ann (password)", "mine")
    found = told(folder)
    assert (found["from_ns"], found["to_ns"], found["unbooked"]) == (0, 99 * S, [])
    rows = {(row["code"], row["owner"], *row["seqs"]): row["n"] for row in at_gate(found)}
    assert rows == {
        ("unwatched", "ann (password)", 2): 1,
        ("unwatched", "", 1): 1,
        ("GAP", "", 3): 1,
    }
    assert [row for row in found["alerts"] if not row["gate"]] == plain["alerts"]
    assert found["severities"]["critical"] == plain["severities"]["critical"] + 3
    assert "4 critical alerts without an owner" in found["needs"]
    early = at_gate(told(folder, window=DayWindow(0, 50 * S)))
    assert [row["code"] for row in early] == ["unwatched", "unwatched"]
    assert "the gate: unwatched: gone" in DayReport(read_days([folder])).html()


def test_an_alert_of_a_clock_that_ran_ahead_leaves_the_day_whole(tmp_path: Path) -> None:
    folder = kept(tmp_path / "d1", busy())
    plain = told(folder)
    kept(folder / FOLDER, [a_gate(400 * 86_400, "GAP")])
    found = told(folder)
    assert (found["from_ns"], found["to_ns"]) == (plain["from_ns"], 400 * 86_400 * S)
    for part in ("costs", "fills", "people"):
        assert found[part] == plain[part]
    assert [row["code"] for row in at_gate(found)] == ["GAP"]


def test_more_at_risk_than_a_day_may_lose_needs_a_person(tmp_path: Path) -> None:
    marks = [
        Entry(kinds.MARKET, (20 + n) * 60 * S, "AAA", body={"bid": 999 + n % 7, "ask": 1001 + n % 7})
        for n in range(90)
    ]  # fmt: skip
    beat = Entry(
        kinds.HEARTBEAT,
        200 * 60 * S,
        body={"limits": {"desk": {"desk": {"daily_loss": [0.0, 1.0]}}}},
    )
    found = day([*a_session(), *marks, beat])
    (row,) = found["exposure"]
    assert row["var_used"] > 1
    assert (
        f"value at risk is {100 * row['var_used']:.0f} % of what a day may lose" in found["needs"]
    )


def test_executions_that_the_gate_alone_has_are_said_until_the_desk_books_them(
    tmp_path: Path,
) -> None:
    folder = kept(tmp_path / "d1", a_session())
    kept(folder / FOLDER, [entry_in(report("e1", 20, 3 * S)), entry_in(report("e2", 7, 10 * S))])
    day_ = told(folder)
    assert [(row["agent"], row["lots"], row["ns"]) for row in day_["unbooked"]] == [
        ("ppo", 7, 10 * S)
    ]
    assert "1 execution that the gate alone has: its next session books them" in day_["needs"]
    assert "Executions that the gate alone has" in DayReport(read_days([folder])).html()
    assert told(folder, window=DayWindow(0, 9 * S))["unbooked"] == []
    kept(
        folder,
        [
            Entry(kinds.SESSION, 11 * S, body={"session": 2}),
            entry_in(report("e2", 7, 10 * S), "p1"),
        ],
    )
    assert told(folder)["unbooked"] == []


def test_a_damaged_journal_of_the_gate_is_said_and_not_believed(tmp_path: Path) -> None:
    folder = kept(tmp_path / "d1", busy())
    gate = kept(folder / FOLDER, [a_gate(11, "unwatched", "ppo")])
    with sqlite3.connect(gate / "journal.db") as database:
        database.execute("update journal set body = replace(body, 'critical', 'info')")
    found = told(folder)
    assert at_gate(found) == []
    assert any(
        "the journal of its gate cannot be read: 0 sound entries" in need for need in found["needs"]
    )
