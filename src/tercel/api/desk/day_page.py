"""Report of desks' days (`DayReport`): HTML page with tables, lines for a terminal, JSON of all desks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final, TypeVar

from tercel.api.desk.day import DayAct, DeskDay
from tercel.api.desk.day_folders import UnreadDay
from tercel.api.desk.day_json import LIMITS_SHOWN, day_json
from tercel.api.desk.day_text import (
    format_bps,
    one_line,
)
from tercel.api.desk.day_totals import FIRST, more_text, totals_of, totals_of_all
from tercel.core.fixed_point import to_number
from tercel.core.report.cells import NOTHING
from tercel.core.report.formatting import (
    EPOCH_NS,
    format_amounts,
    format_count,
    format_money,
    format_percent,
    format_venue_time,
)
from tercel.core.report.page import Section, render_page
from tercel.core.report.tables import plain_table
from tercel.core.serialization import to_jsonable
from tercel.core.vocabulary import SIDE_NAMES
from tercel.desk.console.agent_report import AgentPart
from tercel.desk.console.report import Alert
from tercel.desk.trading.tca.dealer_report import COLUMNS, dealer_cells

NO_OWNER: Final = "no owner yet"
NOTE: Final = (
    "Cost: of fills against the mid at arrival, positive is paid; 95 % of Student's t over parents as if independent. "
    "Profit: realised and the change of the open positions' value at the last mark, less fees. Limits: the day's maximum. "
    "Times with a date are UTC."
)
DESKS: Final = (
    "desk",
    "for a person",
    "parents",
    "cost, bps (95 %)",
    "cost",
    "profit",
    "gross",
    "net",
)
ORDER: Final = ("order", "agent", "instrument", "lots", "when")
Row = TypeVar("Row")


def _table(
    caption: str,
    headings: Sequence[str],
    rows: Sequence[Row],
    cells: Callable[[Row], Sequence[str]],
    most: int = FIRST,
) -> str:
    """HTML table of the first `most` rows by a function that gives a row's cells; "" without rows. The caption counts all."""
    if not rows:
        return ""
    cut = f", {most} of {len(rows):,}" if len(rows) > most else ""
    return plain_table(headings, [list(cells(row)) for row in rows[:most]], caption + cut)


def _tables(day: DeskDay) -> str:
    """HTML tables of a desk's day, without empty ones."""
    tables = [
        _table(
            "Agents: cost against arrival, profit of the day",
            (
                "agent",
                "state",
                "parents",
                "filled",
                "cost, bps (95 %)",
                *("cost", "realised", "open", "fees"),
            ),
            day.report.agents,
            lambda row: _agent_cells(day, row),
        ),
        _table(
            "Exposure at the end; value at risk of a day, 95 %, and its share of what may be lost in one",
            ("gross", "net", "at risk (use)"),
            day.report.money,
            lambda row: (
                format_amounts([(row.gross, row.currency)]),
                format_amounts([(row.net, row.currency)]),
                "not known yet"
                if row.var95 is None
                else format_amounts([(row.var95, row.currency)])
                + ("" if row.var_used is None else f" ({format_percent(row.var_used, 1)})"),
            ),
        ),
        _table(
            "Limits used most",
            ("limit", "used", "of", "share", "when"),
            day.most_used[:LIMITS_SHOWN],
            lambda row: (
                f"{one_line(row.name, 30)} {row.limit.replace('_', ' ')}",
                *(
                    f"{value:,}" if isinstance(value, int) else format_money(value)
                    for value in (row.used, row.of)
                ),
                format_percent(row.share),
                format_venue_time(row.ns),
            ),
        ),
        _table(
            "RFQ: requests for quotes by dealer, bps against mid, a cost positive",
            ("dealer", "asked", *COLUMNS),
            dealer_cells(day.dealers),
            lambda row: [one_line(cell, 60) for cell in row.values()],
            len(day.dealers),
        ),
        _table("People", ("when", "what", "who", "why"), day.people, _act_cells),
        _table(
            "Critical alerts and warnings",
            ("alert", "last", "what", "owner"),
            day.alerts,
            _alert_cells,
        ),
        _table(
            "Orders of unknown fate",
            ORDER,
            day.unknown,
            lambda order: (
                one_line(order.root, 60),
                one_line(order.account, 60),
                one_line(order.instrument, 60),
                f"{SIDE_NAMES.get(order.side, '')} {order.lots:,}",
                format_venue_time(order.sent_ns),
            ),
        ),
        _table(
            "Executions that the gate alone has, which no figure here counts",
            ORDER,
            day.unbooked,
            lambda execution: (
                one_line(execution.cl_ord_id, 60),
                one_line(execution.account, 60),
                one_line(execution.instrument, 60),
                f"{SIDE_NAMES.get(execution.side, '')} {to_number(execution.last_qty):,}",
                format_venue_time(execution.ns),
            ),
        ),
        _table(
            "Parents open at the end",
            ("parent", "side", "left", "status", "why"),
            day.state.ledger.parents.open(),
            lambda parent: (
                one_line(parent.id, 60),
                SIDE_NAMES.get(parent.order.side, ""),
                f"{to_number(parent.unfilled_qty):,}",
                parent.status,
                one_line(parent.status_reason, 60),
            ),
        ),
        _table(
            "Positions overnight",
            ("agent", "instrument", "quantity", "value", "open profit"),
            [row for row in day.report.positions if row.lots],
            lambda row: (
                one_line(row.agent, 60),
                one_line(row.instrument, 60),
                f"{row.qty:,.10g}",
                format_amounts([(row.value, row.currency)]),
                format_amounts([(row.open, row.currency)]),
            ),
        ),
    ]
    return "".join(tables)


def _agent_cells(day: DeskDay, row: AgentPart) -> list[str]:
    """Cells of an agent's row: name, state, parents, filled lots, cost, profit, fees."""
    costs = day.agent_costs(row.name)
    rows = day.money(row.name)
    return [
        one_line(row.name, 60),
        one_line(f"{row.state}: {row.state_reason}".removesuffix(": ")),
        f"{costs.parents:,}",
        f"{to_number(day.lots[row.name]):,}",
        format_bps(costs),
        *(
            format_amounts((getattr(money_row, key), money_row.currency) for money_row in rows)
            for key in ("cost", "realised", "open", "fees")
        ),
    ]


def _act_cells(act: DayAct) -> list[str]:
    """Cells of a person's action: time, action, person, reason."""
    unconfirmed = [name for name, event in act.events.items() if event != "confirmed"]
    action = f"{act.what} {', '.join(act.agents)}".strip()
    action += f" (not confirmed: {', '.join(unconfirmed)})" if unconfirmed else ""
    return [
        format_venue_time(act.ns),
        one_line(action),
        one_line(act.who) or "not said",
        one_line(act.why, 60),
    ]


def _alert_cells(rows: Sequence[Alert]) -> list[str]:
    """Cells of a group of equal alerts: severity, time, text with their number, owner."""
    alert = rows[-1]
    times = f" ({len(rows):,} times)" if len(rows) > 1 else ""
    description = f"{one_line(alert.code, 30)}{times}: {one_line(alert.text, 100)}"
    owner = one_line(f"{alert.owner}: {alert.note}".removesuffix(": "))
    return [
        one_line(alert.severity, 60),
        format_venue_time(alert.ns),
        f"{'the gate: ' if alert.gate else ''}{description}",
        owner if alert.owner else NO_OWNER,
    ]


@dataclass(frozen=True)
class DayReport:
    """Report of desks' days as text, JSON and an HTML page.

    Parameters
    ----------
    days : sequence of Day or UnreadDay
        What `api.desk.day_folders.days_of` gives.

    >>> DayReport([]).title
    'The day of 0 desks'
    """

    days: Sequence[DeskDay | UnreadDay]

    @property
    def title(self) -> str:
        """Title: the desk's name or the number of desks, and the date."""
        several = f"{len(self.days)} desks"
        which = one_line(self.days[0].desk, 60) if len(self.days) == 1 else several
        end_ns = max((day.to_ns for day in self.days if isinstance(day, DeskDay)), default=0)
        return f"The day of {which}" + (
            f", {format_venue_time(end_ns)[:10]} (UTC)" if end_ns >= EPOCH_NS else ""
        )

    @property
    def text(self) -> list[str]:
        """Lines for a terminal: the title, a sentence about all desks, and one about each."""
        sentences = [_sentence(day) for day in self.days]
        return [
            self.title,
            *([] if len(sentences) == 1 else [totals_of_all(self.days).sentence]),
            *sentences,
        ]

    def to_json(self) -> dict[str, Any]:
        """JSON of the days: {"desks": one `day_json` each, "all": sums of those that could be read}."""
        totals = totals_of_all(self.days)
        all_fields = {
            "sentence": totals.sentence,
            "desks": len(self.days),
            "read": sum(isinstance(day, DeskDay) for day in self.days),
            "costs": totals.costs,
            "needs": totals.needs,
            "money": totals.money,
            "exposure": [
                {"currency": row.currency, "gross": row.gross, "net": row.net}
                for row in totals.exposure
            ],
        }
        return dict(to_jsonable({"desks": [day_json(day) for day in self.days], "all": all_fields}))

    def html(self) -> str:
        """The HTML page of the days, one file without external resources."""
        sections = [_section(day) for day in self.days]
        if len(sections) != 1:
            rows = [
                totals_of(day).cells(day.desk)
                if isinstance(day, DeskDay)
                else [one_line(day.desk, 60), "1", "cannot be read", *[NOTHING] * 5]
                for day in self.days
            ]
            rows.append(totals_of_all(self.days).cells("all"))
            table = plain_table(list(DESKS), rows, "Cost and profit of the day")
            sections.insert(0, Section("In all", html=table))
        return render_page(self.title, self.text[1], sections, footer=NOTE)


def _sentence(day: DeskDay | UnreadDay) -> str:
    """Sentence on one desk's day, or on its unreadable journal."""
    if isinstance(day, DeskDay):
        return totals_of(day).sentence
    received = one_line(day.error.received)
    remedy = one_line(day.error.remedy)
    return f"{one_line(day.desk)}: its journal cannot be read: {received}; to go on: {remedy}."


def _section(day: DeskDay | UnreadDay) -> Section:
    """Section of the page on one desk's day."""
    name = one_line(day.desk, 60)
    if isinstance(day, UnreadDay):
        return Section(name, html=f"<p>{escape(_sentence(day))}</p>")
    fault_lines = day.state.ledger.faults()
    codes = [f"{one_line(code, 30)} {number:,}" for code, number in day.denials.most_common()]
    alerts = ", ".join(
        f"{number:,} {one_line(severity, 20)}" for severity, number in day.severities.items()
    )
    faults = "; ".join(map(one_line, fault_lines[:FIRST])) + more_text(fault_lines)
    lots = format_count(to_number(day.lots.total()), "lot")
    lines = [
        _sentence(day),
        f"{format_venue_time(day.from_ns)} to {format_venue_time(day.to_ns)}: {format_count(day.accepted, 'parent')} begun, "
        f"{day.finished_parents:,} over; "
        f"{format_count(day.fills.total(), 'fill')} of {lots}.",
        f"Denied: {', '.join(codes[:FIRST]) or 'nothing'}{more_text(codes)}. Alerts: {alerts or 'none'}. "
        f"Faults of the journal: {faults or 'none'}. Orders open at the end: {day.open_orders:,}.",
    ]
    text = "".join(f"<p>{escape(line)}</p>" for line in lines)
    return Section(name, html=f'<div class="day">{text}{_tables(day)}</div>')
