"""Postures and promotions by hand, and paused agents, in the desk's loop: sizes, guidance, ends, refusals."""

from pathlib import Path
from typing import Any

import pytest
from tests.desk.rounds.test_one_after_another import SMALL
from tests.desk.trading.word import Word

from tercel.api.desk.config import parse_config
from tercel.api.simulated_desk import SimulatedMarkets
from tercel.core.messages import Posture, Style
from tercel.core.ports import Entry
from tercel.core.vocabulary import NS_PER_SECOND as S
from tercel.desk.engine.assembly import DeskDependencies, assemble_desk
from tercel.desk.engine.outcome import outcome_of
from tercel.desk.engine.posture_overrides import combine
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.agent_bodies import SetStanceEntry
from tercel.desk.trading.journal.store import SqlJournal
from tercel.desk.trading.ledger import Ledger

LONGER = (
    SMALL.replace("rounds = 1", "rounds = 9")
    + '[[agent]]\nname = "taker"\nstrategy = "twap_take"\n'
)
CALM = Posture("A", 0)
WORRIED = Posture(
    "A", 0, urgency=0.5, max_participation=0.2, styles=Style.JOIN | Style.TAKE, size_multiplier=0.5
)


def stance(instead: bool = False, **words: Any) -> SetStanceEntry:
    return SetStanceEntry(
        event="set", words=words, by="ann", reason="news", instead=instead, until_ns=1
    )


@pytest.mark.parametrize(
    ("risk", "words", "careful"),
    [
        (CALM, {"size_multiplier": 0.25}, (0.0, 1.0, 7, 0.25)),
        (WORRIED, {"size_multiplier": 0.9, "max_participation": 0.9, "styles": 7, "urgency": 0.1}, (0.5, 0.2, 5, 0.5)),
        (WORRIED, {"size_multiplier": 0.0, "max_participation": 0.1, "styles": 1, "urgency": 0.9}, (0.9, 0.1, 1, 0.0)),
        (WORRIED, {"styles": 2}, (0.5, 0.2, 1, 0.5)),
    ],
)  # fmt: skip
def test_what_one_person_sets_is_never_less_careful_than_what_risk_says(
    risk: Posture, words: dict[str, Any], careful: tuple[float, float, int, float]
) -> None:
    found = combine(risk, stance(**words))
    assert (
        found.urgency,
        found.max_participation,
        int(found.styles),
        found.size_multiplier,
    ) == careful
    assert found.reasons[-1] == "set by ann: news"
    instead = combine(risk, stance(True, **words))
    for name, value in words.items():
        assert getattr(instead, name) == value


class Placed:
    """A small desk over a journal in a folder, and a person's word to it."""

    def __init__(self, folder: Path, exchange: Any = None, text: str = LONGER) -> None:
        config = parse_config(text, "desk.toml")
        self.exchange = exchange or SimulatedMarkets().exchange(config)
        self.journal = SqlJournal(folder)
        self.opened = assemble_desk(config, self.journal, DeskDependencies(self.exchange))
        self.desk, self.session = self.opened, self.opened.session
        self.say = Word(self.session, folder)
        self.desk.begin()

    def entries(self, *wanted: str) -> list[Entry]:
        return [entry for _, entry in self.journal.read(kinds=wanted)]

    def parents(self) -> list[Any]:
        return [one for one in self.entries(kinds.PARENT) if one.body["event"] == "accepted"]


def test_a_size_of_nothing_stops_new_parents_until_its_end_which_comes_by_itself(
    tmp_path: Path,
) -> None:
    placed = Placed(tmp_path)
    span_ns = round(1.5 * placed.desk.config.desk.round_s * S)
    (said,) = placed.say("posture", words={"size_multiplier": 0.0}, span_ns=span_ns)
    assert (said.kind, said.agent, said.body["event"]) == (kinds.STANCE, "", "set")
    placed.desk.round()
    placed.desk.round()
    assert placed.parents() == []
    posture = placed.entries(kinds.POSTURE)[-1]
    placed.desk.round()
    assert placed.parents()
    told = [one.body["event"] for one in placed.entries(kinds.STANCE)]
    assert told == ["set", "ended"]
    assert placed.session.ledger.stances == Ledger.of(placed.journal).stances == {}
    assert posture.body["size_multiplier"] == 1.0, "after its end agents are told so"
    first = next(one for one in placed.entries(kinds.POSTURE) if one.body["size_multiplier"] == 0.0)
    assert first.body["reasons"][-1] == "set by dora (password): news are due"


def test_one_of_an_agent_reaches_that_agent_alone(tmp_path: Path) -> None:
    placed = Placed(tmp_path)
    first, *others = placed.desk.slots
    placed.say("posture", agent=first, words={"max_participation": 0.05}, span_ns=3600 * S)
    placed.desk.round()
    seen = {
        one.agent: (one.body["posture"] or {}).get("max_participation")
        for one in placed.entries(kinds.DECISION)
    }
    assert seen[first] == 0.05
    assert all(seen[name] != 0.05 for name in others if name in seen)
    placed.say("posture", agent=first, words={"size_multiplier": 0.0}, span_ns=3600 * S)
    before = len(placed.parents())
    placed.desk.round()
    assert first not in {one.agent for one in placed.parents()[before:]}
    assert len(placed.parents()) > before
    placed.say("posture", agent=first, lift=True)
    before = len(placed.parents())
    placed.desk.round()
    assert first in {one.agent for one in placed.parents()[before:]}


def test_one_agents_in_the_place_of_risks_passes_no_careful_one_of_the_whole_desk(
    tmp_path: Path,
) -> None:
    placed = Placed(tmp_path)
    first = next(iter(placed.desk.slots))
    bold = {"max_participation": 1.0, "styles": 7}
    placed.say("posture", agent=first, words=bold, span_ns=3600 * S, instead=True)
    placed.say("posture", words={"max_participation": 0.05, "styles": 1}, span_ns=3600 * S)
    placed.desk.round()
    seen = [
        one.body["posture"]
        for one in placed.entries(kinds.DECISION)
        if one.agent == first and one.body["posture"]
    ]
    assert seen
    assert {(one["max_participation"], one["styles"]) for one in seen} == {(0.05, 1)}


def test_it_outlives_the_session_and_ends_in_the_next(tmp_path: Path) -> None:
    placed = Placed(tmp_path)
    placed.say("posture", words={"size_multiplier": 0.0}, span_ns=7 * 86_400 * S)
    placed.say("posture", agent=next(iter(placed.desk.slots)), words={"urgency": 0.5}, span_ns=S)
    placed.journal.close()  # the process is gone, and says nothing
    again = Placed(tmp_path, placed.exchange)
    again.desk.round()
    assert again.parents() == []
    assert list(again.session.ledger.stances) == [""]
    assert [one.body["event"] for one in again.entries(kinds.STANCE)] == ["set", "set", "ended"]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"words": {"size_multiplier": 0.5}, "span_ns": 0}, "an end that lies ahead"),
        ({"words": {"size_multiplier": 0.5}, "span_ns": -S}, "an end that lies ahead"),
        ({"words": {"size_multiplier": 0.5}, "span_ns": 10**19}, "an end that lies ahead"),
        ({"words": {"size_multiplier": 0.5}}, "an end that lies ahead"),
        ({"words": {}, "span_ns": S}, "some of urgency"),
        ({"words": {"speed": 1}, "span_ns": S}, "some of urgency"),
        ({"words": {"size_multiplier": 1.5}, "span_ns": S}, "size_multiplier"),
        ({"words": {"size_multiplier": True}, "span_ns": S}, "numbers"),
        ({"words": {"max_participation": 0.0}, "span_ns": S}, "max_participation"),
        ({"words": {"styles": 8}, "span_ns": S}, "styles from 1 to 7"),
        ({"words": {"styles": 0}, "span_ns": S}, "styles from 1 to 7"),
        ({"agent": "nobody", "words": {"urgency": 0.5}, "span_ns": S}, "an agent of this desk"),
        ({"lift": True}, "a manual risk state"),
    ],
)  # fmt: skip
def test_what_is_none_is_refused(calm: Placed, body: dict[str, Any], told: str) -> None:
    assert told in calm.say.refused("posture", **body)
    assert calm.session.ledger.stances == {}


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Placed:
    """A desk that has begun, for tests that change nothing."""
    return Placed(tmp_path_factory.mktemp("calm"))


def test_a_paused_agent_gets_no_part_of_the_flow_and_where_nobody_is_left_orders_wait(
    tmp_path: Path,
) -> None:
    placed = Placed(tmp_path)
    first, *others = placed.desk.slots
    placed.say("pause_agent", agent=first)
    placed.desk.round()
    assert {one.agent for one in placed.parents()} == set(others)
    for name in others:
        placed.say("pause_agent", agent=name)
    before = len(placed.parents())
    placed.desk.round()
    placed.desk.round()
    assert len(placed.parents()) == before
    waits = [one for one in placed.entries(kinds.ALERT) if one.body["code"] == "NOBODY_LEFT"]
    assert [one.body["text"] for one in waits] == [
        "orders of AAA wait: every agent is killed or paused"
    ]
    placed.say("resume_agent", agent=first)
    placed.desk.round()
    assert {one.agent for one in placed.parents()[before:]} == {first}


def test_an_agent_is_not_judged_by_what_a_person_did(tmp_path: Path) -> None:
    placed = Placed(tmp_path)
    placed.desk._begin_round(0, placed.session.now_ns)
    parent = next(iter(placed.session.ledger.parents.open()))
    placed.desk.wait(30 * S)
    placed.say("take_over", parent=parent.id)
    placed.desk.wait(2 * S)
    placed.say(
        "order", parent=parent.id, lots=placed.session.ledger.parents.require(parent.id).left
    )
    placed.desk.wait(2 * S)
    (told,) = [one for one in placed.entries(kinds.FEEDBACK) if one.parent == parent.id]
    assert told.body["by_hand"] > 0
    assert parent.order.agent not in placed.desk._states["AAA"].round_costs
    found = outcome_of(placed.opened, tmp_path)
    (row,) = [one for one in found.parents if one.id == parent.id]
    assert row.by_hand == told.body["by_hand"]
    assert found.agents[parent.order.agent].cost == 0.0
    assert found.cost != 0.0


def test_a_promotion_that_was_asked_for_twice_is_done_once(tmp_path: Path) -> None:
    placed = Placed(tmp_path, text=SMALL + 'challenger = "twap_passive"\n')
    slot = placed.desk.slots["peg"]
    names = champion, challenger = slot.strategy_name, slot.challenger_name
    asked = {"agent": "peg", "champion": champion, "challenger": challenger}
    (promoted, *_) = placed.say("promote", **asked)
    assert (promoted.kind, promoted.body["champion"], promoted.body["challenger"]) == (
        kinds.PROMOTED,
        *names,
    )
    said = placed.say.refused("promote", **asked)
    assert f"{challenger} over {champion} of peg; {champion} over {challenger} now" in said
    assert (slot.strategy_name, slot.challenger_name) == (challenger, champion)
    assert "over somebody" in placed.say.refused("promote", agent="peg", champion="somebody")
    placed.say("promote", agent="peg", champion=challenger, challenger=champion)
    placed.say("promote", agent="peg")
    assert (slot.strategy_name, slot.challenger_name) == (challenger, champion)
    assert len(placed.entries(kinds.PROMOTED)) == 3
