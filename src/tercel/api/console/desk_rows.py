"""Rows that the console's read routes return: desks, agents, orders, pages of alerts and of the journal."""

from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from functools import partial
from itertools import islice
from typing import Any, Final, cast

from fastapi.responses import Response

from tercel.api.console.connected import ConnectedDesk
from tercel.core.child_order import ChildOrder
from tercel.core.fixed_point import ONE
from tercel.core.report.cells import csv_text
from tercel.core.serialization import to_jsonable
from tercel.core.vocabulary import SIDE_NAMES
from tercel.desk.console.agent_report import AgentFigures, Seat
from tercel.desk.console.alerts import SEVERE, AlertBook
from tercel.desk.console.desk_tables import (
    AgentRow,
    AlertCounts,
    DeskOrders,
    DeskRow,
    OrderRow,
    ParentRow,
)
from tercel.desk.console.gate_alerts import newest_first, read_alerts
from tercel.desk.console.journal_pages import AlertPage, JournalLine, JournalPage
from tercel.desk.console.report import ParentPart
from tercel.desk.console.state import DeskState
from tercel.desk.trading.parent_orders.parent import ParentOrder

LAST: Final = 2**62
"""Above every journal number and every venue time (ns)."""
NO_CHALLENGER: Final = {
    "challenger": "",
    "strategy": "",
    "trials": 0,
    "mean_bps": None,
    "low_bps": None,
    "high_bps": None,
    "verdict": "",
}
"""Fields of a challenger that an entry of the journal may lack."""
Ask = Callable[[Callable[[AlertBook], Any]], Any]
"""Runs a function on the alerts of a journal, under their lock."""


def desk_row(served: ConnectedDesk) -> DeskRow:
    """Row of a desk in the list of desks: stage, venue, time, kill latch, counts of alerts."""
    report = served.follower.report()
    summary = report.summary
    critical, warning = (summary.alerts.get(name, 0) for name in SEVERE)
    return DeskRow(
        desk=served.name,
        stage=str(report.session.get("stage", "")),
        venue=str(report.session.get("venue", "")),
        running=report.running,
        seq=report.seq,
        ns=report.ns,
        silent_s=report.silent_s,
        fault=report.fault,
        killed=report.latch,
        alerts=AlertCounts(
            critical=critical,
            warning=warning,
            unowned=summary.unowned,
            of_gate=summary.of_gate,
            gate=summary.gate,
        ),
        money=report.money,
        unbooked=report.unbooked,
    )


def agent_rows(served: ConnectedDesk) -> list[AgentRow]:
    """Rows of a desk's agents; a kill latch counts even before the desk has journaled it."""
    report = served.follower.report()
    latch = report.latch
    killed = [] if latch is None else latch.scope.split(", ")
    rows = []
    for agent in report.agents:
        figures = {column.name: getattr(agent, column.name) for column in fields(AgentFigures)}
        if latch is not None and (agent.name in killed or killed == ["all"]):
            figures |= {"state": "killed", "reason": latch.reason}
        challenger = {**NO_CHALLENGER, **agent.seat} if agent.seat.get("challenger") else None
        rows.append(
            AgentRow(
                desk=served.name,
                agent=agent.name,
                challenger=cast(Seat | None, challenger),
                **figures,
            )
        )
    return rows


def order_rows(served: ConnectedDesk) -> DeskOrders:
    """Rows of a desk's parent orders, finished ones as far as the report keeps them, and of its open child orders."""
    parts_by_id = {part.parent: part for part in served.follower.report().parents}

    def rows(state: DeskState) -> DeskOrders:
        """Rows from the desk's folded state."""
        parents = [parent for parent in state.ledger.parents if parent.id in parts_by_id]
        return DeskOrders(
            parents=[
                _parent_row(served.name, state, parent, parts_by_id[parent.id])
                for parent in parents
            ],
            orders=[_order_row(served.name, state, order) for order in state.ledger.orders.live()],
        )

    return served.follower.query(rows)


def _parent_row(desk: str, state: DeskState, parent: ParentOrder, part: ParentPart) -> ParentRow:
    """Row of a parent order, with its part of the desk's report."""
    order = parent.order
    unit = state.money.unit(parent.order.instrument)
    return ParentRow(
        desk=desk,
        id=parent.id,
        instrument=order.instrument,
        agent=order.agent,
        side=SIDE_NAMES[order.side],
        qty=unit.qty(parent.lots * ONE),
        filled=unit.qty(parent.filled_qty),
        limit_price=parent.limit_price,
        status=str(parent.status),
        reason=parent.reason,
        strategy=parent.strategy,
        schedule=part.schedule,
        hand=parent.hand,
        by_hand=unit.qty(round(part.by_hand * ONE)),
        left_s=part.left_s,
        is_bps=part.is_bps,
        arrival_price=part.arrival_price if unit.known else None,
    )


def _order_row(desk: str, state: DeskState, order: ChildOrder) -> OrderRow:
    """Row of an open child order."""
    part = state.order_part(order)
    unit = state.money.unit(order.instrument)
    row = OrderRow(**vars(part), desk=desk, reason=order.text)
    return row if unit.known else replace(row, limit_price=None)


def alert_page(
    served: ConnectedDesk, before_ns: int, most: int, unowned: bool, ns: int | None
) -> AlertPage:
    """A page of `most` alerts of a desk and its gate before a time, newest first, with those of its last time all on it.
    `unowned`: only alerts without an owner. `ns`: as the owners were then; None: now.
    """
    follower = served.follower
    gate = served.follower.gate
    if before_ns == LAST and ns is None:  # all that the journals hold now
        served.catch_up()
        served.poll_gate()
    asks: list[Ask] = [
        lambda question: follower.query(lambda state: question(state.alerts)),
        gate.query,
    ]
    if ns is not None:
        books = [ask(lambda book: book.as_of(ns)) for ask in asks]
        asks = [lambda question, book=book: question(book) for book in books]  # type: ignore[misc]

    def keys(before_ns: int, most: int) -> list[tuple[int, int, bool]]:
        """Keys (time, journal number, at the gate?) of at most `most` alerts of each of both journals before a time,
        newest first."""
        newest = [ask(lambda book: book.newest(before_ns, most, unowned)) for ask in asks]
        return sorted(
            ((ns, seq, bool(is_gate)) for is_gate, rows in enumerate(newest) for ns, seq in rows),
            reverse=True,
        )

    alert_keys = keys(before_ns, most)
    last_ns = alert_keys[:most][-1][0] if alert_keys else 0
    desk_seqs, gate_seqs = (
        [seq for ns, seq, at_gate in alert_keys if at_gate == of_gate and ns >= last_ns]
        for of_gate in (False, True)
    )
    alerts = [
        row
        for ask, alert_rows in zip(
            asks, (list(read_alerts(served.desk, desk_seqs)), gate.rows(gate_seqs)), strict=True
        )
        for row in ask(partial(AlertBook.with_owners, rows=alert_rows))
    ]
    return AlertPage(alerts=newest_first(alerts), next=last_ns if keys(last_ns, 1) else None)


def journal_page(served: ConnectedDesk, after_seq: int, kinds: list[str], most: int) -> JournalPage:
    """At most `most` entries of a desk's journal after a number, of the named kinds; reads no further."""
    entries = islice(served.desk.read(after_seq, kinds), most)
    lines = [
        JournalLine(
            seq=seq,
            ns=entry.ns,
            kind=entry.kind,
            instrument=entry.instrument,
            agent=entry.agent,
            parent=entry.parent,
            order=entry.order,
            body=dict(to_jsonable(entry.body)),
        )
        for seq, entry in entries
    ]
    return JournalPage(entries=lines, next=lines[-1].seq if len(lines) == most else None)


def csv_response(rows: Iterable[object], kind: Any, name: str) -> Response:
    """Rows as a CSV file, with their fields in order; values other than numbers and text are JSON."""
    columns = [column.name for column in fields(kind)]
    text = csv_text([columns, *([getattr(row, column) for column in columns] for row in rows)])
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)
