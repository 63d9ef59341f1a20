"""``benchmarks endurance``: a desk of twenty agents for many rounds, and a restart on the journal that it leaves.

Memory of the process must not grow with the journal. It goes up and down as snapshots are kept: what counts is the most
after every round of a twentieth, the one that ends at a tenth of the rounds and the last. Money and positions have no
limit here, as a desk that is stopped needs no memory: it trades to the last round. The journal
is then opened anew in a process of its own, as a restart does, with its snapshots and without: what it takes, and how
much memory. The reference of the restart is the fold of everything.
"""

import json
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from benchmarks import measured, packaged_limits
from tercel.api import SimulatedMarkets, read_config
from tercel.desk.engine import DeskConfig, LimitsSection, assemble_desk
from tercel.desk.trading.journal import SqlJournal

AGENTS: Final = 20
GIVEN: Final = "given.json"
LIMITS: Final = "limits.toml"
BRAKES: Final = dict.fromkeys(
    ("gross_value", "long_lots", "short_lots", "daily_loss", "drawdown"), "1_000_000_000_000"
)
"""Packaged limits that would stop the desk, and what they are here."""
STRATEGIES: Final = ("peg_behind", "twap_take", "twap_passive", "vwap_passive")
_RESTART: Final = """
import json, sys, time
from pathlib import Path
from tercel.core.orders import Listing
from tercel.desk.limits import LimitGate, read
from tercel.desk.trading.journal.store import SqlJournal
from tercel.desk.trading.reconciliation.refold import refold
folder = Path(sys.argv[1])
words = json.loads((folder / sys.argv[2]).read_text())
limits = LimitGate(read(folder / sys.argv[3]), [Listing(**one) for one in words["listings"]], words["agents"])
start = time.perf_counter()
journal = SqlJournal(folder)
ledger = refold(journal, limits)
spent = time.perf_counter() - start
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
rss = int(peak.split()[1]) / 1024
print(json.dumps([spent, rss, journal.last, ledger.fills]))
"""
"""A process that is nothing but a restart: what it is given is how the desk made its limits."""


def bench(rounds: int = 2_000) -> list[dict[str, Any]]:
    """Growth of memory over so many rounds, and the restart on their journal."""
    with tempfile.TemporaryDirectory(prefix="tercel-bench-") as folder:
        early, late = run(Path(folder), rounds)
        spent, rss, entries, fills = restarted(folder)
        with closing(sqlite3.connect(Path(folder) / "journal.db")) as connection:
            connection.execute("DELETE FROM snapshot")
            connection.commit()
        slow, more, _, same = restarted(folder)
    assert fills == same
    return [
        measured(
            "endurance.rss_mb",
            late,
            "MB at the end",
            "after a tenth of the rounds",
            early,
            less=True,
        ),
        measured(
            "restart.s",
            spent,
            f"s on {entries:,} entries",
            "the fold of everything",
            slow,
            less=True,
        ),
        measured("restart.rss_mb", rss, "MB at most", "the fold of everything", more, less=True),
    ]


def config_of(rounds: int) -> DeskConfig:
    """The packaged desk with twenty agents, rounds of two minutes."""
    demo = read_config(None)
    section = demo.desk.model_copy(update={"rounds": rounds, "round_s": 120.0, "decision_s": 20.0})
    first = next(agent for agent in demo.agent if agent.strategy == STRATEGIES[0])
    agents = [
        first.model_copy(update={"name": f"a{n:02d}", "strategy": STRATEGIES[n % len(STRATEGIES)]})
        for n in range(AGENTS)
    ]
    drifts = {one.name: {"drift": 0.05} for one in demo.instrument}
    more = {"agent": agents, "scenario": {"instrument": drifts}}
    return demo.model_copy(update={"desk": section, **more})


def run(folder: Path, rounds: int) -> tuple[float, float]:
    """Run the desk; the most of its memory up to a tenth of the rounds and at the end, MB."""
    (folder / LIMITS).write_text(packaged_limits(BRAKES))
    config = config_of(rounds).model_copy(update={"limits": LimitsSection(file=LIMITS)})
    seen = list[tuple[float, int]]()

    def progress(_round: int) -> None:
        seen.append((rss_mb(), opened.session.ledger.parents.count))

    parts = SimulatedMarkets().dependencies(config)
    opened = assemble_desk(
        config, SqlJournal(folder, "bench"), parts, base_folder=folder, progress=progress
    )
    listed = [
        {"instrument": one.instrument, "tick": one.tick, "lot": one.lot}
        for one in opened.session.venue.listings()
    ]
    (folder / GIVEN).write_text(json.dumps({"listings": listed, "agents": list(opened.slots)}))
    opened.run()
    opened.session.close()
    assert seen[-1][1] > seen[-2][1], "the desk trades to the last round"
    early, late = (max(seen[end - max(rounds // 20, 1) : end])[0] for end in (rounds // 10, rounds))
    return early, late


def rss_mb(process: int | str = "self") -> float:
    """Memory of a process now, MB."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def restarted(folder: str) -> tuple[float, float, int, int]:
    """Seconds, MB, entries and executions of a restart in a process of its own."""
    command = [sys.executable, "-c", _RESTART, folder, GIVEN, LIMITS]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    spent, rss, entries, fills = json.loads(done.stdout)
    return spent, rss, int(entries), int(fills)
