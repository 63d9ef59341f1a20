"""A desk's state at any past time: the last checkpoint of the state before it, and the journal's entries from there on."""

from collections.abc import Iterator
from typing import Final

from tercel.core.checkpoints import Checkpoints
from tercel.core.ports import Entries, Entry
from tercel.desk.console.state import DeskState

CHECKPOINT_NS: Final = 60 * 10**9
CHECKPOINT_ENTRIES: Final = 4_000
"""Entries between two checkpoints, at least."""
MOST_CHECKPOINTS: Final = 128
ROW_ATTRIBUTES: Final = (
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
    "heartbeat",
    "postures",
    "alphas",
    "markets",
    "latest",
    "kills",
    "_moves",
    "_alike",
    "_routed",
    "quoted",
    "_experiment_parts",
    "_waiting",
)
"""Attributes of a state whose rows are replaced and never changed."""


def checkpoints() -> Checkpoints[DeskState]:
    """An empty store of checkpoints for the states of one desk."""
    return Checkpoints(
        CHECKPOINT_NS,
        CHECKPOINT_ENTRIES,
        MOST_CHECKPOINTS,
        ROW_ATTRIBUTES,
        lambda state: [state.ledger.past],
    )


def restore_state(journal: Entries, ns: int, past: Checkpoints[DeskState]) -> DeskState:
    """Copy of the state at the last checkpoint up to a time, to be folded on from there; an empty state without one."""
    checkpoint = past.restore(ns)
    if checkpoint is None:
        return DeskState(journal)
    state = checkpoint[1]
    if state.ledger.past is not None:
        state.ledger.past = state.ledger.past.as_of(*state.archived)
    return state


def fold_until(
    state: DeskState, journal: Entries, ns: int, past: Checkpoints[DeskState] | None = None
) -> DeskState:
    """Fold journal entries up to a time (inclusive) into the state in place, and return it; with `past`, store checkpoints."""
    for _ in apply_until(state, journal, ns):
        if past is not None:
            keep_checkpoint(past, state)
    return state


def apply_until(state: DeskState, journal: Entries, ns: int) -> Iterator[Entry]:
    """Apply the journal's entries up to a time (inclusive) to the state, yielding each entry after it is applied."""
    for seq, entry in journal.read(state.seq):
        if entry.ns > ns:
            return
        state.apply(seq, entry)
        yield entry


def keep_checkpoint(past: Checkpoints[DeskState], state: DeskState) -> None:
    """Store a checkpoint of the state if one is due."""
    if past.is_due(state.ns, state.seq):
        archive = state.ledger.past
        state.archived = (0, 0) if archive is None else (len(archive), archive.fills)
        past.store(state.ns, state.seq, state)
