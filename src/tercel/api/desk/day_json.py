"""JSON of a desk's day, as the command line prints it."""

from typing import Final

from tercel.api.desk.day import DeskDay
from tercel.api.desk.day_folders import UnreadDay
from tercel.api.desk.day_money import ParentCostRow
from tercel.api.desk.day_totals import totals_of
from tercel.core.fixed_point import to_number
from tercel.desk.trading.parent_orders.parent import ParentStatus

LIMITS_SHOWN: Final = 5
EXPOSURE: Final = ("currency", "gross", "net", "var95", "var_used", "var_returns")
ALERT: Final = ("severity", "code", "agent", "text", "gate", "owner", "note")
"""Keys of a group of equal alerts, taken from the last of them."""


def _cost_json(row: ParentCostRow) -> dict[str, object]:
    """JSON of one parent's cost."""
    entry = row.entry
    body = row.body
    fields: dict[str, object] = {
        "parent": entry.parent,
        "agent": entry.agent,
        "instrument": entry.instrument,
        "is_bps": body.is_bps,
        "notional": body.notional,
        "filled": body.filled,
        "unfilled": body.unfilled,
        "refused": body.refused,
        "currency": row.currency,
        "cost": row.cost,
    }
    return fields | ({} if body.by_hand is None else {"by_hand": body.by_hand})


def day_json(day: DeskDay | UnreadDay) -> dict[str, object]:
    """JSON of one desk's day: lots, money by currency and bps, as in the tables of the page."""
    if isinstance(day, UnreadDay):
        return {"desk": day.desk, "gate": "", "error": day.error.to_json(), "needs": [day.need]}
    ledger = day.state.ledger
    report = day.report
    totals = totals_of(day)
    return {
        "sentence": totals.sentence,
        "desk": day.desk,
        "from_ns": day.from_ns,
        "to_ns": day.to_ns,
        "session": report.session,
        "parents": {"accepted": day.accepted, "over": day.finished_parents},
        "fills": day.fills.total(),
        "lots": to_number(day.lots.total()),
        "costs": totals.costs,
        "parent_costs": [_cost_json(row) for row in day.costs.values()],
        "money": totals.money,
        "exposure": [{key: getattr(row, key) for key in EXPOSURE} for row in report.money],
        "agents": [
            {
                "name": row.name,
                "state": row.state,
                "state_reason": row.state_reason,
                "strategy": row.strategy,
                "fills": day.fills[row.name],
                "lots": to_number(day.lots[row.name]),
                "costs": day.agent_costs(row.name),
                "money": day.money(row.name),
            }
            for row in report.agents
        ],
        "states": ledger.states.rows(),
        "unknown": [
            {
                "order": order.root,
                "agent": order.account,
                "instrument": order.instrument,
                "side": order.side,
                "lots": order.lots,
                "filled": to_number(order.cum_qty),
                "ns": order.sent_ns,
            }
            for order in day.unknown
        ],
        "open_orders": day.open_orders,
        "open_parents": [
            {"parent": parent.id, **parent.row, "waits": parent.status == ParentStatus.PAUSED}
            for parent in ledger.parents.open()
        ],
        "positions": [row for row in report.positions if row.lots],
        "requests": day.requests,
        "faults": ledger.faults(),
        "unbooked": [
            {
                "order": execution.cl_ord_id,
                "agent": execution.account,
                "instrument": execution.instrument,
                "side": execution.side,
                "lots": to_number(execution.last_qty),
                "ns": execution.ns,
            }
            for execution in day.unbooked
        ],
        "rfq": day.dealers,
        "denials": dict(day.denials.most_common()),
        "severities": day.severities,
        "people": day.people,
        "alerts": [
            {name: getattr(rows[-1], name) for name in ALERT}
            | {
                "n": len(rows),
                "first_ns": rows[0].ns,
                "last_ns": rows[-1].ns,
                "seqs": [alert.seq for alert in rows],
            }
            for rows in day.alerts
        ],
        "limits": day.most_used[:LIMITS_SHOWN],
        "gate": day.gate.shared_folder,
        "gate_fault": day.gate.fault,
        "needs": totals.needs,
    }
