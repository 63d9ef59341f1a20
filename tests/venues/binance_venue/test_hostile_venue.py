"""A venue that is hostile as a whole: stale snapshots, other steps overnight, web pages, a clock put back."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.venues.binance_venue.conftest import Served
from tests.venues.binance_venue.faulty import FaultProxy
from tests.venues.binance_venue.hostile import NAME, Clock, LiedTo, Server as HostileServer
from tests.venues.binance_venue.test_account import hear, of, order, said

from exchange.binance.words import ServerCode
from tercel.core import orders as o
from tercel.core.errors import VenueError
from tercel.venues.binance_venue import ErrorCode
from tercel.venues.binance_venue.account import iter_past_rows
from tercel.venues.binance_venue.channel import ApiAnswer
from tercel.venues.binance_venue.links import LISTEN_KEY
from tercel.venues.binance_venue.rest import RequestRefusedError
from tercel.venues.binance_venue.venue import BinanceVenue

Serve = Callable[..., Served]
NONE = [{}, None, "ok", {"symbols": 5}]
"""What is no answer."""


class Wrong(HostileServer):
    """A server one of whose answers at logon is none."""

    path: str
    body: Any = None

    def ask(self, path: str, *said: Any, **more: Any) -> Any:
        return self.body if path.endswith(self.path) else super().ask(path, *said, **more)


@pytest.fixture
def proxied(served: Serve) -> Iterator[Callable[..., tuple[Served, FaultProxy, BinanceVenue]]]:
    made: list[FaultProxy] = []

    def serve(speed: float = 5.0, **terms: Any) -> tuple[Served, FaultProxy, BinanceVenue]:
        one = served(speed=speed)
        made.append(FaultProxy(one.server.ws_url, one.server.ws_api_url))
        return one, made[-1], one.venue(**made[-1].urls, **terms)

    yield serve
    for one in made:
        one.close()


def logs_on(server: Wrong) -> None:
    LiedTo(server)


def reads_orders(server: Wrong) -> None:
    list(iter_past_rows(server, server.path, NAME, 0, "orderId", "orderId"))


@pytest.mark.parametrize(
    ("path", "asks", "answers"),
    [
        ("/time", logs_on, [[], *NONE]),
        ("/exchangeInfo", logs_on, [[], *NONE]),
        ("/account", logs_on, [[], *NONE]),
        ("/api/v3/allOrders", reads_orders, NONE),
    ],
)
def test_answers_that_are_none_are_refused_in_three_parts(
    path: str, asks: Callable[[Wrong], None], answers: list[Any]
) -> None:
    server = Wrong(Clock(), 1)
    server.path = path
    for server.body in answers:
        with pytest.raises(VenueError) as caught:
            asks(server)
        assert all((caught.value.expected, caught.value.received, caught.value.remedy))


def test_a_symbol_that_is_no_longer_listed_is_told(
    served: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Binance refuses the question about all of them then (-1121)."""
    venue = served().venue()
    ask = venue._channel.ask

    def gone(method: str, params: Any, weight: int, then: Any, **more: Any) -> None:
        if method == "exchangeInfo":
            error = RequestRefusedError(method, ErrorCode.BAD_SYMBOL, "Invalid symbol.", 400)
            then(ApiAnswer(None, error, "", 0, 0))
        else:
            ask(method, params, weight, then, **more)

    monkeypatch.setattr(venue._channel, "ask", gone)
    venue._watch.schedule_all()
    heard = hear(venue, lambda heard: said(heard, "no longer listed"))
    order(venue, "a", 5)
    heard = hear(venue, lambda heard: of(heard, o.ExecType.REJECTED))
    assert "DELISTED" in of(heard, o.ExecType.REJECTED)[0].text


@pytest.mark.parametrize(
    "told", [{"e": "executionReport"}, {"e": "outboundAccountPosition"}, {"e": "balanceUpdate"}]
)
@pytest.mark.parametrize(
    "more",
    [{}, {"s": 5, "i": "x", "c": [], "B": 7, "d": {}, "a": None}, {"B": [5, None, {}], "T": 1}],
)
def test_events_that_make_no_sense_are_told_and_survived(
    proxied: Callable[..., Any], told: Any, more: Any
) -> None:
    _, proxy, venue = proxied()
    for relay in proxy.relays:
        if not relay.market:
            relay.say(json.dumps({"subscriptionId": 0, "event": told | more}))
    hear(venue, lambda heard: any(isinstance(each, o.Unread) for each in heard))
    order(venue, "a", 5)
    hear(venue, lambda heard: of(heard, o.ExecType.TRADE))


def test_a_listen_key_that_is_over_is_made_anew(
    served: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A renewal that is refused says that the stream has been silent: whatever works is asked about."""
    venue = served().venue()
    links = venue._links
    links._listen_key, asked = "k" * 60, list[tuple[str, str]]()

    def refuse(
        path: str, weight: int, params: Any = None, *, signed: bool = False, method: str = "GET"
    ) -> Any:
        asked.append((path, method))
        raise RequestRefusedError(
            path, ServerCode.INVALID_LISTEN_KEY, "This listenKey does not exist.", 400
        )

    monkeypatch.setattr(links._rest, "ask", refuse)
    links._renew_listen_key()
    assert asked == [(LISTEN_KEY, "PUT")]
    assert not venue.up
    heard = hear(
        venue, lambda heard: sum(isinstance(each, o.LinkStatus) and each.up for each in heard)
    )
    assert heard
    assert venue.up


def test_two_desks_with_one_key_hear_of_each_other_once_a_minute(served: Serve) -> None:
    """Each order of the other would be an alert that somebody has to look at."""
    one = served(speed=5.0)
    ours, others = one.venue(), one.venue()
    for n in range(20):
        order(others, f"t{n}", 5)
    hear(
        others,
        lambda heard: sum(report.leaves_qty == 0 for report in of(heard, o.ExecType.TRADE)) >= 20,
    )
    order(ours, "mine", 5)
    heard = hear(ours, lambda heard: of(heard, o.ExecType.TRADE) and len(ours._strangers) >= 20)
    assert len(said(heard, "not sent here")) == 1
    assert {report.cl_ord_id for report in of(heard, o.ExecType.TRADE)} == {"mine"}
    ours._stranger_due_s = 0.0
    order(others, "last", 5)
    heard = hear(ours, lambda heard: said(heard, "not sent here"))
    assert "and 19 before it" in said(heard, "not sent here")[0].why


def test_a_stream_is_left_and_subscribed_to_anew(served: Serve) -> None:
    one = served()
    venue = one.venue()
    venue.subscribe("CSCOUSDT")
    hear(venue, lambda heard: any(isinstance(each, o.MarketRows) for each in heard))
    links, book, asked = venue._links, venue._books["CSCOUSDT"], list[str]()
    socket = links._feed.socket
    send = socket.send
    socket.send = lambda message: (asked.append(message["method"]), send(message))[1]
    links.renew("CSCOUSDT")
    book.lose("the test says so")
    heard = hear(
        venue,
        lambda heard: (
            asked[:2] == ["UNSUBSCRIBE", "SUBSCRIBE"] and book.is_synced and len(heard) > 3
        ),
    )
    cleared, *rows = [each for each in heard if isinstance(each, o.MarketRows)]
    assert not cleared.snapshot
    assert rows[0].snapshot or rows[-1].rows.size
    assert socket is links._feed.socket
