"""Sessions in a file: after a kill, and after a power cut, numbers go on and what was sent is there."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from exchange.fix.store import ServerStore
from tercel.core.errors import VenueError
from tercel.fix import sqlite_store as module
from tercel.fix.protocol.session import FixSession
from tercel.fix.protocol.session_store import Commit, MemoryStore, SequenceNumbers
from tercel.fix.protocol.settings import SessionSettings
from tercel.fix.sqlite_store import BLOCK, SqliteStore
from tercel.fix.store import open_steady_store

NOW = 1_700_000_000 * 10**9

commits = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 2), st.booleans()), min_size=1, max_size=30
)


def change(numbers, kept, unkept, reset):
    """The next commit of a session, from its numbers."""
    first = 1 if reset else numbers.next_out
    sent = tuple((n, b"raw %d" % n) for n in range(first, first + kept))
    return Commit(
        SequenceNumbers(first + kept + unkept, numbers.next_in + 1, NOW), sent, reset=reset
    )


@given(commits, st.booleans(), st.booleans())
@settings(deadline=None, max_examples=24)
def test_it_holds_what_the_store_in_memory_holds(tmp_path_factory, steps, durable, together):
    path, oracle = tmp_path_factory.mktemp("store") / "fix.db", MemoryStore()
    store = ServerStore(path, "A") if together else SqliteStore(path, "A", durable)
    for kept, unkept, again in steps:
        one = change(oracle.load(), kept, unkept, reset=again and kept == 3)
        oracle.commit(one)
        store.commit(one)
        if again:
            store.close()
            store = ServerStore(path, "A") if together else SqliteStore(path, "A", durable)
        assert store.load() == oracle.load()
        assert list(store.load_sent(2, 40)) == sorted(oracle.load_sent(2, 40))
    store.close()


def test_the_number_of_what_came_in_is_written_with_the_answer(tmp_path):
    """Who dies before is sent it again: after a kill the file says what an answer went out for."""
    path = tmp_path / "fix.db"

    def after_a_kill():
        with sqlite3.connect(path) as file:
            return SequenceNumbers(
                *file.execute("SELECT next_out, next_in, since_ns FROM session").fetchone()
            )

    store = ServerStore(path, "A")
    store.commit(Commit(SequenceNumbers(2, 2)))  # logged on
    store.commit(Commit(SequenceNumbers(2, 3)))
    assert after_a_kill() == SequenceNumbers(2, 2)
    store.commit(Commit(SequenceNumbers(3, 3), ((2, b"answer"),)))
    assert after_a_kill() == SequenceNumbers(3, 3)
    store.commit(Commit(SequenceNumbers(3, 4)))
    store.commit(Commit(SequenceNumbers(3, 5)))
    assert after_a_kill() == SequenceNumbers(3, 3)
    store.flush()
    assert after_a_kill() == SequenceNumbers(3, 5)
    store.commit(Commit(SequenceNumbers(3, 6)))
    assert store.load() == after_a_kill() == SequenceNumbers(3, 6)
    store.commit(Commit(SequenceNumbers(3, 7)))
    store.close()
    assert after_a_kill() == SequenceNumbers(3, 7)


def test_sessions_in_one_file_do_not_mix(tmp_path):
    with SqliteStore(tmp_path / "fix.db", "A") as a, SqliteStore(tmp_path / "fix.db", "B") as b:
        a.commit(Commit(SequenceNumbers(2, 1), ((1, b"a"),)))
        b.commit(Commit(SequenceNumbers(3, 5), ((1, b"b"), (2, b"bb"))))
        a.commit(Commit(SequenceNumbers(1, 1), reset=True))
        assert (a.load(), list(a.load_sent(1, 9))) == (SequenceNumbers(), [])
        assert (b.load(), list(b.load_sent(2, 9))) == (SequenceNumbers(3, 5), [(2, b"bb")])
    modes = {file.name: oct(file.stat().st_mode & 0o777) for file in tmp_path.iterdir()}
    assert set(modes.values()) == {"0o600"}, modes


@given(commits, st.integers(0, 10**9))
@settings(deadline=None, max_examples=12)
def test_after_a_power_cut_no_number_is_used_twice(tmp_path_factory, steps, cut):
    """The disk has what was written up to the last durable commit, and any part of what came after."""
    folder = tmp_path_factory.mktemp("cut")
    path, wal = folder / "fix.db", folder / "fix.db-wal"
    store = SqliteStore(path, "A", durable=False)
    first = change(store.load(), 1, 1, False)
    store.commit(first)  # takes the block
    safe, numbers = wal.stat().st_size, first.numbers
    for kept, unkept, reset in steps:
        one = change(numbers, kept, unkept, reset and kept == 3)
        store.commit(one)
        numbers = one.numbers
        if one.reset:
            safe = wal.stat().st_size
    size = safe + cut % (wal.stat().st_size - safe + 1)
    lost = folder / "lost"
    lost.mkdir()
    shutil.copy(path, lost / "fix.db")
    (lost / "fix.db-wal").write_bytes(wal.read_bytes()[:size])
    store.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "boot_id", lambda: "another boot")
        with SqliteStore(lost / "fix.db", "A", durable=False) as after:
            assert numbers.next_out <= after.load().next_out <= numbers.next_out + BLOCK
            session = FixSession(SessionSettings("VENUE", "DESK"), after)
            assert session.numbers.next_out == after.load().next_out


def test_what_cannot_be_written_is_an_error_and_changes_nothing(tmp_path):
    with SqliteStore(tmp_path / "fix.db", "A") as store:
        other = sqlite3.connect(tmp_path / "fix.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        store._file.execute("PRAGMA busy_timeout=1")
        with pytest.raises(VenueError, match="can be written"):
            store.commit(Commit(SequenceNumbers(2, 2), ((1, b"x"),)))
        other.execute("ROLLBACK")
        other.close()
        assert store.load() == SequenceNumbers()
        store.commit(Commit(SequenceNumbers(2, 2), ((1, b"x"),)))
        assert list(store.load_sent(1, 1)) == [(1, b"x")]
    (tmp_path / "text").write_text("this is no database, and long enough that SQLite sees it" * 20)
    with pytest.raises(VenueError, match="store of FIX sessions"):
        SqliteStore(tmp_path / "text", "A")


def test_a_number_can_be_expected_again(tmp_path):
    path: Path = tmp_path / "fix.db"
    with closing(open_steady_store(path, "A")) as store:
        store.commit(Commit(SequenceNumbers(5, 9)))
        store.expect(4)
        assert FixSession(SessionSettings("A", "B"), store).numbers == SequenceNumbers(5, 4)
