"""The kill latch: effective before the next order, from any process, through every kind of damage."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.desk.trading.desk_of_two import killed

from tercel.core.errors import ConfigError, OrderError
from tercel.desk.trading.journal.store import SqlJournal
from tercel.desk.trading.risk.kill_switch import ALL, KillLatch


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kill.json"


def test_kill_of_one_agent_leaves_the_others(path: Path) -> None:
    latch = KillLatch(path)
    latch.kill("drifts", by="ann", at_ns=1, agents=["ppo", "dqn"])
    assert (latch.kill_reason("ppo"), latch.kill_reason("twap")) == ("drifts", None)
    assert latch.state().killed == dict.fromkeys(["ppo", "dqn"], "drifts")
    with pytest.raises(OrderError, match="twap"):
        latch.rearm("x", by="ann", at_ns=2, agents=["twap"])
    latch.rearm("retrained", by="ann", at_ns=3, agents=["dqn"])
    assert (latch.kill_reason("ppo"), latch.kill_reason("dqn")) == ("drifts", None)
    latch.kill("all off", by="ann", at_ns=2)
    assert (latch.kill_reason("ppo"), latch.kill_reason("twap")) == ("all off", "all off")
    assert latch.state().killed[ALL] == "all off"
    with pytest.raises(OrderError, match="re-arm all"):
        latch.rearm("one only", by="ann", at_ns=3, agents=["ppo"])
    latch.rearm("all well", by="bob", at_ns=4)
    assert latch.kill_reason("ppo") is None
    assert [(each["what"], each["by"], each["at_ns"]) for each in latch.state().history] == [
        ("kill", "ann", 1),
        ("rearm", "ann", 3),
        ("kill", "ann", 2),
        ("rearm", "bob", 4),
    ]


def test_a_rearm_of_another_kill_than_is_meant_is_refused(path: Path) -> None:
    latch, other = KillLatch(path), KillLatch(path)
    latch.kill("drifts", by="ann", at_ns=1, agents=["ppo"])
    meant = latch.state().mark
    assert meant == other.state().mark
    other.kill("the tape is bad", by="bob", at_ns=2)
    before = path.read_bytes()
    with pytest.raises(OrderError, match="another one now"):
        latch.rearm("ppo is fine", by="ann", at_ns=3, mark=meant)
    assert path.read_bytes() == before
    assert latch.kill_reason("twap") == "the tape is bad"
    latch.rearm("all is fine", by="ann", at_ns=4, mark=latch.state().mark)
    assert latch.kill_reason("ppo") is None
    other.kill("drifts", by="ann", at_ns=1, agents=["ppo"])
    with pytest.raises(OrderError, match="another one now"):
        latch.rearm("ppo is fine", by="ann", at_ns=5, mark=meant)
    path.write_text("no latch")
    damaged = latch.state().mark
    with pytest.raises(OrderError, match="makes no sense"):
        latch.rearm("ppo is fine", by="ann", at_ns=6, mark=meant)
    latch.rearm("mended", by="ann", at_ns=7, mark=damaged)
    assert latch.state().killed == {}


@pytest.mark.parametrize(
    "words", [{"reason": "", "by": "ann"}, {"reason": "  ", "by": "ann"}, {"reason": "x", "by": ""}]
)
@pytest.mark.parametrize("what", ["kill", "rearm"])
def test_needs_a_reason_and_a_name(path: Path, what: str, words: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        getattr(KillLatch(path), what)(at_ns=1, **words)
    assert not path.exists()


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"{}",
        b'{"killed": []}',
        b'{"killed": {}, "history": 3}',
        b"\xff\xfe",
        b'{"killed": {"*": 1}, "history": []}',
    ],
)
def test_a_damaged_file_kills_until_rearmed(path: Path, damage: bytes) -> None:
    latch = KillLatch(path)
    latch.kill("one", by="ann", at_ns=1, agents=["ppo"])
    assert latch.kill_reason("twap") is None
    path.write_bytes(damage)
    assert "makes no sense" in str(latch.kill_reason("twap"))
    assert "makes no sense" in str(KillLatch(path).kill_reason("twap"))
    latch.kill("more", by="ann", at_ns=2, agents=["dqn"])
    assert latch.kill_reason("twap") is not None  # a kill of one does not re-arm the rest
    latch.rearm("file mended", by="ann", at_ns=3)
    assert latch.kill_reason("twap") is None
    assert path.with_name("kill.json.damaged-1").read_bytes() == damage


def test_a_file_that_vanished_kills(path: Path) -> None:
    latch = KillLatch(path)
    latch.kill("one", by="ann", at_ns=1)
    latch.rearm("fine", by="ann", at_ns=2)
    assert latch.kill_reason("twap") is None
    path.unlink()
    assert "gone" in str(latch.kill_reason("twap"))
    latch.rearm("put back", by="ann", at_ns=3)
    assert latch.kill_reason("twap") is None
    assert len(latch.state().history) == 3


def test_a_file_that_is_a_folder_kills(path: Path) -> None:
    path.mkdir()
    assert "cannot be read" in str(KillLatch(path).kill_reason("twap"))


def test_two_states_never_look_alike(path: Path) -> None:
    latch, seen = KillLatch(path), KillLatch(path)
    for turn in range(20):
        latch.kill("same", by="ann", at_ns=0)
        assert seen.kill_reason("x") == "same", turn
        latch.rearm("same", by="ann", at_ns=0)
        assert seen.kill_reason("x") is None, turn


def _kill_often(path: Path, who: str) -> None:
    for turn in range(20):
        KillLatch(path).kill("stop", by=who, at_ns=turn, agents=[f"{who}{turn}"])


def test_writers_in_several_processes_lose_nothing(path: Path) -> None:
    spawn = multiprocessing.get_context("fork")
    workers = [spawn.Process(target=_kill_often, args=(path, who)) for who in "abc"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    state = KillLatch(path).state()
    assert len(state.history) == 60
    assert set(state.killed) == {f"{who}{turn}" for who in "abc" for turn in range(20)}


@pytest.mark.parametrize(("owner", "step"), [(os, "fsync"), (Path, "replace"), (os, "close")])
@pytest.mark.parametrize("what", ["kill", "rearm"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_writer_killed_at_any_step_leaves_one_state_or_the_other(
    path: Path, owner: object, step: str, what: str, when: str
) -> None:
    latch = KillLatch(path)
    getattr(latch, "kill" if what == "rearm" else "rearm")("first", by="ann", at_ns=1)
    before, real = path.read_bytes(), getattr(owner, step)

    def dies(*args: object) -> None:
        if when == "after":
            real(*args)
        os.kill(os.getpid(), signal.SIGKILL)

    def write() -> None:
        setattr(owner, step, dies)
        getattr(KillLatch(path), what)("second", by="bob", at_ns=2)
        path.write_text("it was not killed")

    killed(write)
    if path.read_bytes() != before:
        assert json.loads(path.read_bytes())["history"][-1]["what"] == what
    assert KillLatch(path).state().damaged == ""
    KillLatch(path).kill("still works", by="ann", at_ns=3)  # the lock died with its holder
    assert KillLatch(path).kill_reason("x") == "still works"


def test_a_full_disk_kills_all_the_same(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    latch, other = KillLatch(path), KillLatch(path)
    latch.rearm("begin", by="ann", at_ns=0)
    assert other.kill_reason("x") is None

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        latch.kill("stop", by="ann", at_ns=1)
    monkeypatch.undo()
    assert "stop" in str(latch.kill_reason("x"))
    assert other.kill_reason("x") is not None
    assert KillLatch(path).kill_reason("x") is not None
    latch.rearm("disk cleared", by="ann", at_ns=2)
    assert (latch.kill_reason("x"), other.kill_reason("x")) == (None, None)


def test_the_command_that_kills_starts_without_what_takes_long(tmp_path: Path):
    """Numerics, kernels and the fold of a journal: a busy machine needs seconds for each."""
    heavy = (
        "numba",
        "scipy",
        "pydantic",
        "torch",
        "tercel.desk.trading.ledger",
        "tercel.desk.limits",
    )
    SqlJournal(tmp_path, "test").close()
    words = (
        "import sys; from pathlib import Path; from tercel.cli.operator import kill\n"
        f"kill('stop', agent=['ann'], desk=Path({str(tmp_path)!r}))\n"
        "print([name for name in sys.argv[1:] if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", words, *heavy], capture_output=True, text=True, check=True
    )
    assert "killed: ann" in done.stderr
    assert done.stdout.strip() == "[]"
