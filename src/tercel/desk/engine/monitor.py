"""Second-by-second measurement of one instrument: the risk state, and the features of the alpha model.

Both are read from the follower of the instrument's market data, the arrays that agents observe.

A baseline describes a market's usual behaviour. The first minutes that a desk observes are its first baseline; until then
there is no risk score, and the risk state is cautious. At the end of a session it is estimated again from the seconds
without an active risk rule, journaled, and used by the next session.
"""

from collections import deque
from dataclasses import asdict, fields
from typing import Final

import numpy as np

from tercel.core.orders import M_NS, MarketRows
from tercel.core.ports import Entry, Journal
from tercel.core.serialization import to_jsonable
from tercel.core.vocabulary import NO_ASK, NO_BID, NS_PER_SECOND
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import SessionEntry
from tercel.desk.trading.parent_orders.follower import Follower
from tercel.market.simulator import layout as sim
from tercel.market.simulator.second_figures import COLUMNS
from tercel.signals.risk.anomaly import AnomalyBaseline, RiskMeter, fit_baseline
from tercel.signals.risk.posture import RiskState
from tercel.signals.risk.seconds import Second, SecondReader

MAX_BASELINE_S: Final = 8 * 3600
"""Seconds at most that a baseline is estimated from, the last ones."""
MIN_BASELINE_S: Final = 3600
"""Seconds at least that replace an earlier baseline."""


SILENT_S: Final = 10.0
"""Fewest seconds without an event after which a market counts as silent."""
WINDOW_S: Final = 60
"""Seconds over which flow features are summed."""
FLOW: Final = ("ofi", "signed_volume", "return_bps")
NAMES: Final = (*FLOW, "imbalance", "microprice_bps", "news")
"""The features, as a packaged model reads them; `news` comes from elsewhere."""


def read_baselines(journal: Journal, venue: str) -> dict[str, AnomalyBaseline]:
    """Last journaled baseline of each instrument, from sessions at the named venue only.

    Not of a test network or of a recorded day that the same desk traded.
    """
    baselines = {}
    session_venue = ""
    for _, entry in journal.read(kinds=(kinds.SESSION, kinds.BASELINE)):
        if entry.kind == kinds.SESSION:
            session_venue = SessionEntry.of(entry).venue
        elif session_venue == venue:
            values = {
                parameter.name: entry.body[parameter.name] for parameter in fields(AnomalyBaseline)
            }
            arrays = {
                name: np.array(value, np.float64)
                for name, value in values.items()
                if isinstance(value, list)
            }
            baselines[entry.instrument] = AnomalyBaseline(**values | arrays)
    return baselines


def baseline_entry(instrument: str, at_ns: int, baseline: AnomalyBaseline, seconds: int) -> Entry:
    """Journal entry of a baseline that was learned from `seconds` seconds."""
    body = {name: to_jsonable(value) for name, value in asdict(baseline).items()}
    return Entry(kinds.BASELINE, at_ns, instrument, body=body | {"seconds": seconds})


class OrdinarySeconds:
    """Buffer of the last seconds of a market in which no risk rule was in force."""

    def __init__(self) -> None:
        self._rows = np.empty((MAX_BASELINE_S, COLUMNS))
        self._seen = 0

    def add(self, second: Second) -> None:
        """Add a second's measurements; a second with a value that is not finite is left out."""
        row = np.array(second, np.float64)
        if np.isfinite(row).all():
            self._rows[self._seen % MAX_BASELINE_S] = row
            self._seen += 1

    @property
    def count(self) -> int:
        """Seconds that :meth:`baseline` learns from."""
        return min(self._seen, MAX_BASELINE_S)

    def baseline(self) -> AnomalyBaseline | None:
        """Baseline fitted to the stored seconds; None for fewer than :data:`MIN_BASELINE_S`."""
        if self.count < MIN_BASELINE_S:
            return None
        return fit_baseline([np.roll(self._rows[: self.count], -self._seen % self.count, axis=0)])


class MarketMonitor:
    """Measures one instrument second by second: risk state, silences, features of the forecast model.

    Parameters
    ----------
    follower : Follower
        Of its market data; its owner feeds it before this monitor.
    calm : AnomalyBaseline, optional
        Baseline of its market; without it the first `warm_s` seconds are the baseline.
    warm_s : int
    """

    def __init__(
        self,
        follower: Follower,
        calm: AnomalyBaseline | None = None,
        warm_s: int = 600,
    ) -> None:
        self._follower = follower
        self._trading_ns = follower.listing.rules.trading_ns  # a break is no silence
        self.warm_s = warm_s
        self._reader = SecondReader()
        self._meter = RiskMeter(follower.instrument, calm, warm_s)
        self._tallies: deque[tuple[int, int, int]] = deque(maxlen=WINDOW_S + 1)
        self._second: Second | None = None
        # gaps between events, by their bits
        self._event_ns = 0
        self._gaps = np.zeros(64, np.int64)
        self._silences: list[tuple[int, int]] = []
        self._times: set[int] = set()
        self.own_ns: set[int] = set()
        """Times of reports on the desk's own orders within the second: its own rows in the market's data have them."""
        self.ordinary = OrdinarySeconds()
        """Seconds that a baseline of this session can be learned from."""
        self.risk: RiskState | None = None
        """The current risk measurements; None before the first second."""

    def on_market(self, event: MarketRows) -> None:
        """Count the cancelled, traded and added lots of new market data."""
        self._reader.on_market(event)
        self._times.update(event.rows[:, M_NS].tolist())

    def _count_gap(self, at_ns: int) -> None:
        """If the second up to `at_ns` had events other than the desk's own, count the gap since the last such second."""
        if self._times - self.own_ns:
            gap_ns = self._trading_ns(self._event_ns, at_ns) if self._event_ns else 1
            self._gaps[gap_ns.bit_length()] += 1
            self._silences += (
                [(self._event_ns, at_ns)]
                if self._event_ns and gap_ns > SILENT_S * NS_PER_SECOND
                else []
            )
            self._event_ns = at_ns
        self._times = set()
        self.own_ns = set()

    def silent_s(self, from_ns: int, to_ns: int) -> float | None:
        """Longest time within a span in which a silent market showed no event, s; None where it was not silent.

        Silent is a gap of more than twice its own 99.9 % gap (by powers of 2) and than :data:`SILENT_S`.
        """
        usual_ns = 2 << int(np.searchsorted(np.cumsum(self._gaps), 0.999 * self._gaps.sum()))
        gaps = [*self._silences, (self._event_ns, to_ns)]
        long_gaps = [
            gap for gap in gaps if self._trading_ns(*gap) > max(usual_ns, SILENT_S * NS_PER_SECOND)
        ]
        longest_s = (
            max(
                (
                    self._trading_ns(max(begin, from_ns), min(end, to_ns))
                    for begin, end in long_gaps
                ),
                default=0,
            )
            / NS_PER_SECOND
        )
        return longest_s if longest_s > SILENT_S else None

    def close_second(self, at_ns: int) -> None:
        """End a second at `at_ns`: measure risk and store order flow, both only while the book is known and two-sided."""
        self._count_gap(at_ns)
        state_word = self._follower.state.item
        if not self._follower.ready or not state_word(sim.MID2):
            return
        self._second = self._reader.close(self._follower)
        self.risk = self._meter.update(self._second, at_ns)
        bought = state_word(sim.BOUGHT)
        sold = state_word(sim.SOLD)
        self._tallies.append((state_word(sim.OFI), bought - sold, state_word(sim.MID2)))

    @property
    def baseline(self) -> AnomalyBaseline | None:
        """Baseline that the risk score uses; None while it is learned."""
        return self._meter.score.baseline

    def keep_ordinary_second(self) -> None:
        """Store the last second, in which no risk rule was in force, for a later baseline."""
        if self._second is not None:
            self.ordinary.add(self._second)

    def features(self, news: float | None) -> dict[str, float | None]:
        """Values of the features in `NAMES`; None where one is missing (an empty side, no data yet)."""
        state = self._follower.state
        bid = int(state[sim.PUBLIC_BID])
        ask = int(state[sim.PUBLIC_ASK])
        values: dict[str, float | None] = dict.fromkeys(NAMES)
        values["news"] = news
        if self._second is None or bid == NO_BID or ask == NO_ASK:
            return values
        mid2 = bid + ask
        old = self._tallies[0]
        new = self._tallies[-1]
        lean = self._second.imbalance
        return values | {
            "ofi": float(new[0] - old[0]),
            "signed_volume": float(new[1] - old[1]),
            "return_bps": 1e4 * (new[2] - old[2]) / mid2,
            "imbalance": lean,
            "microprice_bps": 1e4 * self._second.spread_ticks * lean / mid2,
        }


def seconds_between(from_ns: int, to_ns: int) -> range:
    """The whole seconds after `from_ns` up to `to_ns`, ns.

    >>> list(seconds_between(500_000_000, 2_000_000_000))
    [1000000000, 2000000000]
    """
    first = (from_ns // NS_PER_SECOND + 1) * NS_PER_SECOND
    return range(first, to_ns + 1, NS_PER_SECOND)
