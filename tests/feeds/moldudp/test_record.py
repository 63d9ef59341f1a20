"""The recorder against a server on this machine that loses, doubles and delays packets, and killed in the middle."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.feeds.itch.test_itch_write import simulated, write_garnished
from tests.feeds.moldudp.faulty_server import Faults, FaultyServer, split_file
from tests.waiting import DEADLINE_S, until

from certify.kits.feed import read_all
from tercel.core.errors import VenueError
from tercel.feeds import FeedOptions
from tercel.feeds.itch import ItchFeed
from tercel.feeds.moldudp import MoldCapture, MulticastLink, PacketOutcome, Receiver
from tercel.market.tape import Lake

DATE = "2019-01-30"
BAD = Faults(lost=0.1, doubled=0.1, late=0.1, answers_lost=0.2)


class Clock:
    def now_ns(self) -> int:
        return time.monotonic_ns()

    def sleep_ns(self, ns: int) -> None:
        time.sleep(ns / 1e9)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("itch") / "01302019.NASDAQ_ITCH50"
    write_garnished(
        path, [simulated("AAA", "csco-santa-fe", 1), simulated("BBB", "ibm-santa-fe", 2)]
    )
    return path


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def receiver(
    folder: Path, port: int, rewinder: tuple[str, int] | None, **limits: float
) -> Receiver:
    link = MulticastLink(port, host="127.0.0.1", rewinder=rewinder, **limits)
    return Receiver(link, MoldCapture.start(folder / "a.itch", {"session": None}), Clock())


# -- in process -------------------------------------------------------------------------------------------------------


def test_a_bad_line_gives_the_file_byte_for_byte(file: Path, tmp_path: Path) -> None:
    port = free_port()
    with FaultyServer(split_file(file.read_bytes()), ("127.0.0.1", port), faults=BAD) as server:
        recorder = receiver(tmp_path, port, server.rewinder)
        assert recorder.run(lambda: False) is PacketOutcome.ENDED
    recorder.capture.close()
    assert (tmp_path / "a.itch").read_bytes() == file.read_bytes()
    counts = recorder.sequencer.counts
    assert counts.gaps > 0
    assert counts.duplicates > 0
    assert counts.early > 0
    assert server.answered > 0


def test_a_gap_that_nobody_fills_ends_the_recording_and_keeps_what_was_before(
    file: Path, tmp_path: Path
) -> None:
    port = free_port()
    data = file.read_bytes()
    with FaultyServer(split_file(data), ("127.0.0.1", port), faults=Faults(lost=0.1)):
        recorder = receiver(tmp_path, port, None, patience_s=0.3)
        with pytest.raises(VenueError, match="without a gap"):
            recorder.run(lambda: False)
    recorder.capture.close()
    kept = (tmp_path / "a.itch").read_bytes()
    assert data.startswith(kept)
    assert len(kept) < len(data)


def test_a_silent_line_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    recorder = receiver(tmp_path, free_port(), None, silence_s=0.2)
    with pytest.raises(VenueError, match="none for"):
        recorder.run(lambda: False)


def test_a_stop_ends_it_in_good_order_and_a_taken_port_is_told(tmp_path: Path) -> None:
    port = free_port()
    recorder = receiver(tmp_path, port, None)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", port))
        with pytest.raises(VenueError, match="to listen on"):
            recorder.run(lambda: False)
    assert recorder.run(lambda: True) is PacketOutcome.STOPPED
    bad = Receiver(MulticastLink(port, group="10.0.0.1"), recorder.capture, Clock())
    with pytest.raises(VenueError, match="no multicast group"):
        bad.run(lambda: False)


# -- the command, killed ----------------------------------------------------------------------------------------------


def command(folder: Path, port: int, server: FaultyServer, *more: str) -> "subprocess.Popen[str]":
    host, rewind = server.rewinder
    words = [
        "data",
        "record",
        "itch",
        "--lake",
        str(folder / "lake"),
        "--port",
        str(port),
        "--host",
        "127.0.0.1",
    ]
    words += [
        "--request",
        f"{host}:{rewind}",
        "--date",
        DATE,
        "--capture",
        str(folder / "a.itch"),
        "--json",
        *more,
    ]
    return subprocess.Popen(
        [sys.executable, "-m", "tercel.cli", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=dict(os.environ),
    )  # fmt: skip


def wait_for_bytes(path: Path, size: int) -> None:
    until(lambda: path.exists() and path.stat().st_size >= size, what=f"{size} bytes of {path}")


@pytest.mark.long
def test_kills_and_gaps_give_the_tape_of_the_file(file: Path, tmp_path: Path) -> None:
    """Killed twice while packets come, once more before any; then the lake holds what a direct import gives."""
    data, path, port = file.read_bytes(), tmp_path / "a.itch", free_port()
    server = FaultyServer(split_file(data), ("127.0.0.1", port), packets_per_s=60.0, faults=BAD)
    with server:
        for number, size in enumerate((1, len(data) // 4, len(data) // 2)):
            process = command(tmp_path, port, server, *(["--resume"] if number else []))
            wait_for_bytes(path, size)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            assert data.startswith(path.read_bytes())
            assert path.stat().st_size < len(data)
            assert not (tmp_path / "lake" / "venue=NASDAQ").exists()
        out, err = command(tmp_path, port, server, "--resume").communicate(timeout=DEADLINE_S)
    assert out, err
    found = json.loads(out)
    assert found["outcome"] == "ended"
    assert path.read_bytes() == data
    lake = Lake(tmp_path / "lake")
    direct = read_all(ItchFeed(), [file], FeedOptions())
    assert [d["symbol"] for d in found["days"]] == ["AAA", "BBB"]
    for day in direct:
        instrument, events = lake.check(day.instrument.symbol, DATE)
        assert events == day.events
        assert instrument.content_hash == day.instrument.with_content(day.events).content_hash


@pytest.mark.long
def test_a_stopped_recording_imports_what_it_has(file: Path, tmp_path: Path) -> None:
    port = free_port()
    server = FaultyServer(split_file(file.read_bytes()), ("127.0.0.1", port), packets_per_s=20.0)
    with server:
        process = command(tmp_path, port, server, "--symbol", "AAA")
        wait_for_bytes(tmp_path / "a.itch", 1)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=DEADLINE_S)
    found = json.loads(out)
    assert (found["outcome"], process.returncode) == ("stopped", 0), err
    (day,) = found["days"]
    assert day["symbol"] == "AAA"
    again = subprocess.run(
        [sys.executable, "-m", "tercel.cli", "data", "record", "itch", "--lake", str(tmp_path), "--port", "1",
         "--capture", str(tmp_path / "a.itch")], capture_output=True, text=True, check=False, env=dict(os.environ),
    )  # fmt: skip
    assert again.returncode == 2
    assert "--resume" in again.stderr
    assert "Traceback" not in again.stderr
