"""Links that break: nothing is lost, nothing comes twice, no command is repeated."""

import pytest
from tests.fix.relay import Relay

from certify.tiny import WAY_NS
from tercel.core.link.connection import WaitLimits
from tercel.core.orders import (
    ExecType,
    LinkStatus,
    NewOrder,
    OrdStatus,
    Report,
    StatusRequest,
    Tif,
)
from tercel.fix.opening import open_fix_venue

T0 = 10**18


@pytest.fixture
def relay(port, serve):
    serve()
    made = Relay(port)
    yield made
    made.close()


def buy(name, lots=2, price=97, side=1, account="A"):
    return NewOrder(name, "TINY", side, lots, price, Tif.DAY, account, "", T0)


def step(venue):
    return venue.step(venue.now_ns + 10 * WAY_NS)


def until(venue, fits):
    """Step until something fits; everything that came."""
    events = []
    for _ in range(400):
        events += step(venue)
        if any(fits(event) for event in events):
            return events
    raise AssertionError(events)


def test_a_command_that_the_venue_never_got_is_not_repeated(relay):
    with open_fix_venue("127.0.0.1", relay.port, "A", patience=WaitLimits(step_s=10.0)) as venue:
        step(venue)
        relay.deaf = True  # what leaves from here on is lost on the way
        venue.send(buy("lost"))
        relay.drain()
        relay.cut()
        relay.deaf = False
        heard = until(
            venue,
            lambda event: isinstance(event, LinkStatus) and "lost did not reach" in event.text,
        )
        assert not [event for event in heard if isinstance(event, Report)]
        venue.send(StatusRequest("lost", "A", T0))
        (status,) = until(venue, lambda event: isinstance(event, Report))
        assert (status.exec_type, status.status) == (ExecType.STATUS, OrdStatus.UNKNOWN)
