"""A desk and its agents at an acceptor of somebody else's engine, by the commands of docs/howto/fix.md."""

import json
import signal
import subprocess
from pathlib import Path

from tests.program import COMMAND
from tests.venues.fix.test_peers import HERE, started
from tests.waiting import until

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"
LOTS = 20


def asked(*words):
    done = subprocess.run([*COMMAND, *words, "--json"], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_a_policy_and_a_schedule_work_orders_at_jspurefix(foreign_engines, port, tmp_path):
    words = ["node", str(HERE / "jspurefix_acceptor.js"), str(port), str(tmp_path / "peer")]
    peer = started(words, tmp_path, port, {"NODE_PATH": str(foreign_engines / "node_modules")})
    (tmp_path / "stranger.toml").write_bytes((EXAMPLES / "stranger.toml").read_bytes())
    told = (EXAMPLES / "stranger-venue.toml").read_text()
    assert "port = 9881" in told
    (tmp_path / "stranger-venue.toml").write_text(told.replace("port = 9881", f"port = {port}"))
    desk = tmp_path / "desk"
    said = tmp_path / "desk.log"
    with said.open("w") as log:
        running = subprocess.Popen(
            [*COMMAND, "trade", "run", str(tmp_path / "stranger.toml"), "--desk", str(desk)], stdout=log, stderr=log
        )
    try:
        until(lambda: running.poll() is not None or (desk / "journal.db").exists(), what="a desk's journal")
        where = ["--desk", str(desk)]
        until(
            lambda: running.poll() is not None or asked("trade", "orders", "--all", *where)["parents"],
            what="a desk that trades",
        )
        for agent in ("policy", "schedule"):
            order = ["XYZ", "buy", str(LOTS), "--agent", agent, "--id", f"large-{agent}", "--horizon", "10s"]
            asked("trade", "submit", *order, "--decisions", "5", *where, "--wait", "60")

        def worked():
            assert running.poll() in (None, 0), said.read_text()
            parents = {one["id"]: one for one in asked("trade", "orders", "--all", *where)["parents"]}
            return all(parents.get(f"large-{agent}", {}).get("status") == "done" for agent in ("policy", "schedule"))

        until(worked, what="both orders, worked")
        held = {one["agent"]: one["lots"] for one in asked("trade", "positions", *where)["positions"]}
        assert held["schedule"] >= LOTS
        assert held["policy"] >= LOTS
    finally:
        if running.poll() is None:
            running.send_signal(signal.SIGINT)
            running.wait()
        peer.stdin.close()
        peer.kill()
        peer.wait()
    assert asked("trade", "verify", "--desk", str(desk))["sound"] > 10
