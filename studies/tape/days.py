"""The days of a lake that a study reads."""

from collections.abc import Collection, Sequence
from pathlib import Path

from tercel.core import TapeError
from tercel.market import read_days
from tercel.market.observed import Observed
from tercel.market.tape import Lake


def observed_days(
    lake: Path, symbol: str, dates: Sequence[str], leave_out: Collection[str], venue: str
) -> dict[str, Observed]:
    """The observed days, by date; all that the lake has where none is named.

    Raises
    ------
    TapeError
        A day that the lake does not have.
    """
    known = Lake(lake).days(symbol, venue or None)
    if strange := sorted(set(leave_out) - set(known)):
        raise TapeError(
            f"{symbol} on {', '.join(strange)} in {lake} to leave out", f"days {', '.join(known) or 'none'}",
            "correct --leave-out",
        )  # fmt: skip
    named = [date for date in (dates or known) if date not in leave_out]
    return {date: read_days(lake, symbol, [date], venue=venue)[0].observe() for date in named}
