"""Which executions stand: trades less those busted, as last corrected, in whatever order the venue's reports come.

A bust or correction of an execution that has not come yet waits for it. When it comes, it stands as they left it.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

from tercel.core.orders import ExecType, Report

Owner = TypeVar("Owner")


@dataclass(slots=True)
class Execution(Generic[Owner]):
    """A trade as it stands, in 10^-8 of a lot and of a tick: `qty` 0 once it is busted. `changed` is the bust or
    correction in force."""

    owner: Owner
    qty: int
    px: int
    changed: Report | None = None


class Executions(Generic[Owner]):
    """Executions by account and name; a correction's name is one more name of what it corrects.

    A bust is final. Of several corrections the latest of the venue's time stands, of one time the last that came.
    """

    def __init__(self) -> None:
        self._named: dict[tuple[str, str], Execution[Owner]] = {}
        self.early: list[tuple[str, Report]] = []
        """Busts and corrections, by account, of executions that have not come."""

    def find(self, account: str, name: str) -> Execution[Owner] | None:
        """The execution, by its own name or by that of a bust or correction of it."""
        return self._named.get((account, name)) if name else None

    def book(self, account: str, name: str, owner: Owner, qty: int, px: int) -> Execution[Owner]:
        """A trade, as it stands: its bust or correction may have come before it. What has no name stays."""
        one = Execution(owner, qty, px)
        self._call(one, account, name)
        return one

    def change(self, account: str, report: Report) -> bool:
        """A bust or correction; one of an unknown execution waits for it. False: it came before; nothing changes."""
        if self.find(account, report.exec_id) is not None or (account, report) in self.early:
            return False
        if (one := self.find(account, report.ref)) is not None:
            self._apply(one, account, report)
        else:
            self.early.append((account, report))
        return True

    def forget(self, account: str, name: str) -> Execution[Owner] | None:
        """Let a name go; what it named."""
        return self._named.pop((account, name), None)

    def recall(self, account: str, name: str, one: Execution[Owner]) -> None:
        """Take a name back that was let go."""
        self._named[account, name] = one

    def _call(self, one: Execution[Owner], account: str, name: str) -> None:
        """Give it a name, and what waited for that name."""
        if not name:
            return
        self._named[account, name] = one
        for waiting in [each for each in self.early if each[0] == account and each[1].ref == name]:
            self.early.remove(waiting)
            self._apply(one, *waiting)

    def _apply(self, one: Execution[Owner], account: str, report: Report) -> None:
        last, busted = one.changed, report.exec_type is ExecType.BUSTED
        if last is None or (one.qty and (busted or report.ns >= last.ns)):
            one.changed = report
            one.qty, one.px = (0, one.px) if busted else (report.last_qty, report.last_px)
        self._call(one, account, report.exec_id)
