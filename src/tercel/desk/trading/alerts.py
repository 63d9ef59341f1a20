"""Delivery of alerts to the log, to a webhook and to e-mail, from a thread that reads the journal.

The thread reads the journal's file alone, so an alert goes out while the session hangs. A webhook that does not answer is
tried again, in order, and does not delay the log.
"""

import json
import logging
import urllib.request
from collections import deque
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any, Final

from tercel.core.errors import TercelError
from tercel.core.ports import Entry, Journal
from tercel.core.system import PeriodicThread
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import AlertEntry, KillEntry, RearmEntry
from tercel.desk.trading.journal.codec import entry_alert

POLL_INTERVAL_S: Final = 0.25
TIMEOUT_S: Final = 2.0
MOST_WAITING: Final = 1000
EMAIL_LINE: Final = "{code} {text} (agent {agent!r}, instrument {instrument!r}, entry {seq})"
DELIVERED_KINDS: Final = (kinds.ALERT, kinds.KILL, kinds.REARM)
LEVELS: Final = {"info": logging.INFO, "warning": logging.WARNING, "critical": logging.CRITICAL}

_log = logging.getLogger("tercel.alerts")


def post_json(url: str, body: dict[str, Any]) -> None:
    """POST a JSON object, whose answer is ignored; raises OSError if no connection is made in time or the status is an error."""
    data = json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=TIMEOUT_S):
        pass


class AlertSender:
    """Delivers every alert, kill and re-arm of the journal to log and webhook once, in order, within seconds, from a thread.

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
    agents : collection of str
        Agents whose alerts are sent, with those of no agent; empty: all.
    save_position : callable
        Called with the number of the last entry that was read, from which a later sender goes on.
    add_email : callable
        Called with level and text of every alert; returns at once (`email_alerts.AlertMailer.add`).
    """

    def __init__(
        self,
        journal: Journal,
        webhook: str = "",
        after: int = 0,
        send: Callable[[str, dict[str, Any]], None] = post_json,
        agents: Collection[str] = (),
        save_position: Callable[[int], object] = lambda seq: None,
        add_email: Callable[[str, str], object] = lambda level, text: None,
    ) -> None:
        self._journal = journal
        self._webhook = webhook
        self._send = send
        self._seen = after
        self._agents = {"", *agents} if agents else None
        self._save_position = save_position
        self._add_email = add_email
        self._waiting: deque[dict[str, Any]] = deque(maxlen=MOST_WAITING)
        self._thread = PeriodicThread("alerts", POLL_INTERVAL_S, self.deliver_pending)
        self.start = self._thread.start

    def stop(self) -> None:
        """Stop the thread, waiting some seconds for it, and deliver pending alerts unless it still runs."""
        self._thread.stop(3 * TIMEOUT_S)
        if not self._thread.is_alive():
            self.deliver_pending()

    def send_urgent(self, code: str, text: str) -> None:
        """Post a critical alert that the journal cannot hold to the webhook, if any, and let it be mailed; the calling thread
        waits briefly for the webhook's answer, and a failure is only logged."""
        self._add_email("critical", f"{code} {text}")
        if self._webhook:
            try:
                self._send(self._webhook, alert_of(0, entry_alert("critical", code, text, 0)))
            except OSError as error:
                _log.warning("webhook %s: %s", self._webhook, error)

    def deliver_pending(self) -> None:
        """Read new journal entries, log and post them in order; after the webhook's first failure the rest wait for the next
        call."""
        seen_before = self._seen
        try:
            for seq, entry in self._journal.read(self._seen, DELIVERED_KINDS):
                self._seen = seq
                if self._agents is not None and entry.agent not in self._agents:
                    continue
                alert = alert_of(seq, entry)
                _log.log(LEVELS.get(alert["severity"], logging.WARNING), "%(code)s %(text)s", alert)
                self._add_email(alert["severity"], EMAIL_LINE.format(**alert))
                if self._webhook:
                    self._waiting.append(alert)
        except TercelError as error:
            _log.warning("the journal cannot be read: %s", error)
        if self._seen > seen_before:
            with suppress(OSError):  # a full disk is another alert
                self._save_position(self._seen)
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
    """A journal entry (alert; kill or re-arm: critical) as {"seq", "ns", "severity", "code", "text", "agent", "instrument"}."""
    if entry.kind == kinds.ALERT:
        body = AlertEntry.of(entry)
        severity = body.severity
        code = body.code
        text = body.text
    else:
        event = KillEntry.of(entry).event if entry.kind == kinds.KILL else entry.kind
        rearm_body = RearmEntry.of(entry)
        by = f" by {rearm_body.by}" if rearm_body.by else ""
        severity = "critical"
        code = entry.kind.upper()
        text = f"{event}: {rearm_body.scope}{by}: {rearm_body.reason}"
    return {
        "seq": seq,
        "ns": entry.ns,
        "severity": severity,
        "code": code,
        "text": text,
        "agent": entry.agent,
        "instrument": entry.instrument,
    }
