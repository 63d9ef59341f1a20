"""Recorder of cost analyses: one journal entry for each finished parent, once its last mark-out is known."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from operator import mul
from typing import Any

import numpy as np

from tercel.core.arrays import Int32, Ints
from tercel.core.errors import DataError
from tercel.core.fixed_point import ONE, PAID_PLACES, to_number
from tercel.core.orders import M_KIND, M_LOTS, M_NS, M_PRICE, MarketRows, VenueEvent
from tercel.core.ports import Entry
from tercel.core.serialization import to_jsonable
from tercel.core.vocabulary import FOREVER_NS, NS_PER_SECOND
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.blobs import pack
from tercel.desk.trading.journal.codec import entry_alert
from tercel.desk.trading.parent_orders.executor import ParentExecutor
from tercel.desk.trading.parent_orders.follower import Follower
from tercel.desk.trading.parent_orders.observers import SessionObserver
from tercel.desk.trading.parent_orders.parent import ParentOrder
from tercel.desk.trading.parent_orders.parent_request import ParentRequest
from tercel.desk.trading.session import Session
from tercel.desk.trading.tca import measure as tca
from tercel.market.simulator import layout as sim

WAITED_S = tuple(span for span in tca.MARKOUTS_S if span <= 60)
"""Mark-outs that an analysis waits for."""


def _sums(fills: Ints) -> tuple[int, int]:
    """Sums over fills: quantity, and price times quantity."""
    return int(fills[:, tca.F_QTY].sum()), sum(
        map(mul, fills[:, tca.F_QTY].tolist(), fills[:, tca.F_PX].tolist())
    )


class TcaRecorder(SessionObserver):
    """Observer that journals the cost analysis of each parent of a session, a while after it ended.

    Parameters
    ----------
    session : Session
        Watched from here on.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._trades: dict[str, list[Ints]] = defaultdict(list)
        self._live: dict[str, set[str]] = defaultdict(set)
        self._waiting: list[tuple[ParentOrder, Ints, Ints]] = []
        """Parents that are over, with the fills that an executor logged (in ticks and lots) and the market's trades."""
        self._rebooked = len(session.ledger.orders.rebooked)
        analysed = {entry.parent for _, entry in session.journal.read(kinds=(kinds.TCA,))}
        for parent in session.ledger.parents:  # what earlier sessions owe
            if parent.over and parent.id not in analysed:
                self.on_over(parent, None)
        session.manager.observers.append(self)

    def on_events(self, events: Sequence[VenueEvent]) -> None:
        """Store market trades of instruments with parents at work; analyse parents that are due, and those whose fills
        changed."""
        for event in events:
            if isinstance(event, MarketRows) and not event.snapshot:
                traded = event.rows[np.any(event.rows[:, [M_KIND]] == tca.PRINTS, axis=1)]
                for id_ in self._live[event.instrument] if len(traded) else ():
                    self._trades[id_].append(traded[:, [M_NS, M_PRICE, M_LOTS]])
        self._write(self._session.now_ns - WAITED_S[-1] * NS_PER_SECOND)
        # A fill was busted or corrected after the analysis: the parent's cost is analysed again.
        ledger = self._session.ledger
        waiting = {parent.id for parent, *_ in self._waiting}
        rebookings = ledger.orders.rebooked[self._rebooked :]
        self._rebooked = len(ledger.orders.rebooked)
        for name in dict.fromkeys(before.parent for before, _ in rebookings):
            if (
                (parent := ledger.parents.get(name)) is not None
                and parent.over
                and name not in waiting
            ):
                self.on_over(parent, None)

    def on_arrival(self, order: ParentRequest, book: Int32, state: Ints) -> None:
        """Start collecting the market's trades as benchmark."""
        self._live[order.instrument].add(order.id)

    def on_over(self, parent: ParentOrder, executor: ParentExecutor | None) -> None:
        """Queue an ended parent until its last mark-out is known; one that never arrived is left out."""
        self._live[parent.order.instrument].discard(parent.id)
        trades = self._trades.pop(parent.id, [])
        public = np.concatenate(trades) if trades else np.zeros((0, 3), np.int64)
        logged = (
            executor.fills() if executor is not None and executor.arrived else tca.fill_rows(())
        )
        if parent.arrival_ns:
            self._waiting.append((parent, logged[logged[:, tca.F_FORCED] != sim.UNFILLED], public))

    def close(self) -> None:
        """Write the pending analyses; mark-outs that are not known yet stay unknown."""
        self._write(FOREVER_NS)

    def _fills(self, parent: ParentOrder, logged: Ints, follower: Follower) -> Ints:
        """Fills of a parent for its analysis: the executor's log if it equals the booked fills, else those, with mids of
        their time."""
        fills = tca.fill_rows(self._session.ledger.orders.fills_of[parent.id])
        logged = logged.copy()
        logged[:, [tca.F_PX, tca.F_QTY]] *= ONE
        if _sums(logged) == _sums(fills):
            return logged
        for fill in fills:
            fill[[tca.F_MID2, tca.F_TOUCH2]] = follower.tallies(int(fill[tca.F_NS]) - 1)[
                sim.MID2 - sim.EVENTS
            ]
        return fills

    def _write(self, until_ns: int) -> None:
        """Analyse the parents that were over by a venue time, ns, and whose market was seen; at FOREVER_NS alert those without
        one."""
        waiting = self._waiting
        self._waiting = []
        for parent, logged, public in waiting:
            follower = self._session.follow(parent.order.instrument)
            if parent.over_ns > until_ns or (follower.mid2 == 0 and until_ns < FOREVER_NS):
                self._waiting.append((parent, logged, public))
            elif follower.mid2 == 0:
                head = parent.over_ns, parent.order.instrument, parent.order.agent, parent.id
                self._session.gateway.write(
                    [entry_alert("warning", "NO_TCA", "the session saw no market", *head)]
                )
            else:
                self._analyse(parent, self._fills(parent, logged, follower), public, follower)

    def _analyse(self, parent: ParentOrder, fills: Ints, public: Ints, follower: Follower) -> None:
        """Measure a parent's cost and journal it (`kinds.TCA`), or an alert where it cannot be measured."""
        mid_ns, mid2 = follower.mids(parent.arrival_ns)
        listing = follower.listing
        facts = tca.ParentFacts(
            parent=parent.id,
            instrument=parent.order.instrument,
            agent=parent.order.agent,
            side=parent.order.side,
            quantity=parent.lots,
            start_ns=parent.arrival_ns,
            end_ns=parent.over_ns,
            arrival_mid2=parent.arrival_mid2,
            fills=fills,
            mid_ns=mid_ns,
            mid2=mid2,
            trade_price=public[:, 1],
            trade_lots=public[:, 2],
            fees=tca.fees_of(fills, listing.fees, ONE),
            refused=parent.refused,
            unit=listing.tick / 2 * listing.lot,
            scale=ONE,
            hours=listing.rules,
        )
        head = parent.over_ns, facts.instrument, facts.agent, facts.parent
        try:
            cost = tca.measure(tca.without_own(facts), WAITED_S)
        except DataError as error:
            self._session.gateway.write([entry_alert("warning", "NO_TCA", str(error), *head)])
            return
        fields = asdict(
            cost if follower.began_ns <= parent.arrival_ns else tca.without_market(cost)
        )
        body: dict[str, Any] = {
            key: to_jsonable(fields[key])
            for key in fields
            if key not in ("parent", "instrument", "agent")
        }
        body["sums"] = {name: to_number(total, PAID_PLACES) for name, total in body["sums"].items()}
        body["limit"] = parent.limit or None
        body |= {"by_hand": self._session.ledger.lots_by_hand(parent)} if parent.hand else {}
        if parent.pair is not None:
            body["pair"] = {**parent.pair, "tick": listing.tick, "lot": listing.lot}
        blob = pack({"executions": fills, "mids": np.stack([mid_ns, mid2], axis=1)})
        self._session.gateway.write([Entry(kinds.TCA, *head, body=body, blob=blob)])
