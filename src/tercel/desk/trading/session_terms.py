"""Settings of a trading session: whether parents of an earlier session go on, seed, heartbeats, time limits, dealers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tercel.core.vocabulary import NS_PER_SECOND


@dataclass(frozen=True)
class SessionTerms:
    """Settings of a session.

    Parameters
    ----------
    resume : bool
        Whether parents of an earlier session go on at once; else they are paused.
    seed : int
        Seed of the strategies' random draws.
    warmup_s : float
        Seconds of market data before a parent's arrival from which its long volatility is computed.
    heartbeat_ns : int
        Venue time between two heartbeats in the journal.
    watch_s : float
        Seconds between two reads of the kill latch by a thread, also while a strategy hangs; 0: no thread, a read in every step.
    decision_s : float
        Seconds that a decision may take, if there is such a thread; after that the fallback strategy takes over.
    holder : str
        Name of the user and program that run it, for messages.
    name_tag : str
        Tag in the order names of this session: a venue takes a name once, among all users of its accounts.
    gate : str
        Folder of the journal of a gate that serves others too; "" without one, and for the desk's own.
    dealers : tuple of str
        Dealers that receive requests for quotes which name none.
    panel : str
        Prior model of these dealers (`market.dealers.load_panel`), for orders by `routed`; "": such orders go to the book.
    desk : mapping
        Name, stage and agents of the desk, for the journal.
    """

    resume: bool = False
    seed: int = 0
    warmup_s: float = 900.0
    heartbeat_ns: int = 60 * NS_PER_SECOND
    watch_s: float = 0.0
    decision_s: float = 2.0
    holder: str = ""
    name_tag: str = ""
    gate: str = ""
    dealers: tuple[str, ...] = ()
    panel: str = ""
    desk: Mapping[str, Any] = field(default_factory=dict)
