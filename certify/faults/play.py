"""The faults: what is done to whom, and how it is mended."""

from __future__ import annotations

import os
import random
import resource
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Final

from certify.faults.actors import AGENTS
from certify.faults.proxy import LIMPS, ONCE, SHUT
from certify.faults.world import Window, World
from tercel.desk.trading import KillLatch
from tercel.desk.trading.journal.database import DATABASE
from tercel.desk.trading.risk.kill_switch import LATCH

BOTH: Final = ("gate", "desk")
KILLED: Final = (("desk",), ("gate",), ("front",), BOTH, ("front", "gate"))
POINTS: Final = (
    *(
        "gateway.decided",
        "gateway.journaled",
        "gateway.heard",
        "gateway.heard.fill",
        "gateway.booked.fill",
    ),
    *("gateway.send.new", "gateway.sent.new", "gateway.send.cancel", "gateway.sent.cancel"),
    *(
        "gateway.send.masscancel",
        "gateway.sent.masscancel",
        "journal.append.before",
        "journal.append.after",
    ),
    *(
        "journal.commit.before",
        "journal.mark.before",
        "recovery.begun",
        "recovery.resent",
        "recovery.cancelled",
    ),
    *("recovery.asked", "recovery.agreed"),
)
"""Passed by gate and desk."""
OF_DESK: Final = ("session.step", "session.received", "session.heartbeat")
LONGEST_S: Final = 9.0
"""How long nobody mends what is broken, as long as orders work."""
LOCKS_S: Final = (1.0, 2.0, 4.0, 8.0, 15.0)
JUMPS_S: Final = (-3600.0, 3600.0)
_FULL: Final = 1 << 12
_WAL_HEAD = 32
_WAL_FRAME = 24 + 4096
"""Bytes of SQLite's write-ahead log: its head, and a page with its own."""
_BUSY_S: Final = 5.0
_FEWEST: Final = 2
"""Orders that work when something is broken, or else whatever works after `_BUSY_S`."""
Fault = Callable[[World, random.Random], None]


def kinds() -> dict[str, Fault]:
    """Every fault by its name."""
    faults: dict[str, Fault] = {f"kill -9 {' and '.join(who)}": _killing(who) for who in KILLED}
    faults |= {f"stop {who}": _stopping(who) for who in ("desk", "gate", "front", "market")}
    faults |= {f"link: {word}": _link(word) for word in (*SHUT, *LIMPS)}
    faults |= {f"message: {word}": _message(word) for word in ONCE}
    for who in BOTH:
        faults |= {
            f"disk full: {who}": _full(who),
            f"locked: {who}": _lock_journal(who),
            f"torn: {who}": _tear_log(who),
        }
    faults |= {f"clock {seconds:+.0f} s": _clock(seconds) for seconds in JUMPS_S}
    faults["kill latch"] = _latch
    places = [("gate", point) for point in POINTS] + [
        ("desk", point) for point in (*POINTS, *OF_DESK)
    ]
    return faults | {f"{who} at {point}": _point(who, point) for who, point in places}


def draw_faults(points: int, seed: int) -> list[str]:
    """`points` faults: every one once, in some order, before any comes again."""
    draw = random.Random(seed)
    names = list(kinds())
    drawn = list[str]()
    while len(drawn) < points:
        draw.shuffle(names)
        drawn += names[: points - len(drawn)]
    return drawn


def strike(world: World, name: str, draw: random.Random) -> None:
    """Wait until orders work, and a moment more; let it happen; bring everybody back."""
    world.wait_working(_FEWEST, _BUSY_S)
    time.sleep(draw.uniform(0.0, 0.3))
    kinds()[name](world, draw)
    world.ensure()


def leave_unattended(
    world: World, cause: str, began: float, mend: Callable[[], None], patient: bool = True
) -> None:
    """Leave it until nothing works at the venue, or not (`patient`); mend it; write down how long it was."""
    if patient:
        world.wait_working(0, LONGEST_S)
    mend()
    world.ensure()
    world.record.windows.append(Window(cause, began, time.monotonic()))


def _killing(who: tuple[str, ...]) -> Fault:
    def fault(world: World, draw: random.Random) -> None:
        began = time.monotonic()
        world.kill(*who)
        leave_unattended(world, f"kill {who}", began, lambda: None, draw.random() < 0.5)

    return fault


def _stopping(who: str) -> Fault:
    """A watcher is left until the venue has nothing; the venue itself a few seconds: it can tell nobody."""

    def fault(world: World, draw: random.Random) -> None:
        began = time.monotonic()
        world.signal(who, signal.SIGSTOP)
        if who in BOTH:
            leave_unattended(world, f"stop {who}", began, lambda: world.signal(who, signal.SIGCONT))
        else:
            time.sleep(draw.uniform(0.5, 4.0))
            world.signal(who, signal.SIGCONT)

    return fault


def _link(word: str) -> Fault:
    def fault(world: World, draw: random.Random) -> None:
        began = time.monotonic()
        world.link(word)
        if word in SHUT:
            leave_unattended(
                world, f"link {word}", began, lambda: world.link("pass"), draw.random() < 0.7
            )
        else:
            time.sleep(draw.uniform(0.5, 3.0))
            world.link("pass")

    return fault


def _message(word: str) -> Fault:
    def fault(world: World, draw: random.Random) -> None:
        for _ in range(draw.randint(1, 3)):
            world.link(word)

    return fault


def _full(who: str) -> Fault:
    """Its own file system is full; where none could be mounted, its files may not grow."""

    def fault(world: World, draw: random.Random) -> None:
        if (disk := world.disks.get(who)) is not None:
            began = time.monotonic()
            disk.fill(draw.choice((0, 0, _FULL, 16 * _FULL)))
            leave_unattended(world, f"full {who}", began, disk.free)
        else:
            _cap_files(world, who)

    return fault


def _cap_files(world: World, who: str) -> None:
    pid, (_, hard) = world.pid(who), resource.getrlimit(resource.RLIMIT_FSIZE)
    began = time.monotonic()

    def mend() -> None:
        if world.alive(who):
            with suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))

    resource.prlimit(pid, resource.RLIMIT_FSIZE, (_FULL, hard))
    leave_unattended(world, f"full {who}", began, mend)


def _lock_journal(who: str) -> Fault:
    def fault(world: World, draw: random.Random) -> None:
        seconds = draw.choice(LOCKS_S)
        folder = world.place.gate if who == "gate" else world.place.desk
        began = time.monotonic()
        with closing(
            sqlite3.connect(folder / DATABASE, timeout=5.0, isolation_level=None)
        ) as connection:
            connection.execute("BEGIN IMMEDIATE")
            until = began + seconds
            while time.monotonic() < until:
                time.sleep(0.05)
            connection.execute("ROLLBACK")
        leave_unattended(world, f"locked {who} for {seconds:g} s", began, lambda: None, False)

    return fault


def _tear_log(who: str) -> Fault:
    """Killed, and half a frame that never was committed stands behind the last one of its write-ahead log."""

    def fault(world: World, draw: random.Random) -> None:
        began = time.monotonic()
        world.kill(who)
        folder = world.place.gate if who == "gate" else world.place.desk
        log = folder / f"{DATABASE}-wal"
        if log.exists():
            frames = -(-(len(log.read_bytes().rstrip(b"\0")) - _WAL_HEAD) // _WAL_FRAME)
            with log.open("r+b") as end:
                end.seek(_WAL_HEAD + max(frames, 0) * _WAL_FRAME)
                end.write(os.urandom(draw.randint(10, 3000)))
        leave_unattended(world, f"torn {who}", began, lambda: None, False)

    return fault


def _clock(seconds: float) -> Fault:
    """The clock of venue and gate jumps, with a link that breaks and comes back meanwhile; then it is put right."""

    def fault(world: World, draw: random.Random) -> None:
        began = time.monotonic()
        world.jump(seconds)
        if draw.random() < 0.5:
            world.link("reset")
            world.link("pass")
        time.sleep(draw.uniform(0.5, 3.0))
        leave_unattended(world, f"clock {seconds:+.0f}", began, lambda: world.jump(0.0), False)

    return fault


def _latch(world: World, draw: random.Random) -> None:
    """An agent is killed by a person, then gate and desk are killed too; the latch holds, until the person re-arms."""
    latch = KillLatch(world.place.desk / LATCH)
    who = draw.choice(AGENTS)
    latch.kill("the matrix says so", "fault matrix", 0, [who])
    fallen = time.monotonic()
    time.sleep(draw.uniform(0.0, 0.2))
    world.kill(*BOTH)
    leave_unattended(world, "kill latch", fallen, lambda: None, False)
    world.wait_working(1, _BUSY_S)
    world.record.held.append((who, fallen, time.monotonic()))
    latch.rearm("the matrix says so", "fault matrix", 0, [who])


def _point(who: str, point: str) -> Fault:
    def fault(world: World, draw: random.Random) -> None:
        began = time.monotonic()
        world.kill(who)
        passages = 1 if point.startswith("recovery.") else draw.randint(1, 20)
        ready, died = world.start_to_die(who, f"{point}:{passages}")
        if ready:
            world.record.windows.append(Window(f"kill {who}", began, ready))
        leave_unattended(
            world, f"{who} at {point}", died if ready else began, lambda: None, draw.random() < 0.5
        )

    return fault


def play(world: World, names: list[str], seed: int, tell: Callable[[str], object]) -> Iterator[str]:
    """Fault after fault; the name of each as it is over."""
    draw = random.Random(seed)
    for name in names:
        began = time.monotonic()
        strike(world, name, draw)
        tell(f"{name}: {time.monotonic() - began:.1f} s")
        yield name
