"""The page as it was at a time of the venue: the fold of the entries up to it, from the checkpoint before."""

from collections.abc import Iterator
from typing import Final

from tercel.core.checkpoints import Checkpoints
from tercel.core.ports import Entries, Entry
from tercel.desk.console.state import DeskState

EVERY_NS: Final = 60 * 10**9
EVERY: Final = 4_000
"""Entries between two checkpoints, at least."""
KEPT: Final = 128
ROWS: Final = (
    *(
        "owners",
        "decisions",
        "operator",
        "share_points",
        "cost_points",
        "points",
        "returns",
        "flow",
        "_costs",
        "session",
    ),
    *("heartbeat", "postures", "alphas", "markets", "told", "kills", "_moves", "_alike", "_routed"),
)
"""Parts of a page whose rows are replaced and never changed."""


def checkpoints() -> Checkpoints[DeskState]:
    """Checkpoints of a page, none yet; a follower keeps them as it goes."""
    return Checkpoints(EVERY_NS, EVERY, KEPT, ROWS, lambda state: [state.ledger.past])


def begun(journal: Entries, ns: int, past: Checkpoints[DeskState]) -> DeskState:
    """The state of the last checkpoint up to a time, its own copy; an empty one before the first."""
    found = past.before(ns)
    if found is None:
        return DeskState(journal)
    state = found[1]
    if state.ledger.past is not None:
        state.ledger.past = state.ledger.past.as_of(*state.archived)
    return state


def fold(
    state: DeskState, journal: Entries, ns: int, past: Checkpoints[DeskState] | None = None
) -> DeskState:
    """Fold what follows up to a time; with `past`, keep checkpoints as they are due."""
    for _ in span(state, journal, ns):
        if past is not None:
            note(past, state)
    return state


def span(state: DeskState, journal: Entries, ns: int) -> Iterator[Entry]:
    """The entries that follow up to a time, each once the state has taken it."""
    for seq, entry in journal.read(state.seq):
        if entry.ns > ns:
            return
        state.apply(seq, entry)
        yield entry


def note(past: Checkpoints[DeskState], state: DeskState) -> None:
    """Keep a checkpoint of the state where one is due."""
    if past.due(state.ns, state.seq):
        archive = state.ledger.past
        state.archived = (0, 0) if archive is None else (len(archive), archive.fills)
        past.keep(state.ns, state.seq, state)
