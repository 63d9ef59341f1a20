"""Names in a person's commands to a running desk, from its folder: unknown ones are refused before a command is posted."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tercel.core.bounded_parsing import parse_tables
from tercel.core.errors import ConfigError, suggest_name
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.database import CONFIG, holder
from tercel.desk.trading.journal.reader import JournalReader
from tercel.desk.trading.risk.kill_switch import LATCH, KillLatch

SHOWN: Final = 12
"""Parents that an error names."""


@dataclass(frozen=True)
class DeskNames:
    """Agents and instruments of a desk's file, and parents of its journal in the order of their acceptance."""

    agents: list[str]
    instruments: list[str]
    parents: list[str]

    def refuse_unknown_agent(self, name: str) -> None:
        """Raise a ConfigError for an agent that the desk does not have."""
        self._refuse(name, self.agents, "an agent of the desk")

    def refuse_unknown_instrument(self, name: str) -> None:
        """Raise a ConfigError for an instrument that the desk does not have."""
        self._refuse(name, self.instruments, "an instrument of the desk")

    def refuse_unknown_parent(self, name: str, or_agent: bool = False) -> None:
        """Raise a ConfigError for an id that no parent of the desk has; with `or_agent` agents pass too."""
        if name in self.parents or (or_agent and name in self.agents):
            return
        ids = ", ".join(reversed(self.parents[-SHOWN:])) or "none yet"
        more = len(self.parents) - SHOWN
        known_text = f"{ids}{f', and {more} earlier ones' if more > 0 else ''}"
        agents_text = f", or an agent: {', '.join(self.agents)}" if or_agent else ""
        raise ConfigError(
            f"a parent order that exists{agents_text}",
            repr(name),
            suggest_name(
                name, [*self.parents, *self.agents * or_agent], f"name one of: {known_text}"
            ),
        )

    @staticmethod
    def _refuse(name: str, known: list[str], expected: str) -> None:
        """Raise a ConfigError for a name that is not in `known`."""
        if name not in known:
            listed = ", ".join(known)
            raise ConfigError(
                f"{expected}: {listed}",
                repr(name),
                suggest_name(name, known, f"use one of {listed}"),
            )


def read_desk_names(folder: Path) -> DeskNames | None:
    """Names of a running desk; None where nothing runs, or where no desk file says them: the desk itself answers then."""
    if holder(folder) == "":
        return None
    try:
        tables = parse_tables((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    agents, instruments = (
        [str(row.get("name", "")) for row in tables.get(key, ())] for key in ("agent", "instrument")
    )
    with closing(JournalReader(folder)) as reader:
        parents = {entry.parent: None for _, entry in reader.read(0, (kinds.PARENT,))}
    return DeskNames(agents, instruments, list(parents))


def choose_agent(folder: Path, instrument: str, agents: list[str]) -> str:
    """The agent with the largest share of an instrument's flow, of those that are neither killed nor paused; the first
    one where the desk has journaled no shares.

    Raises
    ------
    ConfigError
        When every agent is killed or paused.
    """
    shares: dict[str, float] = {}
    stopped = set[str]()
    with closing(JournalReader(folder)) as reader:
        for _, entry in reader.read(0, (kinds.SHARE, kinds.HOLD)):
            if entry.kind == kinds.HOLD:
                is_paused = entry.body["event"] == "paused"
                stopped = stopped | {entry.agent} if is_paused else stopped - {entry.agent}
            elif entry.instrument == instrument:
                shares = dict(entry.body["shares"])
    latch = KillLatch(folder / LATCH).state()
    free = [name for name in agents if name not in stopped and not latch.reason_for(name)]
    if not free:
        raise ConfigError(
            "an agent that takes parents",
            f"{', '.join(agents)}: each is killed or paused",
            "`tercel trade resume AGENT` or `tercel rearm` first",
        )
    return max(free, key=lambda name: shares.get(name, -1.0))
