"""A server that says to wait: it is believed for a while, then tried; a kill tries at once, and nobody floods."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, strategies as st
from tests.venues.binance_venue.hostile import DAY_MS, Desk, Server, late, refused

from tercel.core.errors import VenueError
from tercel.desk.trading.journal import kinds
from tercel.venues.binance_venue.weight_budget import WeightBudget

WEEK_S = 7 * 86_400.0


def banned(server: Server, method: str, told: dict[str, Any]) -> dict[str, Any]:
    later = {"serverTime": server.ms, "retryAfter": server.ms + round(WEEK_S * 1000)}
    return {
        "id": told["id"],
        "status": 418,
        "error": {"code": -1003, "msg": "Way too much.", "data": later},
    }


def asked(desk: Desk, method: str, since_s: float) -> list[float]:
    return [s for s, name, _ in desk.server.asked if name == method and s >= since_s]


@pytest.mark.parametrize("longest_s", [60.0, 20.0])
def test_a_week_of_ban_silences_no_kill_and_is_tried_again(
    tmp_path: Path, longest_s: float
) -> None:
    desk = Desk(tmp_path, 3, longest_wait_s=longest_s)
    desk.run(5.0)
    desk.server.bend_answer = banned
    began = desk.run(1.0)
    assert "418" in desk.gateway.venue._channel.budget.block_reason  # type: ignore[attr-defined]
    desk.latch.kill("enough", "ann", desk.venue.now_ns)
    desk.run(0.3)
    first = asked(desk, "order.cancel", began)
    assert len(first) == 1, "a kill tries at once"
    desk.run(4 * longest_s + 5.0)
    requests = [s for s, _, _ in desk.server.asked if s >= began]
    assert 4 <= len(requests) <= 2 * 5 + 1, "and does not flood"
    told = [one for one in desk.alerts(began) if one["code"] == kinds.SEND_FAILED]
    assert 1 <= len(told) <= 3 * (4 * longest_s + 6.0) / 60.0 + 4, "one alert for many tries"
    desk.server.bend_answer = None
    behaves = desk.clock.s
    desk.run(longest_s + 10.0, lambda: not desk.gateway.ledger.orders.live())
    assert not desk.gateway.ledger.orders.live(), "what is open is over"
    assert desk.clock.s - behaves <= longest_s + 5.0


def test_a_week_of_too_many_orders_is_believed_for_a_minute(tmp_path: Path) -> None:
    desk = Desk(tmp_path, 4)
    desk.run(3.0)

    def full(server: Server, method: str, told: dict[str, Any]) -> dict[str, Any]:
        if method != "order.place":
            return told
        later = {"serverTime": server.ms, "retryAfter": server.ms + 7 * DAY_MS}
        return {
            "id": told["id"],
            "status": 429,
            "error": {"code": -1015, "msg": "Too many orders.", "data": later},
        }

    desk.server.bend_answer = full
    desk.run(1.0)
    desk.server.bend_answer = None
    desk.run(70.0, lambda: bool(desk.follower.quotes.bid) and not desk.venue._channel.orders_held)
    assert not desk.venue._channel.orders_held


@pytest.mark.parametrize("used", [60_000, 6000])
def test_a_weight_that_cannot_be_is_forgotten_within_a_minute(used: int) -> None:
    now = [0.0]
    budget = WeightBudget(6000, lambda: now[0])
    budget.take_reported(60_001)
    assert budget.fits(1), "more than ten times the limit is none"
    budget.take_reported(used)
    assert not budget.fits(1)
    budget.spend(1, urgent=True)
    with pytest.raises(VenueError):
        budget.spend(1, urgent=True)
    now[0] = 61.5
    assert budget.used <= 1
    budget.spend(1)


@given(
    st.floats(1, 1e9), st.floats(1, 600),
    st.lists(st.tuples(st.floats(0.01, 300), st.booleans(), st.booleans()), max_size=40),
)  # fmt: skip
@example(4.0, 2.0, [(1.0, False, False), (1.0, True, False), (1.0, True, False)])
def test_however_long_a_ban_is_said_to_be_few_requests_leave(
    said_s: float, longest_s: float, tries: list[tuple[float, bool, bool]]
) -> None:
    """Against a word that stands at most one request and one kill leave in each `longest_s`; an answer ends it."""
    now = [0.0]
    budget = WeightBudget(6000, lambda: now[0], longest_s)
    budget.block(said_s, "status 418")
    left: dict[bool, list[float]] = {False: [], True: []}
    for wait, urgent, answered in tries:
        now[0] += wait
        try:
            budget.spend(1, urgent)
        except VenueError:
            assert budget.wait_s <= longest_s
            continue
        if now[0] < said_s:
            assert budget.wait_s >= longest_s * 0.999, "the others wait for what becomes of it"
            left[urgent].append(now[0])
            if answered:
                budget.clear_block(now[0])
                assert not budget.wait_s
                return
            budget.block(max(said_s - now[0], 0.0), "status 418")
    every = sorted(left[False] + left[True])
    assert all(
        later >= one + longest_s for one, later in zip(left[True], left[True][1:], strict=False)
    )
    assert len(every) <= 2 * (now[0] / longest_s + 1)


@pytest.mark.parametrize(
    "ahead_ms",
    [
        2 * DAY_MS,
        -2 * DAY_MS,
        600_000,
        90_000,
        -2500,
    ],
)
def test_a_clock_that_cannot_be_the_venues_is_not_believed(tmp_path: Path, ahead_ms: int) -> None:
    """Its word decides how old a book is, and whether an order never arrived; and no clock here has jumped."""
    desk = Desk(tmp_path, 5)
    desk.run(2.0)

    def wrong(server: Server, method: str, told: dict[str, Any]) -> dict[str, Any]:
        return told | {"result": {"serverTime": server.ms + ahead_ms}} if method == "time" else told

    desk.server.bend_answer, desk.server.bend = wrong, late(6.0)
    desk.venue._watch._clock_due_s = desk.clock.s
    desk.run(7.0)
    assert abs(desk.venue.clock.now_ms() - desk.server.ms) < 1000
    assert any("cannot be" in one["text"] for one in desk.alerts(2.0))
    assert desk.venue._channel.venue_ms <= desk.venue.clock.now_ms()
    assert not desk.stale
    desk.server.bend_answer = desk.server.bend = None
    desk.run(3.0)
    assert desk.passed[-1] == desk.clock.s


def test_a_clock_by_which_the_venue_refuses_is_believed_within_a_day(tmp_path: Path) -> None:
    desk = Desk(tmp_path, 5)
    desk.run(2.0)
    channel, now = desk.venue._channel, desk.server.ms
    desk.server.bend_answer = refused(400, -1021)
    desk.run(0.3)
    desk.server.bend_answer = None
    assert not channel.update_time(now + 2 * DAY_MS, now)
    assert channel.update_time(now + 90_000, now)
    assert not channel.update_time(now + 90_000, now), "once"


@pytest.mark.parametrize("later_ms", [0, -(10**30), 10**400], ids=["now", "long past", "never"])
@pytest.mark.parametrize("killed", [False, True])
def test_a_ban_that_is_over_when_it_is_told_floods_nobody(
    tmp_path: Path, later_ms: int, killed: bool
) -> None:
    desk = Desk(tmp_path, 3)
    desk.run(5.0)
    desk.server.bend_answer = refused(418, -1003, later_ms)
    if killed:
        desk.latch.kill("enough", "ann", desk.venue.now_ns)
    desk.run(60.0)
    assert len([s for s, _, _ in desk.server.asked if s > 5.2]) <= 20, "beside what was on its way"
    desk.server.bend_answer = None
    desk.run(
        130.0,
        lambda: (
            not desk.gateway.ledger.orders.live()
            if killed
            else desk.passed[-1] > desk.clock.s - 1.0
        ),
    )
    assert bool(desk.gateway.ledger.orders.live()) != killed


def test_a_count_that_cannot_be_holds_no_order(tmp_path: Path) -> None:
    desk = Desk(tmp_path, 3)
    desk.run(3.0)
    kinds_of = [
        {"rateLimitType": kind, "count": 10**30, "limit": 50}
        for kind in ("REQUEST_WEIGHT", "ORDERS")
    ]
    desk.server.bend_answer = lambda server, method, told: told | {"rateLimits": kinds_of}
    desk.run(2.0)
    assert desk.passed[-1] == desk.clock.s
