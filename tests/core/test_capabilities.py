"""What a venue declares of itself beyond its port, and what becomes of one that declares something else."""

from dataclasses import fields, replace

import pytest
from tests.desk.trading.desk_of_two import Flaky, exchange_of, session_of

from certify.fix.staffed import StaffedVenue
from certify.tiny import TinyVenue
from tercel.core.errors import VenueError
from tercel.core.ports import (
    Capabilities,
    Connected,
    TellsExecutions,
    check_capabilities,
    needed,
)


class Plain:
    """A stranger's venue, as far as the check looks at it."""

    capabilities = Capabilities()


class Tells(Plain):
    """One that declares what it has."""

    def positions(self, account):
        return {}

    @property
    def capabilities(self):
        return Capabilities(positions=self)


class Undeclared(Plain):
    def reconnect(self):
        pass


class Misspelt(Plain):
    def reconect(self):
        pass


class Nothing:
    def step(self, until_ns):
        return []


class Nearly(Nothing):
    capabilites = Capabilities()


class Old(Plain):
    stepped = False


class Promised(Plain):
    def execution(self, account, after=""):
        return []

    @property
    def capabilities(self):
        return Capabilities(executions=self)


class NoMethod(Plain):
    disown = True

    @property
    def capabilities(self):
        return Capabilities(disowns=self)


class Half(Plain):
    def width(self, instrument):
        return 256

    @property
    def capabilities(self):
        return Capabilities(depth=self)


class Passed(Flaky):
    """A wrapper that hands on what the venue inside declares, and has its own."""

    def positions(self, account):
        return {}


class Taken(Passed):
    @property
    def capabilities(self):
        return replace(self._venue.capabilities, positions=self)


class Hides(Flaky):
    """A wrapper that hides what the venue inside has."""

    @property
    def capabilities(self):
        return replace(self._venue.capabilities, positions=None, executions=None)


@pytest.mark.parametrize(
    ("venue", "received", "remedy"),
    [
        (Undeclared, "Undeclared.reconnect, and no `reconnects`", "Capabilities(reconnects=self)"),
        (Misspelt, "Misspelt.reconect, nearly `reconnect`", "write `reconnect` and declare it"),
        (Nothing, "Nothing, without `capabilities`", "give it a property `capabilities`"),
        (Nearly, "Nearly, without `capabilities` (it has `capabilites`)", "give it a property `capabilities`"),
        (Old, "Old.stepped = False, and capabilities.stepped = True", "write `Capabilities(stepped=False)`"),
        (Promised, "capabilities.executions` is a Promised without it (it has `execution`)", "write it, or leave"),
        (NoMethod, "whose `capabilities.disowns` is a NoMethod without it", "write it, or leave `disowns` out"),
        (Half, "whose `capabilities.depth` is a Half without it", "write it, or leave `depth` out"),
        (
            lambda: Passed(exchange_of()),
            "Passed.positions, and `capabilities.positions` is another object's",
            "write `replace(inner.capabilities, positions=self)`",
        ),
    ],
)  # fmt: skip
def test_a_venue_that_does_not_declare_what_it_has_is_refused(venue, received, remedy):
    with pytest.raises(VenueError) as told:
        check_capabilities(venue())
    assert received in told.value.received
    assert remedy in told.value.remedy


@pytest.mark.parametrize(
    "venue",
    [
        *(Plain, Tells, TinyVenue, StaffedVenue, exchange_of),
        *(lambda kind=kind: kind(exchange_of()) for kind in (Flaky, Taken, Hides)),
    ],
)
def test_a_venue_that_declares_what_it_has_is_taken(venue):
    check_capabilities(venue())


def test_every_misspelling_of_a_capability_by_one_letter_is_found():
    members = {
        "up",
        "fileno",
        "poll",
        "reconnect",
        "executions",
        "positions",
        "ask_positions",
        "announce",
        "disown",
    }
    for member in sorted(members - {"up", "poll"}):  # of four letters any word is near
        for at in range(len(member)):
            name = member[:at] + member[at + 1 :]
            kind = type("Typo", (Plain,), {name: lambda self, *words: None})
            with pytest.raises(VenueError, match="nearly"):
                check_capabilities(kind())


def test_names_unlike_any_capability_are_a_venues_own():
    names = (
        "sent",
        "login",
        "disconnect",
        "instruments",
        "snapshot",
        "change",
        "orders",
        "accounts",
        "reset",
        "start",
    )
    check_capabilities(type("Rich", (Plain,), {name: lambda self: None for name in names})())


def test_absence_is_the_default_of_every_capability():
    assert all(
        one.default in (None, True) or one.name == "simulated" for one in fields(Capabilities)
    )


def test_a_session_does_not_begin_at_a_venue_that_hides_a_capability():
    with pytest.raises(VenueError, match="another object's"):
        session_of(Passed(exchange_of()), warm_s=0)


def test_what_somebody_cannot_do_without_is_named():
    with pytest.raises(VenueError, match="a venue that repeats executions; received tiny"):
        needed(TinyVenue().capabilities.executions, "repeats executions", "tiny")


def test_a_way_that_cannot_break_is_up():
    class Cut:
        up = False

        def fileno(self) -> int:
            return -1

        def poll(self, seconds: float = 0.0) -> bool:
            return False

    link: Connected = Cut()
    executions: TellsExecutions = exchange_of()
    assert Capabilities(executions=executions).up
    assert not Capabilities(connection=link).up
