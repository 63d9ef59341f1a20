"""Throttles of a gateway: the wait after orders that the venue rejected in a row, and alarms that repeat."""

from typing import Final

from tercel.core.orders import Command, ExecType, NewOrder, Report

FREE: Final = 5
"""Refusals in a row after which an account waits."""
FIRST_NS: Final = 100_000_000
LONGEST_NS: Final = 30_000_000_000
QUIET_NS: Final = 60_000_000_000


class BackOff:
    """Wait before new orders of an account in an instrument, after venue rejections in a row; each doubles the wait.

    >>> from tercel.core.orders import OrdStatus, Tif
    >>> names = "o1", "", "", "ann", "XYZ", 1, 10, 100, 0, 0, 0, 0
    >>> refused = [Report(f"E{n}", ExecType.REJECTED, OrdStatus.REJECTED, *names, 1000) for n in range(FREE)]
    >>> back_off, order = BackOff(), NewOrder("o2", "XYZ", 1, 10, 100, Tif.DAY, "ann", "p", 0)
    >>> for report in refused: back_off.count_report(report)
    >>> back_off.wait_reason(order, 1000 + FIRST_NS - 1), back_off.wait_reason(order, 1000 + FIRST_NS)
    ('5 orders of ann in XYZ were refused in a row: it waits 0.1 s', '')
    """

    def __init__(self) -> None:
        self._refusals: dict[tuple[str, str], tuple[int, int]] = {}
        """Refusals in a row, and when the last one came or the last order was tried."""

    def note_sent(self, command: Command, now_ns: int) -> None:
        """Note that an order was sent: after rejections the wait for the next one starts again."""
        key = command.account, command.instrument
        if key in self._refusals and isinstance(command, NewOrder):
            self._refusals[key] = self._refusals[key][0], max(self._refusals[key][1], now_ns)

    def count_report(self, report: Report) -> None:
        """Count a report: a rejection adds to the row, an accepted or filled order ends it."""
        key = report.account, report.instrument
        if report.exec_type is ExecType.REJECTED:
            refusals, last_ns = self._refusals.get(key, (0, 0))
            self._refusals[key] = refusals + 1, max(last_ns, report.ns)
        elif report.exec_type in (ExecType.NEW, ExecType.TRADE):
            self._refusals.pop(key, None)

    def wait_reason(self, command: Command, now_ns: int) -> str:
        """Reason why a new order has to wait now, "" if it need not; other commands than new orders never wait."""
        refusals, last_ns = self._refusals.get((command.account, command.instrument), (0, 0))
        if refusals < FREE or not isinstance(command, NewOrder):
            return ""
        wait_ns = min(FIRST_NS << min(refusals - FREE, 20), LONGEST_NS)
        if now_ns - last_ns >= wait_ns:
            return ""
        account_and_instrument = f"{command.account} in {command.instrument}"
        return f"{refusals} orders of {account_and_instrument} were refused in a row: it waits {wait_ns / 1e9:g} s"


class AlarmThrottle:
    """Throttle of an alarm that repeats: critical at most once a minute, "info" between, with the number of suppressed
    ones.

    >>> alarm = AlarmThrottle()
    >>> alarm.say("down", 0), alarm.say("down", 1), alarm.say("down", QUIET_NS)
    (('critical', 'down'), ('info', 'down'), ('critical', 'down; 1 more since the last alarm'))
    """

    def __init__(self) -> None:
        self._next_ns = -1
        self._suppressed = 0

    def say(self, text: str, ns: int, severity: str = "critical") -> tuple[str, str]:
        """Severity and text of an alarm raised at a venue time, ns: `severity` at most once a minute, between "info"."""
        if ns < self._next_ns:
            self._suppressed += 1
            return "info", text
        suppressed = self._suppressed
        self._suppressed = 0
        self._next_ns = ns + QUIET_NS
        return severity, f"{text}; {suppressed} more since the last alarm" if suppressed else text
