"""Money of a desk: realised and open profit, fees, exposure and value at risk, from its journal.

Figures are exact integers, and floats only where they are shown.

The fold takes sessions (units), marks, and every execution as it is booked, busted or corrected. Positions are the
ledger's, in 10^-16 half ticks x lots; a figure becomes money by the tick and the lot that the session journaled. Where
it listed no such instrument, prices are in ticks and money in ticks x lots. `VarMonitor` alerts once when value at
risk exceeds the loss that a day may bring; unlike limits it refuses nothing.
"""

import math
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from typing import Any, Final

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.fixed_point import ONE, PAID_ONE, Unit
from tercel.core.ports import Entry
from tercel.core.report.formatting import format_money
from tercel.core.stats.history import Curve, correlation, historical_loss
from tercel.desk.limits import MONEY
from tercel.desk.trading.child_orders.positions import Position, Positions
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.heartbeat import trading_units
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import MarketEntry, SessionEntry
from tercel.desk.trading.ledger import Ledger
from tercel.desk.trading.tca.measure import FEE_PARTS, fee_of

DAY_NS: Final = 86_400 * 10**9
MINUTE_NS: Final = 60 * 10**9
LEAST: Final = 60
"""Returns below which there is no value at risk."""
MOST_MARKS: Final = 1500
MOST_MINUTES: Final = 1440
MOST_POINTS: Final = 600
EVERY_NS: Final = 10 * 10**9
SCALES: Final = {
    "realised": 2 * PAID_ONE,
    "open": 2 * PAID_ONE,
    "fees": 2 * FEE_PARTS,
    "value": 2 * ONE,
    "gross": 2 * ONE,
}
"""Figures of a position: realised profit by the method of average cost, unrealised profit, both before fees; fees (below 0:
rebates); value at the mark, signed and absolute; each with its number of parts in a tick times a lot."""


Correlation = tuple[list[str], list[list[float | None]]]


OVER: Final = "value_at_risk"
UNDER: Final = "value_at_risk_cleared"
CLEARED: Final = 0.9
"""Part of the daily loss limit below which value at risk has to fall to end an alert."""


@dataclass(frozen=True, slots=True)
class HeldPosition:
    """Position of an agent in an instrument with unit, last two-sided mark (time ns, half ticks) and fees (`FEE_PARTS`)."""

    agent: str
    instrument: str
    position: Position
    unit: Unit
    mark: tuple[int, int] | None
    fee_parts: int

    def part(self, name: str) -> int | None:
        """A figure ("realised", "open", "value", "gross", "fees") as an integer in units of `SCALES`; None: not known."""
        position = self.position
        mark = self.mark
        if name == "realised":
            return position.realised2
        if name == "fees":
            return None if self.unit.fees is None else self.fee_parts
        if mark is None and position.qty:
            return None
        worth = position.qty * mark[1] if mark is not None else 0
        if name == "open":
            return worth * ONE - position.basis2
        return worth if name == "value" else abs(worth)

    def exact(self, name: str) -> Fraction | None:
        """A figure in money, exactly; None if a mark or the fees are not known."""
        part = self.part(name)
        return None if part is None else part * self.unit.value / SCALES[name]

    def to_row(self) -> dict[str, Any]:
        """The table's row: prices in the units of the market, quantities in shares, the rest in money."""
        position = self.position
        unit = self.unit
        half = unit.tick / 2
        return {
            "agent": self.agent,
            "instrument": self.instrument,
            "qty": unit.qty(position.qty),
            "lots": position.lots,
            "average": float(Fraction(position.basis2, position.qty * ONE) * half)
            if position.qty
            else None,
            "mark": None if self.mark is None else float(half * self.mark[1]),
            "mark_ns": None if self.mark is None else self.mark[0],
            **{name: sum_figure([self], name) for name in ("value", "realised", "open", "fees")},
            "currency": unit.currency,
        }


def sum_figure(holdings: Iterable[HeldPosition], name: str) -> float | None:
    """Sum of a figure over holdings, in money, as the nearest float; None where it is not known for one of them."""
    sums: dict[str, int] = {}
    units: dict[str, Unit] = {}
    for holding in holdings:
        if (part := holding.part(name)) is None:
            return None
        sums[holding.instrument] = sums.get(holding.instrument, 0) + part
        units[holding.instrument] = holding.unit
    return float(
        sum((units[instrument].value * part for instrument, part in sums.items()), Fraction(0))
        / SCALES[name]
    )


def group_holdings(
    holdings: Iterable[HeldPosition], key: Callable[[HeldPosition], str]
) -> list[tuple[str, list[HeldPosition]]]:
    """Holdings grouped by a key, sorted by it."""
    return [(name, list(group)) for name, group in groupby(sorted(holdings, key=key), key)]


class Money:
    """Money of a desk, folded from its journal: units, marks, fees, returns of marks, profit over time, traded lots by
    minute."""

    def __init__(self) -> None:
        self.units: dict[str, Unit] = {}
        self.marks: dict[str, tuple[int, int]] = {}
        """Time and half ticks of the last mark with two sides, by instrument."""
        self.returns: deque[tuple[int, dict[str, float]]] = deque(maxlen=MOST_MARKS)
        """Nanoseconds since the marks before, and each instrument's return since its own last mark."""
        self.curve: Curve[list[dict[str, Any]]] = Curve(MOST_POINTS, EVERY_NS)
        self.flow: dict[int, dict[str, int]] = {}
        """Signed lots, 10^-8, of each agent by the minute."""
        self._fees: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._marked_ns = 0
        self._has_step = False
        """Whether the marks of the current time have marks of an earlier time before them, and so returns."""
        self._mark_count = 0
        self._changed = 0
        self._return_matrix: tuple[int, dict[str, int], Floats, float] = (
            -1,
            {},
            np.zeros((0, 0)),
            0.0,
        )
        """Number of marks it was made at, column by instrument, returns (step, instrument), and the root of steps in a day."""
        self._correlation_cache: tuple[tuple[int, int], Correlation] = ((-1, -1), ([], []))
        """Minute and change count that it was computed at, and the result."""

    def apply(self, entry: Entry, ledger: Ledger) -> None:
        """Fold one entry, after the ledger has folded it, with the fills that it moved."""
        if entry.kind == kinds.SESSION:
            self.units |= {
                name: Unit.of(listing) for name, listing in SessionEntry.of(entry).listings.items()
            }
        elif entry.kind == kinds.MARKET:
            self.mark(entry)
        for sign, fill in ledger.moved_fills():
            if (fees := self.unit(fill.instrument).fees) is not None:
                self._fees[fill.account, fill.instrument] += sign * fee_of(
                    fill.px, fill.qty, fill.passive, fees, ONE
                )
            minute = fill.ns // MINUTE_NS
            row = self.flow.get(minute, {})
            self.flow[minute] = row | {
                fill.account: row.get(fill.account, 0) + sign * fill.side * fill.qty
            }
            self._changed += minute < self._correlation_cache[0][0]
            if len(self.flow) > MOST_MINUTES:
                del self.flow[min(self.flow)]
        if (ledger.moves or entry.kind == kinds.MARKET) and entry.ns >= self.curve.due_ns:
            self.curve.add(
                entry.ns,
                [
                    {"ns": entry.ns, "currency": currency}
                    | {name: sum_figure(holdings, name) for name in ("realised", "open", "fees")}
                    for currency, holdings in group_holdings(
                        self.holdings(ledger.positions), lambda holding: holding.unit.currency
                    )
                ],
            )

    def mark(self, entry: Entry) -> None:
        """Store an instrument's mark from a market entry, and its return since the mark before; one without both sides is
        ignored."""
        name = entry.instrument
        body = MarketEntry.of(entry)
        if body.bid is None or body.ask is None:
            return
        if entry.ns != self._marked_ns:
            self._has_step = 0 < self._marked_ns < entry.ns
            if self._has_step:
                self.returns.append((entry.ns - self._marked_ns, {}))
            self._marked_ns = entry.ns
        mid2 = body.bid + body.ask
        if name in self.marks and self._has_step:
            step, row = self.returns[-1]
            self.returns[-1] = step, row | {name: mid2 / self.marks[name][1] - 1}
        self.marks[name] = (entry.ns, mid2)
        self._mark_count = self._mark_count + 1

    def unit(self, instrument: str) -> Unit:
        """The units of an instrument, as far as the journal tells them."""
        return self.units.get(instrument) or Unit()

    def holdings(self, positions: Positions) -> list[HeldPosition]:
        """Every position that ever was, by agent and instrument."""
        return [
            HeldPosition(
                agent,
                name,
                position,
                self.unit(name),
                self.marks.get(name),
                self._fees[agent, name],
            )
            for (agent, name), position in sorted(positions.all().items())
        ]

    def total(
        self, holdings: Iterable[HeldPosition], limit: float | None = None
    ) -> list[dict[str, Any]]:
        """Sums of holdings, one row per currency; null where a part is not known.

        Parameters
        ----------
        holdings : iterable of HeldPosition
        limit : float, optional
            Money that may be lost in a day: `var_used` is the share of it that is at risk.

        Returns
        -------
        list of dict
            "currency", "realised", "open", "fees", "total" (realised + open - fees, as far as fees are known), "gross",
            "net" (values at the mark), "var95" (:meth:`var95`), "var_used", "var_returns" (how many it is from).
        """
        rows = []
        for currency, group in group_holdings(holdings, lambda holding: holding.unit.currency):
            realised, open_, fees = (
                sum_figure(group, name) for name in ("realised", "open", "fees")
            )
            known = realised is not None and open_ is not None
            risk = self.var95(group)
            rows.append(
                {
                    "currency": currency,
                    "realised": realised,
                    "open": open_,
                    "fees": fees,
                    "gross": sum_figure(group, "gross"),
                    "total": math.fsum((realised, open_, -(fees or 0.0))) if known else None,  # type: ignore[arg-type]
                    "net": sum_figure(group, "value"),
                    "var95": risk,
                    "var_used": risk / limit if risk is not None and limit else None,
                    "var_returns": len(self.returns),
                }
            )
        return rows

    def var95(self, holdings: Iterable[HeldPosition]) -> float | None:
        """Value at risk of a day, 95 %, money, 0 or more, from past returns; None below `LEAST` of them or without a mark.

        The holdings at their last marks go through every return that the journal's marks have (the last `MOST_MARKS`);
        of n results the ceil(0.05 n)-th worst, times the root of 24 hours over the mean time between marks, as if
        returns were independent.
        """
        if len(self.returns) < LEAST:
            return None
        if self._return_matrix[0] != self._mark_count:
            column = {name: number for number, name in enumerate(self.marks)}
            moves = np.zeros((len(self.returns), len(column)))
            for row, (_, row_returns) in zip(moves, self.returns, strict=True):
                row[[column[name] for name in row_returns]] = list(row_returns.values())
            mean_ns = sum(step for step, _ in self.returns) / len(self.returns)
            self._return_matrix = self._mark_count, column, moves, math.sqrt(DAY_NS / mean_ns)
        _, column, moves, scale = self._return_matrix
        weights = np.zeros(len(column))
        for holding in holdings:
            if (worth := holding.exact("value")) is None:
                return None
            if worth:
                weights[column[holding.instrument]] += float(worth)
        return historical_loss(moves @ weights) * scale

    def correlation(self, ns: int) -> Correlation:
        """Agents, and the correlation of their signed lots by the minute, over minutes with fills that are over; None where
        fewer than three minutes or no variance are."""
        key = ns // MINUTE_NS, self._changed
        if self._correlation_cache[0] != key:
            rows = [row for minute, row in self.flow.items() if minute < key[0]]
            agents = sorted({agent for row in rows for agent in row})
            flow = np.array([[row.get(agent, 0) / ONE for agent in agents] for row in rows])
            flow = flow.reshape(len(rows), len(agents))
            self._correlation_cache = key, (agents, correlation(flow))
        return self._correlation_cache[1]


class VarMonitor:
    """Alerts when the value at risk of a session's positions crosses the desk's daily loss limit.

    Parameters
    ----------
    gateway : OrderGateway
        With its journal folded.
    """

    def __init__(self, gateway: OrderGateway) -> None:
        self._gateway = gateway
        self._money = Money()
        self._over_currencies = set[str]()
        self._money.units = {
            listing.instrument: Unit.of(trading_units(listing))
            for listing in gateway.venue.listings()
        }

    def begin(self) -> None:
        """Read the journal's last marks, at least `most_marks` of them, without reading a long journal whole."""
        gateway = self._gateway
        last_seq = gateway.ledger.last
        most_marks = MOST_MARKS * max(len(self._money.units), 1)
        entries = list[Entry]()
        span = most_marks
        while last_seq > 0 and len(entries) < most_marks:
            entries = [
                entry for _, entry in gateway.journal.read(max(last_seq - span, 0), (kinds.MARKET,))
            ]
            if span >= last_seq:
                break
            span *= 4
        for entry in entries:
            self._money.mark(entry)

    def check(self, entries: Sequence[Entry]) -> None:
        """Store the marks of a heartbeat's entries; alert as value at risk exceeds the daily loss limit, or falls below `CLEARED`
        of it.

        Raises
        ------
        JournalError
        """
        for entry in entries:
            if entry.kind == kinds.MARKET:
                self._money.mark(entry)
        loss_limit = self._gateway.limits.limits.desk.daily_loss / MONEY
        for currency, holdings in group_holdings(
            self._money.holdings(self._gateway.ledger.positions),
            lambda holding: holding.unit.currency,
        ):
            risk = self._money.var95(holdings)
            was_over = currency in self._over_currencies
            if (
                risk is None
                or (CLEARED * loss_limit <= risk <= loss_limit)
                or (risk > loss_limit) == was_over
            ):
                continue
            self._over_currencies ^= {currency}
            severity, code = ("info", UNDER) if was_over else ("warning", OVER)
            most, at_risk = (format_money(x, currency, 0) for x in (loss_limit, risk))
            self._gateway.alert(
                severity, code, f"value at risk of a day: {at_risk} of {most} that a day may lose"
            )
