"""An alert where more is at risk than a day may lose: once, and once when that is over.

Value at risk refuses and stops nothing (`desk.limits` do): it says what may come, and somebody has to know of it.
"""

from collections.abc import Sequence
from typing import Final

from tercel.core.orders import Unit
from tercel.core.ports import Entry, Journal
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.money import KEPT_MARKS, Money, by
from tercel.desk.trading.upkeep import traded_in

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
        for entry in _last_marks(
            gateway.journal, gateway.ledger.last, KEPT_MARKS * max(len(self._money.units), 1)
        ):
            self._money.mark(entry)

    def look(self, entries: Sequence[Entry]) -> None:
        """Take a heartbeat's entries (`upkeep.heartbeat`), and alert where value at risk has crossed what they allow.

        Raises
        ------
        JournalError
        """
        for entry in entries:
            if entry.kind == kinds.MARKET:
                self._money.mark(entry)
        _, most, *_ = entries[0].body["limits"]["desk"]["desk"]["daily_loss"]
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


def _last_marks(journal: Journal, last: int, most: int) -> list[Entry]:
    """The last marks that a journal has, so many and some more, however long it is."""
    found, span = list[Entry](), most
    while last > 0 and len(found) < most:
        found = [entry for _, entry in journal.read(max(last - span, 0), (kinds.MARKET,))]
        if span >= last:
            break
        span *= 4
    return found
