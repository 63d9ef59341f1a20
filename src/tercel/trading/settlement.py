"""Positions that agree with the venue's, or nobody trades.

A venue tells positions (`positions(account)`), or repeats its executions, or neither. Where it tells, they are compared
when a session begins, when the way to the venue comes back, and with every heartbeat. While they differ nothing new
leaves, until they are equal or a named person says why not: the difference is then journaled and known from there on.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from tercel.core.errors import OrderError, VenueError
from tercel.core.ports import Entry
from tercel.trading.gateway import OrderGateway, Refusal
from tercel.trading.journal import kinds

DIFFER: Final = "POSITIONS_DIFFER"
AGREE: Final = "POSITIONS_AGREE"
STRANGE: Final = "STRANGE_FILL"
"""What limits stop an agent for when its account trades an order that never left here."""


class PositionKeeper:
    """Holds positions here against the venue's.

    Parameters
    ----------
    gateway : OrderGateway
    accounts : callable
        Whose.
    """

    def __init__(self, gateway: OrderGateway, accounts: Callable[[], Sequence[str]]) -> None:
        self._gateway, self._accounts = gateway, accounts
        self._before: dict[tuple[str, str], tuple[int, int]] = {}

    def begin(self) -> None:
        """Compare now, when nothing can be on its way: what differs shuts."""
        if not self._told():
            if self._gateway.ledger.acknowledged:
                text = "entries of the journal were lost, and the venue tells neither positions nor executions"
                self._alert("critical", DIFFER, text)
            return
        self._before = found = self.differences()
        self._judge(found)

    def look(self) -> None:
        """Compare while orders work: what differs twice in a row shuts, as reports may be on their way."""
        if not callable(getattr(self._gateway.venue, "positions", None)):
            return
        try:
            found = self.differences()
        except VenueError:  # the way is down: `begin` when it is up
            return
        again = {where: lots for where, lots in found.items() if where in self._before}
        self._before = found
        self._judge(again)

    def settle(self, entry: Entry) -> None:
        """A named person says why positions differ: so far they are known, and trading goes on.

        Raises
        ------
        OrderError
            When nothing differs.
        """
        found = self.differences()
        if not found:
            raise OrderError("positions that differ from the venue's", "none that do", "nothing is to be settled")
        gaps = [[account, instrument, there - here] for (account, instrument), (here, there) in found.items()]
        known = [[*where, gap] for where, gap in self._gateway.ledger.settled.items() if where not in found]
        body = {"gaps": [*known, *gaps], "by": entry.body["by"], "reason": entry.body["reason"]}
        body["operator"] = entry.body["id"]
        self._gateway.write([Entry(kinds.SETTLED, self._gateway.venue.now_ns, body=body)])
        self._before = {}
        self._judge({})

    def differences(self) -> dict[tuple[str, str], tuple[int, int]]:
        """Lots here and at the venue, by account and instrument, where they differ by more than what was settled."""
        ledger, found = self._gateway.ledger, dict[tuple[str, str], tuple[int, int]]()
        if not self._told():
            return found
        ours = ledger.positions.lots()
        for account in self._accounts():
            here, there = ours.get(account, {}), self._theirs(account)
            for instrument in sorted(here.keys() | there.keys()):
                pair = here.get(instrument, 0), there.get(instrument, 0)
                if pair[1] - pair[0] != ledger.settled.get((account, instrument), 0):
                    found[account, instrument] = pair
        return found

    def _told(self) -> bool:
        return any(callable(getattr(self._gateway.venue, name, None)) for name in ("positions", "executions"))

    def _theirs(self, account: str) -> Mapping[str, int]:
        venue: Any = self._gateway.venue
        if callable(getattr(venue, "positions", None)):
            told: Mapping[str, int] = venue.positions(account)
            return told
        lots: Counter[str] = Counter()
        for report in venue.executions(account):
            lots[report.instrument] += report.side * report.last_lots
        lots.update(self._gateway.ledger.orders.rebooked_lots(account))
        return lots

    def _judge(self, found: Mapping[tuple[str, str], tuple[int, int]]) -> None:
        shut = self._gateway.unsettled is not None
        if not found:
            if shut:
                self._gateway.unsettled = None
                self._alert("info", AGREE, "positions are the venue's, or settled: trading goes on")
            self._resume()
            return
        texts = [f"{account} holds {here} lots of {name} here and {there} at the venue"
                 for (account, name), (here, there) in found.items()]  # fmt: skip
        text = "; ".join(texts)
        if not shut or self._gateway.unsettled != Refusal(DIFFER, text):
            self._gateway.unsettled = Refusal(DIFFER, text)
            self._alert("critical", DIFFER, text)

    def _resume(self) -> None:
        """Agents that stopped at executions which nobody here asked for go on: these are booked, and nothing differs."""
        gateway = self._gateway
        agents = getattr(gateway.limits, "agents", {})
        for name, agent in agents.items():
            if agent.stopped.startswith(STRANGE) and name not in gateway.ledger.killed:
                body = {"scope": name, "by": "positions", "reason": "what nobody asked for is booked; positions agree"}
                gateway.write([Entry(kinds.REARM, gateway.venue.now_ns, agent=name, body=body)])
                gateway.limits.resume(name)

    def _alert(self, severity: str, code: str, text: str) -> None:
        body = {"severity": severity, "code": code, "text": text}
        self._gateway.write([Entry(kinds.ALERT, self._gateway.venue.now_ns, body=body)])
