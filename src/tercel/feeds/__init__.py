"""Feeds: translators of recorded market data into the tape, one file each behind the port in ``market/feed.py``.

Each is imported on first use, by its class here or by its name among the entry points ``tercel.feeds``; so is the
port, so that a venue's adapter can use a feed's message parser without loading the tape.
"""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
