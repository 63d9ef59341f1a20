"""Names in a person's commands to a running desk, from its folder: unknown ones are refused before a command is posted."""

from collections.abc import Collection, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tercel.core.bounded_parsing import parse_tables
from tercel.core.errors import OrderError, check_known
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import HoldEntry
from tercel.desk.trading.journal.database import CONFIG, holder
from tercel.desk.trading.journal.reader import JournalReader
from tercel.desk.trading.parent_orders.parent import Parents
from tercel.desk.trading.risk.kill_switch import LATCH, KillLatch


@dataclass
class DeskNames:
    """Agents and instruments of a desk's file; parents, shares of the flow and stopped agents by its journal.

    Parameters
    ----------
    is_complete : bool
        Whether the desk runs and its file names its agents and instruments, so that other names can be refused.
    agents, instruments : list of str
        Agents that the journal names where the file is not complete.
    stopped : set of str
        Agents that are killed or paused.
    shares : dict
        By instrument: the last share of its flow by agent.
    """

    is_complete: bool = False
    agents: list[str] = field(default_factory=list)
    instruments: list[str] = field(default_factory=list)
    parents: Parents = field(default_factory=Parents)
    stopped: set[str] = field(default_factory=set)
    shares: dict[str, Mapping[str, float]] = field(default_factory=dict)

    def refuse_unknown(self, name: str, known: Collection[str], expected: str) -> None:
        """Raise an UnknownNameError for a name that is not among the known ones of a running desk."""
        if self.is_complete:
            check_known(name, known, expected)

    def refuse_parent_over(self, name: str, also: Collection[str] = ()) -> None:
        """Raise an OrderError for an id that no open parent of a running desk has; `also`: names that pass too."""
        if self.is_complete and name not in also:
            self.parents.require_open(name, also)

    def choose_agent(self, instrument: str) -> str:
        """The agent that takes a parent of an instrument by share (`agent_with_most_flow`)."""
        shares = self.shares.get(instrument, {})
        return agent_with_most_flow(
            {name: shares.get(name, -1.0) for name in self.agents}, self.stopped
        )


def read_desk_names(folder: Path) -> DeskNames:
    """Names of a desk, from its file and one pass over its journal."""
    names = DeskNames()
    with closing(JournalReader(folder)) as reader:
        for _, entry in reader.read(
            0, (kinds.SESSION, kinds.PARENT, kinds.SHARE, kinds.HOLD, kinds.AGENT_ASSIGNMENT)
        ):
            names.parents.apply(entry)
            if entry.kind == kinds.SHARE:
                names.shares[entry.instrument] = entry.body["shares"]
            elif entry.kind == kinds.AGENT_ASSIGNMENT:
                names.agents.append(entry.agent)
            elif entry.kind == kinds.HOLD:
                is_paused = HoldEntry.of(entry).event == "paused"
                (names.stopped.add if is_paused else names.stopped.discard)(entry.agent)
    names.agents = sorted({*names.agents, *names.parents.agents})
    if holder(folder) != "":
        with suppress(OSError, ValueError):
            tables = parse_tables((folder / CONFIG).read_text(encoding="utf-8"))
            names.agents, names.instruments = (
                [str(row.get("name", "")) for row in tables.get(key, ())]
                for key in ("agent", "instrument")
            )
            names.is_complete = True
    latch = KillLatch(folder / LATCH).state()
    names.stopped |= {name for name in names.agents if latch.reason_for(name)}
    return names


def agent_with_most_flow(shares: Mapping[str, float], stopped: Collection[str]) -> str:
    """Name of the agent with the largest share of an instrument's flow, of those that are neither killed nor paused.

    >>> agent_with_most_flow({"a": 0.2, "b": 0.5, "c": 0.3}, {"b"})
    'c'

    Raises
    ------
    OrderError
        No agent is known, or each is stopped.
    """
    free = [name for name in shares if name not in stopped]
    if not free:
        agents = ", ".join(sorted(shares))
        raise OrderError(
            "an agent that takes parents",
            f"{agents}: each is killed or paused" if agents else "none is known yet",
            "resume or re-arm one first" if agents else "name one",
        )
    return max(free, key=lambda name: shares[name])
