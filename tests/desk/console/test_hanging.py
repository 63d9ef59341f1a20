"""A strategy that never comes back: people are told, a kill from outside works, and it outlives the desk."""

import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.desk.trading.desk_of_two import S, asked, exchange_of, session_of, truth
from tests.waiting import DEADLINE_S, until

from tercel.cli.operator import kill, rearm
from tercel.core.errors import ConfigError, OrderError
from tercel.desk.trading.alerts import AlertSender, post_json
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.reader import JournalReader
from tercel.desk.trading.journal.store import SqlJournal
from tercel.desk.trading.risk.kill_switch import KillLatch
from tercel.execution.strategies import build

log = logging.getLogger(__name__)


class Hook(BaseHTTPRequestHandler):
    """A webhook that keeps what it is told, with the time."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.got.append((time.monotonic(), body))  # type: ignore[attr-defined]
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def listening(port: int = 0) -> HTTPServer:
    server = HTTPServer(("127.0.0.1", port), Hook)
    server.got = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@dataclass(frozen=True)
class Hangs:
    """Decides three times, then sleeps or turns in a circle until it is let go."""

    how: str
    hanging: threading.Event
    go_on: threading.Event
    name: str = "hangs"

    def decide(self, view: Any) -> Any:
        if view.decision[0] == 3:
            self.hanging.set()
            while not self.go_on.is_set():
                if self.how == "sleeps":
                    self.go_on.wait(1)
        return build("peg_behind").decide(view)

    def expected(self, view: Any) -> Any:
        return np.zeros((view.n, 6))


@pytest.fixture
def strategy(request: pytest.FixtureRequest) -> Iterator[Hangs]:
    hangs = Hangs(getattr(request, "param", "sleeps"), threading.Event(), threading.Event())
    yield hangs
    hangs.go_on.set()


def said(desk: Path, kind: str) -> list[dict[str, Any]]:
    with closing(JournalReader(desk)) as reader:
        return [dict(entry.body) for _, entry in reader.read(0, (kind,))]


@pytest.mark.parametrize("strategy", ["sleeps", "circles"], indirect=True)
def test_a_kill_works_while_an_agent_hangs_and_lasts(tmp_path: Path, strategy: Hangs) -> None:
    venue, latch = exchange_of(), KillLatch(tmp_path / "kill.json")
    words: dict[str, Any] = {
        "killed": latch.kill_reason,
        "latch": latch,
        "watch_s": 0.05,
        "decision_s": 3600.0,
    }
    session = session_of(
        venue, SqlJournal(tmp_path, "test"), strategies=lambda name, _: strategy, **words
    )
    hook = listening()
    sender = AlertSender(JournalReader(tmp_path), f"http://127.0.0.1:{hook.server_port}/")
    sender.start()
    session.manager.accept(asked())
    session.manager.accept(asked("p2", agent="bob", side=-1))
    loop = threading.Thread(target=lambda: session.run_until(session.now_ns + 100 * S))
    loop.start()
    assert strategy.hanging.wait(DEADLINE_S)
    stood = time.monotonic()
    until(lambda: any(b["code"] == "loop_stands_still" for _, b in hook.got))  # type: ignore[attr-defined]
    told, body = next((at, b) for at, b in hook.got if b["code"] == "loop_stands_still")  # type: ignore[attr-defined]
    log.info("webhook knew of the hanging agent %.2f s after it stopped", told - stood)
    assert "worked on p1" in body["text"] or "worked on p2" in body["text"]
    assert truth(venue, "ann")[1] + truth(venue, "bob")[1] > 0
    before = len(said(tmp_path, kinds.ORDER_OUT))
    began = time.monotonic()
    kill("it hangs", desk=tmp_path)
    until(
        lambda: sum(b["event"] == "confirmed" for b in said(tmp_path, kinds.KILL)) == 2,
        what="a confirmed kill",
    )
    log.info(
        "kill confirmed %.3f s after it was asked for, agent %s",
        time.monotonic() - began,
        strategy.how,
    )
    assert truth(venue, "ann")[1] == truth(venue, "bob")[1] == 0
    until(lambda: sum(b["code"] == "KILL" for _, b in hook.got) == 4, what="the kill, told")  # type: ignore[attr-defined]
    strategy.go_on.set()
    loop.join(DEADLINE_S)
    assert not loop.is_alive()
    sender.stop()
    hook.shutdown()
    assert {body["what"] for body in said(tmp_path, kinds.ORDER_OUT)[before:]} <= {
        "mass_cancel",
        "cancel",
        "status",
    }
    assert {parent.status for parent in session.ledger.parents} == {"paused"}
    session.running_threads.close()
    session.journal.close()

    again = session_of(
        venue, SqlJournal(tmp_path, "test"), warm_s=1, **words
    )  # the desk is started anew
    for attempt in (
        lambda: again.manager.accept(asked("p3")),
        lambda: again.manager.resume("p1", "please"),
    ):
        with pytest.raises(OrderError, match="it hangs"):
            attempt()
    with pytest.raises(ConfigError, match="reason"):
        rearm("  ", desk=tmp_path)
    rearm("the strategy is mended", desk=tmp_path)
    again.run_until(again.now_ns + S)
    assert {body["reason"] for body in said(tmp_path, kinds.REARM)} == {"the strategy is mended"}
    again.manager.accept(asked("p3"))
    again.run_until(again.now_ns + 30 * S)
    assert again.ledger.orders.live("ann")
    again.close()


def test_a_webhook_that_was_down_hears_everything_in_order(tmp_path: Path) -> None:
    server = listening()
    port = server.server_port
    server.shutdown()
    server.server_close()
    session = session_of(exchange_of(), SqlJournal(tmp_path, "test"), warm_s=0)
    with closing(JournalReader(tmp_path)) as reader:
        refused: list[str] = []

        def post(url: str, body: dict[str, Any]) -> None:
            try:
                post_json(url, body)
            except OSError:
                refused.append(body["text"])
                raise

        sender = AlertSender(reader, f"http://127.0.0.1:{port}/", send=post)
        sender.start()
        for number in range(3):
            session.gateway.alert("critical", "test", f"number {number}")
        until(lambda: len(refused) > 1, what="two looks that are refused")
        server, began = listening(port), time.monotonic()
        until(lambda: len(server.got) == 3)  # type: ignore[attr-defined]
        log.info("a webhook that came back knew everything after %.2f s", time.monotonic() - began)
        sender.stop()
    assert [body["text"] for _, body in server.got] == [f"number {n}" for n in range(3)]  # type: ignore[attr-defined]
    server.shutdown()
    session.close()
