"""Snapshots and what leaves memory: a restart from one is the fold of everything, byte for byte."""

import sqlite3
from contextlib import closing

import pytest
from hypothesis import given, strategies as st
from tests.desk.trading.desk_of_two import WIDE
from tests.desk.trading.random_journals import Story

from tercel.core.errors import JournalError
from tercel.core.orders import Listing
from tercel.core.ports import Entry
from tercel.desk.limits import LimitGate, parse
from tercel.desk.trading import archive, ledger as ledger_of
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.memory import MemoryJournal
from tercel.desk.trading.journal.store import SqlJournal
from tercel.desk.trading.ledger import FOLDED, Ledger
from tercel.desk.trading.reconciliation.refold import refold
from tercel.desk.trading.reconciliation.snapshot import (
    Snapshots,
    blank_of,
    canonical_lines,
    restore,
    version_of,
)

KEPT_NS = 10**11


def limits_of(text=WIDE):
    return LimitGate(parse(text), [Listing(name, 0.01, 1, 1000) for name in "XY"], ["ann", "bob"])


def story_of(seed, steps=300):
    story = Story(seed)
    for _ in range(steps):
        story.step()
    return story


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(ledger_of, "KEEP_NS", KEPT_NS)


def folded(entries):
    journal, limits = MemoryJournal(chained=False), limits_of()
    journal.append(entries)
    return refold(journal, limits), limits, journal


def lines_of(ledger, limits):
    return list(canonical_lines(ledger, limits))


class Cut:
    """A journal that ends at an entry, and later does not."""

    def __init__(self, journal, end):
        self._journal, self.end = journal, end

    def read(self, after=0, kinds=()):
        return ((seq, entry) for seq, entry in self._journal.read(after, kinds) if seq <= self.end)


@given(seed=st.integers(0, 2**32), share=st.floats(0, 1))
def test_a_snapshot_and_the_rest_are_the_fold_of_everything(seed, share):
    story = story_of(seed)
    whole, counts, journal = folded(story.entries)
    cut = round(share * len(story.entries))
    early = limits_of()
    body = lines_of(refold(Cut(journal, cut), early), early)
    again, limits = Ledger(archive.ArchiveIndex(journal), later := limits_of()), later
    restore(iter(body), again, limits)
    assert lines_of(again, limits) == body
    after = _Rest(journal, again, cut)
    assert lines_of(after.fold(limits), limits) == lines_of(whole, counts)


def test_a_body_that_lacks_a_line_is_refused():
    """A row that another names, what is past, the end of a part: nothing can go without a word."""
    ledger, limits, journal = folded(story_of(7, 60).entries)
    lines = lines_of(ledger, limits)
    for at in range(len(lines)):
        fresh = limits_of()
        with pytest.raises((JournalError, ValueError, KeyError)):
            restore(
                iter([*lines[:at], *lines[at + 1 :]]),
                Ledger(archive.ArchiveIndex(journal), fresh),
                fresh,
            )


def test_what_a_person_asked_for_stands_in_it_until_it_is_answered():
    """A command that is only noted (an owner of an alert) waits for no answer."""
    story = story_of(7, 60)
    asked = [
        Entry(
            kinds.OPERATOR,
            story.ns,
            body={"id": number, "command": command, "body": {"alert": 1}, "by": "ann"},
        )
        for number, command in ((1, "resume_agent"), (2, "own_alert"))
    ]
    ledger, limits, journal = folded([*story.entries, *asked])
    again = Ledger(archive.ArchiveIndex(journal), later := limits_of())
    restore(iter(lines_of(ledger, limits)), again, later)
    assert again.pending_commands == ledger.pending_commands == {1: asked[0]}


class _Rest:
    """The fold of what comes after a snapshot."""

    def __init__(self, journal, ledger, cut):
        self._journal, self._ledger, self._cut = journal, ledger, cut

    def fold(self, limits):
        from tercel.desk.trading.reconciliation.refold import count_entry

        for seq, entry in self._journal.read(self._cut, [*FOLDED, kinds.MARKET]):
            self._ledger.last = seq
            self._ledger.apply(entry)
            count_entry(entry, limits, self._ledger)
        return self._ledger


@given(seed=st.integers(0, 2**32))
def test_what_left_memory_is_known_when_it_is_asked_for(seed):
    """Positions, notices and what is quarantined are those of a ledger that forgets nothing."""
    story = story_of(seed)
    journal = MemoryJournal(chained=False)
    journal.append(story.entries)
    whole, short = Ledger(), Ledger(archive.ArchiveIndex(journal))
    for seq, entry in journal.read():
        whole.last = short.last = seq
        assert short.apply(entry) == whole.apply(entry)
    assert short.positions.all() == whole.positions.all()
    assert short.orders.live() == whole.orders.live()
    assert short.orders.quarantined == whole.orders.quarantined
    assert short.fills == whole.fills == len(whole.orders.fills)
    kept = [fill for of_parent in short.orders.fills_of.values() for fill in of_parent]
    assert sorted(map(repr, short.orders.fills)) == sorted(map(repr, kept))
    assert [parent.id for parent in short.parents.open()] == [
        parent.id for parent in whole.parents.open()
    ]
    for trade in story.trades:
        assert short.has_execution(trade)
    for parent in whole.parents:
        assert short.is_used(parent.id)


def test_stories_let_go_and_bring_back():
    """The stories above are of the kind that tells: much goes, some comes back, fills are busted after that."""
    gone = back = busted = 0
    for seed in range(20):
        story = story_of(seed)
        ledger, _, _ = folded(story.entries)
        gone += len(ledger.past)
        busted += len(ledger.orders.rebooked)
        back += sum(
            parent.over and parent.over_ns + KEPT_NS < story.ns for parent in ledger.parents
        )
    assert gone > 100
    assert back > 5
    assert busted > 50


def kept(folder, entries, cut, version=None):
    """A journal with a snapshot of its first entries."""
    journal = SqlJournal(folder)
    journal.append(entries[:cut])
    snapshots = Snapshots(
        journal, blank_of(limits_of()), version or version_of(limits_of()), refold, every=1
    )
    snapshots.take_if_due()
    assert snapshots.failure is None
    if entries[cut:]:
        journal.append(entries[cut:])
    return journal


def changed(folder, statement):
    """Do it to a journal, and say how many snapshots it has."""
    with closing(sqlite3.connect(folder / "journal.db", isolation_level=None)) as connection:
        connection.execute(statement)
        return connection.execute("SELECT count(*) FROM snapshot").fetchone()[0]


def test_a_restart_reads_from_the_snapshot_and_comes_to_the_same(tmp_path):
    story = story_of(7)
    whole, counts, _ = folded(story.entries)
    kept(tmp_path, story.entries, 200).close()
    journal, limits, read = SqlJournal(tmp_path), limits_of(), []
    asked = journal.read
    journal.read = lambda after=0, kinds=(): read.append(after) or asked(after, kinds)
    ledger = refold(journal, limits)
    assert read[0] == 200
    assert lines_of(ledger, limits) == lines_of(whole, counts)
    journal.close()


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (
            "UPDATE snapshot SET body = substr(body, 1, 50) || x'00' || substr(body, 52)",
            "it was changed",
        ),
        ("UPDATE snapshot SET seq = 150", "it was changed"),
        ("UPDATE snapshot SET version = 'other'", "it was changed"),
        ("", "other limits"),
        ("UPDATE journal SET hash = 'x' WHERE seq = 200", "it belongs to other entries"),
    ],
)
def test_a_snapshot_that_is_damaged_or_anothers_is_passed_over_and_said(tmp_path, damage, why):
    story = story_of(7)
    kept(tmp_path, story.entries, 200).close()
    changed(tmp_path, damage or "SELECT 1")
    if "journal" in damage:
        with pytest.raises(JournalError, match="1 to 199 are sound"):
            SqlJournal(tmp_path)
        return
    tight = WIDE.replace("daily_loss = 250_000", "daily_loss = 260_000")
    limits, counts = (limits_of(WIDE if damage else tight) for _ in range(2))
    journal, (_, _, plain) = SqlJournal(tmp_path), folded(story.entries)
    ledger = refold(journal, limits)
    assert lines_of(ledger, limits) == lines_of(refold(plain, counts), counts)
    assert why in journal.ignored[0]
    journal.close()


def test_another_version_is_told_by_any_field_and_not_by_where_the_limits_lie(monkeypatch):
    before = version_of(limits_of())
    elsewhere = LimitGate(
        parse(WIDE, "other.toml"), [Listing(name, 0.01, 1, 1000) for name in "XY"], ["ann", "bob"]
    )
    assert version_of(elsewhere) == before
    init = Ledger.__init__

    def more(self, *words, **named):
        init(self, *words, **named)
        self.another = 1

    monkeypatch.setattr(Ledger, "__init__", more)
    assert version_of(limits_of()) != before


def test_a_flipped_bit_after_the_snapshot_is_found_and_one_before_by_the_command(tmp_path):
    from tercel.desk.trading.journal.verification import verify

    story = story_of(7)
    for seq, found in ((240, True), (100, False)):
        folder = tmp_path / str(seq)
        kept(folder, story.entries, 200).close()
        changed(folder, f"UPDATE journal SET ns = ns + 1 WHERE seq = {seq}")
        if found:
            with pytest.raises(JournalError, match="1 to 239 are sound; then entry 240"):
                SqlJournal(folder)
        else:
            SqlJournal(folder).close()
        assert verify(folder).fault == f"entry {seq} is not what was written"


def test_an_older_snapshot_serves_when_the_newest_is_damaged(tmp_path):
    story = story_of(7)
    whole, counts, _ = folded(story.entries)
    journal = kept(tmp_path, story.entries, 100)
    Snapshots(journal, blank_of(limits_of()), version_of(limits_of()), refold, every=1).take()
    journal.close()
    assert changed(tmp_path, "UPDATE snapshot SET seal = '' WHERE seq > 100") == 2
    journal, limits = SqlJournal(tmp_path), limits_of()
    assert lines_of(refold(journal, limits), limits) == lines_of(whole, counts)
    assert len(journal.ignored) == 1
    journal.close()
