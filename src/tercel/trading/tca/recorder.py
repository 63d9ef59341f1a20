"""Writes the analysis of every finished parent to the journal, once its last mark-out is known."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from tercel.core.errors import DataError
from tercel.core.orders import M_KIND, M_LOTS, M_NS, M_PRICE, ExecType, MarketRows, Report, VenueEvent
from tercel.core.ports import Entry
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.simulator import layout as sim
from tercel.trading.journal import kinds
from tercel.trading.journal.blobs import pack
from tercel.trading.parents import Parent, ParentRequest
from tercel.trading.session import Session
from tercel.trading.tca.measure import F_LOTS, MARKOUTS_S, PRINTS, ParentFacts, fees_of, measure, without_own
from tercel.trading.tca.shortfall import known
from tercel.trading.working import Working

Ints = NDArray[np.int64]

WAITED_S = tuple(span for span in MARKOUTS_S if span <= 60)
"""Mark-outs that an analysis waits for."""


class TcaRecorder:
    """A watcher of a session (`trading.workshop.Watcher`).

    Parameters
    ----------
    session : Session
        Watched from here on.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._arrival: dict[str, tuple[int, int]] = {}
        self._trades: dict[str, list[Ints]] = defaultdict(list)
        self._reports: dict[str, list[Report]] = defaultdict(list)
        self._live: dict[str, set[str]] = defaultdict(set)
        self._waiting: list[tuple[int, Parent, Ints, Ints]] = []
        session.shop.watchers.append(self)

    def on_events(self, events: Sequence[VenueEvent]) -> None:
        """Keep trades of instruments with parents at work, and fills."""
        for event in events:
            if isinstance(event, MarketRows):
                traded = event.rows[np.isin(event.rows[:, M_KIND], PRINTS)] if not event.snapshot else event.rows[:0]
                for parent in self._live[event.instrument] if len(traded) else ():
                    self._trades[parent].append(traded[:, [M_NS, M_PRICE, M_LOTS]])
            elif isinstance(event, Report) and event.exec_type == ExecType.TRADE:
                order = self._session.ledger.orders.get(event.cl_ord_id)
                if order is not None:
                    self._reports[order.parent].append(event)
        self._write(self._session.now_ns - WAITED_S[-1] * NS_PER_SECOND)

    def on_arrival(self, order: ParentRequest, book: NDArray[np.int32], state: Ints) -> None:
        """The first arrival of a parent sets its benchmark."""
        self._arrival.setdefault(order.id, (int(state[sim.NOW]), int(state[sim.ARRIVAL_MID2])))
        self._live[order.instrument].add(order.id)

    def on_decision(self, order: ParentRequest, observation: NDArray[np.float32]) -> None:
        """Nothing: what was decided is in the journal."""

    def on_over(self, parent: Parent, working: Working) -> None:
        """Wait for the last mark-out."""
        self._live[parent.order.instrument].discard(parent.id)
        trades = self._trades.pop(parent.id, [])
        public = np.concatenate(trades) if trades else np.zeros((0, 3), np.int64)
        fills = self._fills(parent, working)
        if parent.id in self._arrival:
            self._waiting.append((self._session.now_ns, parent, fills, public))

    def close(self) -> None:
        """The session ends: write what is known, mark-outs that are not yet stay unknown."""
        self._write(self._session.now_ns)

    def _fills(self, parent: Parent, working: Working) -> Ints:
        """The worker's log where it is whole; fills over several workers are priced against the mid of their time."""
        fills = working.worker.fills() if working.worker.arrived else np.zeros((0, 7), np.int64)
        reports = {report.exec_id: report for report in self._reports.pop(parent.id, [])}
        traded = sum(report.last_lots for report in reports.values())
        if int(fills[:, F_LOTS].sum()) == traded:
            return fills
        follower = self._session.follow(parent.order.instrument)
        rows = []
        for report in reports.values():
            mid2 = int(follower.tallies(report.ns - 1)[5])
            rows.append([report.ns, report.last_price, report.last_lots, mid2, mid2, int(report.passive), 0])
        return np.array(rows, np.int64).reshape(-1, 7)

    def _write(self, until_ns: int) -> None:
        ready = [waiting for waiting in self._waiting if waiting[0] <= until_ns]
        for over_ns, parent, fills, public in ready:
            self._waiting = [waiting for waiting in self._waiting if waiting[1].id != parent.id]
            start_ns, arrival_mid2 = self._arrival[parent.id]
            mid_ns, mid2 = self._session.follow(parent.order.instrument).mids(start_ns)
            listing = self._session.listings[parent.order.instrument]
            facts = ParentFacts(
                parent=parent.id,
                instrument=parent.order.instrument,
                agent=parent.order.agent,
                side=parent.order.side,
                quantity=parent.lots,
                start_ns=start_ns,
                end_ns=over_ns,
                arrival_mid2=arrival_mid2,
                fills=fills,
                mid_ns=mid_ns,
                mid2=mid2,
                trade_price=public[:, 1],
                trade_lots=public[:, 2],
                fees=fees_of(fills, listing.fees),
                refused=parent.refused,
                unit=listing.tick / 2 * listing.lot,
            )
            try:
                cost = measure(without_own(facts), WAITED_S)
            except DataError as error:
                body = {"severity": "warning", "code": "NO_TCA", "text": str(error)}
                self._note(Entry(kinds.ALERT, over_ns, facts.instrument, facts.agent, facts.parent, body=body))
                continue
            words = asdict(cost)
            body = {key: known(words[key]) for key in words if key not in ("parent", "instrument", "agent")}
            blob = pack({"fills": fills, "mids": np.stack([mid_ns, mid2], axis=1)})
            self._note(Entry(kinds.TCA, over_ns, facts.instrument, facts.agent, facts.parent, body=body, blob=blob))

    def _note(self, entry: Entry) -> None:
        self._session.door.write([entry])
