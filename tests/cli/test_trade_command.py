"""`tercel trade ...`: a small desk from its file to its report, what commands show of it, what they refuse."""

import json
import re
import signal
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from tests import forked
from tests.cli.command import done, refused, tercel
from tests.parts import whole
from tests.program import COMMAND
from tests.waiting import DEADLINE_S, until

pytest.importorskip("sqlalchemy", reason="a desk's journal needs the extra [trade]")

from tercel.api.desk import posted_commands
from tercel.api.desk.config import parse_config
from tercel.api.desk.folder import weights_of
from tercel.api.simulated_desk import demo_text
from tercel.cli import trade
from tercel.core.errors import ConfigError, JournalError
from tercel.core.orders import NewOrder, Tif
from tercel.core.ports import Entry
from tercel.core.serialization import to_jsonable
from tercel.core.version import code_mark
from tercel.desk.console.state import DeskState
from tercel.desk.engine.outcome import OpenParent
from tercel.desk.engine.runtime import check_latch
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.codec import entry_out
from tercel.desk.trading.journal.command_inbox import post
from tercel.desk.trading.journal.database import PROC_LOCKS
from tercel.desk.trading.journal.keys import ChainKey
from tercel.desk.trading.journal.memory import MemoryJournal
from tercel.desk.trading.journal.reader import JournalReader
from tercel.desk.trading.journal.store import SqlJournal
from tercel.desk.trading.ledger import Ledger
from tercel.desk.trading.risk.kill_switch import LATCH, KillLatch
from tercel.market.flow import load

SMALL = """
[desk]
name = "small"
seed = 5
rounds = 2
round_s = 120.0
decision_s = 20.0
warmup_s = 120.0

[[instrument]]
name = "AAA"

[[agent]]
name = "peg"
strategy = "peg_behind"
challenger = "twap_passive"

[[agent]]
name = "taker"
strategy = "twap_take"
"""
COST = {
    "quantity",
    "filled",
    "unfilled",
    "refused",
    "is_bps",
    "opportunity_bps",
    "refusal_bps",
    "notional",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("desks")


@pytest.fixture(scope="module")
def config(folder: Path) -> Path:
    file = folder / "small.toml"
    file.write_text(SMALL, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def ran(folder: Path, config: Path) -> dict[str, Any]:
    return done("trade", "run", config, "--desk", folder / "one")


@pytest.fixture
def desk(ran: dict[str, Any]) -> Path:
    return Path(ran["desk"])


# -- run ------------------------------------------------------------------------------------------------------------


def test_a_run_says_what_its_journal_says(ran: dict[str, Any], desk: Path) -> None:
    reader = JournalReader(desk)
    ledger = Ledger.of(reader)
    assert ran["journal"] | {"events": reader.last, "consistent": True} == ran["journal"]
    assert sum(agent["share"] for agent in ran["agents"].values()) == pytest.approx(1.0)
    assert {p["id"]: p["filled"] for p in ran["parents"]} == {
        p.id: p.filled for p in ledger.parents
    }
    assert ran["fills"] == len(ledger.orders.fills)
    seats = {entry.agent: entry.body for _, entry in reader.read(0, (kinds.AGENT_ASSIGNMENT,))}
    assert set(seats) == set(ran["agents"]) == {"peg", "taker"}
    assert seats["peg"]["challenger"] == "twap_passive+alpha+posture"
    assert seats["peg"]["trials"] >= 1
    assert seats["taker"]["challenger"] == ""
    assert (desk / "desk.toml").read_text() == SMALL
    page = (desk / "report.html").read_text()
    assert "AAA-000-peg" in page
    assert "<svg" in page


@pytest.mark.usefixtures("quick_pictures")
def test_another_seed_gives_other_fills_and_people_are_shown_tables(
    desk: Path, folder: Path, config: Path
) -> None:
    words = ("trade", "run", config, "--seed", 6, "--rounds")
    other = tercel(*words, 1, "--desk", folder / "three")
    assert other.exit_code == 0, other.output
    ledger = Ledger.of(JournalReader(folder / "three"))
    assert {parent.id for parent in ledger.parents} == {"AAA-000-peg", "AAA-000-taker"}
    assert ledger.orders.fills[0] != Ledger.of(JournalReader(desk)).orders.fills[0]
    shown = " ".join(other.stdout.split())
    for part in ("desk small, seed 6", "cost, bps", "limits refused", "tercel trade tca --desk"):
        assert part in shown, part
    assert f"tercel console --desk {folder / 'three'}" in " ".join(other.stderr.split())
    assert tercel(*words, 0).exit_code == 2


def test_a_simulated_exchange_does_not_come_again(desk: Path, config: Path) -> None:
    before = JournalReader(desk).last
    refused(
        tercel("trade", "run", config, "--desk", desk),
        "ends with its desk",
        "where another has traded",
    )
    assert JournalReader(desk).last == before


@pytest.mark.long
def test_the_worth_of_each_arrow(folder: Path) -> None:
    file = folder / "tiny.toml"
    file.write_text(SMALL.replace("rounds = 2", "rounds = 1"), encoding="utf-8")
    found = done("trade", "run", file, "--desk", folder / "tiny", "--ablate", "--seeds", 2)[
        "ablation"
    ]
    assert set(found) == {"alpha_bps", "posture_bps", "feedback_bps"}
    for cell in found.values():
        assert set(cell) == {"mean", "ci_low", "ci_high"}
        assert cell["ci_low"] <= cell["mean"] <= cell["ci_high"]


# -- looking --------------------------------------------------------------------------------------------------------


def test_orders_and_positions(desk: Path, ran: dict[str, Any]) -> None:
    shown = done("trade", "orders", "--desk", desk)
    assert {p["id"]: p["filled"] for p in shown["parents"]} == {
        p["id"]: p["filled"] for p in ran["parents"]
    }
    assert shown["orders"] == []
    assert all(
        p["lots"] == p["filled"] + p["left"] and p["refused"] <= p["left"] for p in shown["parents"]
    )
    every = done("trade", "orders", "--desk", desk, "--all")["orders"]
    assert sum(order["filled"] for order in every) == sum(p["filled"] for p in ran["parents"])
    told = done("trade", "positions", "--desk", desk)
    held = told["positions"]
    for agent in ("peg", "taker"):
        lots = sum(p["side"] * p["filled"] for p in ran["parents"] if p["agent"] == agent)
        assert sum(row["lots"] for row in held if row["agent"] == agent) == lots
    with closing(JournalReader(desk)) as reader:
        sent = {e.order: e.ns for _, e in reversed([*reader.read(kinds=[kinds.ORDER_OUT])])}
    table = tercel("trade", "orders", "--desk", desk, "--all").stdout
    assert "sent, UTC" in table
    for line in table.partition("\norders\n")[2].splitlines()[1:]:
        if (name := line.split(maxsplit=1)[0]) in sent:
            clock = datetime.fromtimestamp(sent[name] // 10**9, UTC)
            assert f"{clock:%H:%M:%S}" in line
    shown = tercel("trade", "orders", "--desk", desk).stdout
    assert "AAA-000-peg" in shown
    assert "+alpha+posture" not in shown
    assert "reason" not in shown
    shown = tercel("trade", "positions", "--desk", desk).stdout
    assert "qty in shares" in shown
    assert shown.count("\nall ") == 1
    csco = load("csco-santa-fe")
    unit = csco.tick * csco.lot
    with closing(JournalReader(desk)) as reader:
        *_, (_, ended) = reader.read(0)
    assert (ended.kind, {row["mark_ns"] for row in held}) == (
        kinds.MARKET,
        {ended.ns},
    )  # marked at the end
    for row in held:
        assert row == row | {
            "realised_ticks": row["realised_half_ticks"] / 2,
            "unrealised_ticks": pytest.approx(
                row["lots"] * (row["mark_ticks"] - row["average_ticks"])
            ),
            "value": pytest.approx(row["lots"] * row["mark_ticks"] * unit),
            "qty": row["lots"] * csco.lot,
            "mark": pytest.approx(row["mark_ticks"] * csco.tick),
            "realised": pytest.approx(row["realised_ticks"] * unit),
            "open": pytest.approx(row["unrealised_ticks"] * unit),
        }
    [whole] = told["money"]
    for name, of in {
        "realised": "realised",
        "open": "open",
        "fees": "fees",
        "net": "value",
    }.items():
        assert whole[name] == pytest.approx(sum(row[of] for row in held))
    assert whole["total"] == pytest.approx(whole["realised"] + whole["open"] - whole["fees"])
    assert weights_of(desk) is None  # its file names no capital
    copy = desk.parent / "with-capital"
    copytree(desk, copy)
    (copy / "desk.toml").write_text('[signals]\ncapital = 1e6\nnames = { AAA = "IBM" }\n' + SMALL)
    assert weights_of(copy) == {"IBM": pytest.approx(sum(row["value"] for row in held) / 1e6)}


def test_replay_says_why(desk: Path) -> None:
    last = done("trade", "replay", "--desk", desk, "--parent", "AAA-000-peg")
    assert last["sentences"][0].startswith("It had ")
    assert {"its own orders", "the market"} <= set(last["tables"])
    decisions = JournalReader(desk).read(0, (kinds.DECISION,))
    first, entry = next((seq, e) for seq, e in decisions if e.body["commands"])
    told = done("trade", "replay", "--desk", desk, "--entry", first)
    assert told["seq"] == first
    assert any(sentence.startswith("Sent ") for sentence in told["sentences"])
    assert told["sentences"][-1] == f"Decided by code {code_mark()}."
    assert any(sentence.startswith("The venue on ") for sentence in told["sentences"])
    assert done("trade", "replay", "--desk", desk, "--at", entry.ns / 1e9)["seq"] >= first
    assert "mid, ticks" in tercel("trade", "replay", "--desk", desk, "--entry", first).stdout


def test_cost_analysis_and_reconciliation(desk: Path, ran: dict[str, Any]) -> None:
    analysed = done("trade", "tca", "--desk", desk)
    found = analysed["parents"]
    assert found
    of_desk = {parent["id"]: parent for parent in ran["parents"]}
    state = DeskState()
    with closing(JournalReader(desk)) as reader:
        for seq, entry in reader.read():
            state.apply(seq, entry)
    shown = {row["parent"]: row["is_bps"] for row in to_jsonable(state.report())["parents"]}
    for row in (
        found
    ):  # one definition: the analysis, the desk and the console say the same, to the last digit
        assert {key: of_desk[row["parent"]][key] for key in COST} == {key: row[key] for key in COST}
        assert shown[row["parent"]] == row["is_bps"]
    lots = sum(row["notional"] for row in found)
    cost = sum(row["notional"] * row["is_bps"] for row in found) / lots
    assert analysed["total"]["is_bps"] == pytest.approx(cost)
    assert set(analysed["agents"]) == {row["agent"] for row in found}
    starts = [row["start_ns"] for row in found]
    assert starts == sorted(starts)
    of_one = done("trade", "tca", "--desk", desk, "--parent", found[0]["parent"])
    assert of_one["parents"] == found[:1]
    told = tercel("trade", "tca", "--desk", desk).stdout
    said = told.rstrip().rpartition("\n\n")[2].splitlines()
    assert said[0].startswith(f"{len(found)} parents: ")
    assert len(said) <= 5
    page = (desk / "tca.html").read_text()
    assert page.index(">agent<") < page.index(">parent<")
    assert said[0] in page
    said = done("trade", "reconcile", "--desk", desk)
    assert said == {
        "desk": str(desk), "asked": False, "checked": 0, "differ": 0,
        "orders": [], "unknown": [], "open": [], "faults": [],
    }  # fmt: skip
    told = tercel("trade", "reconcile", "--desk", desk).stdout
    assert "faults: none" in told
    assert "the venue has not been asked" in told


def test_a_whole_journal_is_verified_and_a_changed_past_named(desk: Path, tmp_path: Path) -> None:
    found = done("trade", "verify", "--desk", desk)
    assert (found["fault"], found["keyed"]) == ("", False)
    assert "unkeyed hashes" in tercel("trade", "verify", "--desk", desk).stdout
    for name, key in (("mine", ChainKey(b"k" * 32)), ("open", None)):
        with closing(SqlJournal(tmp_path / name, "test", key=key)) as journal:
            journal.append([Entry(kinds.SESSION, 1, body={"session": 1})])
    keyed = tercel("trade", "verify", "--desk", tmp_path / "mine")
    assert keyed.exit_code == 2
    assert "TERCEL_JOURNAL_KEY_FILE" in keyed.output
    with closing(sqlite3.connect(tmp_path / "open" / "journal.db")) as connection:
        connection.execute("UPDATE journal SET ns = 2")
        connection.commit()
    told = tercel("trade", "verify", "--desk", tmp_path / "open")
    assert told.exit_code == 1
    assert "entry 1 is not what was written" in told.stdout


def test_an_order_of_unknown_fate_is_said(tmp_path: Path) -> None:
    journal = SqlJournal(tmp_path / "lost", "test")
    order = NewOrder("AAA-000-peg.1", "AAA", 1, 5, 100, Tif.DAY, "peg", "AAA-000-peg", 1)
    journal.append([Entry(kinds.SESSION, 1, body={"session": 1})])
    journal.append([entry_out(order)])
    words = ("trade", "reconcile", "--desk", tmp_path / "lost")
    assert [row["order"] for row in done(*words)["open"]] == [order.cl_ord_id]
    journal.append([Entry(kinds.SESSION, 2, body={"session": 2})])
    journal.close()
    result = tercel(*words, "--json")
    said = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (said["asked"], said["open"], said["checked"]) == (False, [], 0)
    assert [(row["order"], row["lots"], row["status"]) for row in said["unknown"]] == [
        (order.cl_ord_id, 5, "unknown")
    ]
    told = tercel(*words)
    assert told.exit_code == 1
    assert "0 checked, 0 differ, 1 unknown, 0 open" in told.stdout
    assert "the venue has not been asked; --venue WHERE asks it" in told.stdout


@pytest.mark.usefixtures("quick_pictures")
def test_word_for_a_desk_waits_in_its_inbox(folder: Path, config: Path) -> None:
    desk = folder / "asked"
    SqlJournal(desk, "test").close()
    order = ("AAA", "buy", 7, "--strategy", "twap_take", "--agent", "peg", "--id", "mine")
    typed = [
        ("submit", *order, "--horizon", "1min", "--decisions", 3),
        ("pause", "mine"),
        ("resume", "mine"),
        ("promote", "peg", "--reason", "test"),
        ("cancel", "nobody"),
        ("amend", "mine", "--lots", 9, "--horizon", 90),
    ]
    waits = ("--desk", desk, "--wait", 0)
    assert [done("trade", *words, *waits)["number"] for words in typed] == [1, 2, 3, 4, 5, 6]
    assert tercel("trade", "amend", "mine", "--desk", desk).exit_code == 2
    left = tercel("trade", "pause", "mine", *waits).stderr
    assert f"{desk} is not running: its next session takes it" in " ".join(left.split())
    with closing(SqlJournal(desk, "ann")):  # a session that takes nothing
        late = tercel("trade", "pause", "mine", "--desk", desk, "--wait", 0.01, "--json")
    assert (late.exit_code, json.loads(late.stdout)["answer"]) == (1, None)
    done("trade", "run", config, "--desk", desk)
    reader = JournalReader(desk)
    told = [e.body for _, e in reader.read(0, (kinds.PARENT,)) if e.parent == "mine"]
    assert [body["horizon_ns"] for body in told if "horizon_ns" in body][:2] == [
        60 * 10**9,
        90 * 10**9,
    ]
    assert [body["event"] for body in told][:4] == ["accepted", "paused", "resumed", "amended"]
    (promoted,) = [e.body for _, e in reader.read(0, (kinds.PROMOTED,))]
    assert promoted["challenger"] == "twap_passive+alpha+posture"
    alerts = [
        e.body for _, e in reader.read(0, (kinds.ALERT,)) if e.body["code"] == "operator_refused"
    ]
    assert any("nobody" in body["text"] for body in alerts)
    assert {body["severity"] for body in alerts} == {"info"}


def test_an_order_without_an_id_and_an_agent_gets_both_by_the_shares_of_the_flow(
    tmp_path: Path,
) -> None:
    journal = SqlJournal(tmp_path, "test")
    to_jsonable = ("trade", "submit", "AAA", "buy", 7, "--wait", 0, "--desk", tmp_path)
    refused(tercel(*to_jsonable), "none is known yet", "name one")
    journal.append([Entry(kinds.AGENT_ASSIGNMENT, 0, agent="peg", body={})])
    said = [tercel(*to_jsonable) for _ in range(2)]
    assert [one.exit_code for one in said] == [0, 0]
    names = [
        re.search(r"^id +(peg-[0-9a-f]{8}): name it \(--id \1\)", one.stderr, re.MULTILINE)
        for one in said
    ]
    assert all(names)
    told = [entry.body["body"] for entry in journal.take_inbox(0)]
    assert [(one["id"], one["agent"]) for one in told] == [
        (name[1], "peg") for name in names if name
    ]
    assert told[0]["id"] != told[1]["id"]
    journal.append([Entry(kinds.AGENT_ASSIGNMENT, 0, agent="ppo", body={})])
    shares = [
        ("AAA", {"peg": 0.9, "ppo": 0.1}),
        ("AAA", {"peg": 0.4, "ppo": 0.6}),
        ("BBB", {"peg": 1.0}),
    ]
    journal.append(
        [Entry(kinds.SHARE, 0, instrument=name, body={"shares": row}) for name, row in shares]
    )
    latch = KillLatch(tmp_path / LATCH)
    held = Entry(kinds.HOLD, 0, agent="ppo", body={"event": "paused", "parents": []})
    chosen = []
    for stop in (
        lambda: None,
        lambda: journal.append([held]),
        lambda: latch.kill("x", "ann", 1, ["peg"]),
        lambda: journal.append([replace(held, body={"event": "resumed", "parents": []})]),
    ):
        stop()
        answered = tercel(*to_jsonable)
        found = re.search(r"^agent +(\w+): by its share of the flow", answered.stderr, re.MULTILINE)
        chosen.append(found[1] if found else "")
        assert found or "peg, ppo: each is killed or paused" in " ".join(answered.stderr.split())
    assert chosen == ["ppo", "peg", "", "ppo"]
    assert [entry.body["body"]["agent"] for entry in journal.take_inbox(0)][-3:] == [
        "ppo",
        "peg",
        "ppo",
    ]
    journal.close()


ORDER = ("submit", "AAA", "buy", 1, "--agent", "peg", "--id", "late")
WORDS = [
    ORDER,
    ("amend", "AAA-000-peg", "--lots", 9),
    ("cancel", "AAA-000-peg"),
    ("promote", "peg", "--reason", "x"),
]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--horizon", "soon"), "30min, 2h or 90s"),
        (("--horizon", "0.5"), "from a second"),
    ],
)
def test_a_horizon_that_is_none_is_refused(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    SqlJournal(tmp_path, "test").close()
    refused(tercel("trade", *ORDER, *words, "--desk", tmp_path, "--wait", 0), said)
    refused(tercel("trade", "amend", "late", *words, "--desk", tmp_path, "--wait", 0), said)


def _waiting(desk: Path) -> int:
    """Words in a desk's inbox."""
    with sqlite3.connect(desk / "journal.db") as database:
        return int(database.execute("SELECT count(*) FROM inbox").fetchone()[0])


TELLS = pytest.mark.skipif(
    not PROC_LOCKS.exists(), reason="this system does not tell who holds a lock"
)


@TELLS
@pytest.mark.parametrize("words", WORDS, ids=lambda words: words[0])
def test_a_desk_that_has_ended_is_told_nothing(desk: Path, words: tuple[object, ...]) -> None:
    before = _waiting(desk), JournalReader(desk).last
    refused(
        tercel("trade", *words, "--desk", desk),
        "a desk that runs",
        f"{desk}, which is not running",
        "--wait 0",
    )
    assert (_waiting(desk), JournalReader(desk).last) == before


def test_orders_of_a_desk_that_nobody_runs_say_so(desk: Path, tmp_path: Path) -> None:
    words = ("trade", "orders", "--desk")
    assert "the desk is not running" in " ".join(tercel(*words, desk).stdout.split())[:400]
    assert done(*words, desk)["running"] is False
    with closing(SqlJournal(tmp_path, "ann")):
        assert "is not running" not in tercel(*words, tmp_path).stdout
        assert done(*words, tmp_path)["running"] is True


def test_a_narrow_terminal_shows_whose_orders_they_are(
    desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = [
        line.split()
        for line in tercel("trade", "orders", "--all", "--desk", desk).stdout.splitlines()
    ]
    heads = [line for line in lines if line[:1] in (["id"], ["order"])]
    assert len(heads) == 2
    assert all({"instrument", "agent", "status"} < {*head} for head in heads)


@TELLS
@pytest.mark.parametrize("taken", [False, True], ids=["withdrawn", "taken"])
def test_a_desk_that_ends_before_it_answers_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: bool
) -> None:
    held = SqlJournal(tmp_path, "ann")

    def leave(*word: Any) -> int:
        """The desk dies just after word was left."""
        number = post(*word)
        if taken:
            held.take_inbox(1)
        held.close()
        return number

    monkeypatch.setattr(posted_commands, "post", leave)
    said = "taken and not answered" if taken else "was withdrawn"
    refused(
        tercel("trade", *ORDER, "--desk", tmp_path, "--wait", DEADLINE_S), "ended meanwhile", said
    )
    assert _waiting(tmp_path) == int(taken)


@pytest.mark.usefixtures("quick_pictures")
def test_parents_that_are_open_when_the_desk_stops_are_named(
    folder: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = folder / "open"
    SqlJournal(desk, "test").close()
    order = ("trade", "submit", "AAA", "sell", 400, "--agent", "peg", "--wait", 0, "--desk", desk)
    for name, horizon in (("long", 9000), ("idle", 9000), ("short", 60)):
        limit = ("--limit-price", "200bps") if name == "short" else ()
        done(*order, "--id", name, "--horizon", horizon, "--strategy", "peg_behind", *limit)
    done("trade", "pause", "idle", "--reason", "news", "--wait", 0, "--desk", desk)
    ran = done("trade", "run", config, "--desk", desk)
    rows = {row["id"]: row for row in ran["open_parents"]}
    assert set(rows) == {"long", "idle"}
    ledger = Ledger.of(JournalReader(desk))
    for name, row in rows.items():
        parent = ledger.parents.require(name)
        at_venue = whole(ledger.open_of(name))
        known = {"instrument": "AAA", "side": -1, "quantity": 400, "agent": "peg"}
        assert row == row | known | {"left": parent.left, "at_venue": at_venue}
    assert rows["idle"]["left"] == 400
    assert rows["idle"]["reason"].endswith("news")
    assert rows["long"]["reason"] == "its horizon comes 8,640 s later"
    assert ran["journal"]["consistent"] is True  # what is open is open in the journal too
    page = (desk / "report.html").read_text()
    assert page.index("Open when the desk stopped") < page.index("its horizon comes 8,640 s later")
    trade._print_open([OpenParent(**row) for row in ran["open_parents"]])
    shown = capsys.readouterr().out
    parent = ledger.parents.require("short")
    assert parent.limit > 0
    for command in ("orders", "tca"):  # what a limit is told in stands over it
        told = tercel("trade", command, "--desk", desk).stdout
        assert (
            "limit price" if command == "orders" else "limit, ticks"
        ) in told or "left out: " in told
    assert f">{parent.limit:,}<" in (desk / "tca.html").read_text()
    assert "open when the desk stopped: 2 parents" in shown
    assert "its horizon comes 8,640 s later" in shown


@pytest.mark.usefixtures("quick_pictures")
def test_a_kill_outlives_the_desk_that_it_stopped(folder: Path, config: Path) -> None:
    for desk, of, agents in (
        (folder / "killed", ("--agent", "peg"), {"taker"}),  # whose share is all of the flow now
        (folder / "killed-whole", ("--all",), set()),
    ):
        SqlJournal(desk, "test").close()
        done("kill", *of, "--reason", "it misbehaves", "--desk", desk)
        ran = done("trade", "run", config, "--desk", desk)
        assert {parent["agent"] for parent in ran["parents"]} == agents
        assert ran["journal"]["consistent"] is True
        entries = [e for _, e in JournalReader(desk).read(0, (kinds.ALERT, kinds.ORDER_OUT))]
        assert "PARENT_REFUSED" not in [e.body.get("code") for e in entries]
        assert {e.agent for e in entries if e.body.get("what") == "new"} == agents


# -- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "[desk]\n",
            '[desk]\nvenue = "fix://127.0.0.1:9"\n',
            ("127.0.0.1", "Connection refused"),
        ),
        ("decision_s", "decisoin_s", ("desk.decisoin_s", "try 'decision_s'")),
        ('strategy = "twap_take"', 'strategey = "twap_take"', ("strategey", "try 'strategy'")),
        ("peg_behind", "peg_behnd", ("peg_behnd", "peg_behind")),
        ("peg_behind", "packaged:nobody", ("nobody",)),
        (
            'name = "AAA"',
            'name = "AAA"\nmarket = "sh600961-203"',
            ("sh600961-203", "csco-santa-fe"),
        ),
        ('name = "taker"', 'name = "peg"', ("names that differ",)),
        ("rounds = 2", "rounds = 0", ("desk.rounds",)),
        ("seed = 5", "seed = -1", ("desk.seed",)),
        ("[desk]", "[desk", ("a desk file in TOML",)),
        ("[desk]", '[signals]\nmodel = "nowhere"\n[desk]', ("signals.model", "nowhere")),
        ("[desk]", '[limits]\nfile = "nowhere.toml"\n[desk]', ("nowhere.toml",)),
        (
            "[desk]",
            '[alerts]\nwebhook = "ftp://x"\n[desk]',
            ("alerts.webhook", "'http' or 'https'"),
        ),
        (
            "[desk]",
            '[alerts.email]\nserver = "h"\nsender = "a@b"\nto = ["a@b"]\nuser = "x"\n'
            'password = { env = "NOWHERE" }\n[desk]',
            ("set NOWHERE",),
        ),
        ("[desk]\n", '[desk]\nvenue = "pigeon://x"\n', ("pigeon",)),
        (
            "[desk]\n",
            '[desk]\nvenue = "wire://127.0.0.1:7401"\n',
            ("wire://127.0.0.1:7401", "write fix://TRADER@host:port"),
        ),
    ],
)
def test_a_file_that_cannot_be_obeyed_is_refused_and_leaves_nothing(
    tmp_path: Path, old: str, new: str, said: tuple[str, ...]
) -> None:
    file = tmp_path / "desk.toml"
    file.write_text(SMALL.replace(old, new), encoding="utf-8")
    found = tercel("trade", "run", file, "--desk", tmp_path / "desk")
    refused(found, *said)
    assert "tercel console" not in found.stderr, "there is nothing to watch"
    assert [path.name for path in tmp_path.iterdir()] == ["desk.toml"]


def test_files_that_are_not_there_or_not_text(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b'[desk]\nname = "caf\xe9"\n')
    for words, said in (
        ((tmp_path / "none.toml",), "none.toml"),
        ((tmp_path / "latin.toml",), "UTF-8"),
        ((), "neither"),
        (("x.toml", "--demo"), "both"),
    ):
        refused(tercel("trade", "run", *words), said)
    for command in ("orders", "positions", "replay", "tca", "reconcile"):
        refused(tercel("trade", command, "--desk", tmp_path), "a desk folder with a journal.db")


def test_what_is_not_there_is_said(desk: Path) -> None:
    order = ("submit", "AAA", "buy", 1, "--agent", "peg", "--id", "x")
    for words, said in (
        (("replay", "--parent", "nobody"), "a decision of nobody"),
        (("replay", "--entry", 1), "the number of a decision"),
        (("tca", "--parent", "nobody"), "no analysis of nobody"),
        (("submit", "AAA", "hold", *order[3:]), "buy or sell"),
        (("submit", "AAA", "buy", 0, *order[4:]), ""),
        (("promote", "peg"), ""),  # without a reason
        *(
            ((*typed, "--limit-price", price), "25bps")
            for typed in (order, ("amend", "AAA-000-peg"))
            for price in ("cheap", "0", "-3", "9000bps", "nan")
        ),
    ):
        refused(tercel("trade", *words, "--desk", desk), said)


@contextmanager
def fix_exchange(*more: str) -> Iterator[str]:
    """An exchange that listens for FIX in a process of its own; its address. `more` words replace those before them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [*COMMAND, "venue", "serve", "--port", str(port), "--speed", "5", "--json", *more]
    served = forked.Popen(words, stdout=forked.PIPE, text=True)
    try:
        assert served.stdout is not None
        assert served.stdout.readline().strip()
        yield f"fix://TRADER@127.0.0.1:{port}"
        served.send_signal(signal.SIGINT)
        assert served.wait(DEADLINE_S) == 130
    finally:
        served.kill()
        served.communicate()


@pytest.mark.long
def test_ctrl_c_and_termination_leave_a_readable_journal(tmp_path: Path) -> None:
    """The next session of the desk names the parents that wait, and so does a re-arming."""
    file, desk = tmp_path / "long.toml", tmp_path / "long"
    at_venue = SMALL.replace("AAA", "600961").replace("warmup_s = 120.0", "warmup_s = 20.0")
    file.write_text(at_venue.replace("rounds = 2", ENDLESS), encoding="utf-8")
    with fix_exchange() as where:
        words = [*COMMAND, "trade", "run", str(file), "--desk", str(desk), "--venue", where]
        with started(words) as process:
            until(lambda: _trading(desk) or process.poll() is not None, what="an order")
            long = ("600961", "buy", 400, "--id", "long", "--agent", "peg", "--horizon", 9_000_000)
            done("trade", "submit", *long, "--wait", DEADLINE_S, "--desk", desk)
            said = ended(process, signal.SIGINT)
        assert f"is in {desk}" in said
        ledger = Ledger.of(JournalReader(desk))
        for parent in ledger.parents:
            assert (f"{parent.id} ({parent.left:,} lots left)" in said) == (not parent.over)
        assert ledger.faults() == []
        assert done("trade", "orders", "--desk", desk)["parents"]
        SqlJournal(desk, "again").close()  # the lock is free, the chain is whole
        before = JournalReader(desk).last
        with started(words) as process:
            assigned = (kinds.AGENT_ASSIGNMENT,)
            until(
                lambda: (
                    any(JournalReader(desk).read(before, assigned)) or process.poll() is not None
                )
            )
            said = ended(process, signal.SIGTERM)
    waits = re.compile(
        r"parents? waits?: [^;]*long; while the desk runs, go on with `tercel trade resume PARENT --desk"
    )
    assert waits.search(said), said
    assert waits.search(
        tercel("rearm", "--reason", "again", "--desk", desk).stderr.replace("\n", " ")
    )


ENDLESS = 'rounds = 500\npace = "accelerated"\nspeed = 60.0'


@contextmanager
def started(words: list[str]) -> Iterator[forked.Popen]:
    """A process of the command line, gone when its block is left."""
    process = forked.Popen(words, stdout=forked.PIPE, stderr=forked.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ended(process: forked.Popen, how: signal.Signals) -> str:
    """What a process that is stopped says, as one line; its exit code is that of Ctrl-C."""
    process.send_signal(how)
    _, said = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    return " ".join(said.split())


EXPERIMENT = """
[[experiment]]
name = "e"
agent = "taker"
strategies = ["twap_take", "peg_behind"]
"""


def test_a_running_desk_answers(folder: Path) -> None:
    file, desk = folder / "answers.toml", folder / "answers"
    file.write_text(SMALL.replace("rounds = 2", ENDLESS) + EXPERIMENT, encoding="utf-8")
    waits = ("--wait", DEADLINE_S, "--desk", desk)
    long = ("--horizon", 9000)  # open for as long as this test looks
    order = ("buy", 7, "--strategy", "twap_take", "--agent", "peg", *long, *waits)
    submit = ("trade", "submit", "AAA", *order, "--id")

    def parents() -> dict[str, dict[str, Any]]:
        return {row["id"]: row for row in done("trade", "orders", "--desk", desk)["parents"]}

    with started([*COMMAND, "trade", "run", str(file), "--desk", str(desk)]):
        until(lambda: _trading(desk), what="an order")
        done(*submit, "limited", "--limit-price", "-30bps")
        until(lambda: parents()["limited"]["limit"] is not None, what="its limit in ticks")
        assert parents()["limited"]["limit_price"] == "-30bps"
        assert done(*submit, "mine")["answer"] == "accepted"
        missing = ("a parent order that is open", "'nobody'", "open now: ", "mine, limited")
        many = ("or an agent: peg, taker", *missing)
        for words, said in (
            (("submit", "ZZZ", *order, "--id", "other"), ("instrument of the desk: AAA", "'ZZZ'")),
            (("submit", "aaa", *order, "--id", "other"), ("received 'aaa'", "try 'AAA'")),
            ((*submit[1:], "other", "--agent", "nobody"), ("of the desk: peg, taker", "nobody")),
            ((*submit[1:], "other", "--strategy", "nothing"), ("nothing",)),
            ((*submit[1:], "mine"), ("a new id", "mine")),
            (("cancel", "nobody", *waits), missing),
            (("pause", "nobody", *waits), many),
            (("resume", "pegg", *waits), ("'pegg'", "try 'peg'")),
            (("resume", "peg", *waits), ("peg, which is not paused",)),
            (("amend", "--lots", 9, "nobody", *waits), missing),
            (
                ("promote", "nobody", "--reason", "x", *waits),
                ("of the desk: peg, taker", "'nobody'"),
            ),
        ):
            before = _waiting(desk)
            refused(tercel("trade", *words), *said)
            posted = words[0] == "submit" or words[:2] == ("resume", "peg")
            assert _waiting(desk) == before or posted, "refused before it is posted"
        said = " ".join(tercel("trade", "pause", "peg", *waits).stderr.split())
        assert "paused peg, with " in said
        assert "Time goes on: what is unfilled at the horizon" in said
        refused(tercel("trade", *submit[1:], "other"), "peg")
        said = " ".join(tercel("trade", "resume", "peg", *waits).stderr.split())
        assert "resumed peg, with " in said
        assert "Time goes on" not in said
        own = ("AAA", "sell", 1200, "--agent", "peg", "--id", "own", "--limit-price", "80bps")
        said = " ".join(tercel("trade", "submit", *own, *waits).stderr.split())
        assert "own accepted: sell 1,200 lots of AAA, limit 80bps" in said
        assert "agent peg, peg_behind, 10 min" in said
        known = parents()
        assert known["own"]["strategy"] == "peg_behind+alpha+posture"
        assert known["mine"]["strategy"] == "twap_take"
        assert {"other", "nobody"}.isdisjoint(known)
        assert done("trade", "cancel", "limited", *waits)["answer"] == "cancelling"
        until(lambda: parents()["limited"]["status"] == "cancelled", what="its end")
        before = _waiting(desk)
        for verb in ("pause", "resume", "cancel"):
            ended = tercel("trade", verb, "limited", *waits)
            refused(ended, "limited, which is over, cancelled: ", "open now: ", "mine")
        assert _waiting(desk) == before, "refused before it is posted"
        decide = ("trade", "experiment", desk, "--wait", DEADLINE_S, "--reason", "dear")
        refused(tercel(*decide, "--promote", "pov"), "an arm of e", "'pov'")
        refused(tercel(*decide, "--shares", "twap_take=0.9,peg_behind=0.3"), "that sum to 1")
        said = tercel(*decide, "--shares", "twap_take=0.75,peg_behind=0.25").stderr
        assert "has other shares: " in said
        assert done(*decide, "--promote", "peg_behind")["answer"] == "ended"
        (report,) = done("trade", "experiment", desk)["experiments"]
        assert report["status"].endswith(" (dear); later orders go to peg_behind")


def _trading(desk: Path) -> bool:
    if not (desk / "journal.db").is_file():
        return False
    try:
        return any(True for _ in JournalReader(desk).read(0, (kinds.ORDER_OUT,)))
    except JournalError:  # the file is there before its tables are
        return False


def test_the_packaged_desk_can_be_shown_and_reads() -> None:
    shown = tercel("trade", "run", "--show-demo")
    assert shown.exit_code == 0
    assert parse_config(demo_text(), "demo").desk.name == "demo"
    assert 'strategy = "peg_touch"' in shown.stdout


def test_a_latch_that_was_taken_away_rearms_nobody(tmp_path: Path) -> None:
    journal = MemoryJournal()
    check_latch(journal, tmp_path / "kill.json")
    journal.append(
        [Entry(kinds.KILL, 1, agent=name, body={"event": "latched"}) for name in ("peg", "ppo")]
    )
    journal.append([Entry(kinds.REARM, 2, agent="ppo", body={})])
    with pytest.raises(ConfigError, match=r"ends with peg killed.*tercel rearm"):
        check_latch(journal, tmp_path / "kill.json")
    (tmp_path / "kill.json").write_text("{}")
    check_latch(journal, tmp_path / "kill.json")
