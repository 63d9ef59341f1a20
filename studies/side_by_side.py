"""Pieces of work in two processes, their results as they come, a bar beside them."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any, Final, TypeVar

from tercel.cli import progress
from tercel.core import begin_worker

R = TypeVar("R")

WORKERS: Final = 2


def as_they_end(
    function: Callable[..., R], jobs: Sequence[tuple[Any, ...]], what: str, done: int = 0
) -> Iterator[R]:
    """Results of `function(*job)`, in the order in which they end; what has not begun is dropped when one fails.

    Parameters
    ----------
    function : callable
        Of a module: workers import it.
    jobs : sequence of tuple
    what : str
        Shown beside the bar.
    done : int
        Pieces that were finished before, for the bar.
    """
    with (
        progress(counted=True, transient=True) as bar,
        ProcessPoolExecutor(WORKERS, get_context("spawn"), begin_worker) as pool,
    ):
        task = bar.add_task(what, total=len(jobs) + done, completed=done)
        futures = [pool.submit(function, *job) for job in jobs]
        try:
            for future in as_completed(futures):
                yield future.result()
                bar.advance(task)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
