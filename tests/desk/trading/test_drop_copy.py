"""A drop copy against the order session: every kind of break is found, once, and nothing else is."""

from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from tercel.core.fixed_point import ONE
from tercel.core.orders import ExecType, OrdStatus, Report
from tercel.desk.gate.copy_watch import CopyWatch

EXEC = Report(
    "e1", ExecType.TRADE, OrdStatus.FILLED, "o1", "", "V1", "ann", "X", 1, 10, 100, 10, 100, 10, 0, 1
)  # fmt: skip
WORDS = {
    "price": {"last_px": 101 * ONE},
    "quantity": {"last_qty": 9 * ONE},
    "side": {"side": -1},
    "account": {"account": "eve"},
    "kind": {"exec_type": ExecType.BUSTED, "ref": "e0"},
}


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def watch(clock):
    return CopyWatch(seconds=2.0, clock=clock)


def kinds_of(found):
    return [one.kind for one in found]


@pytest.mark.parametrize("copy_first", [True, False])
@pytest.mark.parametrize("kind", WORDS)
def test_a_break_of_each_kind_is_found(watch, kind, copy_first):
    steps = [lambda: watch.add_copy(replace(EXEC, **WORDS[kind])), lambda: watch.add_own(EXEC)]
    for step in steps if copy_first else steps[::-1]:
        step()
    (found,) = watch.take_breaks(["ann"])
    assert found.kind == kind
    assert "ann" in found.accounts
    assert watch.take_breaks(["ann"]) == []


def test_what_one_side_alone_has_is_found_in_time(watch, clock):
    watch.add_copy(EXEC)
    watch.add_own(replace(EXEC, exec_id="e2"))
    clock.now = 1.99
    assert watch.take_breaks(["ann"]) == []
    clock.now = 2.0
    missing, extra = watch.take_breaks(["ann"])
    assert (missing.kind, missing.report, extra.kind, extra.report) == (
        "missing",
        EXEC,
        "extra",
        None,
    )
    watch.add_own(EXEC)  # it came after all: it was told, and is paired
    clock.now = 9.0
    assert watch.take_breaks(["ann"]) == []


def test_a_copy_that_is_down_shows_nothing_as_extra_until_it_had_its_time(watch, clock):
    watch.set_link(False)
    watch.add_own(EXEC)
    clock.now = 10.0
    assert watch.take_breaks(["ann"]) == []
    watch.set_link(True)
    assert watch.take_breaks(["ann"]) == []
    clock.now = 12.0
    assert kinds_of(watch.take_breaks(["ann"])) == ["extra"]


def test_others_and_what_was_booked_before_are_passed_over(clock):
    watch = CopyWatch(lambda report: report.exec_id == "old", 2.0, clock)
    watch.add_copy(replace(EXEC, exec_id="old"))
    watch.add_copy(replace(EXEC, account="nobody's"))
    watch.add_copy(replace(EXEC, exec_id="n", exec_type=ExecType.NEW))
    clock.now = 5.0
    assert watch.take_breaks(["ann"]) == []


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(1, 3)), max_size=40))
def test_every_execution_comes_to_one_verdict(seen):
    """The twin: the sets of names that each side said; equal words, repeated and in any order."""
    clock, sides = Clock(), {True: set(), False: set()}
    watch = CopyWatch(seconds=2.0, clock=clock)
    for name, copy, times in seen:
        for _ in range(times):
            (watch.add_copy if copy else watch.add_own)(replace(EXEC, exec_id=f"e{name}"))
        sides[copy].add(name)
    clock.now = 3.0
    found = kinds_of(watch.take_breaks(["ann"]))
    assert found.count("missing") == len(sides[True] - sides[False])
    assert found.count("extra") == len(sides[False] - sides[True])
    assert len(found) == len(sides[True] ^ sides[False])
