"""The processes of a run, the link between them, and the clock that they share: started, killed, started again."""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import signal
import socket
import struct
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from certify.faults import actors
from certify.faults.actors import PATIENCE_S, Place
from certify.faults.disk import SmallDisk
from certify.faults.proxy import Proxy
from tercel.core import VenueError
from tercel.desk.gate.watchdog import LOCK
from tercel.desk.trading.journal import sqlite_log
from tercel.market.simulator import Source

_DIES_WITH_PARENT: Final = 1
"""prctl(2): PR_SET_PDEATHSIG."""
_ATTEMPTS: Final = 8
DISK: Final = 256 << 20
"""Bytes of a small file system: what 20 faults write, many times over."""
ORDER: Final = ("front", "gate", "desk")
"""Who may die, and who is started before whom."""


@dataclass
class Window:
    """A time in which nobody watched: from the death of a watcher until all were there again, s."""

    cause: str
    began: float
    ended: float


@dataclass
class Record:
    """What happened in a run.

    Parameters
    ----------
    kills : int
        Processes that were killed.
    windows : list of Window
    held : list of (account, from s, to s)
        When the kill latch was down.
    ends : list of str
        Processes that ended by themselves.
    """

    kills: int = 0
    windows: list[Window] = field(default_factory=list)
    held: list[tuple[str, float, float]] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)


class World:
    """One run's processes.

    Parameters
    ----------
    folder : Path
    source : Source
        Of the market, loaded: a fork begins at once.
    seed : int
    watchdog : bool
    """

    def __init__(self, folder: Path, source: Source, seed: int, watchdog: bool) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.place = Place(folder, _free_port(), self._listener.getsockname()[1], watchdog, seed)
        self.disks = {
            who: disk for who in ("gate", "desk") if (disk := _disk(folder / who)) is not None
        }
        """Small file systems of those who write, where this machine lets them be mounted."""
        if self.disks:
            sqlite_log.ROOM = 0  # type: ignore[misc]  # a log whose room was taken before would feel a full disk late
        self.place.prepare()
        self._source, self.record = source, Record()
        self._pid: dict[str, int] = {}
        self._shift = mmap.mmap(-1, 8)
        self._link, self._control_receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._read, self._open = 0, dict[str, float]()
        self._log = folder / actors.LOG

    # -- life ---------------------------------------------------------------------------------------------------------
    def begin(self) -> None:
        """Start everybody."""
        self._spawn("market", lambda: actors.market(self.place, self._source))
        self._await(lambda: Path(self.place.market).exists(), "a market")
        proxy = Proxy(self._listener, self.place.front, self._control_receiver, self.place.seed)
        self._spawn("link", lambda: proxy.run(lambda: False))
        self.ensure()

    def ensure(self) -> None:
        """Start who is dead, and wait until each is ready."""
        for name in ORDER:
            for _ in range(_ATTEMPTS):
                if self.alive(name) or self._start(name, ""):
                    break
            else:
                log_text = (self.place.folder / f"{name}.log").read_text(
                    encoding="utf-8", errors="replace"
                )
                raise VenueError(
                    f"a {name} that starts",
                    log_text[-600:] or "nothing",
                    f"see {self.place.folder}",
                )

    def _start(self, name: str, point: str) -> bool:
        """Whether it became ready before it ended."""
        file = self.place.folder / f"{name}.ready"
        file.unlink(missing_ok=True)
        ready = actors.ready_writer(file)
        bodies: dict[str, Callable[[], None]] = {
            "front": lambda: actors.front(self.place, self.wall, ready),
            "gate": lambda: actors.gate(self.place, self.wall, ready, point),
            "desk": lambda: actors.desk(self.place, ready, point),
        }
        self._spawn(name, bodies[name])
        self._await(lambda: file.exists() or not self.alive(name), f"a {name} that is ready")
        return self.alive(name)

    def start_to_die(self, name: str, point: str) -> tuple[float, float]:
        """Start it armed, wait until it has died at its point; when it does not pass there, it is killed.

        Returns
        -------
        ready, died : float
            When, s; `ready` is 0 where it died before.
        """
        ready = time.monotonic() if self._start(name, point) else 0.0
        until = time.monotonic() + PATIENCE_S / 15
        while self.alive(name) and time.monotonic() < until:
            time.sleep(0.005)
        died = time.monotonic()
        if self.alive(name):
            self.kill(name)
        else:
            self.record.kills += 1
        return ready, died

    def _spawn(self, name: str, body: Callable[[], None]) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child:
            self._pid[name] = child
            return
        status = 1
        try:
            ctypes.CDLL(None).prctl(_DIES_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
            log = os.open(self.place.folder / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, 1)
            os.dup2(log, 2)
            body()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)

    def alive(self, name: str) -> bool:
        """Whether a process runs; one that ended by itself is written down."""
        pid = self._pid.get(name, 0)
        if not pid:
            return False
        ended_pid, status = os.waitpid(pid, os.WNOHANG)
        if not ended_pid:
            return True
        self._pid[name] = 0
        code = os.waitstatus_to_exitcode(status)
        if code != -signal.SIGKILL:
            self.record.ends.append(f"{name} ended with {code}")
        return False

    def kill(self, *names: str) -> None:
        """SIGKILL."""
        for name in names:
            if self.alive(name):
                self.signal(name, signal.SIGKILL)
                self.record.kills += 1
        for name in names:
            self._await(lambda name=name: not self.alive(name), f"the end of {name}")  # type: ignore[misc]

    def signal(self, name: str, number: int) -> None:
        """Send a signal."""
        with suppress(ProcessLookupError):
            os.kill(self._pid[name], number)

    def pid(self, name: str) -> int:
        """Its process number."""
        return self._pid[name]

    def end(self) -> None:
        """Bring everything to an orderly end."""
        (self.place.folder / actors.OVER).touch()
        until = time.monotonic() + PATIENCE_S
        while not (self.place.desk / actors.LIVE).exists() and time.monotonic() < until:
            self.ensure()
            time.sleep(0.02)
        self._await(lambda: not self.alive("desk"), "the end of the desk")
        self._finish("gate")
        self._finish("market")

    def _finish(self, name: str) -> None:
        self.signal(name, signal.SIGTERM)
        self._await(lambda: not self.alive(name), f"the end of the {name}")

    def close(self) -> None:
        """Nobody is left."""
        for pid in self._pid.values():
            if pid:
                with suppress(ProcessLookupError, ChildProcessError):
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
        with suppress(OSError, ValueError):
            os.kill(int((self.place.gate / LOCK).read_text()), signal.SIGTERM)
        for sock in (self._listener, self._link, self._control_receiver):
            sock.close()
        for disk in self.disks.values():
            disk.close()

    # -- link and clock -----------------------------------------------------------------------------------------------
    def link(self, word: str) -> None:
        """Tell the link what to do."""
        self._link.send(word.encode())

    def wall(self) -> int:
        """The time of day on the machine of gate and venue, ns since 1970."""
        return time.time_ns() + int(struct.unpack("q", self._shift[:8])[0])

    def jump(self, seconds: float) -> None:
        """Put that clock forward or back; 0: as it is."""
        self._shift[:8] = struct.pack("q", round(seconds * 1e9))

    # -- what the market says -----------------------------------------------------------------------------------------
    def working(self) -> int:
        """Orders at the market."""
        with self._log.open("rb") as log:
            log.seek(self._read)
            for line in log:
                if not line.endswith(b"\n"):
                    break
                self._read += len(line)
                when, kind, _, name, _, leaves = json.loads(line)
                if kind != "report":
                    continue
                if leaves:
                    self._open.setdefault(name, when)
                else:
                    self._open.pop(name, None)
        return len(self._open)

    def wait_working(self, fewest: int, seconds: float) -> None:
        """Until so many orders work, 0: until none does; or until some seconds have passed."""
        until = time.monotonic() + seconds
        while (
            self.working() < fewest if fewest else self.working() > 0
        ) and time.monotonic() < until:
            time.sleep(0.01)

    def _await(self, done: Callable[[], bool], expected: str) -> None:
        until = time.monotonic() + PATIENCE_S
        while not done():
            if time.monotonic() > until:
                raise VenueError(
                    expected,
                    f"none within {PATIENCE_S:g} s",
                    f"see the logs in {self.place.folder}",
                )
            time.sleep(0.005)


def _disk(folder: Path) -> SmallDisk | None:
    try:
        return SmallDisk(folder, DISK)
    except OSError:
        return None


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
