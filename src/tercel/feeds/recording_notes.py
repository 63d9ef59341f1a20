"""Notes on a recorded day against its venue's hours: trades in a break, and trading time without a row."""

from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from tercel.core.report.formatting import format_clock
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.tape import Events
from tercel.market.tape.events import Instrument
from tercel.market.tape.recorded_rules import recorded_hours, trading_times
from tercel.market.tape.schema import TRADE, TRADE_HIDDEN

MINUTE_NS: Final = 60 * NS_PER_SECOND
SLACK_NS: Final = 5 * MINUTE_NS
"""Before a window its opening call trades, and shorter times without a row are usual."""
USUAL_GAPS: Final = 100
"""Times the median distance of rows that are usual too."""


def recording_notes(instrument: Instrument, events: Events) -> list[str]:
    """Notes on a day of a venue with breaks whose trades or rows do not agree with its hours; [] on others.

    >>> recording_notes(Instrument("LSE", "VOD", "2023-02-01", 0.01), Events.empty(0))
    []
    """
    hours = recorded_hours(instrument)
    if not hours.windows:
        return []
    zone = ZoneInfo(instrument.timezone)
    printed = events.exch_ns[np.isin(events.kind, (TRADE, TRADE_HIDDEN))]
    notes = [
        f"{len(inside):,} trades lie in the break {format_clock(w.end_ns, zone)} to {format_clock(later.start_ns, zone)}, in "
        'which a replay sends nothing: name the rules of its hours in a map, `rules = "SHFE-0230"` under [instrument]'
        for w, later in pairwise(hours.windows)
        if len(
            inside := printed[
                (printed > w.end_ns + MINUTE_NS) & (printed < later.start_ns - SLACK_NS)
            ]
        )
    ]
    opening, close = instrument.session(events.exch_ns)
    ns = np.unique(np.concatenate([events.exch_ns, [opening, close]]))
    gaps = np.diff(trading_times(hours, opening, ns))
    longest = int(gaps.argmax())
    if gaps[longest] > max(SLACK_NS, USUAL_GAPS * float(np.median(gaps))):
        notes.append(
            f"no row from {format_clock(int(ns[longest]), zone)} to {format_clock(int(ns[longest + 1]), zone)}, "
            f"{gaps[longest] / MINUTE_NS:.0f} minutes of trading: unless it was halted, rows "
            "are missing; import the whole day again with `replace=True`"
        )
    return notes
