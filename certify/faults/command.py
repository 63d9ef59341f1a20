"""``tercel trade faults``: break what can break between a desk and a venue, and count what is wrong afterwards.

A run is an exchange, a link, a gate and a desk, each a process, and up to `POINTS_OF_A_RUN` faults one after another.
Every other run has a venue that does not cancel on disconnect, and a watchdog.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from certify.commands import Faults
from certify.faults.judge import FaultVerdict, judge
from certify.faults.play import draw_faults, play
from certify.faults.world import World
from tercel.cli import print_json, result_console, say
from tercel.core import NS_PER_SECOND as SECOND, ConfigError
from tercel.desk.limits import LimitGate, read_packaged
from tercel.desk.trading import ParentRequest, SessionTerms, open_session
from tercel.desk.trading.journal import MemoryJournal
from tercel.execution.strategies import build
from tercel.market.flow import load
from tercel.market.simulator import Source, reactive
from tercel.venues.exchange import MarketSpec, SimulatedExchange

PRESET: Final = "csco-santa-fe"
POINTS_OF_A_RUN: Final = 20


def runs(points: int, seed: int) -> Iterator[FaultVerdict]:
    """Run after run.

    Raises
    ------
    ConfigError
        Where processes cannot be forked, or told that their parent died.
    VenueError
        A process that does not start again.
    """
    if sys.platform != "linux":
        raise ConfigError(
            "Linux, whose processes end with their parent", sys.platform, "run it in a container"
        )
    source = reactive(load(PRESET), settle_s=60.0)
    compile_kernels(source)
    names = draw_faults(points, seed)
    for i in range(0, points, POINTS_OF_A_RUN):
        number = i // POINTS_OF_A_RUN
        with TemporaryDirectory(prefix="tercel-faults-", ignore_cleanup_errors=True) as folder:
            yield run(
                Path(folder), source, names[i : i + POINTS_OF_A_RUN], seed + number, number % 2 == 1
            )


def run(folder: Path, source: Source, names: list[str], seed: int, watchdog: bool) -> FaultVerdict:
    """One run in a folder, and the verdict on it."""
    world = World(folder, source, seed, watchdog)
    try:
        world.begin()
        for _ in play(world, names, seed, say):
            pass
        world.end()
        for text in world.record.ends:
            say(text)
        return judge(world.place, world.record)
    finally:
        world.close()


def compile_kernels(source: Source) -> None:
    """Trade a little in this process: who is forked from it has everything compiled."""
    exchange = SimulatedExchange({"X": MarketSpec(source, seed=1)})
    gate = LimitGate(read_packaged(), exchange.listings(), ["ann"])
    session = open_session(
        exchange, MemoryJournal(), gate, lambda name, _: build(name), SessionTerms(warmup_s=5.0)
    )
    session.follow("X")
    session.run_until(session.now_ns + 10 * SECOND)
    for strategy in ("twap_passive", "random", "twap_take"):
        session.manager.accept(
            ParentRequest(strategy, "X", 1, 100, 10 * SECOND, 5, strategy, "ann")
        )
    session.run()


def faults(request: Faults) -> int:
    """Print what was counted; 0 where nothing is wrong, 1 otherwise."""
    verdicts = []
    for verdict in runs(request.points, request.seed):
        verdicts.append(verdict)
        say(f"run {len(verdicts)}: {'; '.join(verdict.faults) or 'nothing wrong'}")
    sums = {
        name: sum(getattr(verdict, name) for verdict in verdicts)
        for name in ("kills", "lost", "doubled", "orphans")
    }
    longest = max(verdict.unwatched_s for verdict in verdicts)
    equal = all(verdict.positions_equal for verdict in verdicts)
    result = {
        "runs": len(verdicts),
        **sums,
        "unwatched_s_max": round(longest, 3),
        "positions_equal": equal,
    }
    clean = equal and not any(sums[name] for name in ("lost", "doubled", "orphans"))
    clean = clean and not any(verdict.faults for verdict in verdicts)
    if request.as_json:
        print_json(result)
        return 0 if clean else 1
    console = result_console()
    console.print(
        f"{request.points} faults in {len(verdicts)} runs, {sums['kills']} processes killed",
        markup=False,
    )
    console.print("lost {lost}, doubled {doubled}, orphans {orphans}".format(**sums), markup=False)
    console.print(
        f"longest unwatched order {longest:.1f} s; positions equal: {'yes' if equal else 'NO'}",
        markup=False,
    )
    for number, verdict in enumerate(verdicts, 1):
        for text in verdict.faults:
            console.print(f"run {number}: {text}", markup=False)
    return 0 if clean else 1
