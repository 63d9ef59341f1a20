"""A gate that is stopped, and a venue that does not end what it left open."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.desk.gate.at_plain_venue import Place
from tests.waiting import until


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with ExitStack() as stack:
        made = Place(tmp_path / "gate", stack)
        made.start()
        made.rest()
        yield made


def test_for_programs_the_command_names_what_it_leaves_open(tmp_path: Path) -> None:
    with ExitStack() as stack:
        place = Place(tmp_path / "gate", stack)
        place.more = ["--json"]
        place.start()
        place.rest()
        place.venue.mute = {"F", "H"}
        assert place.stop() == 1
        assert place.gate is not None
        said = json.loads(place.gate.communicate()[0])
    assert (said["accounts"], said["open"]) == (["ann", "bob"], ["p1.1", "p2.1", "p3.1"])
    assert said["listen"] == str(tmp_path / "gate" / "gate.sock")


def test_a_gate_begins_at_a_venue_that_missed_its_last_messages(place: Place) -> None:
    """The venue sees it in the first message after the logon, asks for them again, and drops what comes meanwhile."""
    place.venue.mute = {"D"}
    place.order()
    until(lambda: place.venue.kinds().count("D") == 4, what="the order")
    assert place.gate is not None
    place.gate.kill()
    place.gate.wait()
    (place.folder / "gate.sock").unlink()
    place.venue.mute = set()
    place.venue.miss()
    place.start()
    assert place.venue.open == []
    place.rest(1)
    assert place.stop() == 0
    assert place.venue.open == []
