"""Market baselines, estimated from a desk's own data and kept in its journal.

The first minutes that a desk observes are its first baseline; until then it has no risk score, and the risk state is
cautious. At the end of a session the baseline is re-estimated from the seconds in which no risk rule was in force, and
the next session starts with it.
"""

from dataclasses import asdict, fields
from typing import Final

import numpy as np

from tercel.core.plain import plain
from tercel.core.ports import Entry, Journal
from tercel.desk.trading.journal import kinds
from tercel.market.simulator.seconds import COLUMNS
from tercel.signals.risk.anomaly import AnomalyBaseline, Second, learn_calm

KEPT_S: Final = 8 * 3600
"""Seconds at most that a baseline is estimated from, the last ones."""
LEAST_S: Final = 3600
"""Seconds at least that replace an earlier baseline."""


def of_journal(journal: Journal, venue: str) -> dict[str, AnomalyBaseline]:
    """The last baseline of each instrument in a desk's journal, of sessions at this venue only, not of a test network or
    a recorded day that the same desk traded."""
    found = {}
    where = ""
    for _, entry in journal.read(kinds=(kinds.SESSION, kinds.BASELINE)):
        if entry.kind == kinds.SESSION:
            where = entry.body["venue"]
        elif where == venue:
            values = {one.name: entry.body[one.name] for one in fields(AnomalyBaseline)}
            arrays = {k: np.array(v, np.float64) for k, v in values.items() if isinstance(v, list)}
            found[entry.instrument] = AnomalyBaseline(**values | arrays)
    return found


def entry_of(instrument: str, at_ns: int, baseline: AnomalyBaseline, seconds: int) -> Entry:
    """The journal's entry of a baseline that was learned from so many seconds."""
    body = {name: plain(value) for name, value in asdict(baseline).items()}
    return Entry(kinds.BASELINE, at_ns, instrument, body=body | {"seconds": seconds})


class OrdinarySeconds:
    """The last seconds of a market in which no risk rule was in force."""

    def __init__(self) -> None:
        self._rows = np.empty((KEPT_S, COLUMNS))
        self._seen = 0

    def add(self, second: Second) -> None:
        """One more second; one that is not all numbers is left out."""
        row = np.array(second, np.float64)
        if np.isfinite(row).all():
            self._rows[self._seen % KEPT_S] = row
            self._seen += 1

    @property
    def count(self) -> int:
        """Seconds that :meth:`baseline` learns from."""
        return min(self._seen, KEPT_S)

    def baseline(self) -> AnomalyBaseline | None:
        """The baseline of these seconds; None for fewer than :data:`LEAST_S`."""
        if self.count < LEAST_S:
            return None
        return learn_calm([np.roll(self._rows[: self.count], -self._seen % self.count, axis=0)])
