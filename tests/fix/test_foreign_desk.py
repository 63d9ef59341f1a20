"""A desk and its agents at an acceptor of somebody else's engine, by the commands of docs/howto/fix.md."""

import json
import signal
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.fix.relay import Relay
from tests.fix.test_peers import HERE, started
from tests.program import COMMAND
from tests.waiting import until

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
LOTS = 20


def asked(*words):
    done = subprocess.run([*COMMAND, *words, "--json"], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@contextmanager
def trading(folder, desk):
    """A desk that trades; left, it was stopped by Ctrl-C."""
    said = folder / "desk.log"
    with said.open("a") as log:
        running = subprocess.Popen(
            [*COMMAND, "trade", "run", str(folder / "stranger.toml"), "--desk", str(desk)],
            stdout=log,
            stderr=log,
        )
    try:
        yield running, said
    finally:
        if running.poll() is None:
            running.send_signal(signal.SIGINT)
            running.wait()


def orders_of(desk, running, said):
    assert running.poll() is None, said.read_text()
    if not (desk / "journal.db").exists():
        return {}, {}
    found = asked("trade", "orders", "--all", "--desk", str(desk))
    return tuple(
        {one[key]: one for one in found[room]}
        for room, key in (("parents", "id"), ("orders", "order"))
    )


def submit(desk, agent, name, horizon="10s"):
    order = ["XYZ", "buy", str(LOTS), "--agent", agent, "--id", name, "--horizon", horizon]
    asked("trade", "submit", *order, "--decisions", "5", "--desk", str(desk), "--wait", "60")


@pytest.mark.long
def test_a_policy_and_a_schedule_work_orders_at_jspurefix(foreign_engines, port, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        behind = free.getsockname()[1]
    words = ["node", str(HERE / "jspurefix_acceptor.js"), str(behind), str(tmp_path / "peer")]
    peer = started(words, tmp_path, behind, {"NODE_PATH": str(foreign_engines / "node_modules")})
    (tmp_path / "stranger.toml").write_bytes((EXAMPLES / "stranger.toml").read_bytes())
    told = (EXAMPLES / "stranger-venue.toml").read_text()
    assert "port = 9881" in told
    (tmp_path / "stranger-venue.toml").write_text(told.replace("port = 9881", f"port = {port}"))
    desk = tmp_path / "desk"
    front = Relay(behind, at=port, vouches=True)
    try:
        with trading(tmp_path, desk) as one:
            until(lambda: orders_of(desk, *one)[0], what="a desk that trades")
            for agent in ("policy", "schedule"):
                submit(desk, agent, f"large-{agent}")

            def worked():
                parents = orders_of(desk, *one)[0]
                return all(
                    parents[f"large-{agent}"]["status"] == "done"
                    for agent in ("policy", "schedule")
                )

            until(worked, what="both orders, worked")
            held = {
                each["agent"]: each["lots"]
                for each in asked("trade", "positions", "--desk", str(desk))["positions"]
            }
            assert held["schedule"] >= LOTS
            assert held["policy"] >= LOTS
            submit(desk, "policy", "rests", "10min")
            until(
                lambda: orders_of(desk, *one)[1].get("rests.1", {}).get("status") == "new",
                what="an order that rests",
            )
        with trading(tmp_path, desk) as again:  # its orders were cancelled under names of the gate
            until(
                lambda: orders_of(desk, *again)[1]["rests.1"]["status"] == "canceled",
                what="the fate of every order",
            )
            until(
                lambda: "go on with `tercel trade resume" in again[1].read_text(),
                what="parents that wait",
            )
    finally:
        front.close()
        peer.stdin.close()
        peer.kill()
        peer.wait()
    assert asked("trade", "verify", "--desk", str(desk))["sound"] > 10
