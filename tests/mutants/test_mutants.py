"""The generator makes what it says; a sample of mutants is killed by the fast tests. All: `python -m tests.mutants`."""

import ast

import pytest
from tests.mutants.__main__ import MOST, equivalents
from tests.mutants.generate import FILES, ROOM, Mutant, every, planted, tree_of
from tests.mutants.run import FAST, SURVIVED, fate_of

pytestmark = pytest.mark.release

SAMPLE = 12


def test_there_are_enough_and_each_is_one_change() -> None:
    found = every()
    assert len(found) >= 100
    assert {each.file for each in found if not each.tests} == set(FILES)
    for each in found[: -len(planted()) : len(found) // 25]:
        whole = ast.unparse(ast.parse((ROOM / each.file).read_text(encoding="utf-8"))).split("\n")
        changed = ast.unparse(tree_of(each)).split("\n")
        assert len(whole) == len(changed)
        assert sum(one != other for one, other in zip(whole, changed, strict=True)) == 1, each.name


def test_what_is_called_equivalent_is_a_mutant() -> None:
    assert set(equivalents()) <= {each.name for each in every()}
    assert len(equivalents()) <= MOST


def _sample() -> list[Mutant]:
    known = equivalents()
    found = [
        each
        for each in every()
        if each.name not in known
        and each.file in ("checks.py", "gate.py", "reported.py", "state.py")
    ]
    return [
        *found[: -len(planted()) : len(found) // SAMPLE][:SAMPLE],
        *planted()[:: len(planted()) // SAMPLE],
    ]


@pytest.mark.parametrize(
    "mutant", _sample(), ids=lambda mutant: f"{mutant.file}-{mutant.line}-{mutant.place}"
)
def test_a_mutant_is_killed(mutant: Mutant) -> None:
    assert fate_of(mutant, FAST).fate != SURVIVED, mutant.name
