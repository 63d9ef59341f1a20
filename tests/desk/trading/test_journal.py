"""The journal: conformance, durability of what it promised, damage, locks, other processes."""

import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from tests.desk.trading.desk_of_two import killed

from certify.journal import JournalConformance, all_of, entries
from tercel.core.errors import ConfigError, JournalError
from tercel.core.link import order_memory as memory
from tercel.core.link.order_memory import OrderMemory
from tercel.core.orders import (
    CancelOrder,
    CancelReject,
    ExecType,
    LinkStatus,
    MassCancel,
    NewOrder,
    OrdStatus,
    QuotedOrder,
    ReplaceOrder,
    Report,
    StatusRequest,
    Tif,
)
from tercel.core.ports import Entry
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import KillEntry, LimitsEntry, ParentEntry
from tercel.desk.trading.journal.chain import ORIGIN, ChainRow, digest
from tercel.desk.trading.journal.codec import command_of, message_of, to_json
from tercel.desk.trading.journal.command_inbox import post
from tercel.desk.trading.journal.keys import ChainKey, key_of
from tercel.desk.trading.journal.memory import MemoryJournal
from tercel.desk.trading.journal.reader import JournalReader
from tercel.desk.trading.journal.sqlite_log import ROOM
from tercel.desk.trading.journal.store import SqlJournal
from tercel.desk.trading.journal.verification import verify
from tercel.desk.trading.risk.kill_switch import KillLatch
from tercel.fix.store import ReceivedMark, open_steady_store

SERVER = os.environ.get("TERCEL_POSTGRES_URL", "")


class TestSqlite(JournalConformance):
    @pytest.fixture
    def opened(self, tmp_path):
        return lambda: SqlJournal(tmp_path)


class TestMemory(JournalConformance):
    @pytest.fixture
    def opened(self):
        journal = MemoryJournal()

        def reopened() -> MemoryJournal:
            journal._closed = False
            return journal

        return reopened


@pytest.mark.skipif(
    not SERVER, reason="no TERCEL_POSTGRES_URL=postgresql://... of a database to empty and use"
)
class TestPostgres(JournalConformance):
    @pytest.fixture
    def opened(self):
        from tercel.desk.trading.journal.database import JournalPlace

        engine = JournalPlace(SERVER).engine()
        with engine.begin() as connection:
            connection.exec_driver_sql(
                "DROP TABLE IF EXISTS meta, journal, journal_damaged, inbox, snapshot"
            )
        engine.dispose()
        journals = []

        def open_one() -> SqlJournal:
            journals.append(SqlJournal(SERVER))
            return journals[-1]

        yield open_one
        for journal in journals:
            journal.close()


# -- words ------------------------------------------------------------------------------------------------------------

WORDS = [
    Report(
        "e",
        ExecType.TRADE,
        OrdStatus.FILLED,
        "c",
        "",
        "9",
        "a",
        "X",
        1,
        5,
        None,
        5,
        100,
        5,
        0,
        3,
        True,
        "t",
    ),
    CancelReject("c2", "c1", "a", OrdStatus.FILLED, 5, "too late"),
    LinkStatus(False, 3, "gone"),
]
COMMANDS = [
    NewOrder("c", "X", -1, 5, None, Tif.IOC, "a", "p", 1),
    QuotedOrder("c1", "X", 1, 5, 1001, Tif.IOC, "a", "p", 7, "q1"),
    CancelOrder("c2", "c", "X", 1, "a", 2),
    ReplaceOrder("c3", "c", "X", 1, 9, 100, "a", "p", 3),
    StatusRequest("", "a", 4),
    MassCancel("m", "", "", 5),
]


def test_every_message_comes_back():
    for command in COMMANDS:
        assert command_of(json.loads(json.dumps(to_json(command)))) == command
    for word in WORDS:
        assert message_of(json.loads(json.dumps(to_json(word)))) == word
    with pytest.raises(JournalError):
        command_of({"what": "new", "side": 1})
    with pytest.raises(JournalError):
        message_of({"what": "haiku"})


# -- one session a journal --------------------------------------------------------------------------------------------


def test_readers_read_while_the_session_writes(tmp_path):
    journal = SqlJournal(tmp_path)
    journal.append(entries(2))
    reader = JournalReader(tmp_path)
    assert all_of(reader) == entries(2)
    journal.append(entries(1, 2))
    assert reader.last == 3
    assert [seq for seq, _ in reader.read(after=2)] == [3]
    with pytest.raises(JournalError):
        reader.append(entries(1))
    reader.close()


def test_a_reader_of_nothing_is_told(tmp_path):
    for opened in (JournalReader, verify):
        with pytest.raises(JournalError, match=r"a desk's journal at .*; received no such file"):
            opened(tmp_path / "nowhere")
    (tmp_path / "journal.db").write_text("not a database, but long enough to look like one" * 50)
    with pytest.raises(JournalError, match="not a database"):
        JournalReader(tmp_path)
    with pytest.raises(ConfigError):
        JournalReader("mysql://x/y")


@pytest.mark.parametrize("table", ["photos (id INTEGER)", "journal (id INTEGER)"])
def test_another_programs_database_is_refused_and_left_as_it_was(tmp_path, table):
    with closing(sqlite3.connect(tmp_path / "journal.db")) as other:
        other.execute(f"CREATE TABLE {table}")
    before = (tmp_path / "journal.db").read_bytes()
    openings = (JournalReader, SqlJournal) if table.startswith("photos") else (JournalReader,)
    for opened in openings:
        with pytest.raises(JournalError, match="another database") as told:
            opened(tmp_path)
        assert f"a desk's journal at {tmp_path / 'journal.db'}" in str(told.value)
        assert "name the folder of a desk that has run" in str(told.value)
    assert (tmp_path / "journal.db").read_bytes() == before
    assert [file.name for file in tmp_path.glob("journal.db*")] == ["journal.db"]


# -- the inbox --------------------------------------------------------------------------------------------------------


def test_commands_are_taken_exactly_once_and_journaled(tmp_path):
    journal = SqlJournal(tmp_path)
    assert journal.take_inbox(1) == []
    assert post(tmp_path, "pause", {"parent": "p1"}, "ann", "news", 77) == 1
    assert post(tmp_path, "kill", {}, "bob", "fear", 78) == 2
    taken = journal.take_inbox(5)
    assert [(entry.kind, entry.parent, entry.body["command"]) for entry in taken] == [
        ("operator", "p1", "pause"),
        ("operator", "", "kill"),
    ]
    assert taken[0].body["by"] == "ann"
    assert taken[0].body["wall_ns"] == 77
    assert journal.take_inbox(6) == []
    assert all_of(journal) == taken
    journal.close()
    journal = SqlJournal(tmp_path)
    assert journal.take_inbox(7) == []
    post(tmp_path, "resume", {"parent": "p1"}, "ann", "calm", 79)
    assert [entry.body["id"] for entry in journal.take_inbox(8)] == [3]
    journal.close()


# -- damage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "body", "by"),
    [
        ("limits", "{not json", "ann"),
        ("limits", "[" * 100_000, "ann"),
        (b"\xff", b"\xff", b"\xff"),
        ("x", "[1e999]", 7),
    ],
)
def test_a_row_that_makes_no_sense_is_taken_once_and_holds_nothing_up(tmp_path, kind, body, by):
    journal = SqlJournal(tmp_path)
    with closing(sqlite3.connect(tmp_path / "journal.db", isolation_level=None)) as anybody:
        into = "INSERT INTO inbox (kind, body, by, reason, wall_ns, taken) VALUES (?, ?, ?, 'x', 'when', 0)"
        anybody.execute(into, (kind, body, by))
    (entry,) = journal.take_inbox(5)
    assert (type(entry.body["body"]), len(entry.body["body"]) <= 200, entry.body["wall_ns"]) == (
        str,
        True,
        0,
    )
    assert journal.take_inbox(6) == []
    journal.close()
    SqlJournal(tmp_path).close()


def test_names_that_no_database_takes_are_spelt_out(tmp_path):
    journal = SqlJournal(tmp_path)
    journal.append([Entry("report_in", 1, order="ö\udcff", body={"cl_ord_id": "ö\udcff"})])
    ((_, entry),) = journal.read()
    assert (entry.order, entry.body["cl_ord_id"]) == (r"ö\udcff", "ö\udcff")
    journal.close()


def damaged(folder: Path, statement: str) -> None:
    with sqlite3.connect(folder / "journal.db") as connection:
        connection.execute(statement)
    connection.close()


@pytest.fixture
def ten(tmp_path):
    journal = SqlJournal(tmp_path)
    journal.append(entries(10))
    journal.close()
    return tmp_path


@given(
    column=st.sampled_from(
        ["kind", "ns", "instrument", "agent", "parent", "ord", "body", "blob", "hash"]
    )
)
def test_any_changed_column_shows(tmp_path_factory, column):
    folder = tmp_path_factory.mktemp("j")
    journal = SqlJournal(folder)
    journal.append(entries(4))
    journal.close()
    damaged(
        folder,
        f"UPDATE journal SET {column} = {'7' if column == 'ns' else chr(39) + '{}' + chr(39)} WHERE seq = 3",
    )
    with pytest.raises(JournalError, match="1 to 2 are sound; then entry 3"):
        SqlJournal(folder)


@pytest.mark.parametrize(
    ("statement", "sound"),
    [
        ("DELETE FROM journal WHERE seq = 6", 5),
        ("DELETE FROM journal WHERE seq > 7", 7),
        ("UPDATE journal SET seq = 99 WHERE seq = 10", 9),
        ("DELETE FROM journal", 0),
    ],
)
def test_missing_entries_are_named_and_refused_until_acknowledged(ten, statement, sound):
    damaged(ten, statement)
    for _ in range(2):
        with pytest.raises(JournalError, match=f"1 to {sound} are sound"):
            SqlJournal(ten)
    journal = SqlJournal(ten, acknowledge="restored from tape, ann")
    kept = all_of(journal)
    assert kept[:-1] == entries(sound)
    assert kept[-1].kind == "operator"
    assert kept[-1].body["reason"] == "restored from tape, ann"
    assert (ten / "journal.db.damaged-1").is_file()
    journal.append(entries(1))
    journal.close()
    SqlJournal(ten).close()


# -- a database that fails --------------------------------------------------------------------------------------------


def test_a_log_has_room_from_the_start_and_what_is_read_back_after_a_kill_is_whole(tmp_path):
    journal = SqlJournal(tmp_path / "desk")
    for n in range(3):
        journal.append(entries(2, 2 * n))
    log = tmp_path / "desk" / "journal.db-wal"
    assert log.stat().st_size == ROOM
    shutil.copytree(tmp_path / "desk", tmp_path / "killed")
    journal.close()
    left = SqlJournal(tmp_path / "killed")
    assert all_of(left) == entries(6)
    left.append(entries(1, 6))
    left.close()
    assert all_of(JournalReader(tmp_path / "killed")) == entries(7)


def test_a_disk_without_room_for_the_log_is_left_as_it_was(tmp_path, monkeypatch):
    whole = os.pwrite

    def short(file, data, at):
        return whole(file, data[:5000] if len(data) > 5000 else data, at)

    monkeypatch.setattr(os, "pwrite", short)
    journal = SqlJournal(tmp_path)
    assert (tmp_path / "journal.db-wal").stat().st_size < 100_000
    journal.append(entries(2))
    assert all_of(journal) == entries(2)
    journal.close()


@pytest.mark.parametrize(
    ("name", "how"),
    [
        *(("journal.db-wal", how) for how in ("gone", "replaced", "cut")),
        *(("journal.db", how) for how in ("gone", "replaced", "read-only")),
    ],
)
def test_a_file_that_is_no_longer_there_refuses_for_good(tmp_path, name, how):
    journal = SqlJournal(tmp_path)
    journal.append(entries(1))
    file = tmp_path / name
    if how == "read-only":
        file.chmod(0o444)
    elif how == "cut":
        os.truncate(file, 0)
    else:
        file.unlink()
    if how == "replaced":
        file.write_bytes(b"")
    for why in (".", "an earlier write failed"):
        with pytest.raises(JournalError, match=why):
            journal.append(entries(1, 1))


def test_a_journal_that_is_closed_is_one_file_although_somebody_reads_it(tmp_path):
    journal = SqlJournal(tmp_path / "desk")
    journal.append(entries(5))
    with closing(JournalReader(tmp_path / "desk")) as reader:
        journal.close()
        (tmp_path / "moved").mkdir()
        shutil.copy(tmp_path / "desk" / "journal.db", tmp_path / "moved")
        assert all_of(JournalReader(tmp_path / "moved")) == all_of(reader) == entries(5)


def test_a_close_that_cannot_flush_releases_the_journal(tmp_path, monkeypatch):
    journal = SqlJournal(tmp_path)
    journal.append(entries(3), sync=False)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail_to_flush)
        with pytest.raises(JournalError, match="the disk is gone"):
            journal.close()
    journal.close()
    with closing(SqlJournal(tmp_path)) as again:
        assert all_of(again) == entries(3)


def fail_to_flush(_):
    raise OSError(5, "the disk is gone")


def test_a_folder_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="lock"):
        SqlJournal(tmp_path / "file" / "desk")


@pytest.mark.parametrize("schema", ["1", "99"])
def test_another_schema_is_refused(ten, schema):
    damaged(ten, f"UPDATE meta SET value = '{schema}' WHERE key = 'schema'")
    for opened in (SqlJournal, JournalReader, verify):
        with pytest.raises(
            JournalError, match=rf"of schema 4; received schema {schema} in .*that wrote it"
        ):
            opened(ten)
    damaged(ten, "DELETE FROM meta WHERE key = 'schema'")
    with pytest.raises(JournalError, match="received schema not said"):
        SqlJournal(ten)


def test_a_kill_leaves_what_waited_for_no_disk_and_a_lost_log_shows(tmp_path):
    """Lost on the way to another disk: entries are missing, and it is said."""

    def write():
        SqlJournal(tmp_path).close()
        journal = SqlJournal(tmp_path)
        journal.append(entries(3))
        journal.append(entries(4, 3), sync=False)

    killed(write)
    shutil.copytree(tmp_path, tmp_path / "moved", ignore=shutil.ignore_patterns("*-wal", "moved"))
    journal = SqlJournal(tmp_path)
    assert all_of(journal) == entries(7)
    journal.close()
    with pytest.raises(JournalError, match="entries up to 3 are missing"):
        SqlJournal(tmp_path / "moved")


@pytest.mark.parametrize("written", [True, False])
def test_an_interrupt_in_an_append_leaves_a_journal_that_can_be_continued(
    tmp_path, monkeypatch, written
):
    """Ctrl-C or SIGTERM, behind the commit or before it: the last analyses and marks are still written."""
    journal = SqlJournal(tmp_path, "test")
    journal.append([Entry(kinds.ALERT, 1, body={"text": "before"})])
    write = journal._rows.write

    def interrupted(*words):
        if written:
            write(*words)
        raise KeyboardInterrupt

    monkeypatch.setattr(journal._rows, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        journal.append([Entry(kinds.ALERT, 2, body={"text": "interrupted"})])
    monkeypatch.setattr(journal._rows, "write", write)
    assert journal.append([Entry(kinds.ALERT, 3, body={"text": "after"})]) == 2 + written
    journal.close()
    assert not verify(tmp_path).fault
    assert [entry.ns for _, entry in JournalReader(tmp_path).read()] == [1, *[2] * written, 3]


def test_only_an_append_with_sync_flushes(tmp_path, monkeypatch):
    """Each append says to SQLite whether its commit flushes the log."""
    journal = SqlJournal(tmp_path)
    asked = []
    raw = journal._rows._connection
    raw.set_trace_callback(lambda text: asked.append(text) if "synchronous" in text else None)
    for number, sync in enumerate((True, False, False, True, True)):
        journal.append(entries(1, number), sync=sync)
        assert raw.execute("PRAGMA synchronous").fetchone()[0] == (2 if sync else 1)
    assert [text for text in asked if "=" in text] == [
        "PRAGMA synchronous=NORMAL",
        "PRAGMA synchronous=FULL",
    ]
    raw.set_trace_callback(None)
    flushed = []
    monkeypatch.setattr("tercel.desk.trading.journal.sqlite_log.os.fsync", flushed.append)
    journal.append([])
    assert flushed == []
    journal.append(entries(1, 5), sync=False)
    journal.append([])
    assert len(flushed) == 1
    journal.close()


# -- keys -------------------------------------------------------------------------------------------------------------

KEY, OTHER = ChainKey(b"k" * 32), ChainKey(b"o" * 32)


def rewritten(folder: Path) -> None:
    """The whole chain anew, with another past, by somebody who knows all of the format and no key."""
    connection = sqlite3.connect(folder / "journal.db")
    rows = [ChainRow(*row) for row in connection.execute("SELECT * FROM journal ORDER BY seq")]
    head = ORIGIN
    for row in rows:
        other = row._replace(body=row.body.replace('"i":3', '"i":4'), ns=row.ns + 1)
        head = digest(head, other)
        connection.execute(
            "UPDATE journal SET ns=?, body=?, hash=? WHERE seq=?",
            (other.ns, other.body, head, row.seq),
        )
    connection.commit()
    connection.close()
    (folder / "journal.head").write_text(json.dumps({"seq": len(rows), "hash": head}))


def test_a_past_written_anew_shows_with_a_key_alone(tmp_path):
    for key, shows in ((None, False), (KEY, True)):
        folder = tmp_path / str(shows)
        journal = SqlJournal(folder, key=key)
        journal.append(entries(6))
        journal.close()
        rewritten(folder)
        if shows:
            with pytest.raises(JournalError, match="1 to 0 are sound; then entry 1"):
                SqlJournal(folder, key=key)
        else:
            SqlJournal(folder, key=key).close()
        assert verify(folder, key).keyed == shows
        assert verify(folder, key).fault.startswith("entry 1 ") == shows


@pytest.mark.parametrize(
    ("first", "then", "expected"),
    [(KEY, OTHER, "another key"), (KEY, None, "none"), (None, KEY, "an unkeyed one")],
)
def test_a_key_that_does_not_fit_is_refused(tmp_path, first, then, expected):
    journal = SqlJournal(tmp_path, key=first)
    journal.append(entries(2))
    journal.close()
    for opening in (SqlJournal, verify):
        with pytest.raises(ConfigError) as caught:
            opening(tmp_path, key=then)
        assert caught.value.received == expected
        assert "kkkk" not in str(caught.value) + repr(first)
    assert all_of(JournalReader(tmp_path)) == entries(2)
    SqlJournal(tmp_path, key=first).close()


def test_a_key_comes_from_a_file_that_nobody_else_reads(tmp_path, monkeypatch):
    desk, secret = tmp_path / "desk", "s3cret" * 8
    desk.mkdir()
    for place in (tmp_path / "key", desk / "key"):
        place.write_text(secret + "\n")
        place.chmod(0o600)
    read = key_of(desk, {"TERCEL_JOURNAL_KEY_FILE": str(tmp_path / "key")})
    assert read is not None
    assert (
        read.fingerprint
        == ChainKey(secret.encode()).fingerprint
        == key_of(desk, {"TERCEL_JOURNAL_KEY": secret}).fingerprint
    )
    assert key_of(desk, {}) is None
    wrong = [
        ({"TERCEL_JOURNAL_KEY_FILE": str(desk / "key")}, "outside"),
        ({"TERCEL_JOURNAL_KEY_FILE": str(tmp_path / "none")}, "No such file"),
        ({"TERCEL_JOURNAL_KEY": "short"}, "32 characters"),
        ({"TERCEL_JOURNAL_KEY": secret, "TERCEL_JOURNAL_KEY_FILE": "x"}, "both"),
    ]
    for environment, text in wrong:
        with pytest.raises(ConfigError, match=text) as caught:
            key_of(desk, environment)
        assert secret not in str(caught.value)
    (tmp_path / "key").chmod(0o640)
    with pytest.raises(ConfigError, match="mode 640"):
        key_of(desk, {"TERCEL_JOURNAL_KEY_FILE": str(tmp_path / "key")})
    monkeypatch.setenv("TERCEL_JOURNAL_KEY", secret)
    SqlJournal(desk).close()
    monkeypatch.delenv("TERCEL_JOURNAL_KEY")
    with pytest.raises(ConfigError, match="the key of"):
        SqlJournal(desk)


def test_what_could_not_be_read_again_is_not_written():
    """A number where people write text, a truth value where a side is."""
    with pytest.raises(ValueError, match="changes"):
        LimitsEntry(event="tightened", changes={"desk.order_lots": 5}).json()  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="side"):
        ParentEntry("accepted", side=True).json()


def test_a_body_that_lacks_a_field_is_named():
    """Expected, received and what to do, as every refusal."""
    with pytest.raises(JournalError) as error:
        KillEntry.of(Entry(kinds.KILL, 7, body={"scope": "ann"}))
    assert "kill" in error.value.expected
    assert "7 ns" in error.value.received


# -- what holds trading data is its owner's alone ---------------------------------------------------------------------


LOCKS = {"desk.lock", "kill.json.lock"}
"""They name a process and nothing else."""


@pytest.fixture(params=[0o022, 0o000])
def umask(request):
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_the_files_of_journal_latch_and_session_are_its_owners_alone(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(memory, "MOST_STORED", 1)
    desk = tmp_path / "desk"
    journal = SqlJournal(desk, "test")
    journal.append([Entry(kinds.ALERT, 1, body={"severity": "info", "code": "x", "text": "y"})])
    latch = KillLatch(desk / "kill.json")
    latch.kill("runaway", "ann", 1)
    latch.rearm("looked at it", "ann", 2)
    store = open_steady_store(desk / "fix" / "fix.db", "A")
    ReceivedMark(desk / "fix").write(3)
    (desk / "fix" / "orders.jsonl").write_text("{}\n" * 21)
    OrderMemory(desk / "fix")  # writes its file anew
    files = {
        path.name: oct(path.stat().st_mode & 0o777) for path in desk.rglob("*") if path.is_file()
    }
    wanted = {"journal.db", "journal.db-wal", "journal.db-shm", "journal.head", "kill.json"}
    wanted |= {"fix.db", "fix.db-wal", "fix.db-shm", "numbers", "received", "orders.jsonl"}
    assert dict.fromkeys(wanted, "0o600") == {
        name: mode for name, mode in files.items() if name not in LOCKS
    }
    folders = {path.name: oct(path.stat().st_mode & 0o777) for path in (desk, desk / "fix")}
    assert folders == {"desk": "0o700", "fix": "0o700"}
    store.close()
    journal.close()


def test_rights_that_a_person_gave_stay(tmp_path: Path):
    desk = tmp_path / "desk"
    desk.mkdir(mode=0o755)
    SqlJournal(desk, "test").close()
    latch = KillLatch(desk / "kill.json")
    latch.kill("runaway", "ann", 1)
    for name in ("journal.db", "kill.json"):
        (desk / name).chmod(0o640)
    SqlJournal(desk, "test").close()
    latch.rearm("looked at it", "ann", 2)
    assert [oct((desk / name).stat().st_mode & 0o777) for name in ("journal.db", "kill.json")] == [
        "0o640"
    ] * 2
    assert oct(desk.stat().st_mode & 0o777) == "0o755"
