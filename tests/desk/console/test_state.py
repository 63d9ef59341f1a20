"""Rows of agents: who may trade, with what share, in what money; and sums that keep no list."""

import pytest
from tests.desk.console.desks import S, a_session, report
from tests.desk.trading.random_journals import Story

from tercel.core.fixed_point import ONE
from tercel.core.ports import Entry
from tercel.core.serialization import to_jsonable
from tercel.core.stats.mean_intervals import WeightedSums, weighted_interval
from tercel.desk.console.desk_fold import MOST_OVER
from tercel.desk.console.state import DeskState
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.codec import entry_in
from tercel.desk.trading.journal.memory import MemoryJournal
from tercel.execution.policies.card import read_card
from tercel.execution.policies.folder import CARD
from tercel.execution.policies_packaged import folder_of, packaged_names

LISTED = {"AAA": {"tick": 0.01, "lot": 100, "currency": "USD", "fees": [0, 0, 0, 0]}}


def page(entries, journal=None):
    state = DeskState(journal)
    for seq, entry in enumerate(entries, 1):
        state.apply(seq, entry)
    return to_jsonable(state.report())


def agents(shown):
    return {row["name"]: row for row in shown["agents"]}


def test_a_killed_agent_has_no_share_and_the_others_have_it() -> None:
    before = agents(page(a_session()))
    assert (before["ppo"]["share"], before["peg"]["share"]) == ({"AAA": 0.4}, {"AAA": 0.6})
    kill = {"event": "latched", "scope": "ppo", "by": "ann", "reason": "it misbehaves", "open": 0}
    killed = [*a_session(), Entry(kinds.KILL, 20 * S, agent="ppo", body=kill)]
    after = agents(page(killed))
    assert (after["ppo"]["share"], after["peg"]["share"]) == ({"AAA": 0.0}, {"AAA": 1.0})
    assert (after["ppo"]["state"], after["peg"]["state"]) == ("killed", "active")
    assert "it misbehaves" in after["ppo"]["reason"]
    *_, last = page(killed)["share_points"]
    assert last == {"ns": 20 * S, "instrument": "AAA", "shares": {"ppo": 0.0, "peg": 1.0}}
    said = {"event": "paused", "by": "ann", "reason": "news", "parents": []}
    held = [*killed, Entry(kinds.HOLD, 21 * S, agent="peg", body=said)]
    assert [one["shares"] for one in page(held)["share_points"]][-1] == {"ppo": 0.0, "peg": 0.0}
    armed = [
        *held,
        Entry(
            kinds.REARM, 22 * S, agent="ppo", body={"scope": "ppo", "by": "ann", "reason": "fine"}
        ),
    ]
    assert [one["shares"] for one in page(armed)["share_points"]][-1] == {"ppo": 1.0, "peg": 0.0}


def test_an_agents_row_says_what_it_does_and_may_do() -> None:
    weights = read_card(folder_of(packaged_names()[0]) / CARD).weights_sha256[:12]
    entries = a_session()
    entries[0] = Entry(kinds.SESSION, S, body={**entries[0].body, "listings": LISTED})
    entries[2] = Entry(
        kinds.PARENT, S, "AAA", "ppo", "p1", body={**entries[2].body, "model": weights}
    )
    for intent in (
        [0] * 10,
        [3, 9, 0, 0, 1] + [0] * 5,
        [0, 0, 9, 0, 1, 0, 4, 0, 0, 0],
        [2, 0, 9, 0, 1, 0, 4, 0, 0, 0],
    ):
        entries.append(
            Entry(kinds.DECISION, 11 * S, "AAA", "ppo", "p1", body={"n": 1, "intent": intent})
        )
    entries.append(Entry(kinds.MARKET, 12 * S, "AAA", body={"bid": 1001, "ask": 1003}))
    shown = page(entries)
    row = agents(shown)["ppo"]
    assert {one["what"]: one["n"] for one in row["actions"]} == {
        "wait": 2,
        "take": 1,
        "rest": 1,
        "take and rest": 1,
    }
    assert row["model"] == weights
    assert row["capital"] == {"used": 450.0, "of": 500.0}
    assert row["posture"]["AAA"]["urgency"] == 0.3
    [money] = row["money"]
    assert (money["currency"], money["open"], money["net"]) == (
        "USD",
        20 * 2 * 1.0,
        20 * 1002 * 1.0,
    )
    assert shown["freshness"]["marks"] == {"AAA": 0.0}
    assert shown["freshness"]["forecasts"] == {"AAA": 11.0}
    peg = agents(shown)["peg"]
    assert (peg["low_bps"], peg["high_bps"]) == (
        peg["is_bps"] - peg["half_bps"],
        peg["is_bps"] + peg["half_bps"],
    )
    assert peg["model"] == ""


def test_sums_have_the_interval_of_the_list() -> None:
    story, sums, kept = Story(1).draw, WeightedSums(), []
    for _ in range(300):
        if kept and story.random() < 0.3:
            sums.add(*kept.pop(story.randrange(len(kept))), -1)
        else:
            kept.append((story.uniform(-50, 50), story.choice([0.0, 1e-3, 5e6])))
            sums.add(*kept[-1])
        counted = [(value, weight) for value, weight in kept if weight]
        expected = weighted_interval(
            [value for value, _ in counted], [weight for _, weight in counted]
        )
        for one, other in zip(sums.interval(), expected, strict=True):
            assert one == (None if other is None else pytest.approx(other, rel=1e-9))


@pytest.mark.parametrize("seed", range(6))
def test_the_page_is_the_same_when_what_is_over_leaves_memory(seed: int) -> None:
    story = Story(seed)
    for _ in range(1500):
        story.step()
    journal = MemoryJournal(chained=False)
    journal.append(story.entries)
    whole, lean = page(story.entries), page(story.entries, journal)
    assert lean == whole
    state = DeskState(journal)
    for seq, entry in enumerate(story.entries, 1):
        state.apply(seq, entry)
    assert state.ledger.past is not None
    assert len(state.ledger.past) > 0
    assert len(whole["parents"]) <= MOST_OVER + whole["summary"]["live"]


def test_a_corrected_analysis_takes_the_place_of_the_first() -> None:
    def analysed(bps: float) -> Entry:
        return Entry(
            kinds.TCA, 9 * S, "AAA", "ann", "p9",
            body={"is_bps": bps, "spread_bps": 1.0, "timing_bps": bps - 1, "filled": 10, "unfilled": 0.5, "refused": 1,
                  "notional": 100.0},
        )  # fmt: skip

    state = page([analysed(3.0), analysed(5.0)])
    row = agents(state)["ann"]
    assert (row["is_bps"], row["parents"]) == (5.0, 1)
    assert row["parts"] == {"spread": 1.0, "walk": 0.0, "timing": 4.0, "forced": 0.0, "fees": 0.0}
    assert (state["summary"]["unfilled"], state["summary"]["refused"]) == (0.5, 1)


def test_a_bust_takes_fills_and_lots_away() -> None:
    from dataclasses import replace

    from tercel.core.orders import ExecType

    bust = replace(
        report("e2", 0, 12 * S), exec_type=ExecType.BUSTED, ref="e1", cum_qty=0, leaves_qty=50 * ONE
    )
    row = agents(page([*a_session(), entry_in(bust, "p1")]))["ppo"]
    assert (row["fills"], row["lots"]) == (0, 0)
