"""What a desk learns of its dealers from its journal: the router's knowledge, folded over requests for quotes.

    router = DeskRouter(journal, load_panel("equity"), ("D1", "D2"))
    strategy, why = router.way(strategy, "XYZ", 300)       # as each order arrives

Knowledge is updated when a request has ended: by the dealers that answered, and the distance of their quotes from the mid
then. The last mid after a request (`drift`) shows how much requests move the price. Older observations fade with each further
request, as dealers may change. The same entries in the same order give the same knowledge, also after a restart.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from tercel.core.ports import Entry, Journal
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.agent_bodies import CostEntry
from tercel.desk.trading.journal.bodies import QuoteEntry
from tercel.execution.costs import BPS
from tercel.execution.outside import Terms
from tercel.execution.routing import SPLIT, Knowledge, Routed, costing, explored
from tercel.market.blocks import CrossingSession
from tercel.market.dealers.panel import PER_DEALER, SECONDS, DealerPanel

AFTER_S: Final = 60.0
"""Seconds after a request at which its drift is learned; notes of less time say too little."""
LEAST: Final = 5
"""Orders worked in the book alone before its cost is estimated and dealers receive requests."""
RECENT: Final = 100
"""Orders that this cost is the mean of."""


@dataclass(slots=True)
class _Learned:
    """A request, the distance of each dealer's last quote by its place in the panel, and how it ended."""

    asked: QuoteEntry
    distances: dict[int, float] = field(default_factory=dict)
    traded: bool = False
    ended: bool = False
    drift: QuoteEntry | None = None


@dataclass(slots=True, eq=False)
class QuoteMemory:
    """Knowledge of dealers, brought up to date by a journal.

    Parameters
    ----------
    known : Knowledge
        Knowledge before the first entry; sizes are in the units of its terms.
    dealers : sequence of str
        Names of the dealers of its panel, in that order. Others are ignored.

    >>> from tercel.market.dealers import load_panel
    >>> from tercel.market.blocks import CrossingSession
    >>> from tercel.execution.outside import Terms
    >>> known = Knowledge.expected(Terms(load_panel("equity"), CrossingSession(), lots=100.0), {})
    >>> memory = QuoteMemory(known, [f"D{n}" for n in range(10)])
    >>> asked = {"request": "q1", "mid2": 20_000, "want": 1, "lots": 200, "dealers": ["D0"]}
    >>> quoted = {"request": "q1", "mid2": 20_000, "dealer": "D0", "offer": 10_002}
    >>> for event, words in ("requested", asked), ("quoted", quoted), ("ended", {"request": "q1"}):
    ...     memory.saw(Entry(kinds.QUOTE, 0, body={"event": event, **words}))
    >>> (memory.known.weight - known.weight).round(2)[:2].tolist()
    [0.98, -0.02]
    """

    known: Knowledge
    dealers: Sequence[str]
    _open: dict[str, _Learned] = field(default_factory=dict)

    def saw(self, entry: Entry) -> None:
        """Update the knowledge by an entry of kind `quote`, in the order of the journal; others are ignored.

        Raises
        ------
        EntryError
            A damaged entry.
        """
        if entry.kind != kinds.QUOTE:
            return
        said = QuoteEntry.of(entry)
        if said.event == "requested" and said.mid2 and said.want:
            self._open[said.request] = _Learned(said)
        one = self._open.get(said.request)
        if one is None:
            return
        if said.event == "quoted" and said.dealer in self.dealers:
            price = said.offer if one.asked.want > 0 else said.bid
            mid2 = said.mid2 or one.asked.mid2 or 0
            if price is not None:
                distance = one.asked.want * (2 * price - mid2) / mid2 * BPS
                one.distances[self.dealers.index(said.dealer)] = distance
        elif said.event == "ended":
            one.ended, one.traded = True, said.outcome == "traded"
            self._learn_quotes(one)
        elif said.event == "drift" and said.after_s >= AFTER_S:
            one.drift = said
        # A request of more than a minute ends after its last note of the mid.
        if one.ended and one.drift is not None:
            del self._open[said.request]
            self._learn_drift(one, one.drift.mid2)

    def _learn_quotes(self, one: _Learned) -> None:
        names = one.asked.dealers or []
        asked = np.array([[name in names for name in self.dealers]])
        distance = np.full(asked.shape, np.nan)
        distance[0, list(one.distances)] = list(one.distances.values())
        units = np.array([one.asked.lots / self.known.terms.lots])
        self.known = self.known.saw_quotes(units, asked, distance)

    def _learn_drift(self, one: _Learned, mid2: int | None) -> None:
        before = one.asked.mid2
        if not mid2 or not before:
            return
        moved = one.asked.want * (mid2 - before) / before * BPS
        noise = self.known.terms.panel.sigma * (AFTER_S / SECONDS) ** 0.5
        self.known = self.known.saw_drift(
            np.array([one.asked.lots / self.known.terms.lots]),
            np.array([len(one.distances) - one.traded]),
            np.array([one.traded]),
            np.array([moved]),
            noise,
        )


class DeskRouter:
    """Router of a desk's orders, by the costs of the book and of dealers in its journal.

    The book's cost is the mean over the last orders without a request for quotes; half an order costs less, by the square
    root of the size. A usual order of the desk is a usual request of the panel.

    Parameters
    ----------
    journal : Journal
    panel : DealerPanel
        Prior model of the dealers; with one of another length all are like its mean.
    dealers : tuple of str
        Those of the desk.
    seed : int
        Of the draws that explore other ways than the best.
    """

    def __init__(
        self, journal: Journal, panel: DealerPanel, dealers: tuple[str, ...], seed: int = 0
    ) -> None:
        self._journal = journal
        many = len(dealers)
        alike: Any = {name: np.full(many, getattr(panel, name).mean()) for name in PER_DEALER}
        self._panel = panel if len(panel) == many else replace(panel, **alike)
        self._dealers = dealers
        self._seed = seed
        self._last = 0
        self._memories: dict[str, QuoteMemory] = {}
        self._early: dict[str, list[Entry]] = {}
        """Entries that came before the book's cost was known."""
        self._book: dict[str, list[tuple[float, float]]] = {}
        """Cost, bps, and filled lots of orders without a request for quotes."""
        self._asked = set[str]()

    def way(self, strategy: Routed, instrument: str, lots: int) -> tuple[Routed, str]:
        """The strategy with the current knowledge and the way of an order, and the reason for that way."""
        self._read()
        book = np.array(self._book.get(instrument, [])[-RECENT:])
        if len(book) < LEAST:
            return strategy, f"in the book, whose cost is known after {LEAST} orders"
        mean, sd = float(book[:, 0].mean()), float(book[:, 0].std())
        roots = {share: share**0.5 for share in (1.0, 1.0 - SPLIT)}
        base = {
            (share, block): (root * mean, root * sd)
            for share, root in roots.items()
            for block in (False, True)
        }
        if instrument not in self._memories:
            # From the first orders, whenever it is called: a restarted router then has the same knowledge.
            first = [filled for _, filled in self._book[instrument][:LEAST]]
            usual = sum(first) / LEAST / self._panel.size
            expected = Knowledge.expected(Terms(self._panel, CrossingSession(), usual), base)
            self._memories[instrument] = QuoteMemory(expected, self._dealers)
        memory = self._memories[instrument]
        for entry in self._early.pop(instrument, []):
            memory.saw(entry)
        known = memory.known = replace(memory.known, base=base)
        units = lots / known.terms.lots
        way, _ = explored(known, units, np.random.default_rng((self._seed, self._last)))
        cost = costing(known, way, units)
        text = f"{way.name}: {cost.why}, {cost.mean:.2f} bps expected"
        return replace(strategy, known=known, fixed=way), text

    def _read(self) -> None:
        for seq, entry in self._journal.read(self._last, (kinds.QUOTE, kinds.FEEDBACK)):
            self._last = seq
            if entry.kind == kinds.QUOTE:
                self._asked.add(entry.parent)
                self._early.setdefault(entry.instrument, []).append(entry)
            elif entry.parent not in self._asked:
                cost = CostEntry.of(entry)
                if cost.is_bps is not None and cost.filled > 0:
                    self._book.setdefault(entry.instrument, []).append((cost.is_bps, cost.filled))
