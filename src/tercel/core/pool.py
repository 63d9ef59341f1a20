"""Worker processes for trainings and judgements side by side (`Pool`), and calls interrupted at a deadline
(`Deadline`).

`Deadline` ends a call in time: a thread stops it, Python code or a library with a stop function (`stop_at_deadline`).

>>> deadline = Deadline(0.01)
>>> deadline.start()
>>> deadline.call(lambda: 7, 60.0)
7
>>> def endless() -> None:
...     while True:
...         pass
>>> try:
...     deadline.call(endless, 0.02)
... except TimeoutError as error:
...     print(error)
no answer within 0.02 s
>>> deadline.stop()
"""

import ctypes
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from multiprocessing import get_context, parent_process
from threading import Lock, get_ident
from typing import Any, Final, TypeVar

from tercel.core.errors import TercelError
from tercel.core.system import PeriodicThread

Answer = TypeVar("Answer")

# Code that swallows the first interruption gets another after this time.
_AGAIN_S: Final = 1.0

# Milliseconds after which an interruption that has not come was swallowed.
_SWALLOWED: Final = 100


_stop: Any = None


def begin_worker() -> None:
    """In a worker process: ignore Ctrl-C, and end when the parent ends in any way, SIGKILL included.

    The pipe that multiprocessing keeps between the two closes with the parent on every system; a thread waits for that.
    A worker that is still importing when the parent ends gets here, and ends then.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this worker when its parent dies, so that it does not write beside a resumed run."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _begin_pool_worker(stop: Any) -> None:
    """In a worker process: store the event by which the parent asks to stop."""
    global _stop  # noqa: PLW0603 - a pool gives its workers no other place for what they share
    _stop = stop
    begin_worker()


@contextmanager
def _defer_interrupt() -> Iterator[None]:
    """Context that delays Ctrl-C to its end, so that processes started in it can begin to ignore it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def should_stop() -> bool:
    """Whether the parent has asked this worker to stop; False outside workers."""
    return _stop is not None and bool(_stop.is_set())


class WorkerError(TercelError):
    """A worker process died."""


class Pool(AbstractContextManager["Pool", None]):
    """Worker processes: as many as cores, at most one per job.

    Use as a context; leaving it on an interrupt asks the workers to stop, waits until what they do is on disk, and
    lets the interrupt go on.
    """

    def __init__(self, work: int) -> None:
        """Prepare a process (started by spawn) per core, at most `work` of them, at least one."""
        context = get_context("spawn")
        self._stop = context.Event()
        count = max(min(os.cpu_count() or 1, work), 1)
        self._executor = ProcessPoolExecutor(
            count, mp_context=context, initializer=_begin_pool_worker, initargs=(self._stop,)
        )

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        """Shut the workers down and wait for them; after an error ask them to stop, and cancel the jobs that have not begun."""
        if kind is not None:
            self._stop.set()
        self._executor.shutdown(wait=True, cancel_futures=kind is not None)

    def run(
        self,
        function: Callable[..., bool],
        jobs: Sequence[tuple[Any, ...]],
        tick: Callable[[int], None],
    ) -> None:
        """Run `function` on all jobs in the workers, results ignored; `tick(done)` is called every 0.5 s and after jobs.

        Raises
        ------
        WorkerError
            When a worker died; otherwise whatever a job raised.
        """
        with _defer_interrupt():
            waiting: set[Future[bool]] = {self._executor.submit(function, *job) for job in jobs}
        done = 0
        while waiting:
            finished, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
            for future in finished:
                try:
                    future.result()
                except BrokenProcessPool as error:
                    raise WorkerError(
                        "worker processes that live until their work is done",
                        "one that was killed or ran out of memory",
                        "finished results are saved: free memory, then run again with `resume=True`",
                    ) from error
            done += len(finished)
            tick(done)


class _TooLateError(BaseException):
    """Raised in a thread by the deadline thread."""


class Deadline(PeriodicThread):
    """A thread that interrupts calls of one other thread, one call at a time.

    Time is counted in turns of its own, so that a suspended machine causes no interruption.

    Parameters
    ----------
    every_s : float
        Seconds between two looks: a call ends that late at most.
    """

    def __init__(self, every_s: float = 0.05) -> None:
        """Make the thread, which does not run before `start`; no call is timed."""
        super().__init__("tercel-deadline", every_s, self._count_down)
        self._lock = Lock()
        self._left_s = -1.0
        self._thread = 0
        self._late = False
        self._interrupt_pending = False
        self._stops: list[Callable[[], object]] = []

    def call(self, act: Callable[[], Answer], seconds: float) -> Answer:
        """Result of `act()`; TimeoutError if it takes longer than `seconds`.

        Raises
        ------
        TimeoutError
            It had not returned after so many seconds, and was interrupted.
        """
        token = _CURRENT.set(self)
        try:
            try:
                with self._lock:
                    self._left_s = seconds
                    self._thread = get_ident()
                    self._late = False
                return act()
            finally:
                self._disarm()
        except _TooLateError:
            self._interrupt_pending = False
            self._disarm()
            raise TimeoutError(f"no answer within {seconds:g} s") from None
        except Exception:
            if self._late:
                raise TimeoutError(f"no answer within {seconds:g} s") from None
            raise
        finally:
            _CURRENT.reset(token)

    def _disarm(self) -> None:
        """Stop further interruptions, and wait for one on its way unless the call swallowed it.

        Taking it back would leave CPython 3.11 with a request that it never forgets.
        """
        try:
            with self._lock:
                self._left_s = -1.0
                is_pending = self._interrupt_pending
            for _ in range(_SWALLOWED if is_pending else 0):
                self._over.wait(0.001)
        except _TooLateError:
            with self._lock:
                self._left_s = -1.0
        self._interrupt_pending = False

    def _count_down(self) -> None:
        """Count a turn off the running call's time; when it is over, call its stop functions, else interrupt its thread."""
        with self._lock:
            if self._left_s < 0:
                return
            self._left_s -= self.every_s
            if self._left_s >= 0:
                return
            self._left_s = _AGAIN_S
            self._late = True
            for stop in self._stops:
                stop()
            if not self._stops:
                self._interrupt_pending = True
                thread = ctypes.c_ulong(self._thread)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(_TooLateError))


_CURRENT: Final[ContextVar[Deadline | None]] = ContextVar("deadline", default=None)


@contextmanager
def stop_at_deadline(stop: Callable[[], object]) -> Iterator[None]:
    """Context that calls `stop` at the deadline of the running `Deadline.call` instead of interrupting its thread; no
    effect outside one."""
    if (current := _CURRENT.get()) is None:
        yield
        return
    with current._lock:
        current._stops.append(stop)
    try:
        yield
    finally:
        with current._lock:
            current._stops.remove(stop)
