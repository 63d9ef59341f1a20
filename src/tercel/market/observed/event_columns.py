"""Kinds of public events, and the columns of the arrays that the pass over a tape reads and writes."""

from typing import Any, Final, NamedTuple

LIMIT_IN_SPREAD, LIMIT_AT_BEST, LIMIT_DEEPER, CANCEL_AT_BEST, CANCEL_DEEPER, MARKET = range(6)
KINDS: Final = 6
NAMES: Final = (
    "limit in spread",
    "limit at best",
    "limit deeper",
    "cancel at best",
    "cancel deeper",
    "market",
)
LOTS, ANON, EPOCH, PRINTED, COLUMNS = range(5)
"""Of a level: all lots, anonymous lots, times it left the window, (L2) lots traded since it was last set."""
LEFT, RANK, SIDE, BORN, FIELDS = range(5)
"""Of a known order: lots left, rank of its price, side index, its level's epoch when it came."""
(
    BID,
    ASK,
    HALTED,
    ROWS,
    EXEC_NS,
    EXEC_SIDE,
    EXEC_ROW,
    CLEAR_NS,
    CLEAR_SEQ,
    LEVELS_BID,
    LEVELS_ASK,
    UNKNOWN,
    HALTS,
    CLEARS,
    OUTSIDE,
    HIDDEN,
    HIDDEN_ROWS,
    STATE,
) = range(18)
"""Running state: ranks of the touch (-1 and the number of ranks when a side is empty), halted or not, rows written,
the last execution and its row, the last CLEAR, occupied levels a side; then counts: messages of unknown orders, halts,
clears, events outside the window of levels, hidden lots, rows of hidden executions written."""


class Tally(NamedTuple):
    """State of the pass: levels int64[2, ranks, COLUMNS], known orders int64[orders, FIELDS], counters, rows."""

    level: Any
    known: Any
    state: Any
    event_rows: Any
    book: Any
