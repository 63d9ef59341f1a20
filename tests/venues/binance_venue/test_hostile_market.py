"""Whatever a server says of the market: no order on an old book, people hear of it soon, and all is well soon after."""

from pathlib import Path
from typing import Any

import pytest
from tests.venues.binance_venue.hostile import (
    AGE_S,
    AGENT,
    Desk,
    Lie,
    crossed,
    depths,
    drawn,
    first_ahead,
    late,
    level,
    levels,
    listed,
    once,
    own_trades,
    result,
    shifted,
    snapshots,
    tick,
    trades,
)

ALERT_S, RECOVERED_S = 5.0, 30.0
CASES = 60
TICKS = ("0", "NaN", "1e30")
FIRST = (2, 8, 13, 15, 22)
"""Generated cases of the first tier: of ids, snapshots, times and levels."""
SEEN = {
    "one update 10^9 ahead": Lie("", once(depths(shifted(10**9)))),
    "the last id of one update 10^9 ahead": Lie("", once(depths(shifted(10**9, first=False)))),
    "the last id of one update 10^6 ahead": Lie("", once(depths(shifted(10**6, first=False)))),
    "crossed for ten seconds": Lie("", crossed(900)),
    "one update dated an hour ahead": Lie(
        "", once(depths(lambda _, told: told | {"E": told["E"] + 3_600_000}))
    ),
    "all six seconds late": Lie("", late(6.0), seconds=15.0),
    "five seconds late, dated nine ahead": Lie("", late(5.0, 9000), seconds=15.0),
    "five seconds late after one dated 0.9 s ahead": Lie(
        "", first_ahead(900, late(5.0)), seconds=15.0
    ),
    "five seconds late after one dated 9.9 s ahead": Lie(
        "", first_ahead(9900, late(5.0)), seconds=15.0
    ),
    "sizes of 2^30 lots": Lie("", depths(levels(["90.00", "1073741.824"]))),
    "snapshots 10^9 ahead": Lie(
        "",
        answer=snapshots(
            lambda server, told: result(lastUpdateId=server.last + 10**9)(server, told)
        ),
        gap=True,
        seconds=6.0,
    ),
    "levels all taken off": Lie(
        "",
        depths(
            lambda server, told: (
                told
                | {s: told[s] + [level(p, 0) for (of, p) in server.book if of == s] for s in "ba"}
            )
        ),
    ),
}


REPORTS = {"n": ("NaN", "1e30"), "t": (-1, True), "i": (2**70,)}


def held_to_the_bars(desk: Desk, lie: Lie) -> None:
    """Lie for a while, and hold what the desk does against what is true."""
    desk.run(8.0)
    assert desk.sees(0.0)
    assert desk.passed
    server, began = desk.server, desk.clock.s
    server.bend, server.bend_answer = lie.bend, lie.answer
    if lie.gap:
        server.last += 7
    blind_s = wrong_s = 0.0
    while desk.clock.s < began + lie.seconds:
        desk.turn()
        # A side without prices, or prices that were never true, or are too old: no desk can trade on that.
        blind_s = 0.0 if desk.sees() else blind_s + 0.1
        wrong_s = max(wrong_s, blind_s)
    server.bend = server.bend_answer = None
    behaves = desk.clock.s
    desk.run(
        RECOVERED_S,
        lambda: desk.sees(0.0) and desk.clock.s - behaves > 1.0 and desk.passed[-1] == desk.clock.s,
    )
    assert not desk.stale, "an order left on a book that is older than its limit"
    assert desk.sees(0.0), "the book is not back"
    assert desk.passed[-1] == desk.clock.s, f"no order passes: {desk.denials[-1]}"
    alerts = desk.alerts(began)
    if wrong_s >= ALERT_S:
        soon = desk.alerts(began, began + lie.seconds - wrong_s + AGE_S + ALERT_S)
        assert soon, f"nobody heard of it: {desk.denials[-5:]}"
    assert len(alerts) <= 4 + lie.seconds / 10, f"{len(alerts)} alerts"
    desk.run(3.0)
    assert desk.sees(0.0)


@pytest.mark.parametrize("name", SEEN)
def test_what_once_froze_a_book_is_dropped_told_and_mended(tmp_path: Path, name: str) -> None:
    desk = Desk(tmp_path, 0)
    held_to_the_bars(desk, SEEN[name])
    assert desk.alerts(8.0, 8.0 + ALERT_S + (6.0 if "late" in name else 0.0))
    if "late" not in name:
        assert [s for s, method, _ in desk.server.asked if method == "depth" and s > 8.0], (
            "it began anew"
        )


@pytest.mark.parametrize(
    ("field", "said"), [(key, said) for key, all_ in REPORTS.items() for said in all_]
)
def test_own_reports_that_cannot_be_read_are_told_and_asked_about_once_a_minute(
    tmp_path: Path, field: str, said: Any
) -> None:
    desk = Desk(tmp_path, 3)
    desk.run(5.0)
    desk.server.bend = own_trades(**{field: said})
    desk.run(20.0)
    assert len(desk.alerts(5.0)) == 1
    assert 1 <= len([s for s, method, _ in desk.server.asked if method == "order.status"]) <= 5
    assert desk.passed[-1] == desk.clock.s
    desk.server.bend = None
    desk.run(41.0)
    assert [s for s, method, _ in desk.server.asked if method == "order.status"][-1] > 60.0, (
        "and of what came later"
    )


def test_a_report_dated_ahead_makes_nothing_old(tmp_path: Path) -> None:
    desk = Desk(tmp_path, 3)
    desk.run(5.0)
    desk.server.bend = own_trades(X="FILLED", t=7, T=desk.server.ms + 4000)
    desk.run(0.3)
    desk.server.bend = None
    assert desk.venue.tracker.executions[AGENT]
    assert desk.venue.now_ns <= desk.clock.ns
    desk.run(1.0)
    assert desk.passed[-1] == desk.clock.s


@pytest.mark.parametrize(
    "wrong", [{"status": "BREAK"}, {"symbol": "ZZZ"}, *({"filters": tick(one)} for one in TICKS)]
)
def test_a_symbol_that_was_called_halted_trades_again_within_a_minute(
    tmp_path: Path, wrong: dict[str, Any]
) -> None:
    desk = Desk(tmp_path, 3)
    desk.run(5.0)
    desk.server.bend_answer = listed(wrong)
    desk.venue._watch._rules_due_s = desk.clock.s
    for n in range(700):
        desk.turn(trades=False)
        desk.server.last += 7 * (n == 15)
    assert desk.follower.halted, "a book that began anew trades no more than before"
    desk.server.bend_answer, behaves = None, desk.clock.s
    while desk.follower.halted and desk.clock.s < behaves + 62.0:
        desk.turn(trades=False)
    assert not desk.follower.halted
    desk.run(0.5)
    assert desk.passed[-1] == desk.clock.s


def test_a_book_that_is_lost_allows_no_order_from_that_moment_on(tmp_path: Path) -> None:
    desk = Desk(tmp_path, 2)
    desk.run(5.0)
    desk.server.last += 7
    desk.server.bend_answer = snapshots(lambda server, told: None)
    lost = desk.run(5.0) - 5.0
    assert max(desk.passed) <= lost + 0.11
    assert desk.denials[-1] == "BAD_REFERENCE"


def test_trades_go_on_after_one_that_was_numbered_and_dated_far_ahead(tmp_path: Path) -> None:
    desk = Desk(tmp_path, 1)
    desk.run(3.0)
    desk.server.bend = trades(t=10**9, T=desk.server.ms + 3_600_000)
    desk.run(0.3)
    desk.server.bend = None
    before = desk.follower.tallies(desk.venue.now_ns)
    desk.run(3.0)
    assert sum(desk.follower.tallies(desk.venue.now_ns)[1:3]) > sum(before[1:3])


def test_own_reports_make_no_book_young(tmp_path: Path) -> None:
    """A stream that is silent while orders are acknowledged: what they change says nothing of all else."""
    desk = Desk(tmp_path, 1)
    desk.run(4.0)
    desk.server.bend = lambda server, message: []
    silent = desk.run(8.0) - 8.0
    assert [s for s in desk.passed if s > silent]
    assert max(desk.passed) <= silent + AGE_S + 0.2
    assert desk.denials[-1] == "STALE_REFERENCE"


def test_a_server_whose_snapshots_never_fit_is_asked_less_and_less(tmp_path: Path) -> None:
    desk = Desk(tmp_path, 1)
    desk.server.bend_answer = snapshots(result(lastUpdateId=1))
    desk.run(60.0)
    asked = [s for s, method, _ in desk.server.asked if method == "depth"]
    assert 4 <= len(asked) <= 10
    assert 2 <= desk.server.renewed <= len(asked)
    assert len(desk.alerts(0.0)) == 1
    assert not desk.passed


def test_a_market_that_lies_every_six_seconds_is_told_once_a_minute(tmp_path: Path) -> None:
    desk = Desk(tmp_path, 1)
    for _ in range(9):
        desk.run(6.0)
        desk.server.bend = once(depths(shifted(10**9)))
    assert len([one for one in desk.alerts(0.0) if one["code"] == "unreadable"]) == 1


@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(
            n, marks=[] if n in FIRST else pytest.mark.long, id=f"{n}-{drawn(n).says}"[:60]
        )
        for n in range(CASES)
    ],
)
def test_a_drawn_lie_is_held_to_the_same_bars(tmp_path: Path, seed: int) -> None:
    held_to_the_bars(Desk(tmp_path, seed), drawn(seed))
