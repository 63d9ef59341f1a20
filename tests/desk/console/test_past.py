"""Any minute of the past: the same page as a fold from the beginning, near, in little memory."""

import json
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from tests.desk.console.desks import ListedDesk, a_session
from tests.desk.trading.random_journals import Story

from benchmarks.busy_day import MINUTE, S, a_day
from tercel.core import checkpoints as kept
from tercel.core.checkpoints import Checkpoints
from tercel.core.ports import Entry
from tercel.core.serialization import to_jsonable
from tercel.desk.console import history
from tercel.desk.console.follow import JournalFollower
from tercel.desk.console.history import checkpoints, fold_until, restore_state
from tercel.desk.console.state import DeskState
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.memory import MemoryJournal


def state_at(journal: MemoryJournal, ns: int, past: Checkpoints[DeskState]) -> DeskState:
    """The state of the page after the last entry before the first that is later than `ns`."""
    return fold_until(restore_state(journal, ns, past), journal, ns, past)


def folded(entries: list[Entry], ns: int) -> dict:
    """The twin: every entry before the first later one, from the beginning."""
    state = DeskState()
    for seq, entry in enumerate(entries, 1):
        if entry.ns > ns:
            break
        state.apply(seq, entry)
    return to_jsonable(state.report())


def journal_of(entries: list[Entry]) -> MemoryJournal:
    journal = MemoryJournal(chained=False)
    journal.append(entries)
    return journal


@pytest.mark.parametrize("seed", range(4))
def test_the_page_of_a_time_is_the_fold_up_to_it(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Busts of executions long before the checkpoint, sessions that begin, parents that come back from the archive."""
    monkeypatch.setattr(history, "CHECKPOINT_ENTRIES", 37)
    monkeypatch.setattr(kept, "WORK", 10**9)
    story = Story(seed)
    for _ in range(900):
        story.step()
    journal, past = journal_of(story.entries), checkpoints()
    last = story.entries[-1].ns
    state_at(journal, last, past)
    assert len(past) > 5
    for share in (0.0, 0.1, 0.35, 0.6, 0.99, 1.0):
        ns = round(share * last)
        assert to_jsonable(state_at(journal, ns, past).report()) == folded(story.entries, ns)
    assert to_jsonable(state_at(journal, last // 2, checkpoints()).report()) == folded(
        story.entries, last // 2
    )


class Counted(MemoryJournal):
    """A journal that counts the entries that are read of it."""

    count = 0

    def read(self, *span: Any) -> Iterator[tuple[int, Entry]]:
        for one in super().read(*span):
            self.count += 1
            yield one


@pytest.mark.long
def test_any_minute_of_a_day_of_200_000_entries_is_a_few_thousand_from_a_checkpoint() -> None:
    entries = list(a_day(200_000))
    journal, past = Counted(chained=False), checkpoints()
    journal.append(entries)
    whole = state_at(journal, entries[-1].ns, past)
    assert 20 < len(past) <= history.MOST_CHECKPOINTS
    assert past.piece_bytes < 30 * 40_000 * 24
    for minute in (1, 17, 100, 200, 300, 389):
        journal.count = 0
        state = state_at(journal, minute * MINUTE, past)
        json.dumps(to_jsonable(state.report()))
        assert state.ns <= minute * MINUTE < entries[state.seq].ns
        assert journal.count < 3 * history.CHECKPOINT_ENTRIES
    assert len(whole.ledger.orders) < 2_000


@dataclass
class Fold:
    tape: array
    index: MemoryJournal


def test_checkpoints_are_few_and_share_what_grows() -> None:
    fold = Fold(array("q"), MemoryJournal())
    past = Checkpoints(S, 1, 16, (), lambda state: (state.index,))
    for ns in range(1, 400):
        fold.tape.extend(range(ns * 500, ns * 500 + 500))
        if past.is_due(ns * S, ns):
            past.store(ns * S, ns, fold)
    assert 8 <= len(past) <= 16
    assert past.piece_bytes <= len(fold.tape) * 8
    seq, copy = past.restore(250 * S)
    assert copy.tape == fold.tape[: seq * 500]
    assert copy.index is fold.index


def test_checkpoints_of_large_states_are_fewer(monkeypatch) -> None:
    monkeypatch.setattr(kept, "ROOM", 2000)
    past, state = Checkpoints(1, 1, 128), [[n] for n in range(300)]
    for n in range(1, 5000):
        if past.is_due(n, n):
            past.store(n, n, state)
            assert len(past) <= 7
    assert len(past) >= 3
    seq, copied = past.restore(4000)
    assert 1000 < seq <= 4000
    assert copied == state


class Clock:
    now = 0.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


def test_a_long_journal_opens_before_it_is_read() -> None:
    follower = JournalFollower(ListedDesk(list(a_day(20_000))), Clock())
    follower.catch_up(within_s=3.0)
    shown = to_jsonable(follower.report())
    assert 0 < shown["reading"]["share"] < 1
    assert (
        shown["reading"]["text"] == f"reading the journal, {int(100 * shown['reading']['share'])} %"
    )
    assert shown["agents"]
    follower.catch_up()
    assert follower.report().reading is None
    assert len(follower.past) > 0
    assert to_jsonable(follower.report_at(100 * MINUTE))["ns"] <= 100 * MINUTE


def test_pages_share_one_text_a_turn() -> None:
    desk, clock = ListedDesk(a_session()), Clock()
    follower = JournalFollower(desk, clock)
    follower.catch_up()
    made = []
    report = follower.report
    follower.report = lambda: made.append(1) or report()
    texts = [follower.changes_since() for _ in range(20)]
    assert made == [1]
    assert len({id(text) for _, text in texts}) == 1
    turn, text = texts[0]
    page = json.loads(text)
    clock.now += 10
    desk.entries.append(
        Entry(kinds.ALPHA, 99 * S, "AAA", body={"expected_bps": 1.0, "sd_bps": 2.0, "sources": []})
    )
    follower.catch_up()
    follower.write()
    later, changed = follower.changes_since(turn)
    assert later > turn
    parts = json.loads(changed)
    assert {"alphas", "seq", "ns"} <= set(parts)
    assert "share_points" not in parts
    assert page | parts == json.loads(json.dumps(to_jsonable(report()))) | {
        "silent_s": parts.get("silent_s", page["silent_s"])
    }
    assert follower.changes_since(later)[1] == "{}"
    assert json.loads(follower.changes_since(0)[1]) == page | parts
