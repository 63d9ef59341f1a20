"""A desk's money: profit realised and open, fees, exposure, value at risk; exact inside, floats when shown.

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
from typing import Any, Final

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.orders import ONE, PAID_ONE, Unit
from tercel.core.ports import Entry
from tercel.core.stats.history import Curve, correlation, historical_loss
from tercel.desk.limits import MONEY
from tercel.desk.trading.child_orders.positions import Position, Positions
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.heartbeat import traded_in
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


@dataclass(frozen=True, slots=True)
class HeldPosition:
    """A position with its unit, its last two-sided mark (time, half ticks) and its fees (parts: `FEE_PARTS`)."""

    agent: str
    instrument: str
    position: Position
    unit: Unit
    mark: tuple[int, int] | None
    fee_parts: int

    def part(self, name: str) -> int | None:
        """A figure as a whole number, of which `SCALES` make what a tick of a lot is worth; None: not known."""
        held, mark = self.position, self.mark
        if name == "realised":
            return held.realised2
        if name == "fees":
            return None if self.unit.fees is None else self.fee_parts
        if mark is None and held.qty:
            return None
        worth = held.qty * mark[1] if mark is not None else 0
        if name == "open":
            return worth * ONE - held.basis2
        return worth if name == "value" else abs(worth)

    def exact(self, name: str) -> Fraction | None:
        """A figure of `SCALES` in money; None where a mark or the fees are not known."""
        part = self.part(name)
        return None if part is None else part * self.unit.value / SCALES[name]

    def shown(self) -> dict[str, Any]:
        """The table's row: prices in the units of the market, quantities in shares, the rest in money."""
        held, unit = self.position, self.unit
        half = unit.tick / 2
        return {
            "agent": self.agent,
            "instrument": self.instrument,
            "qty": unit.qty(held.qty),
            "lots": held.lots,
            "average": float(Fraction(held.basis2, held.qty * ONE) * half) if held.qty else None,
            "mark": None if self.mark is None else float(half * self.mark[1]),
            "mark_ns": None if self.mark is None else self.mark[0],
            **{name: summed([self], name) for name in ("value", "realised", "open", "fees")},
            "currency": unit.currency,
        }


def summed(held: Iterable[HeldPosition], name: str) -> float | None:
    """The exact sum of a figure over holdings, as the nearest float; None where one of them is not known."""
    sums: dict[str, int] = {}
    units: dict[str, Unit] = {}
    for one in held:
        if (part := one.part(name)) is None:
            return None
        sums[one.instrument] = sums.get(one.instrument, 0) + part
        units[one.instrument] = one.unit
    return float(
        sum((units[each].value * part for each, part in sums.items()), Fraction(0)) / SCALES[name]
    )


def by(
    held: Iterable[HeldPosition], key: Callable[[HeldPosition], str]
) -> list[tuple[str, list[HeldPosition]]]:
    """Holdings by a name of theirs, in its order."""
    found: defaultdict[str, list[HeldPosition]] = defaultdict(list)
    for one in held:
        found[key(one)].append(one)
    return sorted(found.items())


class Money:
    """The fold: units, marks, fees, returns of the marks, the curve of profit, agents' flow by the minute."""

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
        self._at = 0
        self._counts = False
        self._marked = 0
        self._changed = 0
        self._moves: tuple[int, dict[str, int], Floats, float] = (-1, {}, np.zeros((0, 0)), 0.0)
        self._alike: tuple[tuple[int, int], Correlation] = ((-1, -1), ([], []))

    def apply(self, entry: Entry, ledger: Ledger) -> None:
        """Fold one entry that the ledger has taken, with what that moved."""
        if entry.kind == kinds.SESSION:
            self.units |= {
                name: Unit.of(words) for name, words in SessionEntry.of(entry).listings.items()
            }
        elif entry.kind == kinds.MARKET:
            self.mark(entry)
        for pair in ledger.moves:
            for sign, fill in zip((-1, 1), pair, strict=True):
                if fill is not None:
                    if (fees := self.unit(fill.instrument).fees) is not None:
                        self._fees[fill.account, fill.instrument] += sign * fee_of(
                            fill.px, fill.qty, fill.passive, fees, ONE
                        )
                    minute = fill.ns // MINUTE_NS
                    row = self.flow.get(minute, {})
                    self.flow[minute] = row | {
                        fill.account: row.get(fill.account, 0) + sign * fill.side * fill.qty
                    }
                    self._changed += minute < self._alike[0][0]
                    if len(self.flow) > MOST_MINUTES:
                        del self.flow[min(self.flow)]
        if (ledger.moves or entry.kind == kinds.MARKET) and entry.ns >= self.curve.due_ns:
            self.curve.add(
                entry.ns,
                [
                    {"ns": entry.ns, "currency": currency}
                    | {name: summed(some, name) for name in ("realised", "open", "fees")}
                    for currency, some in by(
                        self.holdings(ledger.positions), lambda one: one.unit.currency
                    )
                ],
            )

    def mark(self, entry: Entry) -> None:
        """Take a mark of an instrument, and its return since the one before."""
        name, body = entry.instrument, MarketEntry.of(entry)
        if body.bid is None or body.ask is None:
            return
        if entry.ns != self._at:
            self._counts = 0 < self._at < entry.ns
            if self._counts:
                self.returns.append((entry.ns - self._at, {}))
            self._at = entry.ns
        mid2 = body.bid + body.ask
        if name in self.marks and self._counts:
            step, row = self.returns[-1]
            self.returns[-1] = step, row | {name: mid2 / self.marks[name][1] - 1}
        self.marks[name] = (entry.ns, mid2)
        self._marked = self._marked + 1

    # -- results ------------------------------------------------------------------------------------------------------

    def unit(self, instrument: str) -> Unit:
        """The units of an instrument, as far as the journal tells them."""
        return self.units.get(instrument) or Unit()

    def holdings(self, positions: Positions) -> list[HeldPosition]:
        """Every position that ever was, by agent and instrument."""
        return [
            HeldPosition(
                agent, name, held, self.unit(name), self.marks.get(name), self._fees[agent, name]
            )
            for (agent, name), held in sorted(positions.all().items())
        ]

    def total(
        self, held: Iterable[HeldPosition], limit: float | None = None
    ) -> list[dict[str, Any]]:
        """Sums of holdings, one row per currency; null where a part is not known.

        Parameters
        ----------
        held : iterable of HeldPosition
        limit : float, optional
            Money that may be lost in a day: `var_used` is the share of it that is at risk.

        Returns
        -------
        list of dict
            "currency", "realised", "open", "fees", "total" (realised + open - fees, as far as fees are known), "gross",
            "net" (values at the mark), "var95" (:meth:`var95`), "var_used", "var_returns" (how many it is from).
        """
        rows = []
        for currency, some in by(held, lambda one: one.unit.currency):
            realised, open_, fees = (summed(some, name) for name in ("realised", "open", "fees"))
            known = realised is not None and open_ is not None
            risk = self.var95(some)
            rows.append(
                {
                    "currency": currency,
                    "realised": realised,
                    "open": open_,
                    "fees": fees,
                    "gross": summed(some, "gross"),
                    "total": math.fsum((realised, open_, -(fees or 0.0))) if known else None,  # type: ignore[arg-type]
                    "net": summed(some, "value"),
                    "var95": risk,
                    "var_used": risk / limit if risk is not None and limit else None,
                    "var_returns": len(self.returns),
                }
            )
        return rows

    def var95(self, held: Iterable[HeldPosition]) -> float | None:
        """Value at risk of one day, 95 %, by historical simulation; None below `LEAST` returns or without a mark.

        The holdings at their last marks go through every return that the journal's marks have (the last `MOST_MARKS`);
        of n results the ceil(0.05 n)-th worst, times the root of 24 hours over the mean time between marks, as if
        returns were independent.
        """
        if len(self.returns) < LEAST:
            return None
        if self._moves[0] != self._marked:
            at = {name: number for number, name in enumerate(self.marks)}
            moves = np.zeros((len(self.returns), len(at)))
            for row, (_, found) in zip(moves, self.returns, strict=True):
                row[[at[name] for name in found]] = list(found.values())
            mean_ns = sum(step for step, _ in self.returns) / len(self.returns)
            self._moves = self._marked, at, moves, math.sqrt(DAY_NS / mean_ns)
        _, at, moves, scale = self._moves
        weights = np.zeros(len(at))
        for one in held:
            if (worth := one.exact("value")) is None:
                return None
            if worth:
                weights[at[one.instrument]] += float(worth)
        return historical_loss(moves @ weights) * scale

    def correlation(self, ns: int) -> Correlation:
        """Agents, and the correlation of their signed lots by the minute, over minutes with fills that are over; None where
        fewer than three minutes or no variance are."""
        key = ns // MINUTE_NS, self._changed
        if self._alike[0] != key:
            rows = [row for minute, row in self.flow.items() if minute < key[0]]
            agents = sorted({agent for row in rows for agent in row})
            flow = np.array([[row.get(agent, 0) / ONE for agent in agents] for row in rows])
            flow = flow.reshape(len(rows), len(agents))
            self._alike = key, (agents, correlation(flow))
        return self._alike[1]


OVER: Final = "value_at_risk"
UNDER: Final = "value_at_risk_cleared"
CLEARED: Final = 0.9
"""Part of what a day may lose under which an alert is over."""


class VarMonitor:
    """Value at risk of a session's positions, by the marks of its heartbeats and of sessions before.

    Parameters
    ----------
    gateway : OrderGateway
        Folded.
    """

    def __init__(self, gateway: OrderGateway) -> None:
        self._gateway = gateway
        self._money = Money()
        self._over = set[str]()
        self._money.units = {
            one.instrument: Unit.of(traded_in(one)) for one in gateway.venue.listings()
        }
        # The last marks that a journal has, so many and some more, however long it is.
        last = gateway.ledger.last
        most = MOST_MARKS * max(len(self._money.units), 1)
        found, span = list[Entry](), most
        while last > 0 and len(found) < most:
            found = [
                entry for _, entry in gateway.journal.read(max(last - span, 0), (kinds.MARKET,))
            ]
            if span >= last:
                break
            span *= 4
        for entry in found:
            self._money.mark(entry)

    def look(self, entries: Sequence[Entry]) -> None:
        """Take a heartbeat's entries (`heartbeat.heartbeat`), and alert where value at risk has crossed what they allow.

        Raises
        ------
        JournalError
        """
        for entry in entries:
            if entry.kind == kinds.MARKET:
                self._money.mark(entry)
        most = self._gateway.limits.limits.desk.daily_loss / MONEY
        for currency, held in by(
            self._money.holdings(self._gateway.ledger.positions), lambda one: one.unit.currency
        ):
            risk, was = self._money.var95(held), currency in self._over
            if risk is None or (CLEARED * most <= risk <= most) or (risk > most) == was:
                continue
            self._over ^= {currency}
            severity, code = ("info", UNDER) if was else ("warning", OVER)
            self._gateway.alert(
                severity,
                code,
                f"value at risk of a day: {risk:,.0f} {currency} of {most:,.0f} that a day may lose",
            )
