"""What a week came to, by the venue's own record: what the desk's journals lack, have twice or contradict, and the
limits recomputed from the orders that reached the venue.

Nothing here is folded by the desk's own code: rows of the venue's record (`tercel venue serve --store`), rows of the
journals' tables.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tercel.core import ONE

JOURNAL: Final = "journal.db"
OWNED: Final = ("critical", "warning")
"""Alerts that need somebody."""
_CONTENT: Final = ("cl_ord_id", "instrument", "side", "last_qty", "last_px", "cum_qty")
_ORDER: Final = "serial, account, cl_ord_id, instrument, side, lots, price, ns"
Position = dict[tuple[str, str], int]
"""10^-8 of a lot by account and instrument."""


Limit = Mapping[str, float]
"""Limits of a scope by the names that a limits file has for them."""


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """An order as it was accepted, or replaced: `price` in ticks, None at any; `ns` of the venue."""

    serial: int
    account: str
    name: str
    instrument: str
    side: int
    lots: int
    price: int | None
    ns: int


@dataclass(frozen=True, slots=True)
class VenueTrade:
    """An execution, `qty` and `px` in 10^-8 of a lot and of a tick."""

    serial: int
    account: str
    exec_id: str
    instrument: str
    side: int
    qty: int
    px: int
    ns: int


@dataclass(frozen=True)
class VenueRecord:
    """All that a venue knows of some accounts: orders as they came, in order; trades; when each order ended, ns."""

    orders: Sequence[VenueOrder]
    trades: Sequence[VenueTrade]
    ended: Mapping[int, int]

    @classmethod
    def read(cls, file: Path, accounts: Iterable[str]) -> VenueRecord:
        """Read `orders.db` of an exchange that keeps what it knows."""
        names = tuple(accounts)
        condition = f"account IN ({', '.join('?' * len(names))})"
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as rows:
            orders = rows.execute(
                f"SELECT {_ORDER} FROM accepted WHERE {condition} ORDER BY number", names
            )
            query = "SELECT serial, account, exec_id, instrument, side, last_qty, last_px, ns FROM report"
            trades = rows.execute(
                f"{query} WHERE exec_type = 'trade' AND {condition} ORDER BY number", names
            )
            ended = rows.execute(
                f"SELECT serial, max(ns) FROM report WHERE exec_type = 'status' AND {condition} GROUP BY serial",
                names,
            )
            return cls(
                [VenueOrder(*row) for row in orders],
                [VenueTrade(*row) for row in trades],
                dict(ended.fetchall()),
            )

    @property
    def positions(self) -> Position:
        """What the trades add up to."""
        held: Counter[tuple[str, str]] = Counter()
        for trade in self.trades:
            held[trade.account, trade.instrument] += trade.side * trade.qty
        return {holder: qty for holder, qty in held.items() if qty}


@dataclass
class JournalRows:
    """What the rows of a journal's table say.

    Parameters
    ----------
    fills : mapping of (account, exec_id) to list of ns
        Executions that were written down, with each time that they were; where they were told again and are the same,
        the first alone.
    misbooked : list of ns
        Heartbeats whose positions are not those of the executions before them, each once.
    sent : set of (account, cl_ord_id)
        Orders and replacements that may have left.
    positions : Position
        Of those executions, each once.
    alerts : list of mapping
        seq, ns, severity, code of those that need somebody.
    owned : set of int
        Entries of alerts that somebody took.
    alphas, parents : list of int
        When a forecast was taken, and when a parent was accepted, ns.
    """

    fills: defaultdict[tuple[str, str], list[int]] = field(
        default_factory=lambda: defaultdict(list)
    )
    sent: set[tuple[str, str]] = field(default_factory=set)
    misbooked: list[int] = field(default_factory=list)
    positions: Position = field(default_factory=dict)
    alerts: list[dict[str, Any]] = field(default_factory=list)
    owned: set[int] = field(default_factory=set)
    alphas: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)

    @classmethod
    def read(cls, folder: Path) -> JournalRows:
        """Read the journal of a folder."""
        journal = cls()
        held = Counter[tuple[str, str]]()
        told = dict[tuple[str, str], tuple[Any, ...]]()
        for seq, kind, ns, agent, order, body in _rows(folder):
            match kind:
                case "report_in" if body.get("exec_type") == "trade":
                    key = agent, str(body["exec_id"])
                    content = tuple(body[name] for name in _CONTENT)
                    if not journal.fills[key]:
                        held[agent, str(body["instrument"])] += int(body["side"]) * int(
                            body["last_qty"]
                        )
                    if told.setdefault(key, content) != content or not journal.fills[key]:
                        journal.fills[key].append(ns)
                case "heartbeat":
                    says = {
                        (a, i): lots
                        for a, of in body["positions"].items()
                        for i, lots in of.items()
                        if lots
                    }
                    if says != {holder: qty / ONE for holder, qty in held.items() if qty}:
                        journal.misbooked.append(ns)
                case "order_out" if body["what"] in ("new", "replace"):
                    journal.sent.add((agent, order))
                case "parent" if body["event"] == "accepted":
                    journal.parents.append(ns)
                case "alert" if body.get("severity") in OWNED:
                    journal.alerts.append(
                        {"seq": seq, "ns": ns, **{k: body[k] for k in ("severity", "code", "text")}}
                    )
                case "operator" if body.get("command") == "own_alert":
                    journal.owned.add(int(body["body"]["alert"]))
                case "alpha":
                    journal.alphas.append(ns)
        journal.positions = {holder: qty for holder, qty in held.items() if qty}
        return journal


def _rows(folder: Path) -> Iterator[tuple[int, str, int, str, str, dict[str, Any]]]:
    with closing(sqlite3.connect(f"file:{folder / JOURNAL}?mode=ro", uri=True)) as rows:
        for seq, kind, ns, agent, order, body in rows.execute(
            "SELECT seq, kind, ns, agent, ord, body FROM journal ORDER BY seq"
        ):
            yield seq, kind, ns, agent, order, json.loads(body)


# -- executions and orders --------------------------------------------------------------------------------------------


def lost_executions(record: VenueRecord, journal: JournalRows, span: tuple[int, int]) -> list[str]:
    """Executions of the venue within a span of its time that a journal lacks."""
    return [
        trade.exec_id
        for trade in _within(record.trades, span)
        if not journal.fills.get((trade.account, trade.exec_id))
    ]


def doubled_executions(
    record: VenueRecord, journal: JournalRows, span: tuple[int, int]
) -> list[str]:
    """Executions that a journal has twice with other words, that the venue never made, or that were booked otherwise
    than they were written down, within a span of time."""
    made = {(trade.account, trade.exec_id) for trade in record.trades}
    rows = [
        (key, ns) for key, times in journal.fills.items() for ns in times[1 if key in made else 0 :]
    ]
    rows += [(("", "a heartbeat"), ns) for ns in journal.misbooked]
    return [name for (_, name), ns in rows if span[0] <= ns < span[1]]


def strangers(record: VenueRecord, journal: JournalRows) -> list[str]:
    """Orders at the venue that nobody wrote down before they left."""
    named = (
        (order, order.name.partition("/")[2] or order.name) for order in record.orders
    )  # behind the login, as it was sent
    return [
        f"{order.name} of {order.account}"
        for order, name in named
        if (order.account, name) not in journal.sent
    ]


def still_open(record: VenueRecord) -> list[str]:
    """Orders that work at the venue when all is over."""
    return sorted(
        {
            f"{order.name} of {order.account}"
            for order in record.orders
            if order.serial not in record.ended
        }
    )


def position_differences(ours: Position, theirs: Position, who: str) -> list[str]:
    """Positions that differ from the venue's.

    >>> position_differences({("ann", "X"): 3 * ONE}, {("ann", "X"): 5 * ONE}, "the desk")
    ['the desk: ann holds 3 X, at the venue 5']
    """
    return [
        f"{who}: {account} holds {ours.get((account, name), 0) / ONE:g} {name}, at the venue"
        f" {theirs.get((account, name), 0) / ONE:g}"
        for account, name in sorted(ours.keys() | theirs.keys())
        if ours.get((account, name), 0) != theirs.get((account, name), 0)
    ]


def unwatched_ns(record: VenueRecord, windows: Iterable[tuple[int, int]]) -> int:
    """The longest time that an order worked in a window in which nobody watched, ns of the venue."""
    began = {order.serial: order.ns for order in reversed(record.orders)}
    far = max((ns for _, ns in windows), default=0) + 1
    spans = [(since, record.ended.get(serial, far)) for serial, since in began.items()]
    overlaps = [
        min(end, until) - max(since, gone) for gone, until in windows for since, end in spans
    ]
    return max([0, *overlaps])


def _within(rows: Iterable[Any], span: tuple[int, int]) -> Iterator[Any]:
    return (row for row in rows if span[0] <= row.ns < span[1])


# -- limits -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Terms:
    """What orders are held against.

    Parameters
    ----------
    desk, instrument, agent : Limit
        As the desk's files have them.
    lot_value : mapping of str to float
        Money of a lot at a price of one tick, by instrument.
    """

    desk: Limit
    instrument: Limit
    agent: Limit
    lot_value: Mapping[str, float]


def breaches(
    record: VenueRecord, terms: Terms, kills: Iterable[tuple[int, int]]
) -> list[tuple[int, str]]:
    """Limits that were passed, as the venue's record has it, and orders that came while the desk was killed.

    Parameters
    ----------
    record : VenueRecord
    terms : Terms
    kills : iterable of (from ns, to ns)
        From the console's answer to a kill to the moment before a second person confirmed the re-arm.

    Returns
    -------
    list of (ns, text)
    """
    broken = list[tuple[int, str]]()
    scopes = {"desk": terms.desk, "instrument": terms.instrument, "agent": terms.agent}
    for order in record.orders:
        value = order.lots * (order.price or 0) * terms.lot_value.get(order.instrument, 0.0)
        for who, most in scopes.items():
            for limit_name, amount in (("order_lots", order.lots), ("order_value", value)):
                if amount > most[limit_name]:
                    broken.append(
                        (
                            order.ns,
                            f"{order.name}: {amount:,.0f} above {limit_name} = {most[limit_name]:,.0f} of the {who}",
                        )
                    )
        for since, until in kills:
            if since < order.ns < until:
                broken.append(
                    (order.ns, f"{order.name} was accepted while {order.account} was killed")
                )
    return sorted({*broken, *_too_many(record, terms), *_too_far(record, terms)})


def _too_many(record: VenueRecord, terms: Terms) -> Iterator[tuple[int, str]]:
    """Orders and replacements within a window, by account and by instrument and of all."""
    times: dict[str, list[int]] = defaultdict(list)
    for order in record.orders:
        rows = (
            ("the desk", terms.desk),
            (order.instrument, terms.instrument),
            (order.account, terms.agent),
        )
        for who, most in rows:
            seen = times[who]
            seen.append(order.ns)
            while order.ns - seen[0] >= most["window_ms"] * 1e6:
                seen.pop(0)
            if len(seen) > most["messages"]:
                yield (
                    order.ns,
                    f"{who}: {len(seen)} orders in {most['window_ms']:g} ms, above {most['messages']:g}",
                )


class WorstCase:
    """What would be held if all that is open of one side were filled, of each account and instrument."""

    def __init__(self) -> None:
        self._held: Counter[tuple[str, str]] = Counter()
        self._filled: Counter[int] = Counter()
        self._working: dict[int, VenueOrder] = {}
        self._price: dict[str, float] = {}

    def order(self, order: VenueOrder) -> None:
        """An order has come, or another in its place."""
        self._working[order.serial] = order
        self._price.setdefault(order.instrument, float(order.price or 0))

    def trade(self, trade: VenueTrade) -> None:
        """An execution."""
        self._filled[trade.serial] += trade.qty
        self._held[trade.account, trade.instrument] += trade.side * trade.qty
        self._price[trade.instrument] = trade.px / ONE

    def end(self, serial: int) -> None:
        """An order is over."""
        self._working.pop(serial, None)

    def far(self, side: int, instrument: str, account: str = "") -> float:
        """Lots of one side, of an account or of all."""
        mine = [
            o
            for o in self._working.values()
            if o.instrument == instrument and account in ("", o.account)
        ]
        held = sum(
            qty
            for (who, name), qty in self._held.items()
            if name == instrument and account in ("", who)
        )
        return side * held / ONE + sum(
            o.lots - self._filled[o.serial] / ONE for o in mine if o.side == side
        )

    def gross(self, lot_value: Mapping[str, float]) -> dict[tuple[str, str], float]:
        """Money of the worst case, at the last price traded, by account and instrument."""
        cells = {*self._held, *((o.account, o.instrument) for o in self._working.values())}
        return {
            (who, name): max(self.far(1, name, who), self.far(-1, name, who))
            * self._price.get(name, 0.0) * lot_value.get(name, 0.0)
            for who, name in cells
        }  # fmt: skip


def _too_far(record: VenueRecord, terms: Terms) -> Iterator[tuple[int, str]]:
    """Worst cases: lots either way and their value; only what an order makes larger can pass a limit."""
    steps: list[tuple[int, int, Any]] = [(trade.ns, 0, trade) for trade in record.trades]
    steps += [(ns, 1, serial) for serial, ns in record.ended.items()]
    steps += [(order.ns, 2, order) for order in record.orders]
    worst = WorstCase()
    for ns, step_kind, event in sorted(steps, key=lambda step: step[:2]):
        if step_kind == 0:
            worst.trade(event)
        elif step_kind == 1:
            worst.end(event)
        else:
            worst.order(event)
            for who, account, most in (
                ("all agents", "", terms.instrument),
                (event.account, event.account, terms.agent),
            ):
                far = worst.far(event.side, event.instrument, account)
                limit_name = "long_lots" if event.side > 0 else "short_lots"
                if far > most[limit_name]:
                    yield (
                        ns,
                        f"{event.name}: {who} at {far:g} of {event.instrument}, above {limit_name} = {most[limit_name]:g}",
                    )
            cells = worst.gross(terms.lot_value)
            mine = (
                ("the desk", "", "", terms.desk),
                (event.account, event.account, "", terms.agent),
            )
            for who, account, name, most in (
                *mine,
                (event.instrument, "", event.instrument, terms.instrument),
            ):
                value = sum(
                    v for (a, i), v in cells.items() if account in ("", a) and name in ("", i)
                )
                if value > most["gross_value"]:
                    yield (
                        ns,
                        f"{event.name}: {who} at {value:,.0f}, above gross_value = {most['gross_value']:,.0f}",
                    )


# -- the day's report -------------------------------------------------------------------------------------------------


def unowned_alerts(
    journal: JournalRows, day: Mapping[str, Any], span: tuple[int, int], *, at_gate: bool = False
) -> list[str]:
    """Alerts of a journal and a span that need somebody, and have nobody in the day's report (or are not in it at all).

    Entries of two journals have the same numbers: the report says which are the gate's.
    """
    told = [
        row
        for desk in day.get("desks", [])
        for row in desk.get("alerts", [])
        if row["gate"] == at_gate
    ]
    owned = {seq for row in told if row["owner"] for seq in row["seqs"]}
    return [
        f"{alert['code']} ({alert['seq']})"
        for alert in _alerts(journal, span)
        if alert["seq"] not in owned
    ]


def unowned_after(journal: JournalRows, ns: int) -> list[str]:
    """Alerts after the last report, which no report has, that nobody took."""
    return [
        f"{alert['code']} ({alert['seq']})"
        for alert in _alerts(journal, (ns, 2**62))
        if alert["seq"] not in journal.owned
    ]


def _alerts(journal: JournalRows, span: tuple[int, int]) -> list[dict[str, Any]]:
    return [alert for alert in journal.alerts if span[0] <= alert["ns"] < span[1]]


def owners(day: Mapping[str, Any]) -> dict[str, int]:
    """How many alerts each person owns in the day's report."""
    counts: Counter[str] = Counter()
    for desk in day.get("desks", []):
        for row in desk.get("alerts", []):
            if row["owner"]:
                counts[str(row["owner"])] += int(row["n"])
    return dict(counts)
