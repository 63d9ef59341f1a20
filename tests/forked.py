"""Commands of the package in processes of their own that import nothing: forked from one that has the package.

    gate = forked.Popen([*COMMAND, "gate", file], stderr=log)
    done = forked.run([sys.executable, "-m", "tercel.desk.gate", file], text=True)

It implements the part of `subprocess` that tests use, and can replace it in a module. A command is a real process, with
signals, limits, descriptors and an exit code. Tests that use `subprocess` itself check that a command starts in a new
interpreter.
"""

import atexit
import multiprocessing
import os
import runpy
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing import forkserver
from multiprocessing.reduction import DupFd
from pathlib import Path
from subprocess import DEVNULL, PIPE, CalledProcessError, CompletedProcess, TimeoutExpired
from threading import Thread
from typing import IO, Any

from tests.program import COMMAND

__all__ = ["DEVNULL", "PIPE", "CompletedProcess", "Popen", "TimeoutExpired", "run"]
FIRST = "tests.forked_first"
"""Module that the first process imports, when it is first needed."""


class Popen:
    """A command that runs.

    Parameters
    ----------
    words : sequence
        [*COMMAND, ...] or [sys.executable, "-m", module, ...].
    stdin, stdout, stderr
        None (as the tests have it), PIPE, DEVNULL, a descriptor or an open file.
    text : bool
    env : mapping, optional
        Its environment; by default that of the tests.
    """

    def __init__(
        self, words: Sequence[object], stdin: Any = None, stdout: Any = None, stderr: Any = None, text: bool = False,
        env: Mapping[str, str] | None = None, bufsize: int = -1, start_new_session: bool = False,
    ) -> None:  # fmt: skip
        self.args = [str(word) for word in words]
        made = [
            _ends(number, given, text, bufsize)
            for number, given in enumerate((stdin, stdout, stderr))
        ]
        theirs = _Descriptors(one for one, _ in made)
        self.stdin, self.stdout, self.stderr = (one for _, one in made)
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([FIRST])
        given = (
            theirs,
            self.args,
            dict(os.environ if env is None else env),
            str(Path.cwd()),
            start_new_session,
        )
        self._process = context.Process(target=_begin, args=given, daemon=True)
        self._process.start()
        for descriptor in theirs:
            os.close(descriptor)

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self.poll()

    def poll(self) -> int | None:
        """Exit code, below zero for a signal; None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if (code := self.poll()) is None:
            raise TimeoutExpired(self.args, timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[Any, Any]:
        """Wait for its end; what it says where that is a pipe."""
        if self.stdin is not None:
            self.stdin.close()
        said: dict[int, Any] = {1: None, 2: None}
        pipes = {
            number: pipe
            for number, pipe in ((1, self.stdout), (2, self.stderr))
            if pipe is not None and not pipe.closed
        }
        readers = [Thread(target=_read, args=(said, *one), daemon=True) for one in pipes.items()]
        for reader in readers:
            reader.start()
        self.wait(timeout)
        for reader in readers:
            reader.join()
        for pipe in pipes.values():
            pipe.close()
        return said[1], said[2]


def run(
    words: Sequence[object], *, check: bool = False, stdin: Any = DEVNULL, text: bool = False,
    env: Mapping[str, str] | None = None,
) -> CompletedProcess[Any]:  # fmt: skip
    """Run a command to its end, and read what it says."""
    process = Popen(words, stdin, PIPE, PIPE, text, env)
    out, err = process.communicate()
    if check and process.returncode:
        raise CalledProcessError(process.wait(), process.args, out, err)
    return CompletedProcess(process.args, process.wait(), out, err)


def used_s() -> float:
    """CPU seconds of the process that is forked, and of the commands that have ended."""
    pid = forkserver._forkserver._forkserver_pid
    if pid is None:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(") ")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


class _Descriptors(tuple[int, ...]):
    """Descriptors that the other process gets copies of."""

    __slots__ = ()

    def __reduce__(self) -> Any:
        return _copies, ([DupFd(one) for one in self],)


def _copies(given: Sequence[Any]) -> tuple[int, ...]:
    return tuple(one.detach() for one in given)


def _read(said: dict[int, Any], number: int, pipe: IO[Any]) -> None:
    said[number] = pipe.read()


def _ends(number: int, given: Any, text: bool, bufsize: int) -> tuple[int, IO[Any] | None]:
    """The descriptor that the command gets as its `number`, and the other end of a pipe."""
    if given == PIPE:
        reads, writes = os.pipe()
        ours, theirs = (writes, reads) if number == 0 else (reads, writes)
        mode = ("w" if number == 0 else "r") + ("" if text else "b")
        return theirs, os.fdopen(ours, mode, bufsize)
    if given == DEVNULL:
        return os.open(os.devnull, os.O_RDWR), None
    return os.dup(
        number if given is None else given if isinstance(given, int) else given.fileno()
    ), None


def _begin(
    descriptors: Sequence[int],
    words: Sequence[str],
    env: Mapping[str, str],
    folder: str,
    new_session: bool,
) -> None:
    """In the forked process: be the command."""
    if new_session:
        os.setsid()
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    buffered = 1 if env.get("PYTHONUNBUFFERED") else -1
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(0),
        os.fdopen(1, "w", buffered),
        os.fdopen(2, "w", 1),
    )
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        _be(words)
    except SystemExit as end:
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
        raise
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        atexit._run_exitfuncs()  # as at the end of any Python, but not of a forked one
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):  # the reader has closed the pipe, or the disk is full
                stream.flush()
        sys.stdout = sys.stderr = None


def _be(words: Sequence[str]) -> None:
    if tuple(words[: len(COMMAND)]) == COMMAND:
        sys.argv = ["tercel", *words[len(COMMAND) :]]
        from tercel.cli import main

        main()
        return
    assert list(words[:2]) == [sys.executable, "-m"], words
    sys.argv = [words[2], *words[3:]]
    runpy.run_module(words[2], run_name="__main__", alter_sys=True)
