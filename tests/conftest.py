"""What all tests share: the folder of real data, and how hard Hypothesis tries."""

import gc
import importlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest
import typer.testing
from hypothesis import HealthCheck, settings

gc.disable()  # collecting tests makes a million objects that stay, and that are then looked through again and again
ROOT = Path(__file__).resolve().parents[1]
collect_ignore = ["forked_first.py"]
"""It is for the process that commands are forked from."""
REQUIRE_DATA = os.environ.get("TERCEL_REQUIRE_DATA") == "1"
FOREIGN = Path(os.environ.get("TERCEL_FOREIGN", ROOT / "build" / "peers"))

# Commands that the program prints begin with its name where a shell finds it, else with its path.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

# A first call compiles kernels, so no example has a deadline. The same few examples every time; random ones in the
# release tier, where one that fails becomes an example of its test.
_ANY = settings(deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("fixed", _ANY, max_examples=25, derandomize=True)
settings.register_profile(
    "random", _ANY, max_examples=100, derandomize=False
)  # Hypothesis fixes them where CI is set
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))

# Typer builds the whole command tree at every call of its runner: a third of the CPU time of the tests of commands.
typer.testing._get_command = cache(typer.testing._get_command)

_begun: dict[str, float] = {}


def pytest_sessionstart(session: pytest.Session) -> None:
    """A run that is told to end says what it was at: that may be what holds it up."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        signal.signal(signal.SIGTERM, _say_what_runs)


def _say_what_runs(*_: object) -> NoReturn:
    for nodeid, since in _begun.items():
        sys.__stdout__.write(f"\nRUNNING {nodeid} for {time.monotonic() - since:.0f} s\n")
    sys.__stdout__.flush()
    os._exit(128 + signal.SIGTERM)


def pytest_runtest_logstart(nodeid: str) -> None:
    _begun[nodeid] = time.monotonic()


def pytest_runtest_logfinish(nodeid: str) -> None:
    _begun.pop(nodeid, None)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Say at once what failed: a run that is cut off never comes to its summary."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        sys.__stdout__.write(f"\nFAILED {report.nodeid} ({report.when})\n{report.longreprtext}\n")


def pytest_collection_finish() -> None:
    """Keep compiled what was collected, but nothing of what tests write; look no more for garbage in what stays.

    A module that is written anew within the second, as long as it was, would be read as it was.
    """
    sys.dont_write_bytecode = True
    gc.enable()
    gc.collect()
    gc.freeze()


@pytest.fixture
def one_tick_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The policy acts where spreads are usually one tick, as in the fast market of tests."""
    monkeypatch.setattr("tercel.execution.cost_observation.LEAST_USUAL_SPREAD", 0.5)


@pytest.fixture
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords are hashed at the least cost that argon2 takes, also by commands."""
    hasher = importlib.import_module("argon2").PasswordHasher
    monkeypatch.setattr("argon2.PasswordHasher", lambda: hasher(1, 8, 1))


@pytest.fixture
def quick_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are drawn, and then neither laid out nor rendered: for tests whose subject is not the page."""
    layouts = importlib.import_module("matplotlib.layout_engine")
    backend = importlib.import_module("matplotlib.backends.backend_svg")
    monkeypatch.setattr(layouts.ConstrainedLayoutEngine, "execute", lambda *_: None)
    monkeypatch.setattr(
        backend.FigureCanvasSVG, "print_svg", lambda _, file, **__: file.write("<svg></svg>")
    )


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real data sets: `$TERCEL_DATA`, else `../shared/data` beside the repository.

    A test that needs it skips where it is absent, and fails when `TERCEL_REQUIRE_DATA=1`.
    """
    return _shared("TERCEL_DATA", "data", "real data")


@pytest.fixture(scope="session")
def shared_peers() -> Path:
    """Folder of other people's judges: `$TERCEL_PEERS`, else `../shared/peers`; absent as `shared_data` is."""
    return _shared("TERCEL_PEERS", "peers", "other people's judges")


@pytest.fixture(scope="session")
def foreign_engines() -> Path:
    """Folder of engines in environments of their own: `$TERCEL_FOREIGN`, else build/peers, which `make peers` makes."""
    if (FOREIGN / "node_modules" / "jspurefix").is_dir() and shutil.which("node"):
        return FOREIGN
    return no_engine(f"no jspurefix in {FOREIGN}, or no node; run make peers")


def python_with(package: str, environment: str) -> Path:
    """The Python of a foreign environment that has a package; skips, or fails where peers are required, without it."""
    python = FOREIGN / environment / "bin" / "python"
    if any(python.parent.parent.glob(f"lib/python3*/site-packages/{package}")):
        return python
    return no_engine(f"no {package} in {FOREIGN / environment}; run make peers")


@pytest.fixture(scope="session")
def binance_connector() -> Path:
    """The Python that has Binance's FIX connector, among the foreign engines."""
    return python_with("binance_fix_connector", "binance")


@pytest.fixture(scope="session")
def exchange_clients() -> Path:
    """The Python that has ccxt and schemathesis, among the foreign engines."""
    return python_with("ccxt", "exchange")


@pytest.fixture(scope="session")
def quant_peers() -> Path:
    """The Python that has QuantStats, pyfolio, empyrical and alphalens, among the foreign engines."""
    return python_with("quantstats", "quant")


@pytest.fixture(scope="session")
def tensorboard() -> Path:
    """The Python that has TensorBoard, among the foreign engines."""
    return python_with("tensorboard", "quant")


@pytest.fixture(scope="session")
def bots() -> Callable[[str], Path]:
    """Finds the Python of a bot: freqtrade, nautilus, which `make bots` installs and no other target asks for."""

    def find(name: str) -> Path:
        python = FOREIGN / name / "bin" / "python"
        if any(python.parent.parent.glob(f"lib/python3*/site-packages/{name}*")):
            return python
        pytest.skip(f"no {name} in {FOREIGN / name}; run make bots")

    return find


def no_engine(message: str) -> NoReturn:
    if os.environ.get("TERCEL_REQUIRE_PEERS") == "1":
        pytest.fail(message)
    pytest.skip(message)


def _shared(variable: str, name: str, what: str) -> Path:
    folder = Path(os.environ.get(variable, ROOT.parent / "shared" / name))
    if folder.is_dir():
        return folder
    message = f"no {what} at {folder}; set {variable} to the folder that holds it"
    if REQUIRE_DATA:
        pytest.fail(message)
    pytest.skip(message)
