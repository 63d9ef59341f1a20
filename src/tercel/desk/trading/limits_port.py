"""Hard limits as the gateway to a venue sees them; `limits.LimitGate` is such."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from tercel.core.orders import CancelReject, Command, Report
from tercel.desk.trading.ledger import LedgerCounts


class Denied(Protocol):
    """Why a command may not leave: `limits.Denial`."""

    @property
    def code(self) -> str:
        """One of few words."""
        ...

    @property
    def text(self) -> str:
        """With numbers, for people."""
        ...


class LimitsPort(LedgerCounts, Protocol):
    """What the gateway requests and reports: `limits.LimitGate`."""

    limits: Any
    """Those in force."""
    hash: str
    """Their name, which every order carries in the journal."""

    @property
    def agents(self) -> Mapping[str, Any]:
        """What is counted of each agent that has limits (`limits.state.AgentState`), by name."""
        ...

    def check(self, command: Command, now_ns: int) -> Denied | None:
        """May it leave now? Counts nothing."""
        ...

    def sent(self, command: Command, now_ns: int | None = None) -> None:
        """It leaves, and counts from here on."""
        ...

    def unsent(self, command: Command) -> None:
        """It did not leave after all."""
        ...

    def report(self, report: Report, now_ns: int | None = None) -> Any:
        """A message from the venue, and when it came; something with `code` and `text` when it makes no sense."""
        ...

    def cancel_reject(self, reject: CancelReject) -> None:
        """A cancel or replace was refused."""
        ...

    def parent(self, name: str, instrument: str, agent: str, side: int, lots: int) -> None:
        """A parent order was accepted."""
        ...

    def amend(self, name: str, lots: int) -> None:
        """A parent order has other lots now."""
        ...

    def mark(self, instrument: str, bid: int | None, ask: int | None, ns: int, now_ns: int | None = None) -> None:
        """The touch of an instrument."""
        ...

    def watch(self, now_ns: int, warnings: bool = True) -> Sequence[Any]:
        """What was passed since it was last asked (`limits.Crossing`); whom a breach stops sends nothing new."""
        ...

    def stop(self, agent: str, reason: str) -> None:
        """An agent sends nothing new."""
        ...

    def resume(self, agent: str, codes: Iterable[str] = ()) -> None:
        """An agent may trade again, as far as it was stopped under some codes (by default all)."""
        ...

    def enforce(self, limits: Any) -> None:
        """Other limits are in force."""
        ...

    def day(self) -> dict[str, Any]:
        """What of the day no fold can count again."""
        ...

    def restore_day(self, day: Mapping[str, Any]) -> None:
        """What `day` said before a restart."""
        ...

    def usage(self) -> dict[str, Any]:
        """How much of which limit is used."""
        ...
