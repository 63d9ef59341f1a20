"""Delivery of alerts to the log and to a webhook, from a thread that reads the journal.

It needs nothing of the session that writes the journal but the file, so an alert goes out while an agent hangs. A
webhook that does not answer is tried again, in order, and never holds the log up.
"""

import json
import logging
import urllib.request
from collections import deque
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

from tercel.core.errors import ConfigError, TercelError
from tercel.core.ports import Entry, Journal
from tercel.core.system import PeriodicThread
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import AlertEntry, KillEntry, RearmEntry
from tercel.desk.trading.journal.codec import entry_alert

EVERY_S: Final = 0.25
TIMEOUT_S: Final = 2.0
MOST_WAITING: Final = 1000
SENT: Final = (kinds.ALERT, kinds.KILL, kinds.REARM)
LEVELS: Final = {"info": logging.INFO, "warning": logging.WARNING, "critical": logging.CRITICAL}

_log = logging.getLogger("tercel.alerts")


def post_json(url: str, body: dict[str, Any]) -> None:
    """POST a JSON object; raises OSError where it is not taken."""
    data = json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=TIMEOUT_S):
        pass


def check_webhook(webhook: str) -> None:
    """Refuse a webhook that is neither an http(s) URL nor "".

    Raises
    ------
    ConfigError
        With what was given.
    """
    try:
        parts = urlsplit(webhook)
        known = parts.scheme in ("http", "https") and parts.hostname is not None and parts.port != 0
    except ValueError:
        known = False
    if webhook and not known:
        raise ConfigError(
            "a webhook that is an http(s) URL", repr(webhook), "correct [alerts] webhook"
        )


class AlertSender:
    """Delivers every alert and kill once, in order, within seconds.

    Parameters
    ----------
    journal : Journal
        Read only.
    webhook : str
        An http(s) URL, or "" for the log alone.
    after : int
        Entries up to this number were sent before.
    send : callable
        How the webhook is called; raises OSError when it did not take the alert.
    about : collection of str
        Agents whose alerts are sent, with those of no agent; empty: all.
    keep : callable
        Given the number of the last entry that was taken, to go on from there.

    Raises
    ------
    ConfigError
        For a webhook that is no http(s) URL.
    """

    def __init__(
        self,
        journal: Journal,
        webhook: str = "",
        after: int = 0,
        send: Callable[[str, dict[str, Any]], None] = post_json,
        about: Collection[str] = (),
        keep: Callable[[int], object] = lambda seq: None,
    ) -> None:
        check_webhook(webhook)
        self._journal = journal
        self._webhook = webhook
        self._send = send
        self._seen = after
        self._about = {"", *about} if about else None
        self._keep = keep
        self._waiting: deque[dict[str, Any]] = deque(maxlen=MOST_WAITING)
        self._turns = PeriodicThread("alerts", EVERY_S, self.once)
        self.start = self._turns.start

    def stop(self) -> None:
        """Deliver pending alerts, and stop."""
        self._turns.stop(3 * TIMEOUT_S)
        if not self._turns.is_alive():
            self.once()

    def urgent(self, code: str, text: str) -> None:
        """Deliver at once what the journal cannot hold; the session's thread waits briefly for the webhook."""
        if self._webhook:
            try:
                self._send(self._webhook, alert_of(0, entry_alert("critical", code, text, 0)))
            except OSError as error:
                _log.warning("webhook %s: %s", self._webhook, error)

    def once(self) -> None:
        """Read new entries, log them, and post them until the webhook refuses."""
        before = self._seen
        try:
            for seq, entry in self._journal.read(self._seen, SENT):
                self._seen = seq
                if self._about is not None and entry.agent not in self._about:
                    continue
                alert = alert_of(seq, entry)
                _log.log(LEVELS.get(alert["severity"], logging.WARNING), "%(code)s %(text)s", alert)
                if self._webhook:
                    self._waiting.append(alert)
        except TercelError as error:
            _log.warning("the journal cannot be read: %s", error)
        if self._seen > before:
            with suppress(OSError):  # a full disk is another alert
                self._keep(self._seen)
        while self._waiting:
            try:
                self._send(self._webhook, self._waiting[0])
            except OSError as error:
                _log.warning(
                    "webhook %s: %s; %d alerts wait", self._webhook, error, len(self._waiting)
                )
                return
            self._waiting.popleft()


def alert_of(seq: int, entry: Entry) -> dict[str, Any]:
    """A journal entry as an alert: {"seq", "ns", "severity", "code", "text", "agent", "instrument"}."""
    if entry.kind == kinds.ALERT:
        body = AlertEntry.of(entry)
        severity, code, text = body.severity, body.code, body.text
    else:
        event = KillEntry.of(entry).event if entry.kind == kinds.KILL else entry.kind
        said = RearmEntry.of(entry)
        by = f" by {said.by}" if said.by else ""
        severity, code = "critical", entry.kind.upper()
        text = f"{event}: {said.scope}{by}: {said.reason}"
    return {
        "seq": seq,
        "ns": entry.ns,
        "severity": severity,
        "code": code,
        "text": text,
        "agent": entry.agent,
        "instrument": entry.instrument,
    }
