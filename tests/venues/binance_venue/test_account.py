"""The account: balances to the last 1e-8 with fees in the base asset, others' hands, halts, restarts, gaps."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.exchange.binance.conftest import ACCOUNT
from tests.venues.binance_venue.conftest import Served
from tests.waiting import until

from exchange.binance.limits import RateLimits
from tercel.core import orders as o
from tercel.core.errors import VenueError
from tercel.core.fixed_point import ONE
from tercel.venues.binance_venue import account_watch
from tercel.venues.binance_venue.venue import BinanceVenue

Serve = Callable[..., Served]


def hear(
    venue: BinanceVenue, holds: Callable[[list[o.VenueEvent]], object], what: str = "a word"
) -> list[o.VenueEvent]:
    heard: list[o.VenueEvent] = []

    def turn() -> object:
        heard.extend(venue.step(venue.now_ns + 10**8))
        return holds(heard)

    until(turn, what=what)
    return heard


def said(heard: list[o.VenueEvent], words: str) -> list[o.Unread]:
    return [one for one in heard if isinstance(one, o.Unread) and words in one.why]


def of(heard: list[o.VenueEvent], kind: o.ExecType) -> list[o.Report]:
    return [one for one in heard if isinstance(one, o.Report) and one.exec_type is kind]


def order(
    venue: BinanceVenue,
    name: str,
    lots: int,
    price: int | None = None,
    side: int = 1,
    tif: o.Tif = o.Tif.IOC,
) -> None:
    symbol = venue.listings()[0].instrument
    venue.send(o.NewOrder(name, symbol, side, lots, price, tif, "ann", "p", venue.now_ns))


def test_a_balance_that_changes_by_somebody_elses_hand_is_told(served: Serve) -> None:
    one = served()
    venue = one.venue()
    one.engine.deposit(ACCOUNT, "USDT", -5 * ONE)
    held = venue.ledger.reported["USDT"] - 5 * ONE
    heard = hear(
        venue,
        lambda heard: said(heard, "somebody else's hand") and venue.ledger.reported["USDT"] == held,
    )
    assert "-5 USDT" in said(heard, "somebody")[0].why
    assert venue.ledger.differences() == {}


def test_a_balance_that_nothing_explains_is_told_once(
    served: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_watch, "AGAIN_S", 0.1)
    one = served()
    venue = one.venue()
    one.engine.account(ACCOUNT).balances.free["USDT"] -= 7
    venue._watch.schedule_all()
    heard = hear(venue, lambda heard: said(heard, "do not explain"))
    assert "USDT" in said(heard, "explain")[0].why
    venue._watch.schedule_all()
    asked = one.server.requests
    heard = hear(venue, lambda _: one.server.requests > asked + 2)
    assert not said(heard, "explain")


def test_another_program_with_the_same_key_is_noticed_and_left_alone(served: Serve) -> None:
    one = served()
    ours, others = one.venue(), one.venue()
    others.subscribe("CSCOUSDT")
    bid = hear(others, lambda heard: any(isinstance(each, o.MarketRows) for each in heard))
    rows = next(each for each in bid if isinstance(each, o.MarketRows)).rows
    low = int(rows[rows[:, o.M_SIDE] == 1, o.M_PRICE].min())
    order(others, "theirs", 50, low, tif=o.Tif.DAY)
    hear(others, lambda heard: of(heard, o.ExecType.NEW))
    heard = hear(ours, lambda heard: said(heard, "not sent here"))
    assert not of(heard, o.ExecType.NEW)
    ours.send(o.MassCancel("m", "ann", "", ours.now_ns))
    ours.send(o.StatusRequest("nothing", "ann", ours.now_ns))
    hear(ours, lambda heard: of(heard, o.ExecType.STATUS))
    assert len(one.engine.account(ACCOUNT).living) == 1


def test_a_symbol_that_halts_or_changes_takes_no_orders(
    served: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = served()
    venue = one.venue()
    rules = one.engine.rules["CSCOUSDT"]
    was = type(rules).info
    for status, changed, words in (
        ("HALT", {}, "is HALT"),
        ("TRADING", {"stepSize": "2.00000000"}, "another tick or lot"),
    ):

        def told(
            self: Any, _: str, status: str = status, changed: dict[str, str] = changed
        ) -> dict[str, Any]:
            found = was(self, status)
            for each in found["filters"]:
                each |= {key: value for key, value in changed.items() if key in each}
            return found

        monkeypatch.setattr(type(rules), "info", told)
        venue._watch.schedule_all()
        hear(venue, lambda heard, words=words: said(heard, words))  # type: ignore[misc]
        order(venue, f"n{status}", 5)
        (refused,) = of(
            hear(venue, lambda heard: of(heard, o.ExecType.REJECTED)), o.ExecType.REJECTED
        )
        assert "does not trade" in refused.text


def test_an_order_of_a_process_that_died_is_found_again(served: Serve, tmp_path: Path) -> None:
    """Executions are told as they were, what stands is known by its name, and what never left is not."""
    one = served()
    before = one.venue(tmp_path)
    before.subscribe("CSCOUSDT")
    rows = next(
        each
        for each in hear(before, lambda heard: any(isinstance(x, o.MarketRows) for x in heard))
        if isinstance(each, o.MarketRows)
    ).rows
    low = int(rows[rows[:, o.M_SIDE] == 1, o.M_PRICE].min())
    order(before, "rests", 50, low, tif=o.Tif.DAY)
    order(before, "takes.1", 60)
    heard = hear(
        before,
        lambda heard: (
            of(heard, o.ExecType.NEW)
            and any(x.leaves_qty == 0 for x in of(heard, o.ExecType.TRADE))
        ),
    )
    trades = of(heard, o.ExecType.TRADE)
    order(before, "lost", 50, low, tif=o.Tif.DAY)
    before.close()  # its answer was never read
    after = one.venue(tmp_path)
    again = after.executions("ann")
    assert [(x.exec_id, x.last_qty, x.last_px, x.cum_qty) for x in again] == [
        (x.exec_id, x.last_qty, x.last_px, x.cum_qty) for x in trades
    ]
    assert after.executions("ann", trades[0].exec_id) == again[1:]
    for name, status in (
        ("rests", o.OrdStatus.NEW),
        ("lost", o.OrdStatus.NEW),
        ("takes.1", o.OrdStatus.FILLED),
    ):
        after.send(o.StatusRequest(name, "ann", after.now_ns))
        heard = hear(after, lambda heard: of(heard, o.ExecType.STATUS))
        told = [x for x in of(heard, o.ExecType.STATUS) if x.cl_ord_id == name]
        assert told[-1].status is status
    after.send(o.MassCancel("m", "ann", "", after.now_ns))
    hear(
        after,
        lambda heard: {x.cl_ord_id for x in of(heard, o.ExecType.CANCELED)} == {"rests", "lost"},
    )
    assert not one.engine.account(ACCOUNT).living
    assert after.ledger.differences() == {}
    with pytest.raises(VenueError):
        after.executions("ann", "none such")


def test_too_many_orders_are_held_back(served: Serve) -> None:
    one = served(
        limits=RateLimits(
            weight=10**6, orders=5, orders_a_day=10**6, requests=10**6, messages=10**5
        )
    )
    venue = one.venue()
    for n in range(12):
        order(venue, f"n{n}", 1, 1, tif=o.Tif.DAY)
        hear(
            venue,
            lambda heard, n=n: any(
                isinstance(x, o.Report) and x.cl_ord_id == f"n{n}" for x in heard
            ),
        )  # type: ignore[misc]
    assert one.server.usage.refused[429] <= 1


def test_terms_of_orders_are_those_asked_for(
    served: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = served()
    venue, sent = one.venue(post_only=True), list[dict[str, Any]]()
    socket = venue._channel.socket
    assert socket is not None
    monkeypatch.setattr(
        socket, "send", lambda message: sent.append(json.loads(json.dumps(message)))
    )
    order(venue, "a", 5, 1500, tif=o.Tif.DAY)
    order(venue, "b", 5, 1500)
    order(venue, "c", 5)
    kinds = [
        (one["params"]["type"], one["params"].get("timeInForce"), one["params"].get("price"))
        for one in sent
    ]
    assert kinds == [
        ("LIMIT_MAKER", None, "15.00000000"),
        ("LIMIT", "IOC", "15.00000000"),
        ("MARKET", None, None),
    ]
    assert all(one["params"]["selfTradePreventionMode"] == "EXPIRE_MAKER" for one in sent)
