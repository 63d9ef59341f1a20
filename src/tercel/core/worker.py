"""How a worker process begins, whoever starts it: deaf to Ctrl-C, and never longer alive than its parent."""

import os
import signal
import threading
from multiprocessing import parent_process


def begin_worker() -> None:
    """In a worker: Ctrl-C is the parent's to handle; a parent that ends in whatever way, SIGKILL too, ends the worker.

    The pipe that multiprocessing keeps between the two closes with the parent on every system; a thread waits for that.
    A worker that is still importing when the parent ends gets here, and ends then.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for ever, or write beside the resumed run."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
