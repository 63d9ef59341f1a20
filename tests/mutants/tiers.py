"""``python -m tests.mutants.tiers``: plant faults where they lose money, and say which tier of tests finds each.

    python -m tests.mutants.tiers                     # 40 mutants, half of them in kernels; hours on two cores
    python -m tests.mutants.tiers --root ../before    # the same mutants judged by the tests of another checkout
    python -m tests.mutants.tiers --only 3 17         # some of them, by number

Each mutant is written into a copy of the checkout. Files of tests that name its module run first, then those of its
sub-package, of its package, and of every package that imports it, first of the tier `test`, then of `long`, then of `release`,
until one fails. A test that hangs is a failure. Results are kept in build/mutants.jsonl of this checkout, and a mutant
with a result is not run again.
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
from pathlib import Path
from typing import Any

from tests.mutants.generate import Mutant, mutants, tree_of

ROOT = Path(__file__).resolve().parents[2]
PLAIN = [
    *(
        "core/lifecycle.py",
        "desk/trading/child_orders/fold.py",
        "desk/limits/checks.py",
        "desk/limits/gate.py",
    ),
    *("desk/trading/gateway.py", "desk/trading/ledger.py", "desk/trading/journal/store.py"),
    *("desk/trading/journal/log.py", "fix/protocol/session.py", "fix/protocol/outbox.py"),
    *(
        "venues/binance_venue/orders.py",
        "venues/binance_venue/tracker.py",
        "core/stats/bootstrap.py",
    ),
    *(
        "core/stats/inference.py",
        "signals/panel/panel.py",
        "signals/sources/tables.py",
        "execution/costs.py",
    ),
]
KERNELS = [
    *(
        "market/book/ladder.py",
        "market/book/book.py",
        "execution/reconcile.py",
    ),
    *("market/simulator/account.py", "market/simulator/crossing.py", "market/simulator/entry.py"),
    *("market/simulator/bounds.py", "execution/step.py", "execution/driver_kernels.py"),
]
COPIED = (
    "src",
    "tests",
    "benchmarks",
    "certify",
    "docs",
    "guards",
    "replications",
    "studies",
    "web",
    "deploy",
)
TIERS = {"test": "not long and not release", "long": "long and not release", "release": "release"}
# The thread ends a kernel that never returns, which no signal does.
WORDS = [
    "-m",
    "pytest",
    "-x",
    "-q",
    "-n",
    "2",
    "--dist",
    "loadfile",
    "--timeout=300",
    "--timeout-method=thread",
]


def chosen(seed: int, count: int) -> list[Mutant]:
    """So many mutants, half of plain Python and half of kernels; the files take turns."""
    rng = random.Random(seed)
    found = []
    for files, wanted in ((PLAIN, count - count // 2), (KERNELS, count // 2)):
        places = {file: mutants(f"../../{file}") for file in files}
        turns = [files[at % len(files)] for at in range(wanted)]
        found += [places[file].pop(rng.randrange(len(places[file]))) for file in turns]
    return found


def packages_of(module: str) -> list[str]:
    """Folders below `tercel` whose tests judge a module: its sub-package, its package, and packages that import it."""
    *above, _ = module.split("/")
    package = above[0]
    packages = [
        path.name
        for path in (ROOT / "src" / "tercel").iterdir()
        if (path / "__init__.py").is_file()
    ]
    asks = re.compile(rf"\btercel\.{package}\b")
    asking = [
        one
        for one in sorted(packages)
        if any(
            asks.search(path.read_text(encoding="utf-8"))
            for path in (ROOT / "src/tercel" / one).rglob("*.py")
        )
    ]
    return list(dict.fromkeys(["/".join(above), package, *asking]))


def copy_of(root: Path, folder: Path) -> Path:
    """A copy of a checkout to plant faults in, with its data beside it."""
    tree = folder / "tercel"
    for name in COPIED:
        shutil.copytree(
            root / name, tree / name, ignore=shutil.ignore_patterns("node_modules", "*.egg-info")
        )
    for path in root.iterdir():
        if path.is_file():
            shutil.copy(path, tree)
    if (root.parent / "shared").exists():
        (folder / "shared").symlink_to((root.parent / "shared").resolve())
    (tree / "build").mkdir()
    if (root / "build" / "peers").exists():
        (tree / "build" / "peers").symlink_to((root / "build" / "peers").resolve())
    return tree


def judged(mutant: Mutant, tree: Path) -> dict[str, Any]:
    """Which tier finds a mutant, by which test, and how long that took."""
    module = mutant.file.removeprefix("../../")
    file = tree / "src" / "tercel" / module
    source, began = file.read_text(encoding="utf-8"), time.monotonic()
    file.write_text(ast.unparse(tree_of(mutant)) + "\n", encoding="utf-8")
    try:
        tier, test = _first_failure(
            tree, [naming(tree, module), *([f"tests/{one}"] for one in packages_of(module))]
        )
    finally:
        file.write_text(source, encoding="utf-8")
    return {"tier": tier, "test": test, "seconds": round(time.monotonic() - began)}


def naming(tree: Path, module: str) -> list[str]:
    """Files of tests that import a module, or are named after it."""
    above, _, last = module.removesuffix(".py").replace("/", ".").rpartition(".")
    names = re.compile(rf"tercel\.{above}(\.| import .*\b){last}\b")
    files = (tree / "tests").rglob("test_*.py")
    found = [
        path
        for path in files
        if path.stem == f"test_{last}" or names.search(path.read_text(encoding="utf-8"))
    ]
    return sorted(str(path.relative_to(tree)) for path in found)


def _first_failure(tree: Path, steps: list[list[str]]) -> tuple[str | None, str | None]:
    path = f"{tree / 'src'}:{tree}"
    environment = os.environ | {
        "PYTHONPATH": path,
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    there = [step for step in steps if step and (tree / step[0]).exists()]
    for tier, marks in TIERS.items():
        for at, step in enumerate(there):
            done = [f"--ignore={each}" for earlier in there[:at] for each in earlier]
            words = [sys.executable, *WORDS, "-m", marks, *step, *done]
            ran = subprocess.run(
                words, cwd=tree, env=environment, capture_output=True, text=True, check=False
            )
            if ran.returncode not in (0, 5):
                failed = re.search(r"^(?:FAILED|ERROR) (\S+)", ran.stdout, re.MULTILINE)
                return tier, failed[1] if failed else ran.stdout[-300:]
    return None, None


def main(words: list[str] | None = None) -> int:
    """Judge mutants, each said when it is done; 0."""
    parser = argparse.ArgumentParser(
        prog="tests.mutants.tiers", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout whose tests judge")
    parser.add_argument("--only", type=int, nargs="+", help="numbers of mutants, from 0")
    parser.add_argument(
        "--folder", type=Path, default=Path("/tmp/mutants"), help="where the copy goes"
    )
    asked = parser.parse_args(words)
    kept = ROOT / "build" / "mutants.jsonl"
    kept.parent.mkdir(exist_ok=True)
    known = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    shutil.rmtree(asked.folder, ignore_errors=True)
    tree = copy_of(asked.root.resolve(), asked.folder)
    for number, mutant in enumerate(chosen(asked.seed, asked.count)):
        key = {"root": str(asked.root), "seed": asked.seed, "count": asked.count, "number": number}
        if (asked.only and number not in asked.only) or any(
            key.items() <= each.items() for each in known
        ):
            continue
        row = (
            key
            | {"mutant": mutant.name.removeprefix("../../"), "line": mutant.line}
            | judged(mutant, tree)
        )
        with kept.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        sys.stdout.write(
            f"{number:3} {row['tier'] or 'survived':9} {row['seconds']:5} s  {row['mutant']}  {row['test']}\n"
        )
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
