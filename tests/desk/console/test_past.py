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
from tercel.desk.console import follow, history
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
    assert sum(map(len, past._pieces)) < 30 * 40_000 * 24
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
    assert sum(map(len, past._pieces)) <= len(fold.tape) * 8
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
    step_s = 0.001

    def __call__(self) -> float:
        self.now += self.step_s
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


def test_a_busy_machine_delays_turns_and_empties_none() -> None:
    """Where opening the journal alone takes longer than a turn, a turn read one entry: 7 a second, of 30,000."""
    clock = Clock()
    clock.step_s = 1.0
    follower = JournalFollower(ListedDesk(list(a_day(5_000))), clock)
    follower.catch_up(within_s=0.1)
    assert follower.report().seq == follow.TURN_ENTRIES
    follower.catch_up(within_s=0.1)
    follower.catch_up(within_s=0.1)
    assert follower.report().reading is None


class GapDesk(ListedDesk):
    """A desk whose journal has lost entry 3,000."""

    def read(self, after: int = 0, *span: Any) -> Iterator[tuple[int, Entry]]:
        return ((seq, entry) for seq, entry in super().read(after, *span) if seq != 3_000)


def test_nothing_is_shown_after_an_entry_that_is_missing() -> None:
    follower = JournalFollower(GapDesk(list(a_day(5_000))), Clock())
    for _ in range(3):
        follower.catch_up()
        assert follower.report().seq == 2_999
        assert follower.report().fault == "entry 3000 of the journal is missing"


class GrowingDesk(ListedDesk):
    """A desk that writes two entries for each that is read of its journal, as long as it `grows`."""

    grows = True

    def read(self, after: int = 0, *span: Any) -> Iterator[tuple[int, Entry]]:
        while after < len(self.entries):
            yield after + 1, self.entries[after]
            after += 1
            for _ in range(2 * self.grows):
                mark = {"bid": 900 + after % 7, "ask": 910, "unit": 1.0}
                ns = self.entries[-1].ns + 1
                self.entries.append(Entry(kinds.MARKET, ns, "AAA", body=mark))


def test_a_journal_that_grows_faster_than_it_is_read_is_shown_as_it_is_read() -> None:
    desk = GrowingDesk(a_session())
    follower = JournalFollower(desk, Clock())
    read = []
    for _ in range(5):
        follower.catch_up(within_s=1.0)
        read.append(follower.report().seq)
    assert read == sorted(set(read))
    shown = follower.report()
    assert shown.reading is not None
    assert shown.reading.text.startswith("reading the journal")
    assert shown.ns == desk.entries[shown.seq - 1].ns
    desk.grows = False
    follower.catch_up()
    assert follower.report().reading is None
    assert follower.report().markets["AAA"]["ns"] == desk.entries[-1].ns


def test_a_checkpoint_has_the_forecasts_whose_time_is_not_over(monkeypatch) -> None:
    monkeypatch.setattr(history, "CHECKPOINT_ENTRIES", 2)
    monkeypatch.setattr(kept, "WORK", 10**9)
    alpha = {"expected_bps": 1.0, "sd_bps": 2.0, "sources": ["flow"], "horizon_ns": 900 * S}
    entries = [*a_session(), Entry(kinds.ALPHA, 99 * S, "AAA", body=alpha)]
    entries += [
        Entry(kinds.MARKET, (100 + minute * 60) * S, "AAA", body={"bid": 9, "ask": 11 + minute})
        for minute in range(20)
    ]
    past = checkpoints()
    whole = state_at(journal_of(entries), entries[-1].ns, past)
    early = state_at(journal_of(entries), 700 * S, past)
    assert len(past) > 2
    assert len(early.outcomes.waiting) == 1
    assert not early.outcomes.scored
    assert len(whole.outcomes.scored) == 1


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
