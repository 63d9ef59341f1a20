"""A venue that lets us in and sends us away again: it is tried less and less often, and people are told once."""

import time

import pytest
from tests.fix.plain_venue import PlainVenue
from tests.waiting import until

from certify.fix.case import Bench
from certify.fix.scripted import ScriptedVenue
from certify.fix.wall import Wall
from tercel.core import orders as o
from tercel.core.errors import VenueError
from tercel.desk.trading.journal import kinds
from tercel.fix import link as links
from tercel.fix.link import Address, FixLink
from tercel.fix.profiles import load
from tercel.fix.protocol.events import SessionEventKind
from tercel.venues.address import connect

TRIES = 6
WAITS_S = (0.1, 0.2, 0.4, 0.8, 1.6)


class Closed(ScriptedVenue):
    """It answers every logon, and then logs out."""

    def _turn(self, one):
        super()._turn(one)
        if self.session.up:
            self._apply_outcome(self.session.log_out(self.now_ns(), "maintenance"))


@pytest.fixture
def link(profile):
    with Closed("FIX.4.4") as venue:
        told = profile('base = "generic-44"\n[session]\nsender = "DESK"\ntarget = "VENUE"\n')
        made = FixLink(load(told), Address("127.0.0.1", venue.port), "DESK")
        made.venue = venue
        yield made
        made.end()


def tried(link):
    began, told = time.monotonic(), []
    while len(link.venue.logons) < TRIES:
        told += [event.text for event in link.poll(0.05)[1] if event.kind is SessionEventKind.DOWN]
    return time.monotonic() - began, told


def test_a_logout_after_every_logon_is_waited_for_longer_each_time(link):
    seconds, told = tried(link)
    assert seconds >= sum(WAITS_S)
    assert set(told) == {"maintenance"}


def test_after_a_session_that_stood_the_next_one_begins_at_once(link, monkeypatch):
    monkeypatch.setattr(links, "_STABLE_S", 0.0)
    tried(link)
    assert link._tries == 0


def test_a_link_that_breaks_again_and_again_is_one_alarm_a_minute(tmp_path):
    with Wall(Bench(load("generic-44"), tmp_path)) as wall:
        for _ in range(3):
            wall.venue.cut()
            wall.until(lambda: not wall.fix.up, "the broken link")
            wall.until(lambda: wall.fix.up, "the link")
        alarms = [
            entry.body
            for entry in wall.entries(kinds.ALERT)
            if entry.body["code"] == kinds.LINK_DOWN
        ]
        assert [one["severity"] for one in alarms] == ["critical", "info", "info"]


class Ahead(PlainVenue):
    """A venue that expects a number far above ours; `resets`: whether it takes ResetSeqNumFlag."""

    def __init__(self, resets):
        super().__init__()
        self._resets, self._next_in = resets, 6202

    def _take(self, said):
        return super()._take(said if self._resets else {**said, 141: "N"})


@pytest.mark.parametrize(
    ("resets", "old", "remedy"),
    [(True, True, 'reset = ["logon"]'), (False, True, "next_out = 6202"), (False, False, "next_out = 6202")],
)  # fmt: skip
def test_the_remedy_for_low_numbers_lets_the_session_in(tmp_path, profile, resets, old, remedy):
    where = (
        'base = "generic-44"\n[session]\nsender = "DESK"\ntarget = "VENUE"\nhost = "127.0.0.1"\n'
    )

    def log_on(venue, key=""):
        path = profile(f"{where}port = {venue.port}\n{key}\n[[symbol]]\nname = 'X'\n")
        return connect(f"fix:{path}", ["ann"], tmp_path / "store")

    if old:  # a folder with a session of 3 messages or so
        with PlainVenue() as venue:
            log_on(venue).close()
    with Ahead(resets) as venue:
        with pytest.raises(VenueError) as refused:
            log_on(venue)
        assert f"{remedy} under [session] of the profile" in refused.value.remedy
        assert ("logon" in refused.value.remedy) == old, "a new folder has tried it"
        for _ in range(2):
            client = log_on(venue, remedy)
            assert client.up
            client.send(o.NewOrder(f"p.{client.now_ns}", "X", 1, 5, 1000, o.Tif.DAY, "ann", "p", 0))
            until(lambda: venue.kinds()[-1] == "D", 10, "the order")
            client.close()
