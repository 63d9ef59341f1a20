"""Limits of `tests/budgets.toml`: statements, what the gate loads, counts of style, CPU seconds of tests.

python -m tests.budgets size                               # `make check`; exit code 1: a figure is above its limit
python -m tests.budgets modules                            # every module that is loaded with the gate
python -m tests.budgets cpu test build/costs/test.tsv      # `.ci/run`; exit code 1: the tier is a fifth above
python -m tests.budgets table build/costs/*.tsv            # rewrite tests/costs.tsv from complete runs of all tiers

Exit code 2: the file of limits cannot be read, lacks a limit, or has one of something that does not exist.
"""

import argparse
import ast
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.costs import COLLECTION, KERNELS, TABLE, by_folder, file_of, read
from tests.reading import count_statements, measure

BUDGETS = Path(__file__).with_name("budgets.toml")
ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "tercel"
OUTSIDE = {".venv", "build", "node_modules", "__pycache__"}
"""Folders of the checkout whose sources are not the project's."""
PARSERS = ("feeds", "fix", "venues", "signals/sources", "core/tables")
"""Folders that read messages and files of others by key."""
CODE = ("packed_assignments", "untyped_dicts", "key_reads")
GATE = {"tercel.desk.gate.server", "tercel.desk.gate.__main__"}
TIERS = ("test", "long", "all")
OVER = 1.2
"""CPU seconds vary: a tier may use so many times its budget before it fails."""
MOST_S = 2.0
"""A test of the first tier that uses more CPU seconds needs a reason to be there."""


class BudgetError(Exception):
    """The file of limits is not what it has to be."""


def statements(source: str) -> int:
    """Statements of a source: no docstring, no import, and a packed assignment once for each of its targets.

    So a module that is cut in two, and an assignment that is unpacked, cost nothing.

    >>> statements('import a\\ndef f(x):\\n    "Doc."\\n    y, z = x, 1\\n    return y')
    4
    """
    tree = ast.parse(source)
    imports = sum(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(tree))
    return count_statements(tree) - imports + count_code(source)["packed_assignments"]


def count_code(source: str, parser: bool = False) -> Counter[str]:
    """Packed assignments, untyped dictionaries and reads by key (none of a parser) of a source.

    A packed assignment counts once for each target beyond the first of a tuple or list assigned to one.

    >>> count_code("a, (b, c) = 1, (2, 3); d, e = f(); x = [g, h] = [1, 2]")["packed_assignments"]
    4
    >>> sorted(count_code('def f(x: dict[str, Any]) -> int:\\n    return x["n"]').items())
    [('key_reads', 1), ('packed_assignments', 0), ('untyped_dicts', 1)]
    """
    counts = Counter(dict.fromkeys(CODE, 0))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assign):
            if isinstance(node.value, ast.Tuple | ast.List):
                counts["packed_assignments"] += sum(map(_count_names, node.targets)) - 1
        elif isinstance(node, ast.Subscript):
            counts["untyped_dicts"] += ast.unparse(node) == "dict[str, Any]"
            key = node.slice.value if isinstance(node.slice, ast.Constant) else None
            is_read = isinstance(key, str) and isinstance(node.ctx, ast.Load)
            counts["key_reads"] += is_read and not parser
    return counts


def _count_names(target: ast.expr) -> int:
    """Names that an assignment to a target binds, inside of tuples and lists."""
    is_packed = isinstance(target, ast.Tuple | ast.List)
    return sum(map(_count_names, target.elts)) if is_packed else 1


def count_package() -> tuple[dict[str, int], dict[str, int]]:
    """Statements of each package directly below `tercel` and of the modules there, and counts of all its code."""
    sizes: Counter[str] = Counter()
    code: Counter[str] = Counter(dict.fromkeys(CODE, 0))
    for path in PACKAGE.rglob("*.py"):
        below = path.relative_to(PACKAGE)
        source = path.read_text(encoding="utf-8")
        sizes[below.parts[0]] += statements(source)
        code.update(count_code(source, below.as_posix().startswith(PARSERS)))
    return sizes, code


def count_repository() -> int:
    """Statements of every source of the checkout."""
    paths = (path for path in ROOT.rglob("*.py") if not OUTSIDE & {*path.relative_to(ROOT).parts})
    return sum(statements(path.read_text(encoding="utf-8")) for path in paths)


def file_of_module(module: str) -> Path | None:
    """The source of a module or package of `tercel`; None for any other name."""
    below = PACKAGE.parent.joinpath(*module.split("."))
    paths = below.with_suffix(".py"), below / "__init__.py"
    return next((path for path in paths if path.is_file()), None)


def imported_names(source: str) -> Iterator[str]:
    """Names that a module imports when it is loaded: not inside of functions, not for type checkers.

    >>> list(imported_names("from a import b\\ndef f():\\n    import c\\nif TYPE_CHECKING:\\n    import d"))
    ['a', 'a.b']
    """
    nodes: list[ast.AST] = [ast.parse(source)]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            nodes += node.orelse
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            nodes += ast.iter_child_nodes(node)


def closure(module: str) -> dict[str, int]:
    """Statements of every module of `tercel` that is loaded with one, itself and packages around them included."""
    sizes: dict[str, int] = {}
    names = [module]
    while names:
        name = names.pop()
        path = file_of_module(name)
        if path is None or name in sizes:
            continue
        source = path.read_text(encoding="utf-8")
        sizes[name] = statements(source)
        names += [name.rpartition(".")[0], *imported_names(source)]
    return sizes


def read_budgets(path: Path) -> dict[str, Any]:
    """The file of limits, each a positive whole number.

    Raises
    ------
    BudgetError
        For a file that is no TOML, and a section or limit that is missing, unknown or no positive whole number.
    """
    try:
        budgets = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # bytes that are no text, text that is no TOML
        raise BudgetError(f"expected TOML, received: {error}") from None
    _compare_keys("sections", budgets, {"statements", "closure", "code", "cpu_s"})
    packages = {path.relative_to(PACKAGE).parts[0] for path in PACKAGE.rglob("*.py")}
    _expect_sections(budgets)
    tiers = {f"cpu_s.{tier}": section for tier, section in budgets["cpu_s"].items()}
    _expect_sections(tiers)
    _expect_sections(
        {f"{name}.folders": section.get("folders", {}) for name, section in tiers.items()}
    )
    _compare_keys("limits of [statements]", budgets["statements"], packages | {"repository"})
    _compare_keys("limits of [code]", budgets["code"], set(CODE))
    _compare_keys("tiers of [cpu_s]", budgets["cpu_s"], set(TIERS))
    for module in budgets["closure"]:
        if file_of_module(module) is None:
            raise BudgetError(f"[closure] {module}: expected a module of tercel")
    if missing := GATE - budgets["closure"].keys():
        raise BudgetError(f"[closure]: expected limits of {', '.join(sorted(missing))}")
    limits = [(name, budgets[name]) for name in ("statements", "closure", "code")]
    for name, section in tiers.items():
        unknown = section.keys() - {"all", "folders", "reasons"}
        if unknown or "all" not in section:
            raise BudgetError(
                f"[{name}]: expected all, folders, reasons; received {', '.join(section)}"
            )
        limits += [(name, {"all": section["all"]} | section.get("folders", {}))]
    for name, values in limits:
        for key, value in values.items():
            if type(value) is not int or value < 1:
                raise BudgetError(
                    f"[{name}] {key}: expected a positive whole number, received {value!r}"
                )
    return budgets


def _expect_sections(values: dict[str, Any]) -> None:
    for name, value in values.items():
        if not isinstance(value, dict):
            raise BudgetError(f"[{name}]: expected a section, received {value!r}")


def _compare_keys(kind: str, received: dict[str, Any], expected: set[str]) -> None:
    if missing := sorted(expected - received.keys()):
        raise BudgetError(f"{kind}: no {', '.join(missing)}; add it")
    if unknown := sorted(received.keys() - expected):
        raise BudgetError(f"{kind}: {', '.join(unknown)} is unknown; take it out")


def check_size() -> bool:
    """Print every figure beside its limit and what is free, then how the code reads; whether all keep to theirs."""
    budgets = read_budgets(BUDGETS)
    sizes, code = count_package()
    modules = {module: sum(closure(module).values()) for module in budgets["closure"]}
    figures = {
        "statements": {**sizes, "repository": count_repository()},
        "closure": modules,
        "code": code,
    }
    within = True
    print(f"{'':40} {'figure':>8} {'limit':>8} {'free':>6} {'%':>5}")
    for section, values in figures.items():
        for name, value in sorted(values.items()):
            limit = budgets[section][name]
            free = limit - value
            within = within and free >= 0
            text = "" if free >= 0 else "  too many: take some out; an issue may raise the limit"
            print(
                f"{section + ' ' + name:40} {value:8} {limit:8} {free:6} {100 * free / limit:5.1f}{text}"
            )
    print(f"package {sum(sizes.values())} statements; how it reads, without limits:")
    for name, value in measure(PACKAGE)[0].items():
        print(f"{name:40} {value:8.1f}" if isinstance(value, float) else f"{name:40} {value:8}")
    return within


def print_modules() -> None:
    """Print every module that is loaded with each module that has a limit."""
    for module in read_budgets(BUDGETS)["closure"]:
        sizes = closure(module)
        print(f"{module} loads {len(sizes)} modules, {sum(sizes.values())} statements")
        for name, count in sorted(sizes.items()):
            print(f"{count:6} {name}")


def check_cpu(tier: str, record: Path) -> bool:
    """Print every folder above its budget and every expensive test without a reason; whether the tier keeps to its own.

    Parts of the release tier have one budget together: what a part contains changes with the tests.
    """
    budget = read_budgets(BUDGETS)["cpu_s"][tier]
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
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("size", help="compare statements, what the gate loads and counts of style")
    commands.add_parser("modules", help="name every module that is loaded with the gate")
    cpu = commands.add_parser("cpu", help="compare a tier's CPU seconds")
    cpu.add_argument("tier", choices=TIERS, help="a tier (a part of it)")
    cpu.add_argument("record", type=Path, help="what pytest --costs wrote")
    table = commands.add_parser("table", help="write tests/costs.tsv")
    table.add_argument(
        "records", type=Path, nargs="+", help="what pytest --costs wrote, a file a tier"
    )
    options = parser.parse_args(words)
    try:
        if options.command == "size":
            return int(not check_size())
        if options.command == "cpu":
            return int(not check_cpu(options.tier, options.record))
        if options.command == "modules":
            print_modules()
        else:
            write_table(options.records)
    except BudgetError as error:
        print(f"{BUDGETS.name}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
