"""Mutants of the limits: every comparison, boolean operator, sign and whole number of what decides, changed one by one.

That `certify/limits` finds what is wrong is shown by what is planted in `tests/certify/test_stress.py`.
"""

import ast
import tomllib
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path

import tercel.core

ROOM = Path(tercel.core.__file__).parents[1] / "desk" / "limits"
FILES = (
    *(
        "checks.py",
        "gate.py",
        "reported.py",
        "past_counts.py",
        "state.py",
        "scopes.py",
        "order_counts.py",
    ),
    *("watch.py", "change.py", "file.py", "units.py", "limit_sets.py", "persons.py"),
)
COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    **{
        ast.Lt: ast.LtE,
        ast.LtE: ast.Lt,
        ast.Gt: ast.GtE,
        ast.GtE: ast.Gt,
        ast.Eq: ast.NotEq,
        ast.NotEq: ast.Eq,
    },
    **{ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In},
}
SIGNS: dict[type[ast.operator], type[ast.operator]] = {ast.Add: ast.Sub, ast.Sub: ast.Add}
BOOLS: dict[type[ast.boolop], type[ast.boolop]] = {ast.And: ast.Or, ast.Or: ast.And}


PLANTED = -1


@dataclass(frozen=True)
class Mutant:
    """One change of one file.

    Parameters
    ----------
    file : str
    line : int
    place : int
        Which of the places of this file that can be changed, from 0; `PLANTED`: its text is another.
    before, after : str
        The expression.
    tests : tuple of str
        Files of tests, below `tests`, that have to notice it; none: those of the limits.
    """

    file: str
    line: int
    place: int
    before: str
    after: str
    tests: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Stays when lines are added elsewhere: file, expression, what becomes of it."""
        return f"{self.file}: {self.before} -> {self.after}"


def count_places(file: str) -> int:
    """How many mutants a file has."""
    return sum(1 for _ in _places(_parsed(file)))


def mutants(file: str, places: Container[int] | None = None) -> list[Mutant]:
    """The mutants of a file, in the order of its places: every one, or those of some places."""
    found = []
    for place, (node, owner) in enumerate(list(_places(_parsed(file)))):
        if places is not None and place not in places:
            continue
        whole, before = dict(vars(node[0])), _text(owner)
        _change(node)
        found.append(Mutant(file, whole["lineno"], place, before, _text(owner)))
        vars(node[0]).update(whole)
    return found


def tree_of(mutant: Mutant) -> ast.Module:
    """The changed file, to compile."""
    if mutant.place == PLANTED:
        return ast.parse(_source(mutant.file).replace(mutant.before, mutant.after))
    tree = _parsed(mutant.file)
    node, _ = list(_places(tree))[mutant.place]
    _change(node)
    return ast.fix_missing_locations(tree)


def _parsed(file: str) -> ast.Module:
    return ast.parse(_source(file))


def _source(file: str) -> str:
    return (ROOM / file).read_text(encoding="utf-8")


_Place = tuple[ast.AST, int]


def _places(tree: ast.Module) -> Iterator[tuple[_Place, ast.AST]]:
    """What can be changed, and the smallest expression or statement around it that says what it is for."""
    skip = {
        id(each)
        for node in ast.walk(tree)
        for hint in (getattr(node, "annotation", None), getattr(node, "returns", None))
        if hint is not None
        for each in ast.walk(hint)
    }
    for owner, node in _walk(tree, tree):
        if id(node) in skip:
            continue
        if isinstance(node, ast.Compare):
            for at, op in enumerate(node.ops):
                if type(op) in COMPARED:
                    yield (node, at), owner
        elif (
            isinstance(node, ast.BoolOp)
            or (isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in SIGNS)
            or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub))
            or (isinstance(node, ast.Constant) and type(node.value) is int)
        ):
            yield (node, 0), owner


def _walk(node: ast.AST, owner: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    for child in ast.iter_child_nodes(node):
        simple = isinstance(child, ast.expr) and not isinstance(owner, ast.stmt | ast.expr)
        around = child if isinstance(child, ast.stmt) or simple else owner
        yield around, child
        yield from _walk(child, around)


def _change(place: _Place) -> None:
    node, at = place
    if isinstance(node, ast.Compare):
        node.ops = [COMPARED[type(op)]() if each == at else op for each, op in enumerate(node.ops)]
    elif isinstance(node, ast.BoolOp):
        node.op = BOOLS[type(node.op)]()
    elif isinstance(node, ast.BinOp | ast.AugAssign):
        node.op = SIGNS[type(node.op)]()
    elif isinstance(node, ast.UnaryOp):
        node.op = ast.UAdd() if isinstance(node.op, ast.USub) else node.op
        if isinstance(node.op, ast.Not):
            node.operand = ast.UnaryOp(ast.Not(), node.operand)
    elif isinstance(node, ast.Constant):
        node.value += 1


def _text(node: ast.AST) -> str:
    """The first line of what it says; of a compound statement its head."""
    return ast.unparse(node).split("\n", 1)[0]


def planted() -> list[Mutant]:
    """The changes of `planted.toml`."""
    listed = tomllib.loads(Path(__file__).with_name("planted.toml").read_text(encoding="utf-8"))[
        "planted"
    ]
    found = []
    for one in listed:
        before, _, after = _source(one["file"]).partition(one["before"])
        assert after, f"{one['before']} is not in {one['file']}"
        assert one["before"] not in after, f"{one['before']} comes twice in {one['file']}"
        tests = tuple(one.get("tests", ()))
        found.append(
            Mutant(one["file"], before.count("\n") + 1, PLANTED, one["before"], one["after"], tests)
        )
    return found


def every() -> list[Mutant]:
    """All mutants, file after file, then those that are planted."""
    return [*(each for file in FILES for each in mutants(file)), *planted()]
