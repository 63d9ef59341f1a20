"""The page and the text of desks' days: one content, so that both parts of a mail say the same."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from textwrap import fill
from typing import Any, Final

from tercel.api.desk_day_words import (
    at,
    bps,
    clock,
    count,
    date_of,
    money,
    named,
    named_money,
    one_line,
)
from tercel.core.report.cells import NOTHING, are_words
from tercel.core.report.page import Section, render
from tercel.core.report.tables import plain_table, without_idle
from tercel.core.vocabulary import SIDE_WORDS

SHOWN: Final = 6
"""Rows of a table of alerts, acts, orders or positions."""
WIDE: Final = 110
"""Letters of a line of sentences, where nothing wraps it."""
NOBODY: Final = "nobody yet"


@dataclass(frozen=True)
class DayTable:
    """A table of strings, as the page and the text show it."""

    caption: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    prose: bool = False


@dataclass(frozen=True)
class DayPart:
    """The part of a report about one desk, or about all."""

    title: str
    text: list[str] = field(default_factory=list)
    tables: list[DayTable] = field(default_factory=list)

    def html(self) -> str:
        """Its markup, everything of others escaped."""
        text = "".join(f"<p>{escape(line)}</p>" for line in self.text)
        tables = "".join(
            plain_table(one.headings, one.rows, one.caption, one.prose) for one in self.tables
        )
        return f'<div class="day">{text}{tables}</div>'


@dataclass(frozen=True)
class DayReport:
    """The report of desks' days, ready to be shown.

    Parameters
    ----------
    found : mapping
        What `api.desk_day.days_of` gives.

    >>> from tercel.api.desk_day import all_of
    >>> DayReport({"desks": [], "all": all_of([])}).title
    'The day of 0 desks'
    """

    found: Mapping[str, Any]

    @property
    def title(self) -> str:
        """What it is about: the desk, or how many."""
        desks = self.found["desks"]
        which = one_line(desks[0]["desk"], 60) if len(desks) == 1 else f"{len(desks)} desks"
        date = date_of(max((day.get("to_ns", 0) for day in desks), default=0))
        return f"The day of {which}" + (f", {date}" if date else "")

    @property
    def lead(self) -> str:
        """The first sentence."""
        desks = self.found["desks"]
        return str(
            desks[0].get("sentence") or _unread(desks[0])
            if len(desks) == 1
            else self.found["all"]["sentence"]
        )

    @property
    def subject(self) -> str:
        """The subject of a mail: one line."""
        needs = len(self.found["all"]["needs"])
        verb = "needs" if needs == 1 else "need"
        return f"{self.title}: " + (
            f"{count(needs, 'thing')} {verb} a person" if needs else "nothing needs a person"
        )

    @property
    def parts(self) -> list[DayPart]:
        """All desks, where there are several, and each."""
        desks = self.found["desks"]
        each = [_desk(day, alone=len(desks) == 1) for day in desks]
        return [_all(desks, self.found["all"]), *each] if len(desks) > 1 else each

    def html(self) -> str:
        """The page: one file, nothing outside it."""
        sections = [Section(part.title, html=part.html()) for part in self.parts]
        return render(self.title, self.lead, sections, footer=NOTE)

    def text(self) -> str:
        """The same without markup."""
        lines = [self.title, "", fill(self.lead, WIDE)]
        for part in self.parts:
            lines += [
                "",
                part.title,
                "=" * len(part.title),
                *(fill(line, WIDE) for line in part.text),
            ]
            for one in part.tables:
                lines += ["", one.caption, *_aligned(one)]
        return "\n".join([*lines, "", fill(NOTE, WIDE), ""])


NOTE: Final = (
    "Cost: of fills against the mid at arrival, positive is paid; 95 % of Student's t over parents as if independent. "
    "Profit: realised and the change of what is open at the last mark, less fees. Limits: the most within the day."
)


def _aligned(table: DayTable) -> Iterator[str]:
    """Rows with columns below each other; the first one and words from the left."""
    cells = [list(table.headings), *(list(row) for row in table.rows)]
    columns = list(zip(*cells, strict=True))
    widths = [max(map(len, column)) for column in columns]
    left = [
        not place or table.prose or are_words(column[1:]) for place, column in enumerate(columns)
    ]
    for row in cells:
        padded = [
            cell.ljust(width) if words else cell.rjust(width)
            for cell, width, words in zip(row, widths, left, strict=True)
        ]
        yield "  ".join(padded).rstrip()


def _unread(day: Mapping[str, Any]) -> str:
    error = day["error"]
    return f"{one_line(day['desk'])}: {one_line(error['received'])}; to go on: {one_line(error['remedy'])}."


# -- parts ------------------------------------------------------------------------------------------------------------


def _all(desks: Sequence[Mapping[str, Any]], found: Mapping[str, Any]) -> DayPart:
    alone, currency = _currency([*found["money"], *found["exposure"]])
    headings = (
        "desk",
        "for a person",
        "parents",
        "cost, bps (95 %)",
        "cost",
        "profit",
        "gross",
        "net",
        "at risk (use)",
    )
    rows = []
    for day in [*desks, {"desk": "all", **found}]:
        name, needs = one_line(day["desk"], 40), f"{len(day['needs']):,}"
        if "error" in day:
            rows.append([name, "cannot be read", *[NOTHING] * 7])
            continue
        values = [_cell(day["money"], key, alone=alone) for key in ("cost", "profit")]
        values += [_cell(day["exposure"], key, alone=alone) for key in ("gross", "net")]
        risk = "; ".join(_at_risk(row) for row in day["exposure"] if "var95" in row) or NOTHING
        rows.append([name, needs, f"{day['costs']['parents']:,}", bps(day["costs"]), *values, risk])
    caption = f"Cost and profit of the day, exposure at its end, in {currency}"
    return DayPart("In all", tables=[DayTable(caption, headings, rows)])


def _desk(day: Mapping[str, Any], *, alone: bool) -> DayPart:
    name = one_line(day["desk"], 60)
    if "error" in day:
        return DayPart(name, [_unread(day)])
    held = [
        f"{_span(day)}; {count(day['fills'], 'fill')} of {count(day['lots'], 'lot')}. {_exposed(day)}"
    ]
    left = [_faults(day), _denials(day), _open(day)]
    text = [*([] if alone else [day["sentence"]]), *held, *[line for line in left if line]]
    tables = [
        _agents(day),
        _limits(day),
        _people(day),
        _alerts(day),
        _unknown(day),
        _unbooked(day),
        _positions(day),
    ]
    return DayPart("What it did" if alone else name, text, [one for one in tables if one.rows])


def _span(day: Mapping[str, Any]) -> str:
    begun, over = day["parents"]["accepted"], day["parents"]["over"]
    return f"{clock(day['from_ns'])} to {clock(day['to_ns'])}: {count(begun, 'parent')} begun, {over:,} over"


def _cell(rows: Sequence[Mapping[str, Any]], key: str, *, alone: bool) -> str:
    """A figure, with its currency unless there is one alone, which the caption names."""
    return money(rows[0][key]) if alone and len(rows) == 1 else named_money(rows, key)


def _currency(rows: Iterable[Mapping[str, Any]]) -> tuple[bool, str]:
    """Whether there is one currency at most, and how a caption calls it."""
    known = {row["currency"] for row in rows}
    return len(known) < 2, next(iter(known)) or "money" if len(known) == 1 else "money"


def _at_risk(row: Mapping[str, Any]) -> str:
    used = "" if row["var_used"] is None else f" ({100 * row['var_used']:.0f} %)"
    return (
        NOTHING
        if row["var95"] is None
        else f"{money(row['var95'])} {named(row['currency'])}".strip() + used
    )


def _exposed(day: Mapping[str, Any]) -> str:
    """Exposure and value at risk at the end of the day."""
    rows = day["exposure"]
    if not rows:
        return "Nothing was ever held."
    risks = []
    for row in rows:
        used = (
            ""
            if row["var_used"] is None
            else f", {100 * row['var_used']:.1f} % of what may be lost in a day"
        )
        at = named(row["currency"])
        known = (
            f"{money(row['var95'])} {at}".strip() + used
            if row["var95"] is not None
            else "not known yet"
        )
        risks.append(known)
    gross, net = named_money(rows, "gross"), named_money(rows, "net", signed=True)
    return f"Exposure: gross {gross}, net {net}; value at risk of a day, 95 %: {'; '.join(risks)}."


def _faults(day: Mapping[str, Any]) -> str:
    faults = [one_line(fault) for fault in day["faults"]]
    return (
        f"Faults of the journal: {'; '.join(faults[:3])}{_more(faults, 3)}."
        if faults
        else "Faults of the journal: none."
    )


def _more(rows: Sequence[object], most: int) -> str:
    return f"; {len(rows) - most:,} more in its JSON" if len(rows) > most else ""


def _denials(day: Mapping[str, Any]) -> str:
    codes = [f"{one_line(code, 30)} {n:,}" for code, n in day["denials"].items()]
    said = (
        ", ".join(f"{n:,} {one_line(name, 20)}" for name, n in day["severities"].items()) or "none"
    )
    return f"Denied: {', '.join(codes[:SHOWN]) or 'nothing'}{_more(codes, SHOWN)}. Alerts: {said}."


def _open(day: Mapping[str, Any]) -> str:
    """What is open overnight."""
    parents = [
        f"{one_line(one['parent'], 40)} ({SIDE_WORDS.get(one['side'], '')} {one['left']:,} left, {one['status']}"
        f"{': ' + one_line(one['reason'], 60) if one['reason'] else ''})"
        for one in day["open_parents"]
    ]
    named_parents = (
        f"{count(len(parents), 'parent')}: {', '.join(parents[:4])}{_more(parents, 4)}"
        if parents
        else "no parent"
    )
    orders = count(day["open_orders"], "order") if day["open_orders"] else "no order"
    return (
        f"Open at the end: {named_parents}; {orders}; {count(len(day['positions']), 'position')}."
    )


def _agents(day: Mapping[str, Any]) -> DayTable:
    alone, currency = _currency(day["money"])
    rows = []
    for one in day["agents"]:
        state = one["state"] + (
            f": {one_line(one['state_reason'], 60)}" if one["state_reason"] else ""
        )
        figures = {
            key: _cell(one["money"], key, alone=alone)
            for key in ("cost", "realised", "open", "fees")
        }
        counts = {"parents": f"{one['costs']['parents']:,}", "filled": f"{one['lots']:,}"}
        cost = {"cost, bps (95 %)": bps(one["costs"])}
        row = {"agent": one_line(one["name"], 30), "state": state} | counts | cost | figures
        rows.append(row | {"share": _share(sorted(one["share"].values()))})
    shown = without_idle(rows, ("fees",))
    caption = f"Agents: cost against arrival, profit of the day in {currency}, share of the flow"
    return DayTable(caption, list(shown[0]) if shown else [], [list(row.values()) for row in shown])


def _share(shares: Sequence[float]) -> str:
    """The least and the most that an agent has of an instrument's flow."""
    if not shares:
        return NOTHING
    low, high = (f"{100 * share:.0f}" for share in (shares[0], shares[-1]))
    return f"{low if low == high else f'{low}-{high}'} %"


def _limits(day: Mapping[str, Any]) -> DayTable:
    rows = [
        [
            f"{one_line(row['name'], 30)} {row['limit'].replace('_', ' ')}",
            _used(row["used"]),
            _used(row["of"]),
            f"{100 * row['share']:.0f} %",
            at(row["ns"], day["to_ns"]),
        ]
        for row in day["limits"]
    ]
    return DayTable("Limits used most", ("limit", "used", "of", "share", "when"), rows)


def _used(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else money(value)


def _people(day: Mapping[str, Any]) -> DayTable:
    rows = []
    for act in day["people"]:
        what = " ".join([act["what"], ", ".join(act.get("agents", ()))]).strip()
        late = [name for name, event in act.get("events", {}).items() if event != "confirmed"]
        what += f" (not confirmed: {', '.join(late)})" if late else ""
        rows.append(
            [
                at(act["ns"], day["to_ns"]),
                one_line(what),
                one_line(act["who"], 60) or "not said",
                one_line(act["why"]),
            ]
        )
    return DayTable(
        _first("People", rows), ("when", "what", "who", "why"), rows[-SHOWN:], prose=True
    )


def _first(caption: str, rows: Sequence[object], which: str = "last") -> str:
    return f"{caption}, the {which} {SHOWN} of {len(rows):,}" if len(rows) > SHOWN else caption


def _alerts(day: Mapping[str, Any]) -> DayTable:
    rows = []
    for row in day["alerts"]:
        times = f" ({row['n']:,} times)" if row["n"] > 1 else ""
        owner = one_line(row["owner"], 40) + (
            f": {one_line(row['note'], 60)}" if row["note"] else ""
        )
        where = "the gate: " if row["gate"] else ""
        what = f"{where}{one_line(row['code'], 30)}{times}: {one_line(row['text'], 100)}"
        rows.append(
            [
                row["severity"],
                at(row["last_ns"], day["to_ns"]),
                what,
                owner if row["owner"] else NOBODY,
            ]
        )
    headings = ("alert", "last", "what", "owner")
    return DayTable(
        _first("Critical alerts and warnings", rows, "first"), headings, rows[:SHOWN], prose=True
    )


def _unknown(day: Mapping[str, Any]) -> DayTable:
    rows = [
        [
            one_line(one["order"], 40),
            one_line(one["agent"], 30),
            one_line(one["instrument"], 20),
            f"{SIDE_WORDS.get(one['side'], '')} {one['lots']:,}",
            f"{one['filled']:,}",
            at(one["sent_ns"], day["to_ns"]),
        ]
        for one in day["unknown"]
    ]
    headings = ("order", "agent", "instrument", "lots", "filled", "sent")
    return DayTable(_first("Orders of unknown fate", rows, "first"), headings, rows[:SHOWN])


def _unbooked(day: Mapping[str, Any]) -> DayTable:
    rows = [
        [
            one_line(one["agent"], 30),
            one_line(one["instrument"], 20),
            f"{SIDE_WORDS.get(one['side'], '')} {one['lots']:,}",
            one_line(one["order"], 40),
            at(one["ns"], day["to_ns"]),
        ]
        for one in day["unbooked"]
    ]
    caption = _first(
        "Executions that the gate alone has, which no figure here counts", rows, "first"
    )
    return DayTable(caption, ("agent", "instrument", "lots", "order", "when"), rows[:SHOWN])


def _positions(day: Mapping[str, Any]) -> DayTable:
    held = sorted(day["positions"], key=lambda row: -abs(row["value"] or 0.0))
    rows = [
        [
            one_line(row["agent"], 30),
            one_line(row["instrument"], 20),
            f"{row['qty']:,.10g}",
            *(f"{money(row[key])} {named(row['currency'])}".strip() for key in ("value", "open")),
        ]
        for row in held
    ]
    headings = ("agent", "instrument", "quantity", "value", "open profit")
    return DayTable(_first("Positions overnight", rows, "largest"), headings, rows[:SHOWN])
