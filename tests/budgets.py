"""Budgets of `tests/budgets.toml`: statements of the package and of what the gate loads, and CPU seconds of tests.

python -m tests.budgets statements                         # `make check`; exit code 1: a package has too many
python -m tests.budgets closure                            # `make check`; exit code 1: a gate loads too many
python -m tests.budgets style                              # `make check`; exit code 1: a count of tests.style is too high
python -m tests.budgets cpu test build/costs/test.tsv      # `.ci/run`; exit code 1: the tier is a fifth above
python -m tests.budgets table build/costs/*.tsv            # rewrite tests/costs.tsv from complete runs of all tiers
"""

import argparse
import ast
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests import style
from tests.costs import COLLECTION, KERNELS, TABLE, by_folder, file_of, read

BUDGETS = Path(__file__).with_name("budgets.toml")
PACKAGE = Path(__file__).resolve().parents[1] / "src" / "tercel"
OVER = 1.2
"""CPU seconds vary: a tier may use so many times its budget before it fails."""
MOST_S = 2.0
"""A test of the first tier that uses more CPU seconds needs a reason to be there."""


def statements(source: str) -> int:
    """Statements of a source, without docstrings.

    >>> statements('def f(x):\\n    "Doc."\\n    return x')
    2
    """
    found = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt))
    return sum(not _is_text(node) for node in found)


def _is_text(node: ast.stmt) -> bool:
    value = node.value if isinstance(node, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def packed(source: str) -> int:
    """Targets beyond one each of assignments of a tuple to a tuple.

    >>> packed("a, b, c = 1, 2, 3; d, e = f()")
    2
    """
    assigned = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Assign))
    pairs = ((node.targets[0], node.value) for node in assigned)
    return sum(
        len(target.elts) - 1
        for target, value in pairs
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
    )


def statements_by_package() -> dict[str, int]:
    """Statements of every package directly below `tercel`, and of the modules there."""
    found: dict[str, int] = defaultdict(int)
    for path in PACKAGE.rglob("*.py"):
        found[path.relative_to(PACKAGE).parts[0]] += statements(path.read_text(encoding="utf-8"))
    return found


def check_statements() -> bool:
    """Print every package that has more statements than its budget, or packed ones; whether all keep to theirs."""
    every = tomllib.loads(BUDGETS.read_text(encoding="utf-8"))
    budgets = every["statements"]
    found = statements_by_package()
    over = {name: count for name, count in found.items() if count > budgets.get(name, 0)}
    for name, count in over.items():
        print(
            f"{name}: {count} statements, budget {budgets.get(name, 0)}: take some out; an issue may raise it by name"
        )
    print(f"package: {sum(found.values())} statements, budget {sum(budgets.values())}")
    tuples = sum(packed(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py"))
    if too_many := tuples > every["packed"]["all"]:
        print(
            f"{tuples} packed targets, budget {every['packed']['all']}: write one assignment a line"
        )
    return not (over or too_many)


def file_of_module(module: str) -> Path | None:
    """The source of a module or package of `tercel`; None for any other name."""
    below = PACKAGE.parent.joinpath(*module.split("."))
    found = below.with_suffix(".py"), below / "__init__.py"
    return next((one for one in found if one.is_file()), None)


def imported(source: str) -> Iterator[str]:
    """Names that a module imports when it is loaded: not inside of functions, not for type checkers.

    >>> list(imported("from a import b\\ndef f():\\n    import c\\nif TYPE_CHECKING:\\n    import d"))
    ['a', 'a.b']
    """
    left: list[ast.AST] = [ast.parse(source)]
    while left:
        node = left.pop()
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{one.name}" for one in node.names)
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            left += node.orelse
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            left += ast.iter_child_nodes(node)


def closure(module: str) -> dict[str, int]:
    """Statements of every module of `tercel` that is loaded with one, itself and packages around them included."""
    found: dict[str, int] = {}
    left = [module]
    while left:
        name = left.pop()
        path = file_of_module(name)
        if path is None or name in found:
            continue
        source = path.read_text(encoding="utf-8")
        found[name] = statements(source)
        left += [name.rpartition(".")[0], *imported(source)]
    return found


def check_closures(listed: bool) -> bool:
    """Print how much is loaded with each module that has a budget, with `listed` every module; whether all keep to it."""
    budgets = tomllib.loads(BUDGETS.read_text(encoding="utf-8"))["closure"]
    within = True
    for module, budget in budgets.items():
        found = closure(module)
        for name, count in sorted(found.items()) if listed else ():
            print(f"{count:6} {name}")
        total = sum(found.values())
        print(f"{module} loads {len(found)} modules, {total} statements, budget {budget}")
        within = within and total <= budget
    return within


def check_style() -> bool:
    """Print counts of `tests.style` beside their budgets; whether all keep to theirs."""
    budgets = tomllib.loads(BUDGETS.read_text(encoding="utf-8"))["style"]
    found = style.figures(style.by_package())
    for name, value in found.items():
        print(f"{name}: {value:g}, budget {budgets[name]:g}")
    return all(value <= budgets[name] for name, value in found.items())


def check_cpu(tier: str, record: Path) -> bool:
    """Print every folder above its budget and every expensive test without a reason; whether the tier keeps to its own.

    Parts of the release tier have one budget together: what a part contains changes with the tests.
    """
    budget = tomllib.loads(BUDGETS.read_text(encoding="utf-8"))["cpu_s"][tier]
    factor, tests = read(record)
    compiled_s, *_ = tests.pop(KERNELS, [0.0])
    print(f"{KERNELS}: {compiled_s / factor:.0f} CPU s, in no budget")
    folders = {folder: cpu / factor for folder, (_, cpu) in by_folder(tests).items()}
    for folder, cpu in sorted(folders.items(), key=lambda row: -row[1]):
        known = budget["folders"].get(folder, 0) if "folders" in budget else cpu
        if cpu > OVER * known + 1:
            print(f"{folder}: {cpu:.1f} CPU s, budget {known}")
    reasons = tuple(budget.get("reasons", [""]))
    for test, (cpu, *_) in tests.items():
        if cpu / factor > MOST_S and test != COLLECTION and not test.startswith(reasons):
            print(f"{test}: {cpu / factor:.1f} CPU s, and no reason in {BUDGETS.name}")
    all_s = sum(folders.values())
    print(f"{tier}: {all_s:.0f} CPU s at the speed of the reference, budget {budget['all']}")
    return all_s <= OVER * budget["all"]


def write_table(records: list[Path]) -> None:
    """Write CPU seconds at the reference's speed of every file in each tier, which its record's name says."""
    sums: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0])
    for record in records:
        factor, tests = read(record)
        for test, (cpu, *_) in tests.items():
            if test not in (COLLECTION, KERNELS):
                row = sums[file_of(test), record.stem.removeprefix("test-").split("-")[0]]
                row[0] += cpu / factor
                row[1] += 1
    rows = sorted(
        (f"{cpu:.1f}\t{n}\t{tier}\t{file}\n" for (file, tier), (cpu, n) in sums.items()),
        key=_by_file,
    )
    TABLE.write_text("cpu_s\ttests\ttier\tfile\n" + "".join(rows), encoding="utf-8")


def _by_file(row: str) -> str:
    return row.rsplit("\t", maxsplit=1)[1]


def main(words: list[str] | None = None) -> int:
    """Do what is asked; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.budgets", description=(__doc__ or "").splitlines()[0]
    )
    asked = parser.add_subparsers(dest="what", required=True)
    asked.add_parser("statements", help="count the package's statements")
    asked.add_parser("style", help="count modules, untyped dicts, short functions, words")
    closures = asked.add_parser("closure", help="count what is loaded with the gate")
    closures.add_argument("--modules", action="store_true", help="name every module")
    cpu = asked.add_parser("cpu", help="compare a tier's CPU seconds")
    cpu.add_argument("tier", help="test, long or all (a part of it)")
    cpu.add_argument("record", type=Path, help="what pytest --costs wrote")
    table = asked.add_parser("table", help="write tests/costs.tsv")
    table.add_argument(
        "records", type=Path, nargs="+", help="what pytest --costs wrote, a file a tier"
    )
    found = parser.parse_args(words)
    if found.what == "table":
        write_table(found.records)
        return 0
    if found.what == "closure":
        return int(not check_closures(found.modules))
    if found.what == "style":
        return int(not check_style())
    if found.what == "statements":
        return int(not check_statements())
    return int(not check_cpu(found.tier, found.record))


if __name__ == "__main__":
    sys.exit(main())
