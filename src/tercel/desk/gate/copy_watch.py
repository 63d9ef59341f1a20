"""Reconciliation of a drop copy with the order session: every execution has to arrive over both, and agree.

    watch = CopyWatch(knows)
    watch.add_own(report)       # an execution of the order session
    watch.add_copy(report)      # one of the drop copy
    for copy_break in watch.take_breaks(accounts): ...    # discrepancies, and executions missing on one session

It books nothing. The copy of an execution that the order session never reported is handed out with its break, for the
caller to book once.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from tercel.core.fixed_point import format_decimal, to_number
from tercel.core.orders import REBOOKS, ExecType, Report

WAIT_S: Final = 2.0
"""Longest wait, s, of an execution on one session for its counterpart on the other."""
_REMEMBERED: Final = 200_000


@dataclass(frozen=True, slots=True)
class CopyBreak:
    """One discrepancy between drop copy and order session.

    Parameters
    ----------
    kind : {"missing", "extra", "price", "quantity", "side", "account", "kind"}
        "missing": on the copy alone; "extra": on the order session alone.
    accounts : tuple of str
        Whose it is, by either side.
    text : str
    report : Report, optional
        The copy of an execution that is missing.
    """

    kind: str
    accounts: tuple[str, ...]
    text: str
    report: Report | None = None


class CopyWatch:
    """Matches executions of both sessions by instrument and execution id.

    Parameters
    ----------
    knows : callable
        Whether an execution was booked before the watch began: its copy needs no counterpart.
    seconds : float
    clock : callable
        Seconds of this machine.
    """

    def __init__(
        self,
        knows: Callable[[Report], bool] = lambda report: False,
        seconds: float = WAIT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._knows = knows
        self.seconds = seconds
        self._clock = clock
        self._ours: dict[tuple[str, str], tuple[Report, float]] = {}
        self._copies: dict[tuple[str, str], tuple[Report, float]] = {}
        self._paired: OrderedDict[tuple[str, str], Report] = OrderedDict()
        self._breaks: list[CopyBreak] = []
        self.down_since: float | None = None
        """Time, s, at which the copy went down; None while it is up. Reports missing meanwhile are no differences."""

    def add_own(self, report: Report) -> None:
        """Add an execution from the order session; other reports are ignored."""
        if is_execution(report):
            self._match(report, self._ours, self._copies, of_copy=False)

    def add_copy(self, report: Report) -> None:
        """Add an execution from the drop copy, unless it was booked before the watch began (`knows`)."""
        if is_execution(report) and not (_key(report) not in self._ours and self._knows(report)):
            self._match(report, self._copies, self._ours, of_copy=True)

    def _match(
        self,
        report: Report,
        waiting: dict[tuple[str, str], tuple[Report, float]],
        counterparts: dict[tuple[str, str], tuple[Report, float]],
        *,
        of_copy: bool,
    ) -> None:
        """Pair a report (`of_copy`: the copy's) with its counterpart and note their differences, or store it until that comes."""
        key = _key(report)
        paired = self._paired.get(key)
        counterpart = counterparts.pop(key, None)
        if counterpart is None:
            if paired is None:
                waiting.setdefault(key, (report, self._clock()))
            return
        own_report, copy_report = (counterpart[0], report) if of_copy else (report, counterpart[0])
        self._breaks += _differences(own_report, copy_report)
        self._paired[key] = own_report
        if len(self._paired) > _REMEMBERED:
            self._paired.popitem(last=False)

    def take_breaks(self, accounts: Collection[str]) -> list[CopyBreak]:
        """New discrepancies of these accounts, overdue counterparts among them; those of all accounts are cleared."""
        now = self._clock()
        breaks = self._breaks
        self._breaks = []
        for key in [key for key, (_, since) in self._copies.items() if now - since >= self.seconds]:
            report = self._copies.pop(key)[0]
            self._paired[key] = report
            breaks.append(
                CopyBreak(
                    "missing", (report.account,), f"only the copy has {_text_of(report)}", report
                )
            )
        if self.down_since is None:
            for key in [
                key for key, (_, since) in self._ours.items() if now - since >= self.seconds
            ]:
                report = self._ours.pop(key)[0]
                self._paired[key] = report
                breaks.append(
                    CopyBreak(
                        "extra", (report.account,), f"the copy does not have {_text_of(report)}"
                    )
                )
        return [
            copy_break
            for copy_break in breaks
            if any(account in accounts for account in copy_break.accounts)
        ]

    def set_link(self, up: bool) -> None:
        """Note that the drop copy connected or disconnected; on reconnection, waiting times of own executions restart."""
        now = self._clock()
        self.down_since = None if up else now
        if up:
            self._ours = {key: (report, now) for key, (report, _) in self._ours.items()}


def is_execution(report: Report) -> bool:
    """Whether a report is an execution, its bust or its correction."""
    return report.exec_type is ExecType.TRADE or report.exec_type in REBOOKS


def _key(report: Report) -> tuple[str, str]:
    """Key by which executions of both sessions are matched: instrument and execution id."""
    return report.instrument, report.exec_id


def _text_of(report: Report) -> str:
    """Text of an execution for people: type, id, instrument, side, lots, price, account."""
    execution = f"{report.exec_type} {report.exec_id} of {report.instrument}"
    lots = f"{report.side:+d} {format_decimal(report.last_qty)} lots"
    return f"{execution}: {lots} at {format_decimal(report.last_px)}, account {report.account}"


def _differences(own_report: Report, copy_report: Report) -> list[CopyBreak]:
    """Discrepancies between the two sessions' reports of one execution."""
    accounts = tuple(dict.fromkeys((own_report.account, copy_report.account)))
    pairs = {
        "kind": (own_report.exec_type.value, copy_report.exec_type.value),
        "quantity": (to_number(own_report.last_qty), to_number(copy_report.last_qty)),
        "price": (to_number(own_report.last_px), to_number(copy_report.last_px)),
        "side": (own_report.side, copy_report.side),
        "account": (own_report.account, copy_report.account),
    }
    name = f"execution {own_report.exec_id} of {own_report.instrument}"
    return [
        CopyBreak(kind, accounts, f"{kind} of {name}: {ours} here, {theirs} on the copy")
        for kind, (ours, theirs) in pairs.items()
        if ours != theirs
    ]
