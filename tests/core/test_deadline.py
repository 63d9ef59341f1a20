"""Calls that must end in time: Python that loops, and a library that is asked to stop."""

import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given, strategies as st
from tests.waiting import DEADLINE_S

from tercel.core.pool import Deadline, stop_at_deadline


@pytest.fixture(scope="module")
def deadline() -> Iterator[Deadline]:
    made = Deadline(0.005)
    made.start()
    yield made
    made.stop()


def circles() -> None:
    while True:
        pass


def stubborn() -> None:
    """Swallows the first interruption."""
    try:
        circles()
    except BaseException:
        circles()


@pytest.mark.parametrize("act", [circles, stubborn])
def test_python_that_loops_is_interrupted(
    deadline: Deadline, act: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tercel.core.pool._AGAIN_S", 0.1)
    with pytest.raises(TimeoutError, match=r"within 0\.02 s"):
        deadline.call(act, 0.02)  # type: ignore[arg-type]
    assert deadline.call(lambda: sum(range(100_000)), DEADLINE_S) == 4_999_950_000


def test_an_error_of_its_own_is_told(deadline: Deadline) -> None:
    with pytest.raises(ZeroDivisionError):
        deadline.call(lambda: 1 // 0, DEADLINE_S)


def test_a_library_is_asked_to_stop(deadline: Deadline) -> None:
    asked = threading.Event()

    def library() -> None:
        with stop_at_deadline(asked.set):
            assert asked.wait(DEADLINE_S)
            raise RuntimeError("told to stop")

    with pytest.raises(TimeoutError):
        deadline.call(library, 0.01)


def test_without_a_deadline_nobody_is_asked() -> None:
    with stop_at_deadline(lambda: pytest.fail("asked")):
        pass


@given(st.lists(st.integers(1, 4000), min_size=5, max_size=5))
def test_what_ends_about_in_time_is_answered_or_late_and_nothing_is_left_over(
    loops: list[int],
) -> None:
    """Interruptions that come as a call ends reach nobody after it."""
    deadline = Deadline(0.0002)
    deadline.start()
    for loop in loops:
        with suppress(TimeoutError):
            assert deadline.call(lambda n=loop: sum(range(n)), 0.0001) == loop * (loop - 1) // 2
        assert sum(range(2000)) == 1_999_000
    deadline.stop()
