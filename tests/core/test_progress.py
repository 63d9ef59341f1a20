"""Progress on any output: bars on a terminal, a line now and then elsewhere."""

import pytest

from tercel.core import progress as said


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that have passed, which the test sets."""
    now = [0.0]
    monkeypatch.setattr(said.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is said."""
    told: list[str] = []
    monkeypatch.setattr(said, "say", told.append)
    return told


def test_without_a_terminal_a_line_now_and_then_says_how_far_it_is_and_what_is_left(
    clock: list[float], lines: list[str]
) -> None:
    with said.progress(counted=True, transient=True, now=True) as shown:
        shown.get_time = lambda: clock[0]
        task = shown.add_task("round", total=100, now="calm")
        for done in range(1, 101):
            clock[0] += 1.0
            shown.update(task, completed=done)
        for _ in range(100):  # over: nothing more is said of it
            clock[0] += 1.0
            shown.update(task, completed=100)
    assert lines[:2] == [
        "round: 10 of 100, some 90 s left calm",
        "round: 20 of 100, some 80 s left calm",
    ]
    assert (len(lines), lines[-1]) == (10, "round: 100 of 100 calm")


def test_a_share_and_something_without_a_total_are_told_as_well(
    clock: list[float], lines: list[str]
) -> None:
    bars = said.progress(now=True)
    bars.get_time = lambda: clock[0]
    share, reading = (
        bars.add_task("train", total=8.0, now=""),
        bars.add_task("reading", total=None, now=""),
    )
    clock[0] += 11.0
    bars.advance(share, 2)
    clock[0] += 11.0
    bars.update(reading, now="7 MB")
    assert lines == ["train: 25 %, some 33 s left", "reading: 7 MB"]
