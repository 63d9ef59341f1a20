"""`MarketHours`: opens and closes the markets of a simulated exchange, and says why an order is refused there.

A closed market has the state of a halted one, and says so in its market data. A market that is made stands still until it
opens again; a tape goes on.
"""

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.vocabulary import FOREVER_NS, STATUS
from tercel.market.simulator import layout as sim
from tercel.venues.exchange.market import Markets

_OWN_TIMES = [sim.FLOW_NS, sim.REGIME_NS, sim.IMPACT_NS, sim.RESTORE_NS, sim.UNDERCUT_NS]


class MarketHours:
    """Opens and closes markets by their rules.

    Parameters
    ----------
    markets : Markets
    now_ns : int
        Changes up to then have happened.
    """

    def __init__(self, markets: Markets, now_ns: int) -> None:
        self._markets = markets
        self._rules = [spec.rules for spec in markets.specs]
        self._changes: list[tuple[int, int]] = []
        for market, rules in enumerate(self._rules):
            times = [ns for window in rules.windows for ns in window[:2]]
            self._changes += [(ns, market) for ns in times if ns > now_ns]
            if not rules.is_open(now_ns):
                markets.states[market][sim.HALTED] = 1
        self._changes.sort(reverse=True)

    @property
    def next_ns(self) -> int:
        """When a market opens or closes next; FOREVER_NS: none does."""
        return self._changes[-1][0] if self._changes else FOREVER_NS

    def change(self) -> tuple[int, Ints]:
        """Open or close the market whose turn it is: its number, and its status as a row of market data."""
        ns, market = self._changes.pop()
        k = self._markets.states[market]
        is_open = self._rules[market].is_open(ns)
        k[sim.HALTED] = int(not is_open)
        if not is_open and self._markets.specs[market].source.reacts:
            pause_ns = self._rules[market].next_open_ns(ns) - ns
            k[_OWN_TIMES] = np.minimum(k[_OWN_TIMES], FOREVER_NS - pause_ns) + pause_ns
        return market, np.array([[ns, STATUS, 0, 0, 1 if is_open else -1, 0, -1]], np.int64)

    def takes_commands(self, market: int, ns: int) -> bool:
        """Whether commands arrive at a market: not in a halt; where it is closed they do, to be refused."""
        is_halted = self._markets.states[market][sim.HALTED] != 0
        return not is_halted or not self._rules[market].is_open(ns)

    def time_fault(self, market: int, ns: int) -> str:
        """Why a market takes no order and no cancel now; "" if it does, and of a market without windows."""
        if not self._rules[market].is_open(ns):
            return "the market is closed"
        is_halted = self._rules[market].windows and self._markets.states[market][sim.HALTED]
        return "trading is halted" if is_halted else ""
