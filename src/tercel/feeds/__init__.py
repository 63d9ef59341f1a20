"""Feeds: translators of recorded market data into the tape, one file each behind the port in ``market/feed.py``.

Each is imported when it is first asked for, by its class here or by its name among the entry points ``tercel.feeds``;
so is the port: a venue's adapter that reads messages as a feed does loads nothing of tapes.
"""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
