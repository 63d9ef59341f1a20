"""Worker processes end when their parent does, however it ended, whether they work, wait or have hardly begun."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.waiting import DEADLINE_S, until

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import os, sys, time
from pathlib import Path
from tercel.core.pool import Pool
from studies.side_by_side import as_they_end

FOLDER = Path(sys.argv[1])
(FOLDER / f"{os.getpid()}.here").touch()  # every worker imports this file before it begins

def work(number):
    (FOLDER / f"{os.getpid()}.works").touch()
    time.sleep(0 if number else 600)
    return True

if __name__ == "__main__":
    if sys.argv[2] == "pool":
        with Pool(2) as workers:
            workers.run(work, [(number,) for number in range(6)], lambda done: None)
    else:
        list(as_they_end(work, [(number,) for number in range(6)], "work"))
"""


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout
    return bool(state.strip()) and not state.startswith("Z")


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize(
    ("kind", "how", "mark"),
    [
        ("pool", signal.SIGKILL, "works"),
        pytest.param("pool", signal.SIGTERM, "here"),
        ("side_by_side", signal.SIGTERM, "works"),
        pytest.param("side_by_side", signal.SIGKILL, "here"),
    ],
)
def test_workers_end_with_a_parent_that_is_killed(tmp_path, kind, how, mark):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    parent = subprocess.Popen(
        [sys.executable, program, tmp_path, kind], env=environment, stderr=subprocess.DEVNULL
    )
    workers = set()
    try:
        until(lambda: len({p.stem for p in tmp_path.glob(f"*.{mark}")} - {str(parent.pid)}) == 2)
        workers = {int(p.stem) for p in tmp_path.glob("*.here")} - {parent.pid}
        assert len(workers) == 2
        assert all(alive(pid) for pid in workers)
        os.kill(parent.pid, how)
        assert parent.wait(DEADLINE_S) == -how
        until(lambda: not any(alive(pid) for pid in workers))
    finally:
        parent.kill()
        parent.wait()
        for pid in filter(alive, workers):
            os.kill(pid, signal.SIGKILL)
