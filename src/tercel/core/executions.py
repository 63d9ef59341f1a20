"""Executions in force: trades less those busted, as last corrected, in whatever order the venue's reports come.

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
        """The execution, by its own name or by that of a bust or correction of it."""
        return self._named.get((account, order, name)) if name else None

    def order_of(self, account: str, name: str) -> str:
        """Name of the order of the latest execution of a name; "" where none has."""
        named = (
            key for key in reversed(self._named) if name and (key[0], key[2]) == (account, name)
        )
        return next((order for _, order, _ in named), "")

    def book(self, key: Key, owner: Owner, qty: int, px: int) -> Execution[Owner]:
        """A trade, as now in force: its bust or correction may have come before it. What has no name stays."""
        one = Execution(owner, qty, px)
        self._call(one, key)
        return one

    def as_booked(self, key: Key, owner: Owner, qty: int, px: int) -> Execution[Owner]:
        """A trade as `book` would return it; nothing is booked."""
        return Executions[Owner](self.early).book(key, owner, qty, px)

    def change(self, account: str, order: str, report: Report) -> bool:
        """A bust or correction; one of an unknown execution waits for it. False: it came before; nothing changes."""
        waits = account, order, report
        if self.find(account, order, report.exec_id) is not None or waits in self.early:
            return False
        if (one := self.find(account, order, report.ref)) is not None:
            self._apply(one, *waits)
        else:
            self.early.append(waits)
        return True

    def forget(self, key: Key) -> Execution[Owner] | None:
        """Remove an execution's name; the execution that had it."""
        return self._named.pop(key, None)

    def recall(self, key: Key, one: Execution[Owner]) -> None:
        """Book an execution again under a name that was removed."""
        self._named[key] = one

    def _call(self, one: Execution[Owner], key: Key) -> None:
        """Name an execution, and apply the busts and corrections that waited for the name."""
        account, order, name = key
        if not name:
            return
        self._named[key] = one
        for waiting in [each for each in self.early if (*each[:2], each[2].ref) == key]:
            self.early.remove(waiting)
            self._apply(one, account, order, waiting[2])

    def _apply(self, one: Execution[Owner], account: str, order: str, report: Report) -> None:
        last, busted = one.changed, report.exec_type is ExecType.BUSTED
        if last is None or (one.qty and (busted or report.ns >= last.ns)):
            one.changed = report
            one.qty, one.px = (0, one.px) if busted else (report.last_qty, report.last_px)
        self._call(one, (account, order, report.exec_id))


def strange(report: Report) -> str:
    """Name of an order that trades at the venue and was never sent from here."""
    return report.cl_ord_id or f"~venue:{report.order_id or report.exec_id}"
