"""Knowledge of dealers learned from a desk's journal, and the router that chooses between book and dealers by it.

    router = DeskRouter(journal, load_panel("equity"), ("D1", "D2"))
    strategy, reason = router.choose_route(strategy, "XYZ", 300)       # as each order arrives

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
from tercel.execution.routing import SPLIT, Knowledge, Routed, cost_route, explore_route
from tercel.market.blocks import CrossingSession
from tercel.market.dealers.panel import PER_DEALER, SECONDS, DealerPanel

AFTER_S: Final = 60.0
"""Seconds after a request at which its drift is learned; notes of less time say too little."""
LEAST: Final = 5
"""Orders worked in the book alone before its cost is estimated and dealers receive requests."""
RECENT: Final = 100
"""Orders that this cost is the mean of."""


@dataclass(slots=True)
class _LearnedRequest:
    """Request for quotes as remembered: distance of each dealer's last quote from mid, by place in the panel, and outcome."""

    requested: QuoteEntry
    distances: dict[int, float] = field(default_factory=dict)
    traded: bool = False
    ended: bool = False
    drift: QuoteEntry | None = None


@dataclass(slots=True, eq=False)
class QuoteMemory:
    """Knowledge of dealers (answers, distances, drift), folded from the `quote` entries of a journal.

    Parameters
    ----------
    known : Knowledge
        Knowledge before the first entry; sizes are in the units of its terms.
    dealers : sequence of str
        Names of the dealers of its panel, in that order. Others are ignored.

    >>> from tercel.market.dealers import load_panel
    >>> from tercel.market.blocks import CrossingSession
    >>> from tercel.execution.outside import Terms
    >>> known = Knowledge.prior(Terms(load_panel("equity"), CrossingSession(), lots=100.0), {})
    >>> memory = QuoteMemory(known, [f"D{n}" for n in range(10)])
    >>> asked = {"request": "q1", "mid2": 20_000, "want": 1, "lots": 200, "dealers": ["D0"]}
    >>> quoted = {"request": "q1", "mid2": 20_000, "dealer": "D0", "offer": 10_002}
    >>> for event, fields in ("requested", asked), ("quoted", quoted), ("ended", {"request": "q1"}):
    ...     memory.apply(Entry(kinds.QUOTE, 0, body={"event": event, **fields}))
    >>> (memory.known.weight - known.weight).round(2)[:2].tolist()
    [0.98, -0.02]
    """

    known: Knowledge
    dealers: Sequence[str]
    _open: dict[str, _LearnedRequest] = field(default_factory=dict)

    def apply(self, entry: Entry) -> None:
        """Fold a `quote` entry into the knowledge of dealers; entries of other kinds are ignored.

        Raises
        ------
        EntryError
            A damaged entry.
        """
        if entry.kind != kinds.QUOTE:
            return
        body = QuoteEntry.of(entry)
        if body.event == "requested" and body.mid2 and body.want:
            self._open[body.request] = _LearnedRequest(body)
        request = self._open.get(body.request)
        if request is None:
            return
        if body.event == "quoted" and body.dealer in self.dealers:
            price = body.offer if request.requested.want > 0 else body.bid
            mid2 = body.mid2 or request.requested.mid2 or 0
            if price is not None:
                distance = request.requested.want * (2 * price - mid2) / mid2 * BPS
                request.distances[self.dealers.index(body.dealer)] = distance
        elif body.event == "ended":
            request.ended = True
            request.traded = body.outcome == "traded"
            self._learn_quotes(request)
        elif body.event == "drift" and body.after_s >= AFTER_S:
            request.drift = body
        # A request of more than a minute ends after its last note of the mid.
        if request.ended and request.drift is not None:
            del self._open[body.request]
            self._learn_drift(request, request.drift.mid2)

    def _learn_quotes(self, request: _LearnedRequest) -> None:
        """Learn from an ended request which dealers answered, and how far from mid."""
        names = request.requested.dealers or []
        is_asked = np.array([[name in names for name in self.dealers]])
        distance = np.full(is_asked.shape, np.nan)
        distance[0, list(request.distances)] = list(request.distances.values())
        units = np.array([request.requested.lots / self.known.terms.lots])
        self.known = self.known.update_quotes(units, is_asked, distance)

    def _learn_drift(self, request: _LearnedRequest, mid2: int | None) -> None:
        """Learn from a request's later mid (half ticks) how far the market moved against the client."""
        before = request.requested.mid2
        if not mid2 or not before:
            return
        moved = request.requested.want * (mid2 - before) / before * BPS
        noise = self.known.terms.panel.sigma * (AFTER_S / SECONDS) ** 0.5
        self.known = self.known.update_drift(
            np.array([request.requested.lots / self.known.terms.lots]),
            np.array([len(request.distances) - request.traded]),
            np.array([request.traded]),
            np.array([moved]),
            noise,
        )


class DeskRouter:
    """Chooses between the book and dealers for orders by `routed`, from the costs in a desk's journal.

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
        dealer_count = len(dealers)
        averaged: Any = {
            name: np.full(dealer_count, getattr(panel, name).mean()) for name in PER_DEALER
        }
        self._panel = panel if len(panel) == dealer_count else replace(panel, **averaged)
        self._dealers = dealers
        self._seed = seed
        self._last = 0
        self._memories: dict[str, QuoteMemory] = {}
        self._early: dict[str, list[Entry]] = {}
        """Entries that came before the book's cost was known."""
        self._book: dict[str, list[tuple[float, float]]] = {}
        """Cost, bps, and filled lots of orders without a request for quotes."""
        self._requested_parents = set[str]()

    def choose_route(self, strategy: Routed, instrument: str, lots: int) -> tuple[Routed, str]:
        """Route for an order of some lots: the strategy with that route fixed, and the reason in words; unchanged while fewer
        than `LEAST` orders tell the book's cost."""
        self._read()
        book = np.array(self._book.get(instrument, [])[-RECENT:])
        if len(book) < LEAST:
            return strategy, f"in the book, whose cost is known after {LEAST} orders"
        mean = float(book[:, 0].mean())
        sd = float(book[:, 0].std())
        roots = {share: share**0.5 for share in (1.0, 1.0 - SPLIT)}
        base = {
            (share, block): (root * mean, root * sd)
            for share, root in roots.items()
            for block in (False, True)
        }
        if instrument not in self._memories:
            # From the first orders, whenever it is called: a restarted router then has the same knowledge.
            first_lots = [filled for _, filled in self._book[instrument][:LEAST]]
            usual_size = sum(first_lots) / LEAST / self._panel.size
            expected = Knowledge.prior(Terms(self._panel, CrossingSession(), usual_size), base)
            self._memories[instrument] = QuoteMemory(expected, self._dealers)
        memory = self._memories[instrument]
        for entry in self._early.pop(instrument, []):
            memory.apply(entry)
        known = memory.known = replace(memory.known, base=base)
        units = lots / known.terms.lots
        route, _ = explore_route(known, units, np.random.default_rng((self._seed, self._last)))
        cost = cost_route(known, route, units)
        text = f"{route.name}: {cost.reason}, {cost.mean:.2f} bps expected"
        return replace(strategy, knowledge=known, fixed=route), text

    def _read(self) -> None:
        """Read the journal's new entries: keep those of kind `quote` for later, and the costs of orders without a request for
        quotes."""
        for seq, entry in self._journal.read(self._last, (kinds.QUOTE, kinds.FEEDBACK)):
            self._last = seq
            if entry.kind == kinds.QUOTE:
                self._requested_parents.add(entry.parent)
                self._early.setdefault(entry.instrument, []).append(entry)
            elif entry.parent not in self._requested_parents:
                cost = CostEntry.of(entry)
                if cost.is_bps is not None and cost.filled > 0:
                    self._book.setdefault(entry.instrument, []).append((cost.is_bps, cost.filled))
