"""Back-off after the venue's rejections, and throttling of repeated alarms."""

from typing import Final

from tercel.core.orders import Command, ExecType, NewOrder, Report

FREE: Final = 5
"""Refusals in a row after which an account waits."""
FIRST_NS: Final = 100_000_000
LONGEST_NS: Final = 30_000_000_000
QUIET_NS: Final = 60_000_000_000


class BackOff:
    """Consecutive rejections by account and instrument; after the first few each doubles the wait.

    >>> from tercel.core.orders import OrdStatus, Tif
    >>> names = "o1", "", "", "ann", "XYZ", 1, 10, 100, 0, 0, 0, 0
    >>> refused = [Report(f"E{n}", ExecType.REJECTED, OrdStatus.REJECTED, *names, 1000) for n in range(FREE)]
    >>> back_off, order = BackOff(), NewOrder("o2", "XYZ", 1, 10, 100, Tif.DAY, "ann", "p", 0)
    >>> for report in refused: back_off.take(report)
    >>> back_off.waits(order, 1000 + FIRST_NS - 1), back_off.waits(order, 1000 + FIRST_NS)
    ('5 orders of ann in XYZ were refused in a row: it waits 0.1 s', '')
    """

    def __init__(self) -> None:
        self._of: dict[tuple[str, str], tuple[int, int]] = {}
        """Refusals in a row, and when the last one came or the last order was tried."""

    def sent(self, command: Command, now_ns: int) -> None:
        """An order leaves: where it follows rejections, the wait for the next one starts anew."""
        where = command.account, command.instrument
        if where in self._of and isinstance(command, NewOrder):
            self._of[where] = self._of[where][0], max(self._of[where][1], now_ns)

    def take(self, report: Report) -> None:
        """Count a report: a rejection lengthens the row, an accepted order ends it."""
        where = report.account, report.instrument
        if report.exec_type is ExecType.REJECTED:
            many, last_ns = self._of.get(where, (0, 0))
            self._of[where] = many + 1, max(last_ns, report.ns)
        elif report.exec_type in (ExecType.NEW, ExecType.TRADE):
            self._of.pop(where, None)

    def waits(self, command: Command, now_ns: int) -> str:
        """Why a new order has to wait, "" if it need not."""
        many, last_ns = self._of.get((command.account, command.instrument), (0, 0))
        if many < FREE or not isinstance(command, NewOrder):
            return ""
        wait_ns = min(FIRST_NS << min(many - FREE, 20), LONGEST_NS)
        if now_ns - last_ns >= wait_ns:
            return ""
        whose = f"{command.account} in {command.instrument}"
        return f"{many} orders of {whose} were refused in a row: it waits {wait_ns / 1e9:g} s"


class AlarmThrottle:
    """Severity of an alarm that may repeat: its own once a minute, with the number of suppressed ones.

    >>> alarm = AlarmThrottle()
    >>> alarm.say("down", 0), alarm.say("down", 1), alarm.say("down", QUIET_NS)
    (('critical', 'down'), ('info', 'down'), ('critical', 'down; 1 more since the last alarm'))
    """

    def __init__(self) -> None:
        self._next_ns = -1
        self._more = 0

    def say(self, text: str, ns: int, severity: str = "critical") -> tuple[str, str]:
        """Severity and text of an alarm at a time of the venue."""
        if ns < self._next_ns:
            self._more += 1
            return "info", text
        more = self._more
        self._more = 0
        self._next_ns = ns + QUIET_NS
        return severity, f"{text}; {more} more since the last alarm" if more else text
