"""Rules of recorded days: those of their venue, with windows within the session that was recorded."""

import re
from dataclasses import replace
from typing import Final

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.instrument_rules import load_rules
from tercel.core.venue_rules import NO_RULES, VenueRules, windows_of
from tercel.core.vocabulary import FOREVER_NS
from tercel.market.tape.events import Instrument

# Nights by product: "Trading hours" of SHFE, INE, DCE, CZCE and CFFEX, as of 2025.
RULES_OF_SYMBOLS: Final = {
    r"(SSE|XSHG) 68[89]\d{3}": "XSHG-STAR",
    r"(SSE|XSHG) .*": "XSHG",
    r"(SZSE|XSHE) 30[01]\d{3}": "XSHE-ChiNext",
    r"(SZSE|XSHE) .*": "XSHE",
    r"SHFE (AU|AG|SC)\d+": "SHFE-0230",
    r"SHFE (CU|AL|ZN|PB|NI|SN|SS|AO|AD|BC)\d+": "SHFE-0100",
    r"SHFE I[FHCM]\d+": "CCFX",
    r"SHFE (WR|EC|JD|LH|FB|BB|RR|LG|AP|CJ|PK|SF|SM|UR|WH|PM|RI|LR|JR|RS|SI|LC|PS)\d+": "SHFE-day",
    r"SHFE .*": "SHFE",
}
"""Rules by venue and symbol, the first that matches, where days have breaks; others are named in `extra["rules"]`."""
WINDOWS: Final = "windows_ns"
"""In `extra`, of a day of which parts alone are in use: begin and end of each, ns."""


def recorded_rules(
    instrument: Instrument, rules: str = "", previous_close: float = 0.0
) -> VenueRules:
    """Rules of a recorded day; `NO_RULES` where those of its venue are not known.

    A day that was recorded was no holiday, and its session says where it ended early: no calendar is needed. A day
    without a break has no windows: its tape ends by itself.

    Parameters
    ----------
    instrument : Instrument
    rules : str
        Name of others than its venue's.
    previous_close : float
        Price that daily limits are of; 0: they are not kept.
    """
    of_symbol = (
        name
        for shape, name in RULES_OF_SYMBOLS.items()
        if re.fullmatch(shape, f"{instrument.venue} {instrument.symbol.upper()}")
    )
    if not (name := rules or instrument.extra.get("rules") or next(of_symbol, "")):
        return NO_RULES
    declared = load_rules(str(name))
    session = declared.session.model_copy(update={"calendar": ""})
    opening = instrument.session_open_ns or instrument.span[0]
    close = instrument.session_close_ns or instrument.span[1]
    spans = [
        (max(w.start_ns, opening), min(w.end_ns, close))
        for w in session.day(instrument.date)
        if w.start_ns < close and opening < w.end_ns
    ]
    resolved = declared.resolve(instrument.tick, instrument.lot, previous_close=previous_close)
    return replace(resolved, windows=windows_of(spans) if len(spans) > 1 else ())


def recorded_hours(instrument: Instrument) -> VenueRules:
    """Windows of a recorded day within its session; `NO_RULES` where it has no break (see `recorded_rules`).

    >>> day = Instrument("SSE", "600519", "2023-02-01", 0.01, timezone="Asia/Shanghai")
    >>> [(w.end_ns - w.start_ns) // (60 * 10**9) for w in recorded_hours(day).windows]
    [120, 117]
    """
    if spans := instrument.extra.get(WINDOWS):
        return VenueRules(windows_of([(start, stop) for start, stop in spans]))
    windows = recorded_rules(instrument).windows
    return VenueRules(windows) if windows else NO_RULES


def trading_times(hours: VenueRules, opening: int, ns: Ints) -> Ints:
    """Trading time from an opening until each of some times, ns; none passes before it and in breaks.

    >>> trading_times(VenueRules(windows_of([(0, 10), (90, 99)])), 5, np.array([4, 7, 50, 91]))
    array([0, 2, 5, 6])
    """
    windows = hours.windows or windows_of([(opening, FOREVER_NS)])
    return np.asarray(
        sum(np.maximum(np.minimum(ns, w.end_ns) - max(w.start_ns, opening), 0) for w in windows),
        np.int64,
    )
