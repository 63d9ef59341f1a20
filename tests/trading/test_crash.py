"""Sessions killed with SIGKILL at named points, beside an exchange in another process that lives on."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter

import pytest

from tercel.trading import crashpoints

SCRIPT = """
import sys
from tercel.cli.commands.trade_crash import crashtest
from tercel.cli.trade import CrashTest
sys.exit(crashtest(CrashTest({points}, {seed}, as_json=True)))
"""


def run(points, seed):
    """In a process of its own: it forks, and threads of other tests must not be in its way."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(points=points, seed=seed)], capture_output=True, text=True, check=False
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


PLANTED = """
import sys
from pathlib import Path
from tempfile import mkdtemp
from tercel.cli.commands import trade_crash as t
from tercel.report.terminal import print_json
from tercel.trading import session
from tercel.trading.orders import Orders
if sys.argv[1] == "forgets to reconcile":
    session.reconcile = lambda *words, **more: []
else:
    Orders.knows = lambda self, report: False
    Orders._seen = lambda self, order, report: []
source = t.reactive(t.load(t.PRESET), settle_s=60.0)
row = t.crash("gateway.booked.fill:12", source, 5, Path(mkdtemp()))
print_json({"clean": row.clean, "lost": row.lost, "doubled": row.doubled, "orphans": row.orphans})
"""


@pytest.mark.slow
def test_planted_faults_show_in_the_table():
    for fault, column in (("forgets to reconcile", "orphans"), ("books again what it knows", "doubled")):
        done = subprocess.run([sys.executable, "-c", PLANTED, fault], capture_output=True, text=True, check=True)
        said = json.loads(done.stdout)
        assert not said["clean"]
        assert said[column] > 0


@pytest.mark.slow
def test_whatever_is_killed_nothing_is_lost_doubled_or_left_standing():
    code, said = run(24, 2)
    assert [row for row in said["rows"] if row["faults"] or not row["killed"]] == []
    assert {name: said[name] for name in ("lost", "doubled", "orphans", "twice")} == dict.fromkeys(
        ("lost", "doubled", "orphans", "twice"), 0
    )
    assert (code, said["clean"]) == (0, 24)
    assert len({row["point"].split(":")[0] for row in said["rows"]}) >= 20
    assert sum(row["fills"] for row in said["rows"]) > 24
    assert any(row["killed"] == 2 for row in said["rows"])


def test_an_armed_point_kills_at_the_passage_named_and_others_do_nothing():
    script = "from tercel.trading.crashpoints import at\nfor i in range(5):\n  at('a'); at('b'); print(i, flush=True)"
    for point, printed in (("a:3", 2), ("b:3", 2), ("b", 0), ("c:1", 5), ("", 5)):
        env = {**os.environ, crashpoints.VARIABLE: point}
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env, check=False)
        assert len(done.stdout.split()) == printed
        assert done.returncode == (0 if printed == 5 else -signal.SIGKILL)


def test_points_are_chosen_each_once_before_any_comes_again():
    from tercel.cli.commands.trade_crash import choose

    trading, recovery = Counter({"a": 10, "b": 1}), Counter({"recovery.x": 2})
    chosen = choose(trading, recovery, 7, 3)
    assert [point.split(":")[0] for point in chosen] == ["a", "b", "recovery.x"] * 2 + ["a"]
    assert chosen == choose(trading, recovery, 7, 3)
    assert all(1 <= int(point.split(":")[1]) <= 10 for point in chosen)
