"""Names that nobody knows: the nearest is offered, whatever its case, and nothing where nothing is like it."""

import pytest

from tercel.core.errors import nearest_names, suggest_name

KNOWN = ["pov", "twap_take", "twap_passive", "CSCO"]


def test_the_most_like_come_first_and_case_does_not_count():
    assert nearest_names("TWAP", KNOWN, 3) == ["twap_take", "twap_passive"]
    assert nearest_names("csc", KNOWN) == ["CSCO"]


@pytest.mark.parametrize("name", KNOWN)
def test_a_name_is_never_offered_itself(name):
    assert name not in nearest_names(name, [*KNOWN, name], 9, min_similarity=0.0)
    assert suggest_name(name, [name], "move it") == "move it"


def test_nothing_is_offered_where_nothing_is_like_it():
    assert (
        nearest_names("zzzz", KNOWN) == nearest_names("pov", []) == nearest_names("", KNOWN) == []
    )
    assert suggest_name("zzzz", KNOWN, "take it out") == "take it out"
    assert suggest_name(7, KNOWN) == "take one of these"


@pytest.mark.parametrize("far", ["apple", "tesla", "foo", "momentum", "agent"])
def test_a_far_name_gets_the_list_and_no_hint(far):
    known = ["ppo", "es", "goog", "immediate", "amzn", "vwap_passive"]
    assert suggest_name(far, known) == "take one of these"


def test_one_is_offered_as_it_is_written():
    assert suggest_name("csco ", KNOWN) == "try 'CSCO'"
