"""A venue that lets us in and sends us away again: it is tried less and less often, and people are told once."""

import time

import pytest

from certify.fix.case import Bench
from certify.fix.scripted import ScriptedVenue
from certify.fix.wall import Wall
from tercel.desk.trading.journal import kinds
from tercel.fix import link as links
from tercel.fix.link import Address, FixLink
from tercel.fix.profiles import load
from tercel.fix.protocol.settings import SessionEventKind

TRIES = 6
WAITS_S = (0.1, 0.2, 0.4, 0.8, 1.6)


class Closed(ScriptedVenue):
    """It answers every logon, and then logs out."""

    def _turn(self, one):
        super()._turn(one)
        if self.session.up:
            self._take(self.session.log_out(self.now_ns(), "maintenance"))


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
        told += [event.text for event in link.poll(0.05)[1] if event.what is SessionEventKind.DOWN]
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
