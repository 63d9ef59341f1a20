"""A store that takes every commit: held against one in memory, whatever the disk does."""

import pytest
from hypothesis import given, strategies as st

from tercel.core.errors import VenueError
from tercel.fix.protocol.session_store import Commit, MemoryStore, SequenceNumbers
from tercel.fix.sqlite_store import BLOCK, SqliteStore
from tercel.fix.store import SPARE, open_steady_store

STEPS = st.lists(
    st.tuples(st.booleans(), st.integers(0, 3), st.integers(0, 2), st.booleans()), max_size=30
)


class Disk:
    """A disk that is full while it is told to be."""

    def __init__(self, patch):
        self.full, whole = False, SqliteStore.commit

        def write(store, change):
            if self.full:
                raise VenueError("room", "database or disk is full", "make some")
            whole(store, change)

        patch.setattr(SqliteStore, "commit", write)


def change(numbers, sent, received, reset):
    start = 1 if reset else numbers.next_out
    raws = tuple((start + n, b"raw %d" % (start + n)) for n in range(sent))
    first = SequenceNumbers(1, 1, numbers.since_ns + 1) if reset else numbers
    return Commit(
        SequenceNumbers(start + sent, first.next_in + received, first.since_ns), raws, reset=reset
    )


@given(STEPS)
def test_it_is_as_one_in_memory_whatever_the_disk_takes_and_so_is_the_next_process(
    tmp_path_factory, steps
):
    path = tmp_path_factory.mktemp("steady") / "fix.db"
    with pytest.MonkeyPatch.context() as patch:
        disk, oracle = Disk(patch), MemoryStore()
        patch.setattr("tercel.fix.store._AGAIN_S", 0.0)
        store = open_steady_store(path, "A")
        for full, sent, received, reset in steps:
            disk.full = full
            one = change(store.load(), sent, received, reset and sent == 3)
            for each in (store, oracle):
                each.commit(one)
            assert store.load() == oracle.load()
            assert list(store.load_sent(1, 99)) == sorted(oracle.load_sent(1, 99))
            assert bool(store.write_error) == full
        store._disk._file.close()  # the process dies as it stands
        disk.full = False
        after = open_steady_store(path, "A")
        assert after.load() == oracle.load()
        after.close()


def test_what_the_disk_did_not_take_is_written_at_the_end_where_there_is_room_again(
    tmp_path, monkeypatch
):
    disk = Disk(monkeypatch)
    store = open_steady_store(tmp_path / "fix.db", "A")
    store.commit(Commit(SequenceNumbers(3, 2), ((2, b"x"),)))
    disk.full = True
    store.commit(Commit(SequenceNumbers(4, 3), ((3, b"y"),)))
    assert store.write_error == "database or disk is full"
    disk.full = False
    store.close()
    with SqliteStore(tmp_path / "fix.db", "A", durable=False) as after:
        assert (after.load(), after.load_sent(1, 9)) == (
            SequenceNumbers(4, 3),
            [(2, b"x"), (3, b"y")],
        )
        assert not after.unsure


def test_numbers_beside_are_of_one_session_and_of_one_state(tmp_path, monkeypatch):
    disk = Disk(monkeypatch)
    store = open_steady_store(tmp_path / "fix.db", "A")
    disk.full = True
    store.commit(Commit(SequenceNumbers(9, 9)))
    store._disk._file.close()
    disk.full = False
    other = open_steady_store(tmp_path / "fix.db", "B")
    assert other.load() == SequenceNumbers()
    other.close()
    with SqliteStore(tmp_path / "fix.db", "A", durable=False) as moved:
        moved.commit(Commit(SequenceNumbers(20, 20)))
    assert open_steady_store(tmp_path / "fix.db", "A").load() == SequenceNumbers(20, 20)


@pytest.mark.parametrize(
    "spoilt", [b"", b"{", b"\xff" * 512, b'{"session": "A", "after": [1], "numbers": 3}']
)
def test_numbers_beside_that_make_no_sense_are_passed_over(tmp_path, spoilt):
    open_steady_store(tmp_path / "fix.db", "A").close()
    (tmp_path / SPARE).write_bytes(spoilt)
    assert open_steady_store(tmp_path / "fix.db", "A").load() == SequenceNumbers()


@pytest.mark.parametrize("said", [0, 5, 750, 10**8])
def test_who_was_not_closed_goes_on_once_where_it_is_expected_or_behind_its_block(tmp_path, said):
    store = open_steady_store(tmp_path / "fix.db", "A")
    for number in range(1, 700):
        store.commit(Commit(SequenceNumbers(number, 1)))
    store._disk._file.close()
    after = open_steady_store(tmp_path / "fix.db", "A")
    assert after.load().next_out == 699
    assert after.skip(said)
    low, high = (said, said) if said == 750 else (699 + 500, 699 + BLOCK + 1)
    assert low <= after.load().next_out <= high
    assert not after.skip(said)
    after.close()
    assert not open_steady_store(tmp_path / "fix.db", "A").skip(said)
