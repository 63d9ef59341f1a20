"""Names that nobody knows: the nearest is offered, whatever its case, and nothing where nothing is like it."""

import pytest

from tercel.core.errors import nearest, offer

KNOWN = ["pov", "twap_take", "twap_passive", "CSCO"]


def test_the_most_like_come_first_and_case_does_not_count():
    assert nearest("TWAP", KNOWN, 3) == ["twap_take", "twap_passive"]
    assert nearest("csc", KNOWN) == ["CSCO"]


@pytest.mark.parametrize("name", KNOWN)
def test_a_name_is_never_offered_itself(name):
    assert name not in nearest(name, [*KNOWN, name], 9, like=0.0)
    assert offer(name, [name], "move it") == "move it"


def test_nothing_is_offered_where_nothing_is_like_it():
    assert nearest("zzzz", KNOWN) == nearest("pov", []) == nearest("", KNOWN) == []
    assert offer("zzzz", KNOWN, "take it out") == "take it out"
    assert offer(7, KNOWN) == "take one of these"


@pytest.mark.parametrize("far", ["apple", "tesla", "foo", "momentum", "agent"])
def test_a_far_name_gets_the_list_and_no_hint(far):
    known = ["ppo", "es", "goog", "immediate", "amzn", "vwap_passive"]
    assert offer(far, known) == "take one of these"


def test_one_is_offered_as_it_is_written():
    assert offer("csco ", KNOWN) == "try 'CSCO'"
