"""Conformance kit of the journal port: inherit :class:`JournalConformance`, say how to open one, run pytest.

class TestMine(JournalConformance):
    @pytest.fixture
    def opened(self, tmp_path):
        return lambda: MyJournal(tmp_path)  # each call opens the same journal; the test closes it
"""

import math
from collections.abc import Callable
from typing import Any

import pytest

from tercel.core import Entry, Journal, JournalError

Opened = Callable[[], Any]
"""Opens the same journal each time; what it returns is a `Journal`."""

FULL = Entry(
    "order_out",
    7,
    "AMZN",
    "ann",
    "p1",
    "1-1",
    {"lots": 5, "price": None, "text": 'é " \\ \n'},
    b"\0\1\xff",
)


def entries(n: int, first: int = 0) -> list[Entry]:
    """Some entries, each different."""
    return [
        Entry("market" if i % 2 else "alert", i, body={"i": i}) for i in range(first, first + n)
    ]


def all_of(journal: Journal) -> list[Entry]:
    """All entries of a journal, their numbers checked."""
    read = list(journal.read())
    assert [seq for seq, _ in read] == list(range(1, len(read) + 1))
    return [entry for _, entry in read]


class JournalConformance:
    """Contract of every journal."""

    @pytest.fixture
    def opened(self) -> Opened:
        """Override: a function that opens the same, at first empty, journal at every call."""
        raise NotImplementedError

    def test_it_begins_empty(self, opened: Opened) -> None:
        """Nothing is in a new journal."""
        assert all_of(opened()) == []

    def test_what_is_written_is_read_word_for_word(self, opened: Opened) -> None:
        """Every field, odd characters and blobs included."""
        journal = opened()
        assert journal.append([FULL]) == 1
        assert all_of(journal) == [FULL]

    def test_a_batch_is_in_order_and_numbered(self, opened: Opened) -> None:
        """The last number comes back."""
        journal = opened()
        assert journal.append(entries(3)) == 3
        assert journal.append(entries(2, 3)) == 5
        assert all_of(journal) == entries(5)

    def test_reading_goes_on_after_a_number_and_picks_kinds(self, opened: Opened) -> None:
        """`after` excludes, `kinds` selects."""
        journal = opened()
        journal.append(entries(6))
        assert [seq for seq, _ in journal.read(after=4)] == [5, 6]
        assert [seq for seq, _ in journal.read(kinds=["market"])] == [2, 4, 6]
        assert [seq for seq, _ in journal.read(3, ["alert"])] == [5]
        assert list(journal.read(after=99)) == []

    def test_all_or_none(self, opened: Opened) -> None:
        """An entry that cannot be written takes its batch with it."""
        journal = opened()
        journal.append(entries(1))
        for bad in (
            Entry("alert", 1, body={"x": math.nan}),
            Entry("alert", 1, body={"x": {1, 2}}),
            Entry("", 1),
        ):
            with pytest.raises(JournalError):
                journal.append([*entries(2), bad])
        assert all_of(journal) == entries(1)
        assert journal.append(entries(1, 1)) == 2

    def test_it_is_there_after_reopening(self, opened: Opened) -> None:
        """Closing loses nothing, and numbers go on."""
        journal = opened()
        journal.append(entries(4))
        journal.close()
        journal = opened()
        assert all_of(journal) == entries(4)
        assert journal.append(entries(1, 4)) == 5

    def test_what_waits_for_no_disk_is_in_order_and_there_after_reopening(
        self, opened: Opened
    ) -> None:
        """Appends without sync are entries like others; nothing with sync makes what came before durable."""
        journal = opened()
        assert journal.append(entries(2), sync=False) == 2
        assert journal.append(entries(1, 2)) == 3
        assert journal.append(entries(1, 3), sync=False) == 4
        assert journal.append([]) == 4
        assert all_of(journal) == entries(4)
        journal.append(entries(1, 4), sync=False)
        journal.close()
        assert all_of(opened()) == entries(5)

    def test_a_closed_journal_refuses(self, opened: Opened) -> None:
        """What was let go may belong to somebody else."""
        journal = opened()
        journal.close()
        with pytest.raises(JournalError):
            journal.append(entries(1))

    def test_a_large_batch(self, opened: Opened) -> None:
        """More than a page."""
        journal = opened()
        assert journal.append(entries(4500)) == 4500
        assert all_of(journal) == entries(4500)
