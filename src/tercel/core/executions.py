"""Executions in force: trades less busted ones, as last corrected, whatever the order of reports.

A bust or correction of an execution that has not come yet waits for it. When it comes, they are applied to it.

An execution is identified by account, order and name. FIX 4.4 promises that an ExecID (17) comes once in a
trading day, or in the life of an order of several days: another day's order may have an execution of the same name, and
so may another account, but one order never two. No clock decides the day, as a venue's day need not be the local one:
a report repeated after midnight, or in the next session, names its order and is recognised. A bust or correction is
of the execution (19) of the order that it names; one that names no known order is of the latest of that name.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from tercel.core.orders import ExecType, Report

Owner = TypeVar("Owner")
Key = tuple[str, str, str]
"""Account, order and name of an execution."""


@dataclass(slots=True)
class Execution(Generic[Owner]):
    """A trade as now in force, in 10^-8 of a lot and of a tick: `qty` 0 once it is busted. `changed` is the bust or
    correction in force."""

    owner: Owner
    qty: int
    px: int
    changed: Report | None = None


class Executions(Generic[Owner]):
    """Executions by account, order and name; a correction's name is one more name of what it corrects.

    A bust is final. Of several corrections the latest of the venue's time is in force, of one time the last that came.
    """

    def __init__(self, early: Iterable[tuple[str, str, Report]] = ()) -> None:
        self._named: dict[Key, Execution[Owner]] = {}
        self.early = list(early)
        """Busts and corrections, by account and order, of executions that have not come."""

    def find(self, account: str, order: str, name: str) -> Execution[Owner] | None:
        """The execution with this name, or whose bust or correction has this name; None if there is none."""
        return self._named.get((account, order, name)) if name else None

    def order_of(self, account: str, name: str) -> str:
        """Name of the order of the latest execution called `name` in an account; "" without one."""
        named = (
            key for key in reversed(self._named) if name and (key[0], key[2]) == (account, name)
        )
        return next((order for _, order, _ in named), "")

    def book(self, key: Key, owner: Owner, qty: int, px: int) -> Execution[Owner]:
        """Record a trade (not if its name is "") and return it as now in force, after busts or corrections that came
        before it."""
        execution = Execution(owner, qty, px)
        self._register_name(execution, key)
        return execution

    def preview_booking(self, key: Key, owner: Owner, qty: int, px: int) -> Execution[Owner]:
        """A trade as `book` would return it; nothing is booked."""
        return Executions[Owner](self.early).book(key, owner, qty, px)

    def change(self, account: str, order: str, report: Report) -> bool:
        """Apply a bust or correction, or keep it until its execution comes. False if it was repeated."""
        waits = account, order, report
        if self.find(account, order, report.exec_id) is not None or waits in self.early:
            return False
        if (execution := self.find(account, order, report.ref)) is not None:
            self._apply(execution, *waits)
        else:
            self.early.append(waits)
        return True

    def forget(self, key: Key) -> Execution[Owner] | None:
        """Remove an execution's name and return the execution that had it; None if none had."""
        return self._named.pop(key, None)

    def recall(self, key: Key, execution: Execution[Owner]) -> None:
        """Book an execution again under a name that was removed."""
        self._named[key] = execution

    def _register_name(self, execution: Execution[Owner], key: Key) -> None:
        """Name an execution, and apply the busts and corrections that waited for the name."""
        account, order, name = key
        if not name:
            return
        self._named[key] = execution
        for waiting in [change for change in self.early if (*change[:2], change[2].ref) == key]:
            self.early.remove(waiting)
            self._apply(execution, account, order, waiting[2])

    def _apply(self, execution: Execution[Owner], account: str, order: str, report: Report) -> None:
        """Change an execution by a bust or correction, unless a later correction is in force, and register its name."""
        last = execution.changed
        busted = report.exec_type is ExecType.BUSTED
        if last is None or (execution.qty and (busted or report.ns >= last.ns)):
            execution.changed = report
            execution.qty, execution.px = (
                (0, execution.px) if busted else (report.last_qty, report.last_px)
            )
        self._register_name(execution, (account, order, report.exec_id))


def unsent_order_name(report: Report) -> str:
    """Name for an order that trades at the venue although it was not sent from here."""
    return report.cl_ord_id or f"~venue:{report.order_id or report.exec_id}"
