"""An experiment in a desk's report: the figures of its analysis, made anew only when it has changed."""

from typing import Any

import pytest
from tests.desk.console.desks import ORDER, S, a_session, an_experiment

from tercel.core.ports import Entry
from tercel.desk.console.experiment_report import MOST_POINTS, experiment_part, sentences_of
from tercel.desk.console.history import CHECKPOINT_ENTRIES, checkpoints, restore_state
from tercel.desk.console.state import DeskState
from tercel.desk.trading.experiment import ENDED, ExperimentEntry, read_experiments
from tercel.desk.trading.experiment_analysis import ExperimentReport, analyse_experiment
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.memory import MemoryJournal


def folded(entries: list[Entry]) -> DeskState:
    state = DeskState()
    for seq, entry in enumerate(entries, 1):
        state.apply(seq, entry)
    return state


def analysed(entries: list[Entry]) -> ExperimentReport:
    journal = MemoryJournal(chained=False)
    journal.append(entries)
    return analyse_experiment(read_experiments(journal)["guard"])


def test_the_report_has_the_figures_of_the_analysis() -> None:
    entries = [*a_session(), *an_experiment(300)]
    expected = analysed(entries)
    [part] = folded(entries).report().experiments
    assert (part.name, part.agent, part.status, part.orders) == ("guard", "ppo", "running", 300)
    assert part.sentences == sentences_of(expected, 2.0)
    assert "guarded is better than plain" in part.sentences[0]
    baseline, guarded = part.arms
    [saving] = expected.savings
    assert (baseline.saved_bps, baseline.path, baseline.verdict) == (None, [], "")
    assert (guarded.saved_bps, guarded.adjusted_p) == (saving.saved_bps, saving.adjusted_p)
    assert saving.low_bps is not None
    assert guarded.low_bps == saving.low_bps
    assert guarded.high_bps == saving.high_bps
    assert [row.mean_bps for row in part.arms] == [row.mean_bps for row in expected.arms]
    assert (len(saving.path), guarded.path[-1]) == (261, saving.path[-1])
    assert 80 < len(guarded.path) <= MOST_POINTS


def test_it_is_analysed_again_only_after_entries_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[str] = []

    def counted(record: Any) -> Any:
        made.append(record.name)
        return experiment_part(record)

    monkeypatch.setattr("tercel.desk.console.state.experiment_part", counted)
    assert folded(a_session()).report().experiments == []
    entries = [*a_session(), *an_experiment(60)]
    state = folded(entries)
    first = state.report().experiments
    others = Entry(kinds.PARENT, 99 * S, "AAA", "peg", "p9", body={"event": "accepted", **ORDER})
    state.apply(len(entries) + 1, others)
    assert state.report().experiments == first
    assert made == ["guard"]
    end = ExperimentEntry(event=ENDED, name="guard", arm="guarded", by="ann", reason="it saves")
    state.apply(len(entries) + 2, Entry(kinds.EXPERIMENT, 99 * S, agent="ppo", body=end.json()))
    [part] = state.report().experiments
    assert (part.status, part.acts) == ("ended by ann (it saves); later orders go to guarded", [])
    assert made == ["guard"] * 2


def test_the_past_has_the_experiment_as_it_was() -> None:
    entries = [*a_session(), *an_experiment(1500)]
    journal, past, state = MemoryJournal(chained=False), checkpoints(), DeskState()
    for seq, entry in enumerate(entries, 1):
        state.apply(seq, entry)
        if seq == CHECKPOINT_ENTRIES:
            then = state.report().experiments
            past.store(state.ns, seq, state)
    ns = entries[CHECKPOINT_ENTRIES - 1].ns
    restored = restore_state(journal, ns, past)
    assert restored.report().experiments == then != state.report().experiments
    for seq, entry in enumerate(entries[CHECKPOINT_ENTRIES:], CHECKPOINT_ENTRIES + 1):
        restored.apply(seq, entry)
    assert restored.report().experiments == state.report().experiments
