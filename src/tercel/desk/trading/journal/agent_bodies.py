"""Bodies of journal entries about what agents decide and what people ask of them: forecasts, postures, decisions, costs.

    AlphaEntry.of(entry).expected_bps

`journal.bodies` has the bodies that a gate writes and reads.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import field

from tercel.desk.trading.journal.bodies import EntryBody, Signed, StanceEntry


class AlphaEntry(EntryBody):
    """Forecast of an instrument's return (see `kinds.ALPHA`); `model` to `due_ns` are of forecasts served from files."""

    horizon_ns: int = field(default_factory=int)
    expected_bps: float | None = None
    sd_bps: float | None = None
    half_life_ns: int = field(default_factory=int)
    sources: list[str] = field(default_factory=list[str])
    model: str | None = None
    at: str | None = None
    ahead_bps: float | None = None
    left_bps: float | None = None
    due_ns: int | None = None


class PostureEntry(EntryBody):
    """Risk posture of an instrument: urgency, participation, styles, size (see `kinds.POSTURE`)."""

    urgency: float
    max_participation: float
    styles: int
    size_multiplier: float
    reasons: list[str] = field(default_factory=list[str])


class DecisionEntry(EntryBody):
    """Decision of a strategy: forecast, posture, intent, commands (see `kinds.DECISION`); fields for replay are left out."""

    n: int | None = None
    strategy: str = ""
    alpha: AlphaEntry | None = None
    posture: PostureEntry | None = None
    intent: list[int] = field(default_factory=list[int])
    commands: list[str] = field(default_factory=list[str])


class SetStanceEntry(StanceEntry, kw_only=True):
    """Body of a manual risk state that a person set."""

    until_ns: int
    instead: bool
    words: Mapping[str, Any]


class AssignmentEntry(EntryBody):
    """Strategies assigned to an agent: the one in charge and its challenger (see `kinds.AGENT_ASSIGNMENT`)."""

    strategy: str = ""
    challenger: str = ""


class PromotedEntry(Signed, kw_only=True):
    """Promotion of a challenger over the strategy in charge (see `kinds.PROMOTED`)."""

    champion: str
    challenger: str
    evidence: str = field(default_factory=str)


class CostEntry(EntryBody):
    """Cost of a finished parent, bps (see `kinds.FEEDBACK`, `kinds.TCA`); None: not known; `by_hand`: lots of manual
    orders."""

    is_bps: float | None = None
    notional: float = 0.0
    filled: int | float = 0
    unfilled: int | float = 0
    refused: int | float = 0
    by_hand: int | float | None = None
    opportunity_bps: float | None = None
    refusal_bps: float | None = None
    spread_bps: float | None = None
    walk_bps: float | None = None
    timing_bps: float | None = None
    forced_bps: float | None = None
    fees_bps: float | None = None
