"""Commands of people to the session that writes a journal: posted to the inbox of its database, or removed from it.

post("desk", "pause", {"parent": "p1"}, by="ann", reason="news", wall_ns=now)
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tercel.desk.trading.journal.database import JournalPlace, missing_journal
from tercel.desk.trading.journal.log import Log
from tercel.desk.trading.journal.reader import log_at


@contextmanager
def _inbox(location: str | Path) -> Iterator[Log]:
    """Open a journal's inbox for writing."""
    place = JournalPlace(location)
    if place.file is not None and not place.file.is_file():
        raise missing_journal(place.file)
    with closing(log_at(place)) as log:
        yield log


def post(
    location: str | Path, kind: str, body: Mapping[str, Any], by: str, reason: str, wall_ns: int
) -> int:
    """Post a command to the inbox of the session that writes a journal; it is taken exactly once.

    Returns
    -------
    int
        The command's number, which the `operator` entry of its taking repeats.

    Raises
    ------
    JournalError
        When there is no such journal, or it cannot be written.
    """
    with _inbox(location) as log:
        return log.post((kind, json.dumps(dict(body)), by, reason, wall_ns))


def withdraw(location: str | Path, number: int) -> bool:
    """Remove a command from the inbox; False if a session has taken it already."""
    with _inbox(location) as log:
        return log.withdraw(number)
