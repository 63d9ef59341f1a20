"""The fault matrix: what the judge counts, what is chosen, and a tenth of the matrix itself."""

import ast
import json
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager

import pytest
from tests.waiting import until

from certify.faults.crashpoints import PLACES, Place, _insert
from certify.faults.disk import SmallDisk
from certify.faults.judge import count_differences, longest_unwatched
from certify.faults.play import OF_DESK, POINTS, draw_faults, kinds
from certify.faults.proxy import Proxy
from certify.faults.world import Window
from tercel.core.errors import ConfigError

COMMAND = (sys.executable, "-m", "tercel.cli", "trade", "faults", "--json")
PLANTED = """
import sys
from pathlib import Path
from tempfile import mkdtemp
from certify.faults import command as t
from tercel.cli.output import print_json
from tercel.desk.trading.risk.cancels import SilentSessionCanceller
from tercel.desk.trading.child_orders.fold import Orders
if sys.argv[1] == "books again what it knows":
    Orders.has_execution = lambda self, report: False
    Orders._check_repeated = lambda self, order, report: []
else:
    SilentSessionCanceller.begin = lambda self, *_, **__: None
source = t.reactive(t.load(t.PRESET), settle_s=60.0)
t.compile_kernels(source)
names = ["stop desk", "kill -9 desk", "desk at gateway.heard.fill", "stop desk"]
verdict = t.run(Path(mkdtemp()), source, names, 3, False)
print_json({"doubled": verdict.doubled, "unwatched_s": verdict.unwatched_s})
"""


def test_an_execution_that_is_missing_and_one_that_is_booked_twice_or_invented_are_counted():
    trades = {"ann": [("e1", "a", 5), ("e2", "a", 5)], "bob": [("e1", "b", -5)]}
    assert count_differences(trades, [("ann", "e1"), ("ann", "e2"), ("bob", "e1")]) == (0, 0)
    assert count_differences(trades, [("ann", "e1"), ("bob", "e1")]) == (1, 0)
    assert count_differences(
        trades, [("ann", "e1"), ("ann", "e2"), ("ann", "e2"), ("bob", "e1"), ("bob", "e7")]
    ) == (0, 2)


def test_the_longest_time_that_nobody_watched_an_order_is_found():
    windows = [Window("a", 3.0, 5.0), Window("b", 8.0, 20.0)]
    assert longest_unwatched([(0.0, 2.9), (5.1, 7.9)], windows) == (0.0, "")
    assert longest_unwatched([(0.0, 4.0), (4.5, 30.0)], windows) == (12.0, "b")


def test_every_fault_is_chosen_once_before_any_comes_again():
    names = set(kinds())
    found = draw_faults(2 * len(names) + 3, 4)
    assert set(found[: len(names)]) == set(found[len(names) : 2 * len(names)]) == names
    assert found == draw_faults(2 * len(names) + 3, 4) != draw_faults(2 * len(names) + 3, 5)


MESSAGES = [f"8=FIX.4.4\x019=5\x0135=0\x0134={n}\x0110=000\x01".encode() for n in range(1, 6)]


@pytest.mark.parametrize(
    ("word", "arrives"),
    [
        ("pass", [0, 1, 2, 3, 4]),
        ("drop", [1, 2, 3, 4]),
        ("double", [0, 0, 1, 2, 3, 4]),
        ("swap", [1, 0, 2, 3, 4]),
        ("chop", [0, 1, 2, 3, 4]),
        ("slow", [0, 1, 2, 3, 4]),
    ],
)
def test_a_link_does_to_messages_what_it_is_told(word, arrives):
    expected = b"".join(MESSAGES[n] for n in arrives)
    assert through(word, len(expected)) == expected


def test_a_garbled_message_differs_in_one_byte():
    sent = b"".join(MESSAGES)
    assert sum(a != b for a, b in zip(through("garble", len(sent)), sent, strict=True)) == 1


def through(word, size):
    """What arrives of five messages."""
    with link() as (ours, theirs, tell, told):
        tell.send(word.encode())
        until(lambda: not _pending(told), what="a word that was heard")
        ours.sendall(b"".join(MESSAGES))
        found = b""
        while len(found) < size:
            found += theirs.recv(1 << 12)
        return found


@contextmanager
def link():
    """Both ends of a link through the proxy, and both of the line on which it is told what to do."""
    with ExitStack() as held:
        target, near = (
            held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)
        )
        tell, told = map(held.enter_context, socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM))
        proxy, over = Proxy(near, target.getsockname()[1], told, 1), threading.Event()
        thread = threading.Thread(target=proxy.run, args=(over.is_set,))
        thread.start()
        held.callback(thread.join)
        held.callback(over.set)
        ours = held.enter_context(socket.create_connection(near.getsockname()))
        theirs = held.enter_context(target.accept()[0])
        theirs.settimeout(30)
        ours.settimeout(30)
        yield ours, theirs, tell, told


def _pending(told):
    try:
        return bool(told.recv(64, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except BlockingIOError:
        return False


@pytest.mark.parametrize("word", ["cut", "reset"])
def test_a_link_that_is_cut_ends_both_connections(word):
    with link() as (ours, theirs, tell, _):
        tell.send(word.encode())
        for one in (ours, theirs):
            try:
                assert one.recv(1) == b""
            except ConnectionResetError:
                assert word == "reset"


ARMED = """
import importlib, os
from certify.faults.crashpoints import PLACES, pass_point, arm
for place in PLACES:  # once, before the forks
    importlib.import_module(place.function.partition(":")[0])
for point in ("a:3", "b:3", "b", "c:1", ""):
    if (child := os.fork()) == 0:
        arm(point)
        for i in range(5):
            pass_point("a"); pass_point("b"); pass_point(""); print(i, end=" ", flush=True)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def test_an_armed_point_kills_at_the_passage_named_and_others_do_nothing():
    done = subprocess.run([sys.executable, "-c", ARMED], capture_output=True, text=True, check=True)
    killed = -signal.SIGKILL
    whole = "0 1 2 3 4 0"
    assert done.stdout.splitlines() == [*[f"0 1 {killed}"] * 2, f"{killed}", whole, whole]


def test_every_point_of_the_matrix_has_a_place():
    named = set(re.findall(r"'([a-z]+\.[a-z.]+)'", " ".join(place.name for place in PLACES)))
    prefixes = {one for one in named if one.endswith(".")}
    assert prefixes == {"gateway.send.", "gateway.sent."}
    by_kind = {f"{one}{kind}" for one in prefixes for kind in ("new", "cancel")}
    assert (named - prefixes) | by_kind == {*POINTS, *OF_DESK}


def test_a_statement_that_was_rewritten_is_refused_by_name():
    source = ast.parse("def submit(self):\n    self.write(1)\n    self.write(2)\n")
    for statement, times in (("self.write(", 2), ("self.send(", 0)):
        with pytest.raises(ConfigError, match=f"{times} of them"):
            _insert(source, Place("gateway:submit", statement, "'a'"))


@pytest.mark.release
@pytest.mark.parametrize("planted", ["books again what it knows", "cancels for nobody who is gone"])
def test_a_planted_fault_shows(planted):
    done = subprocess.run(
        [sys.executable, "-c", PLANTED, planted], capture_output=True, text=True, check=True
    )
    said = json.loads(done.stdout)
    assert (said["doubled"] > 0) == planted.startswith("books")
    assert (said["unwatched_s"] > 5) == planted.startswith("cancels")


@pytest.mark.long
def test_a_tenth_of_the_matrix_loses_and_doubles_nothing_and_leaves_nothing_unwatched():
    done = subprocess.run(
        [*COMMAND, "--points", "20", "--seed", "3"], capture_output=True, text=True, check=False
    )
    assert done.stdout, done.stderr
    said = json.loads(done.stdout)
    kept = {name: said[name] for name in ("runs", "lost", "doubled", "orphans", "positions_equal")}
    assert (done.returncode, kept) == (
        0,
        {"runs": 1, "lost": 0, "doubled": 0, "orphans": 0, "positions_equal": True},
    ), done.stderr
    assert said["kills"] > 5
    assert 0 <= said["unwatched_s_max"] <= 5


def test_a_small_disk_is_really_full_until_room_is_made(tmp_path):
    try:
        disk = SmallDisk(tmp_path / "small", 1 << 20)
    except OSError as error:
        pytest.skip(f"no file system may be mounted here: {error.strerror}")
    try:
        disk.fill(8192)
        (tmp_path / "small" / "fits").write_bytes(bytes(8192))
        with pytest.raises(OSError, match="No space left"):
            (tmp_path / "small" / "more").write_bytes(b"x")
        disk.free()
        (tmp_path / "small" / "more").write_bytes(bytes(1 << 19))
    finally:
        disk.close()
    assert list((tmp_path / "small").iterdir()) == []
