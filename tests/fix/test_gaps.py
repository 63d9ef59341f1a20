"""Links that break: nothing is lost, nothing comes twice, no command is repeated."""

import pytest
from tests.fix.relay import Relay
from tests.parts import whole

from certify.tiny import STAYS, WAY_NS
from tercel.core.errors import VenueError
from tercel.core.orders import (
    ExecType,
    LinkStatus,
    MarketRows,
    NewOrder,
    OrdStatus,
    Report,
    StatusRequest,
    Tif,
)
from tercel.fix.client import FixVenue
from tercel.fix.connection import WaitLimits

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


def test_fills_while_the_line_is_cut_come_afterwards_each_once(relay, connect, profile):
    other, stays = connect("B"), profile(STAYS)
    with FixVenue(
        "127.0.0.1",
        relay.port,
        "A",
        profile=stays,
        follow=True,
        reset=True,
        patience=WaitLimits(step_s=10.0),
    ) as cut:
        cut.subscribe("TINY")
        cut.send(buy("a", 6, 100))
        first = []
        while not any(isinstance(event, Report) for event in first):
            step(other)
            first += cut.step(0)
        relay.cut()
        (down,) = until(cut, lambda event: isinstance(event, LinkStatus))
        assert not down.up
        with pytest.raises(VenueError, match="link"):
            cut.send(buy("lost"))
        for n in range(3):
            other.send(buy(f"s{n}", 2, 100, side=-1, account="B"))
            until(
                other,
                lambda event, n=n: (
                    isinstance(event, Report)
                    and event.cl_ord_id == f"s{n}"
                    and whole(event.cum_qty) == 2
                ),
            )
        heard = []
        for _ in range(200):
            step(other)
            heard += cut.step(0)
            if sum(isinstance(event, Report) for event in heard) == 3 and any(
                isinstance(event, MarketRows) for event in heard
            ):
                break
        assert [event.up for event in heard if isinstance(event, LinkStatus)] == [True]
        fills = [event for event in heard if isinstance(event, Report)]
        assert [(fill.cl_ord_id, whole(fill.cum_qty), whole(fill.last_qty)) for fill in fills] == [
            ("a", 2, 2),
            ("a", 4, 2),
            ("a", 6, 2),
        ]
        assert len({fill.exec_id for fill in fills}) == 3
        books = [event for event in heard if isinstance(event, MarketRows)]
        assert books[0].snapshot, "the book begins anew"


def test_a_command_that_the_venue_never_got_is_not_repeated(relay):
    with FixVenue("127.0.0.1", relay.port, "A", patience=WaitLimits(step_s=10.0)) as venue:
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
