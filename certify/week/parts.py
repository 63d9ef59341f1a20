"""The parts of a week, each a process of its own as people start it: venue, desk, console; and the link."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import IO, Any, Final

from certify.faults.proxy import Proxy
from exchange.serve import FOLDER
from tercel.core import VenueError
from tercel.desk.trading.journal import JournalReader, kinds
from tercel.venues.exchange.folder import CLOCK, ORDERS

TERCEL: Final = (sys.executable, "-m", "tercel.cli")
MARKETS: Final = {"AMZN": "amzn", "IBM": "ibm"}
WHALE: Final = "WHALE"
PATIENCE_S: Final = 120.0
"""A process that is not ready by then never will be."""
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


def free_port() -> int:
    """A port of loopback that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def wait_until(done: Callable[[], Any], expected: str, seconds: float = PATIENCE_S) -> Any:
    """What `done` gives once it is true.

    Raises
    ------
    VenueError
        It is not within so many seconds.
    """
    until = time.monotonic() + seconds
    while not (result := done()):
        if time.monotonic() > until:
            raise VenueError(
                expected, f"none within {seconds:g} s", "see the logs in the week's folder"
            )
        time.sleep(0.05)
    return result


def resident(pid: int) -> int:
    """Bytes of memory that a process holds, 0 for one that is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


@dataclass
class Part:
    """A process of the week.

    Parameters
    ----------
    name : str
    log : Path
        What it says, start after start.
    arguments : sequence of str
        The command.
    extra : mapping
        Of its environment.
    """

    name: str
    log: Path
    arguments: Sequence[str] = ()
    extra: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0

    def start(self, arguments: Sequence[str] = ()) -> None:
        """Start it, with these words or as before."""
        self.arguments = list(arguments or self.arguments)
        with self.log.open("ab") as log_file:
            self.process = subprocess.Popen(
                [*TERCEL, *self.arguments], stdout=log_file, stderr=log_file, stdin=subprocess.DEVNULL,
                env=os.environ | dict(self.extra), start_new_session=True,
            )  # fmt: skip
        self.starts += 1

    @property
    def pid(self) -> int:
        """Its number, 0 before the first start."""
        return 0 if self.process is None else self.process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.process is not None and self.process.poll() is None

    @property
    def code(self) -> int | None:
        """How it ended."""
        return None if self.process is None else self.process.poll()

    def signal(self, number: int, patience_s: float = PATIENCE_S) -> int:
        """Send a signal that ends it, and wait; how it ended."""
        if self.process is None:
            return 0
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
        try:
            return self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def log_text(self) -> str:
        """All that it has said."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""


class Venue(Part):
    """`tercel venue serve`, which keeps what it knows, so that a kill is a restart and no other exchange.

    Parameters
    ----------
    folder : Path
    speed : float
        Its seconds in a second.
    seed : int
    """

    def __init__(self, folder: Path, speed: float, seed: int) -> None:
        super().__init__("venue", folder / "venue.log")
        self.port = free_port()
        self.speed = speed
        self.store = folder / "venue"
        markets = [word for name in MARKETS.values() for word in ("--market", name)]
        logins = ["--login", "TRADER", "--login", WHALE]
        self.arguments = [
            *("venue", "serve", *markets, *logins, "--port", f"{self.port}", "--speed", f"{speed}"),
            *("--store", str(self.store), "--seed", f"{seed}", "--json"),
        ]
        self._clock: IO[bytes] | None = None

    def begin(self) -> None:
        """Start it, and wait until it listens."""
        before = self.log_text().count('"port"')
        self.start()
        wait_until(
            lambda: self.log_text().count('"port"') > before or not self.alive,
            "a venue that listens",
        )
        if not self.alive:
            raise VenueError("a venue that listens", self.log_text()[-600:], f"see {self.log}")

    @property
    def orders(self) -> Path:
        """Its record of orders and trades."""
        return self.store / FOLDER / ORDERS

    @property
    def now_ns(self) -> int:
        """Its clock, which outlives it."""
        if self._clock is None:
            self._clock = (self.store / FOLDER / CLOCK).open("rb", buffering=0)
        self._clock.seek(0)
        return int(struct.unpack("q", self._clock.read(8))[0])


class Desk(Part):
    """`tercel trade run` through its gate, which is a child of its own.

    Parameters
    ----------
    folder : Path
        Of the week; the desk's is below.
    config : Path
    port : int
        Of the link to the venue.
    """

    def __init__(self, folder: Path, config: Path, port: int) -> None:
        super().__init__("desk", folder / "desk.log")
        self.folder = folder / "week"
        self._config = config
        self._port = port

    def begin(self, rounds: int, seed: int) -> bool:
        """Start it for so many rounds and wait until its session has begun; False where it refuses to."""
        before = self.sessions()
        arguments = [
            "trade",
            "run",
            str(self._config),
            "--desk",
            str(self.folder),
            "--json",
            "--rounds",
            f"{rounds}",
        ]
        self.start(
            [*arguments, "--seed", f"{seed}", "--venue", f"fix://TRADER@127.0.0.1:{self._port}"]
        )
        wait_until(lambda: self.sessions() > before or not self.alive, "a desk that begins")
        return self.alive

    def sessions(self) -> int:
        """Sessions in its journal."""
        return self._read(lambda reader: sum(1 for _ in reader.read(kinds=(kinds.SESSION,))))

    def entry_count(self) -> int:
        """Entries of its journal."""
        return self._read(lambda reader: reader.last)

    def _read(self, question: Callable[[JournalReader], int]) -> int:
        try:
            reader = JournalReader(self.folder)
        except Exception:  # there is none yet
            return 0
        with closing(reader):
            return question(reader)

    @property
    def gate_pid(self) -> int:
        """Process number of its gate, 0 where there is none."""
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError, ValueError, IndexError):
                if int(stat.read_text().rpartition(")")[2].split()[1]) == self.pid:
                    if b"tercel.desk.gate\0" in (stat.parent / "cmdline").read_bytes():
                        return int(stat.parent.name)
        return 0


class ConsolePart(Part):
    """`tercel console`, with a file of people.

    Parameters
    ----------
    folder : Path
    desk : Path
    people : mapping of str to (role, password)
    """

    def __init__(self, folder: Path, desk: Path, people: Mapping[str, tuple[str, str]]) -> None:
        file = folder / "people.json"
        super().__init__("console", folder / "console.log", extra={"TERCEL_PEOPLE": str(file)})
        self.port = free_port()
        for name, (role, password) in people.items():
            arguments = [
                *TERCEL,
                "console",
                "users",
                "add",
                name,
                "--role",
                role,
                "--people",
                str(file),
            ]
            subprocess.run(
                arguments, input=f"{password}\n".encode(), check=True, capture_output=True
            )
        self.arguments = ["console", str(desk), "--port", f"{self.port}"]

    def begin(self) -> None:
        """Start it, and wait until it listens."""
        self.start()
        wait_until(lambda: listens(self.port) or not self.alive, "a console that listens")
        if not self.alive:
            raise VenueError("a console that listens", self.log_text()[-600:], f"see {self.log}")


def listens(port: int) -> bool:
    """Whether somebody listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
    except OSError:
        return False
    return True


class Link:
    """The way between desk and venue, which fails on request (`certify.faults.proxy`).

    Parameters
    ----------
    target : int
        Port of the venue.
    seed : int
    """

    def __init__(self, target: int, seed: int) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(listener.getsockname()[1])
        self._tell, control = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._over = False
        proxy = Proxy(listener, target, control, seed)
        Thread(target=proxy.run, args=(lambda: self._over,), daemon=True).start()

    def do(self, word: str) -> None:
        """What is to happen to it from now on, or to its next message."""
        self._tell.send(word.encode())

    def close(self) -> None:
        """Let nothing through any more."""
        self.do("cut")
        self._over = True


def day_report(
    desk: Path, from_ns: int, to_ns: int, report_path: Path
) -> tuple[int, dict[str, Any]]:
    """`tercel trade day`: its exit code, and what it said."""
    span = ["--from-ns", f"{from_ns}", "--to-ns", f"{to_ns}"]
    arguments = ["trade", "day", str(desk), *span, "--out", str(report_path), "--json"]
    process = subprocess.run(
        [*TERCEL, *arguments], capture_output=True, text=True, check=False, timeout=300
    )
    try:
        return process.returncode, json.loads(process.stdout)
    except ValueError:
        return process.returncode, {"error": re.sub(r"\s+", " ", process.stderr)[-600:]}


def stop(*parts: Part) -> None:
    """End what still runs."""
    for part in parts:
        if part.alive:
            part.signal(signal.SIGTERM, 30.0)
