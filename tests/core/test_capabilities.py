"""What a venue declares of itself beyond its port, and what becomes of one that declares something else."""

from dataclasses import fields, replace

import pytest
from tests.desk.trading.desk_of_two import Flaky, exchange_of, session_of

from certify.fix.staffed import StaffedVenue
from certify.tiny import TinyVenue
from tercel.core.capabilities import Capabilities, check_capabilities, require_capability
from tercel.core.errors import VenueError


class Plain:
    """A stranger's venue, as far as the check looks at it."""

    capabilities = Capabilities()


class Passed(Flaky):
    """A wrapper that hands on what the venue inside declares, and has its own."""

    def positions(self, account):
        return {}


def method(self, *words):
    """Any method."""


def kind(name, base=Plain, **members):
    """A class of venues with so many members."""
    return type(name, (base,), members)


def declares(**members):
    """A property: capabilities that the venue itself has."""
    return property(lambda self: Capabilities(**dict.fromkeys(members, self)))


def inside(**changes):
    """A property: what the venue inside declares, but for changes."""
    return property(
        lambda self: replace(
            self._venue.capabilities,
            **{name: self if own else None for name, own in changes.items()},
        )
    )


Taken = kind("Taken", Passed, capabilities=inside(positions=True))
Hides = kind("Hides", Flaky, capabilities=inside(positions=False, executions=False))


@pytest.mark.parametrize(
    ("venue", "received", "remedy"),
    [
        (kind("Undeclared", reconnect=method), "Undeclared.reconnect, and no `reconnects`", "Capabilities(reconnects=self)"),
        (kind("Misspelt", reconect=method), "Misspelt.reconect, nearly `reconnect`", "write `reconnect` and declare it"),
        (kind("Nothing", object, step=method), "Nothing, without `capabilities`", "give it a property `capabilities`"),
        (kind("Nearly", object, step=method, capabilites=Capabilities()),
         "Nearly, without `capabilities` (it has `capabilites`)", "give it a property `capabilities`"),
        (kind("Old", stepped=False), "Old.stepped = False, and capabilities.stepped = True",
         "write `Capabilities(stepped=False)`"),
        (kind("Promised", execution=method, capabilities=declares(executions=True)),
         "capabilities.executions` is a Promised without it (it has `execution`)", "write it, or leave"),
        (kind("NoMethod", disown=True, capabilities=declares(disowns=True)),
         "whose `capabilities.disowns` is a NoMethod without it", "write it, or leave `disowns` out"),
        (kind("Half", width=method, capabilities=declares(depth=True)),
         "whose `capabilities.depth` is a Half without it", "write it, or leave `depth` out"),
        (kind("Silent", request_quotes=method, pass_quotes=method), "and no `quotes`", "Capabilities(quotes=self)"),
        (kind("Asks", request_quotes=method, capabilities=declares(quotes=True)),
         "whose `capabilities.quotes` is a Asks without it", "write it, or leave `quotes` out"),
        (lambda: Passed(exchange_of()), "Passed.positions, and `capabilities.positions` is another object's",
         "write `replace(inner.capabilities, positions=self)`"),
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
        *(Plain, TinyVenue, StaffedVenue, exchange_of),
        kind("Tells", positions=method, capabilities=declares(positions=True)),
        *(lambda kind=kind: kind(exchange_of()) for kind in (Flaky, Taken, Hides)),
    ],
)
def test_a_venue_that_declares_what_it_has_is_taken(venue):
    check_capabilities(venue())


def test_every_misspelling_of_a_capability_by_one_letter_is_found():
    members = (
        "fileno",
        "reconnect",
        "executions",
        "positions",
        "ask_positions",
        "announce",
        "disown",
    )
    for member in members:  # of four letters any word is near
        for at in range(len(member)):
            with pytest.raises(VenueError, match="nearly"):
                check_capabilities(kind("Typo", **{member[:at] + member[at + 1 :]: method})())


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
    check_capabilities(kind("Rich", **dict.fromkeys(names, method))())


def test_absence_is_the_default_of_every_capability():
    assert all(
        one.default in (None, True) or one.name == "simulated" for one in fields(Capabilities)
    )


def test_a_session_does_not_begin_at_a_venue_that_hides_a_capability():
    with pytest.raises(VenueError, match="another object's"):
        session_of(Passed(exchange_of()), warm_s=0)


def test_what_somebody_cannot_do_without_is_named():
    with pytest.raises(VenueError, match="a venue that repeats executions; received tiny"):
        require_capability(TinyVenue().capabilities.executions, "repeats executions", "tiny")


def test_a_way_that_cannot_break_is_up():
    cut = kind("Cut", object, up=False, fileno=method, poll=method)()
    assert Capabilities(executions=exchange_of()).up
    assert not Capabilities(connection=cut).up
