"""Desks and consoles as processes of their own, as people run them."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.desk.console.desks import people_of
from tests.program import COMMAND
from tests.waiting import until

PASSWORD = "eight or more"
TOKEN = "of metrics"
CONFIG = """
[desk]
name = "small"
seed = 3
rounds = 40
round_s = {round_s}
decision_s = 10.0
warmup_s = 120.0
pace = "accelerated"
speed = {speed}

[[instrument]]
name = "AAA"

[[agent]]
name = "default"
strategy = "packaged:default"
challenger = "packaged:default-1"

[[agent]]
name = "peg"
strategy = "peg_behind"

[order_arrivals]
share = 0.5
"""
FULLER = """
[[instrument]]
name = "BBB"

[[agent]]
name = "schedule"
strategy = "twap_take"
"""
"""For pictures: a second instrument and a third agent."""


def tercel(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*COMMAND, *map(str, words)], capture_output=True, text=True, timeout=300, check=False
    )


@contextmanager
def started(
    words: Sequence[str | Path], said: Path, stop: int = signal.SIGINT
) -> Iterator[subprocess.Popen[str]]:
    """A command that runs beside the test; stopped with a signal where it has not ended by itself."""
    with said.open("w") as out:
        env = os.environ | {
            "TERCEL_CONSOLE_PASSWORD": PASSWORD,
            "PYTHONUNBUFFERED": "1",
            "TERCEL_METRICS_TOKEN": TOKEN,
        }
        env |= {"TERCEL_PEOPLE": str(said.parent / "people.json")}
        process = subprocess.Popen(
            [*COMMAND, *map(str, words)], stdout=out, stderr=out, text=True, env=env
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(stop)
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def console(desk: Path, said: Path) -> Iterator[str]:
    """The console of a desk, with `admin` and a second person, bob; its address."""

    def address() -> str:
        found = re.search(r"http://127\.0\.0\.1:\d+/", said.read_text() if said.exists() else "")
        return found.group(0) if found else ""

    if not (said.parent / "people.json").exists():  # two consoles may share it
        people_of(said.parent, bob="risk")
    with started(["console", "--desk", desk, "--port", "0"], said):
        until(lambda: bool(address()), what=f"a console ({said})")
        yield address()


@contextmanager
def running_desk(
    folder: Path, speed: float = 10.0, round_s: float = 600.0, more: str = ""
) -> Iterator[Path]:
    """A desk at work in a folder: parents are accepted and orders are open; `more` is added to its file."""
    from tercel.core.errors import JournalError
    from tercel.desk.trading.journal import kinds
    from tercel.desk.trading.journal.reader import JournalReader

    config, desk, said = folder / "small.toml", folder / "today", folder / "desk.out"
    config.write_text(CONFIG.format(speed=speed, round_s=round_s) + more)

    def works() -> bool:
        try:
            return any(True for _ in JournalReader(desk).read(0, (kinds.ORDER_OUT,)))
        except JournalError:
            assert process.poll() is None, said.read_text()
            return False

    with started(["trade", "run", config, "--desk", desk], said) as process:
        until(works, what=f"a desk at work ({said})")
        yield desk
