"""Locks: one holder at a time, freed by death, and never held on a file that is gone."""

import signal
import subprocess
import sys

import pytest

from tercel.core.locks import file_lock

HOLD = """import sys, time
from pathlib import Path
from tercel.core.locks import file_lock
with file_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_holder_is_refused_until_the_first_lets_go(tmp_path):
    path = tmp_path / ".lock"
    with file_lock(path), pytest.raises(BlockingIOError), file_lock(path, wait=False):
        pass
    with file_lock(path, wait=False):
        pass


def test_the_lock_of_a_killed_process_holds_nobody_up(tmp_path):
    path = tmp_path / ".lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(BlockingIOError), file_lock(path, wait=False):
            pass
        other.send_signal(signal.SIGKILL)
        other.wait()
    with file_lock(path, wait=False):
        pass


def test_a_removed_lock_is_made_anew(tmp_path):
    path = tmp_path / ".lock"
    with file_lock(path):
        path.unlink()
    with file_lock(path), pytest.raises(BlockingIOError), file_lock(path, wait=False):
        pass
