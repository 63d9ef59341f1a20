"""What tests cost: a pytest plugin that records CPU seconds, orders files by them, and divides the release tier.

    python -m pytest --costs build/costs/test.tsv      # record, print the most expensive tests and the sum per folder
    python -m pytest -m release --part 2               # the second of six parts of about equal cost

A test is charged what its process and the ended processes that it started used between its beginning and its end
(`resource.getrusage`), fixtures included: a fixture of a module is charged to the first test that asks for it. What a
worker uses besides (imports, collection) is the row `(collection)`. Kernels that it compiled are the row `(kernels)`:
they are charged to no test and no budget, since a second run finds them in the cache. CPU seconds are compared after
division by the machine's factor: the CPU seconds of a fixed loop here over those on the machine for which budgets are
written. The loop runs between tests: a machine is slower when both cores are busy, or shared with others.
"""

import os
import re
import resource
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from statistics import harmonic_mean
from typing import Any

import pytest

TABLE = Path(__file__).with_name("costs.tsv")
"""CPU seconds of every file of tests in each tier, as last recorded: `python -m tests.budgets table`."""
REFERENCE_S = 0.033
"""CPU seconds of `loop_s` on the machine for which budgets are written."""
BETWEEN_S = 5.0
"""CPU seconds of tests from one loop to the next, in each worker."""
PARTS = 6
"""Parts of the release tier. A run in CI has one of them."""
UNKNOWN_S = 2.0
"""CPU seconds of a test of a file that the table does not have."""
MOST_EXPENSIVE = 40
WHOLE_FILE = re.compile(r"^pytestmark = pytest\.mark\.(long|release)\b", re.MULTILINE)
COLLECTION, KERNELS = "(collection)", "(kernels)"


def used_s() -> tuple[float, float]:
    """CPU seconds of this process without those of compiling, and of the processes it started that have ended."""
    own, children = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    forked = sys.modules.get("tests.forked")  # its processes are children of another process
    of_forked = forked.used_s() if forked else 0.0
    return (
        own.ru_utime + own.ru_stime - compiled_s(),
        children.ru_utime + children.ru_stime + of_forked,
    )


def compiled_s() -> float:
    """CPU seconds in which this process has compiled kernels."""
    keys: Any = sys.modules.get("tercel.core.kernel_keys")
    return float(keys._spent[0]) if keys else 0.0


def loop_s() -> float:
    """CPU seconds of a fixed loop of Python: how slow this machine is now."""
    began = time.process_time()
    sum(i * i for i in range(10**6))
    return time.process_time() - began


def file_of(test: str) -> str:
    """File of a test, relative to the repository."""
    return test.split("::", maxsplit=1)[0]


def folder_of(test: str) -> str:
    """Folder of a test's file, at most two below the first."""
    path = file_of(test)
    return "/".join(path.split("/")[:-1][:3]) or path


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--costs", metavar="FILE", help="write CPU seconds of every test to a table")
    parser.addoption(
        "--part",
        type=int,
        choices=range(1, PARTS + 1),
        help="run one of the parts, of about equal cost",
    )


def pytest_configure(config: pytest.Config) -> None:
    worker = hasattr(config, "workerinput")
    if worker or config.getoption("--costs"):
        meter = _Meter()
        config.pluginmanager.register(meter, "tests.costs.meter")
        if not worker:
            record = _Record(Path(config.getoption("--costs")), meter.loops_s)
            config.pluginmanager.register(record, "tests.costs.record")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not import a file whose every test is of a tier that is not asked for: many import large libraries."""
    wanted = config.option.markexpr
    if collection_path.suffix != ".py" or "not release" not in wanted:
        return None
    whole = WHOLE_FILE.search(collection_path.read_text(encoding="utf-8"))
    return True if whole and f"not {whole[1]}" in wanted else None


@pytest.hookimpl(trylast=True)  # after markers have been selected
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order files from the most expensive to the cheapest, and keep one part of them where one is asked for."""
    files = list(dict.fromkeys(file_of(item.nodeid) for item in items))
    costs = known_costs()
    files.sort(key=lambda file: -costs.get(file, UNKNOWN_S))
    place = {file: at for at, file in enumerate(files)}
    items.sort(key=lambda item: place[file_of(item.nodeid)])
    asked = config.getoption("--part")
    if asked is not None:
        tests = Counter(file_of(item.nodeid) for item in items)
        units: dict[str, float] = defaultdict(float)
        for item in items:
            file = file_of(item.nodeid)
            units[unit_of(item)] += costs.get(file, UNKNOWN_S * tests[file]) / tests[file]
        kept = divided(units)[asked - 1]
        config.hook.pytest_deselected(items=[item for item in items if unit_of(item) not in kept])
        items[:] = [item for item in items if unit_of(item) in kept]


def unit_of(item: pytest.Item) -> str:
    """What is not divided: a test, or the tests of a file that share a fixture of the file."""
    file, found = file_of(item.nodeid), getattr(item, "_fixtureinfo", None)
    used = [one for each in found.name2fixturedefs.values() for one in each] if found else []
    return (
        file if any(one.scope != "function" and one.baseid == file for one in used) else item.nodeid
    )


def divided(costs: Mapping[str, float]) -> list[set[str]]:
    """Parts of about equal cost: each unit, from the most expensive on, goes to the part that has cost least so far."""
    parts: list[set[str]] = [set() for _ in range(PARTS)]
    sums = [0.0] * PARTS
    for unit in sorted(costs, key=lambda unit: (-costs[unit], unit)):
        least = sums.index(min(sums))
        parts[least].add(unit)
        sums[least] += costs[unit]
    return parts


def known_costs() -> dict[str, float]:
    """CPU seconds of the files of the table, all tiers together."""
    found: dict[str, float] = defaultdict(float)
    if TABLE.is_file():
        for line in TABLE.read_text(encoding="utf-8").splitlines()[1:]:
            cpu, _, _, file = line.split("\t")
            found[file] += float(cpu)
    return found


class _Meter:
    """Runs where tests run: adds to every report what was used since the one before it, and times loops in between."""

    def __init__(self) -> None:
        self._since = used_s()
        self._of_tests = 0.0
        self.loops_s = [loop_s()]

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self) -> Iterator[None]:
        self._since = used_s()
        return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self) -> Generator[None, Any, Any]:
        report = yield
        now = used_s()
        report.cpu_s = tuple(b - a for a, b in zip(self._since, now, strict=True))
        self._of_tests += sum(report.cpu_s)
        if self._of_tests > BETWEEN_S * len(self.loops_s):
            self.loops_s.append(loop_s())
            now = used_s()
        self._since = now
        return report

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output["loops_s"] = self.loops_s
            output["compiled_s"] = compiled_s()
            output["besides_s"] = sum(used_s()) - self._of_tests - sum(self.loops_s)


class _Record:
    """Runs where reports arrive: writes and prints the table."""

    def __init__(self, path: Path, loops_s: list[float]) -> None:
        self._path = path
        self._loops_s = loops_s
        self._began = time.monotonic()
        self._workers = 0
        self._tests: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])

    def pytest_runtest_logreport(self, report: Any) -> None:
        own, children = getattr(report, "cpu_s", (0.0, 0.0))
        test = self._tests[report.nodeid]
        test[0] += own + children
        test[1] += children
        test[2] += report.duration

    @pytest.hookimpl(optionalhook=True)  # xdist's
    def pytest_testnodedown(self, node: Any) -> None:
        self._workers += 1
        output = getattr(node, "workeroutput", {})
        self._loops_s += output.get("loops_s", [])
        self._tests[COLLECTION][0] += output.get("besides_s", 0.0)
        self._tests[KERNELS][0] += output.get("compiled_s", 0.0)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        wall_s = time.monotonic() - self._began
        rows = sorted(self._tests.items(), key=lambda row: -row[1][0])
        all_s = sum(cpu for _, (cpu, _, _) in rows)
        factor = harmonic_mean(self._loops_s) / REFERENCE_S
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("w", encoding="utf-8") as file:
            file.write(
                f"# factor {factor:.2f}, wall {wall_s:.0f} s, workers {max(1, self._workers)}\n"
            )
            file.write("cpu_s\tof_children_s\twall_s\ttest\n")
            file.writelines(f"{a:.2f}\t{b:.2f}\t{c:.2f}\t{test}\n" for test, (a, b, c) in rows)
        say = terminalreporter.write_line
        terminalreporter.section(f"CPU seconds of the {MOST_EXPENSIVE} most expensive tests")
        for test, (cpu, _, wall) in rows[:MOST_EXPENSIVE]:
            say(f"{cpu:8.2f} CPU s {wall:8.2f} s  {test}")
        terminalreporter.section("CPU seconds by folder")
        for folder, (tests, cpu) in sorted(
            by_folder(dict(rows)).items(), key=lambda row: -row[1][1]
        ):
            say(f"{cpu:8.1f} CPU s {tests:6d} tests  {folder}")
        say(
            f"{all_s:8.1f} CPU s in all, {all_s / factor:.1f} at the reference's speed (factor {factor:.2f})"
        )
        workers, cores = max(1, self._workers), os.cpu_count() or 1
        say(
            f"{wall_s:8.0f} s with {workers} workers; {cores} cores were {all_s / wall_s / cores:.0%} busy with tests"
        )


def by_folder(tests: dict[str, list[float]]) -> dict[str, tuple[int, float]]:
    """Number of tests and CPU seconds of each folder."""
    found: dict[str, list[float]] = defaultdict(list)
    for test, (cpu, *_) in tests.items():
        found[folder_of(test)].append(cpu)
    return {folder: (len(each), sum(each)) for folder, each in found.items()}


def read(path: Path) -> tuple[float, dict[str, list[float]]]:
    """The machine's factor and the costs of a record's tests: CPU seconds, of them by children, wall seconds."""
    first, _, *lines = path.read_text(encoding="utf-8").splitlines()
    rows = (line.split("\t", maxsplit=3) for line in lines)
    return float(first.split()[2].rstrip(",")), {
        test: [float(a), float(b), float(c)] for a, b, c, test in rows
    }
