"""Alerts reach the log and a real HTTP server, once each and in order."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from tests.waiting import until

from tercel.core.ports import Entry
from tercel.desk.trading.alerts import POLL_INTERVAL_S, TIMEOUT_S, AlertSender
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.memory import MemoryJournal


def alert(text: str, severity: str = "warning") -> Entry:
    return Entry(
        kinds.ALERT, 5, "AAA", "ppo", body={"severity": severity, "code": "DRIFT", "text": text}
    )


def test_an_alert_waits_less_than_five_seconds_for_a_webhook_that_answers() -> None:
    assert POLL_INTERVAL_S + TIMEOUT_S < 5


def test_a_webhook_gets_every_alert() -> None:
    got: list[dict[str, Any]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    journal = MemoryJournal()
    sender = AlertSender(journal, f"http://127.0.0.1:{server.server_port}/hook")
    sender.start()
    journal.append([alert("one"), Entry(kinds.HEARTBEAT, 6), alert("two")])
    journal.append(
        [
            Entry(
                kinds.KILL,
                7,
                body={"event": "latched", "scope": "all", "by": "ann", "reason": "test"},
            )
        ]
    )
    journal.append(
        [
            Entry(
                kinds.KILL,
                8,
                body={"event": "confirmed", "scope": "all", "by": "", "reason": "test"},
            )
        ]
    )
    until(lambda: len(got) >= 4, what="four alerts")
    sender.stop()
    server.shutdown()
    assert [body["text"] for body in got] == [
        "one",
        "two",
        "latched: all by ann: test",
        "confirmed: all: test",
    ]
    assert got[-1]["severity"] == "critical"
