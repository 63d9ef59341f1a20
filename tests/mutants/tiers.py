"""``python -m tests.mutants.tiers``: plant faults all over the package and say which tests find each.

    python -m tests.mutants.tiers --seed 0xf405a0a1 --coverage build/coverage.data   # hours on two cores
    python -m tests.mutants.tiers --seed 1 --group core --group desk/limits          # some groups
    python -m tests.mutants.tiers --seed 1 --part 1/2 --folder /tmp/a                # every second mutant

Drawn at random: 12 changes of one comparison, sign, boolean operator or whole number in each package and the exchange,
and 12 more in each of `desk/limits`, `market/book` and cost accounting. Each is written into a copy of the checkout.
Of `--coverage`, which `make coverage` leaves, the tests of the first two tiers that execute the changed line judge it, the
cheapest first; where none is known (kernels, other processes) the tests of the folder that mirrors its own, or those that
execute anything of its file, and those that name its module or, where there are none, those of its package. A test that
hangs is a failure. Results are kept in build/mutants.jsonl, and a mutant with a result is not judged again.
"""

import argparse
import ast
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from tests.branches import tests_of_file, tests_of_line
from tests.costs import file_of, known_costs
from tests.mutants.generate import ROOM, Mutant, count_places, mutants, tree_of

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "tercel"
COST_ACCOUNTING = (
    "execution/costs.py",
    "execution/reconcile.py",
    "market/simulator/account.py",
    "market/simulator/crossing.py",
    "market/simulator/public_touch.py",
    "desk/engine/outcome.py",
)
NAMED = ("desk/limits", "market/book", "cost accounting")
COUNT = 12
COPIED = (
    "src",
    "tests",
    "benchmarks",
    "certify",
    "docs",
    "exchange",
    "guards",
    "replications",
    "studies",
    "web",
    "deploy",
)
MOST_S = 100.0
"""CPU seconds, as recorded, of the tests that judge one mutant: it counts as survived after them."""
BATCHES_S = (10.0, 40.0, MOST_S)
"""Tests up to so many CPU seconds in all run together; the next batch runs where they find nothing."""
OPTIONS = ["-x", "-q", "-p", "no:cacheprovider", "--timeout=120", "--timeout-method=thread"]
# The thread ends a kernel that never returns, which no signal does.


def files_of(group: str) -> list[Path]:
    """Sources of a package, of the exchange, of a folder of a package, or of what accounts for costs."""
    if group == "cost accounting":
        return [SOURCE / name for name in COST_ACCOUNTING]
    folder = ROOT / group if group == "exchange" else SOURCE / group
    return sorted(folder.rglob("*.py"))


def groups() -> list[str]:
    """Every package, the exchange, and the places that have mutants of their own."""
    packages = sorted(path.parent.name for path in SOURCE.glob("*/__init__.py"))
    return [*packages, "exchange", *NAMED]


def draw_mutants(group: str, seed: int, count: int = COUNT) -> list[Mutant]:
    """So many mutants of a group, each of its places as likely as another."""
    files = [os.path.relpath(path, ROOM) for path in files_of(group)]
    places = [(file, place) for file in files for place in range(count_places(file))]
    drawn = random.Random(f"{seed} {group}").sample(places, count)
    return [mutants(file, {place})[0] for file, place in drawn]


def copy_checkout(root: Path, folder: Path) -> Path:
    """A copy of a checkout to plant faults in, with its data beside it."""
    tree = folder / "tercel"
    ignored = shutil.ignore_patterns("node_modules", "*.egg-info", "__pycache__")
    for name in COPIED:
        shutil.copytree(root / name, tree / name, ignore=ignored)
    for path in root.iterdir():
        if path.is_file():
            shutil.copy(path, tree)
    if (root.parent / "shared").exists():
        (folder / "shared").symlink_to((root.parent / "shared").resolve())
    (tree / "build").mkdir()
    if (root / "build" / "peers").exists():
        (tree / "build" / "peers").symlink_to((root / "build" / "peers").resolve())
    return tree


def judge(mutant: Mutant, tree: Path, data: Path | None) -> dict[str, Any]:
    """Which test of the first two tiers finds a mutant, and how long that took."""
    path = (ROOM / mutant.file).resolve().relative_to(ROOT)
    file = tree / path
    began, source = time.monotonic(), file.read_text(encoding="utf-8")
    known = tests_of_line(data, path.as_posix(), mutant.line) if data else []
    beside, named = ([], []) if known else (files_beside(tree, path), files_that_name(tree, path))
    around = tests_of_file(data, path.as_posix()) if data and not (known or beside) else []
    chosen = (known, beside, named, around)
    batches = chain(*(batches_by_cost(tests) for tests in chosen if tests))
    file.write_text(ast.unparse(tree_of(mutant)) + "\n", encoding="utf-8")
    try:
        test = next(filter(None, (first_failure(tree, batch) for batch in batches)), None)
    finally:
        file.write_text(source, encoding="utf-8")
    return {"test": test, "known": len(known), "seconds": round(time.monotonic() - began)}


def batches_by_cost(tests: list[str]) -> Iterator[list[str]]:
    """Tests from the cheapest on, in batches of growing cost, up to the most that a mutant is worth."""
    functions = Counter(map(file_of, tests))
    costs = {
        test: known_costs().get(file_of(test), 1.0) / functions[file_of(test)] for test in tests
    }
    batch: list[str] = []
    spent, (limit, *limits) = 0.0, BATCHES_S
    for test in sorted(tests, key=lambda test: costs[test]):
        spent += costs[test]
        if spent > limit and batch:
            yield batch
            batch = []
            if not limits:
                return
            limit, *limits = limits
        batch.append(test)
    yield batch


def files_beside(tree: Path, path: Path) -> list[str]:
    """Files of tests in the folder that mirrors a source's folder, or in the nearest one above it."""
    parts = path.parent.relative_to("src/tercel" if path.parts[0] == "src" else ".").parts
    folders = [tree.joinpath("tests", *parts[:count]) for count in range(len(parts), 0, -1)]
    nearest = next(filter(Path.is_dir, folders), None)
    return (
        sorted(str(test.relative_to(tree)) for test in nearest.glob("test_*.py")) if nearest else []
    )


def files_that_name(tree: Path, path: Path) -> list[str]:
    """Files of tests that import a module or have its name; those of its package where there are none."""
    module = path.relative_to("src/tercel") if path.parts[0] == "src" else path
    above, name = list(module.parts[:-1]), module.stem
    names = re.compile(rf"{'.'.join(above)}(\.| import .*\b){name}\b")
    files = [
        str(test.relative_to(tree))
        for test in sorted((tree / "tests").rglob("test_*.py"))
        if test.stem == f"test_{name}" or names.search(test.read_text(encoding="utf-8"))
    ]
    return files or [
        str(test.relative_to(tree)) for test in (tree / "tests" / above[0]).rglob("test_*.py")
    ]


def first_failure(tree: Path, tests: list[str]) -> str | None:
    """The first of some tests that fails in a checkout; None if all pass, or there are none."""
    if not tests:
        return None
    environment = os.environ | {"PYTHONPATH": f"{tree / 'src'}:{tree}", "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-m", "pytest", *OPTIONS, "-m", "not release", *tests]
    ran = subprocess.run(
        words, cwd=tree, env=environment, capture_output=True, text=True, check=False
    )
    if ran.returncode in (0, 5):
        return None
    if "ERROR: not found: " in ran.stdout + ran.stderr:
        raise RuntimeError(
            f"tests that are gone since their coverage was recorded: {ran.stderr[-500:]}"
        )
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", ran.stdout, re.MULTILINE)
    return failed[1] if failed else ran.stdout[-300:]


def main(words: list[str] | None = None) -> int:
    """Judge mutants, each said when it is done; 0."""
    parser = argparse.ArgumentParser(
        prog="tests.mutants.tiers", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--seed", type=lambda text: int(text, 0), default=1)
    parser.add_argument("--group", action="append", choices=groups(), help="of some groups alone")
    parser.add_argument("--part", default="1/1", metavar="I/N", help="the I-th of N parts")
    parser.add_argument("--coverage", type=Path, help="what `make coverage` recorded")
    parser.add_argument("--folder", type=Path, default=Path("/tmp/mutants"), help="for the copy")
    options = parser.parse_args(words)
    part, parts = map(int, options.part.split("/"))
    results = ROOT / "build" / "mutants.jsonl"
    results.parent.mkdir(exist_ok=True)
    lines = results.read_text().splitlines() if results.exists() else []
    known = {(row["seed"], row["group"], row["number"]) for row in map(json.loads, lines)}
    shutil.rmtree(options.folder, ignore_errors=True)
    tree = copy_checkout(ROOT, options.folder)
    wanted = options.group or groups()
    drawn = [
        (group, number, mutant)
        for group in wanted
        for number, mutant in enumerate(draw_mutants(group, options.seed))
    ]
    for group, number, mutant in drawn[part - 1 :: parts]:
        if (options.seed, group, number) in known:
            continue
        path = (ROOM / mutant.file).resolve().relative_to(ROOT).as_posix()
        row = {"seed": options.seed, "group": group, "number": number, "line": mutant.line}
        row |= {"mutant": f"{path}: {mutant.before} -> {mutant.after}"}
        row |= judge(mutant, tree, options.coverage)
        with results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        sys.stdout.write(
            f"{group:15} {number:2} {row['seconds']:5} s  {row['mutant']}  {row['test'] or 'SURVIVED'}\n"
        )
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
