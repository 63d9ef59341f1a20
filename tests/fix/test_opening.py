"""`open_fix_venue` closes what it opened, whichever step fails."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import until

from tercel.core.errors import VenueError
from tercel.core.link.connection import WaitLimits
from tercel.fix import link as links, opening
from tercel.fix.client import FixVenue
from tercel.fix.opening import open_fix_venue
from tercel.fix.profiles import load
from tercel.fix.sqlite_store import SqliteStore
from tercel.fix.store import SteadyStore

PROFILE = """base = "generic-44"
[session]
sender = "A"
target = "B"
host = "127.0.0.1"
port = {port}
"""
STEPS = [
    (SqliteStore, "_set_durable", 1),
    (SteadyStore, "begin", 1),
    (links, "FixLink", 1),
    (links, "FixLink", 2),
    (opening, "StandardDialect", 1),
    (opening, "ReceivedMark", 1),
    (FixVenue, "_await_logon", 1),
    (FixVenue, "_await_logon", 2),
    (FixVenue, "_request_listings", 1),
]
"""Where it fails: at the n-th call of a name."""


def open_files() -> set[tuple[str, str]]:
    """Numbers and targets of the files and sockets that this process has open."""
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            found.add((link.name, str(link.readlink())))
    return {file for file in found if not file[1].startswith("/proc/")}


@pytest.mark.parametrize(("home", "name", "call"), STEPS)
def test_what_was_opened_is_closed_when_a_step_fails(
    home: Any, name: str, call: int, serve: Any, port: int, tmp_path: Path, monkeypatch: Any
) -> None:
    serve(["A"])
    (tmp_path / "market.toml").write_text(PROFILE.format(port=port))
    (tmp_path / "venue.toml").write_text(
        PROFILE.format(port=port) + '[market]\nsession = "market.toml"\n'
    )
    terms = load(str(tmp_path / "venue.toml"), "A")
    calls = []

    def fail(*args: Any, **kwargs: Any) -> Any:
        calls.append(name)
        if len(calls) == call:
            raise VenueError("a step", "a failure", "try again")
        return original(*args, **kwargs)

    connect = lambda venue, link: venue._poll_link(0.0, link)  # noqa: E731  a socket of each link
    monkeypatch.setattr(FixVenue, "_await_logon", connect)
    original = getattr(home, name)
    monkeypatch.setattr(home, name, fail)
    before = open_files()
    with pytest.raises(VenueError, match="a failure"):
        open_fix_venue(profile=terms, store=tmp_path / "store", patience=WaitLimits(logon_s=5.0))
    assert len(calls) == call
    until(lambda: open_files() <= before, seconds=20.0, what="closed files")


def test_constructing_a_venue_opens_nothing(port: int, tmp_path: Path) -> None:
    (tmp_path / "venue.toml").write_text(PROFILE.format(port=port))
    terms = load(str(tmp_path / "venue.toml"), "A")
    link = links.FixLink(terms, links.Address("127.0.0.1", port), "A")
    before = open_files()
    dialect = opening.StandardDialect(terms, link.now_ns, None)
    venue = FixVenue(terms, link, link, dialect, opening.ReceivedMark(), False, WaitLimits())
    assert (open_files(), venue.up, venue.fileno()) == (before, False, -1)
