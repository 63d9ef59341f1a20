"""Port of hard limits as the gateway uses them; implemented by `limits.LimitGate`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from tercel.core.orders import CancelReject, Command, Report
from tercel.desk.trading.ledger import LedgerCounts


class Denied(Protocol):
    """Why a command may not leave; implemented by `limits.Denial`."""

    @property
    def code(self) -> str:
        """Machine-readable code."""
        ...

    @property
    def text(self) -> str:
        """Text with figures, for people."""
        ...


class LimitsPort(LedgerCounts, Protocol):
    """Checks and counts of the gateway; implemented by `limits.LimitGate`."""

    limits: Any
    """Those in force."""
    hash: str
    """Their name, which every order carries in the journal."""

    @property
    def agents(self) -> Mapping[str, Any]:
        """Counters of each agent that has limits (`limits.state.AgentState`), by name."""
        ...

    def check(self, command: Command, now_ns: int) -> Denied | None:
        """Denial of a command, or None if it may leave; counts nothing."""
        ...

    def sent(self, command: Command, now_ns: int | None = None) -> None:
        """Count a command that leaves."""
        ...

    def unsent(self, command: Command) -> None:
        """Undo `sent` for a command that did not leave."""
        ...

    def report(self, report: Report, now_ns: int | None = None) -> Any:
        """Count a venue report at its arrival time; an alarm (`code`, `text`) if it is impossible."""
        ...

    def cancel_reject(self, reject: CancelReject) -> None:
        """A cancel or replace was rejected."""
        ...

    def parent(self, name: str, instrument: str, agent: str, side: int, lots: int) -> None:
        """A parent order was accepted."""
        ...

    def amend(self, name: str, lots: int) -> None:
        """A parent's lots were amended."""
        ...

    def mark(self, instrument: str, bid: int | None, ask: int | None, ns: int, now_ns: int | None = None) -> None:
        """Update the best bid and ask of an instrument."""
        ...

    def watch(self, now_ns: int, warnings: bool = True) -> Sequence[Any]:
        """Crossings since the last call (`limits.Crossing`); agents of a breach are stopped."""
        ...

    def stop(self, agent: str, reason: str) -> None:
        """Refuse new orders of an agent."""
        ...

    def resume(self, agent: str, codes: Iterable[str] = ()) -> None:
        """Clear an agent's stops under some codes (by default all)."""
        ...

    def enforce(self, limits: Any) -> None:
        """Put other limits in force."""
        ...

    def day(self) -> dict[str, Any]:
        """The day's opening and highest equity, which no fold can rebuild."""
        ...

    def restore_day(self, day: Mapping[str, Any]) -> None:
        """Restore what `day` gave before a restart."""
        ...

    def usage(self) -> dict[str, Any]:
        """Usage of every limit."""
        ...
