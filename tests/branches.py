"""Branch coverage of the first two tiers by package, and which tests execute a line.

make coverage                                              # runs both tiers, keeps build/coverage.data, prints the table
python -m tests.branches build/coverage.data               # the table again

As a plugin of pytest (`-p tests.branches`, with pytest-cov) it names what is recorded by test function. Kernels run as
machine code, which no tracer sees: their lines count as not executed unless `TERCEL_JIT=0` interprets them.
"""

import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import coverage
import pytest

ROOT = Path(__file__).resolve().parents[1]
BESIDE = ("exchange", "certify", "studies")
_FUNCTION = pytest.StashKey[str]()


def function_of(test: str) -> str:
    """A test's function: the test without its parameters.

    >>> function_of("tests/a.py::test_b[c::d-1]")
    'tests/a.py::test_b'
    """
    return test.partition("[")[0]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Record the lines of each test function under its name."""
    running = coverage.Coverage.current()
    function = function_of(item.nodeid)
    if running is not None and item.session.stash.get(_FUNCTION, None) != function:
        item.session.stash[_FUNCTION] = function
        running.switch_context(function)
    return (yield)


def package_of(file: str) -> str | None:
    """The package that a file is counted under; None for one of no package.

    >>> package_of("src/tercel/core/errors.py"), package_of("exchange/serve.py"), package_of("tests/a.py")
    ('core', 'exchange', None)
    """
    parts = file.split("/")
    if parts[:2] == ["src", "tercel"]:
        return parts[2] if len(parts) > 3 else "tercel"
    return parts[0] if parts[0] in BESIDE else None


def print_table(data: Path) -> None:
    """Print branches, those that were taken, and their share, by package."""
    measured = coverage.Coverage(data_file=str(data), config_file=str(ROOT / "pyproject.toml"))
    measured.load()
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        measured.json_report(outfile=report.name)
        files = json.loads(Path(report.name).read_text(encoding="utf-8"))["files"]
    branches: Counter[str] = Counter()
    taken: Counter[str] = Counter()
    for file, row in files.items():
        package = package_of(file)
        for name in ("all", package) if package else ():
            branches[name] += row["summary"]["num_branches"]
            taken[name] += row["summary"]["covered_branches"]
    print(f"{'':12} {'branches':>9} {'taken':>9} {'%':>6}")
    for name in (*sorted(branches.keys() - {"all"}), "all"):
        share = 100 * taken[name] / max(branches[name], 1)
        print(f"{name:12} {branches[name]:9} {taken[name]:9} {share:6.2f}")


def tests_of_line(data: Path, file: str, line: int) -> list[str]:
    """Test functions that execute a line of a file, whose name is relative to the repository."""
    recorded = coverage.CoverageData(basename=str(data))
    recorded.read()
    contexts = recorded.contexts_by_lineno(file).get(line, [])
    return sorted(context for context in contexts if context)


def tests_of_file(data: Path, file: str) -> list[str]:
    """Test functions that execute anything of a file, whose name is relative to the repository."""
    recorded = coverage.CoverageData(basename=str(data))
    recorded.read()
    lines = recorded.contexts_by_lineno(file).values()
    return sorted({context for contexts in lines for context in contexts if context})


if __name__ == "__main__":
    print_table(Path(sys.argv[1]))
