"""A desk that starts again where another died: parents that ended meanwhile are in its results and on the console."""

import pytest
from tests.desk.rounds.test_one_after_another import SMALL

from tercel.api.desk.config import parse_config
from tercel.api.simulated_desk import SimulatedMarkets
from tercel.core.ports import Entry
from tercel.core.serialization import to_jsonable
from tercel.core.vocabulary import NS_PER_SECOND as S
from tercel.desk.console.state import DeskState
from tercel.desk.engine.assembly import DeskDependencies, assemble_desk
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.memory import MemoryJournal
from tercel.desk.trading.parent_orders.parent_request import ParentRequest
from tercel.desk.trading.tca.recorder import TcaRecorder


def test_what_expired_while_the_desk_was_dead_is_told_once() -> None:
    config, tools, journal = (
        parse_config(SMALL, "desk.toml"),
        SimulatedMarkets(),
        MemoryJournal(chained=False),
    )
    exchange = tools.exchange(config)
    died = assemble_desk(config, journal, DeskDependencies(exchange))
    died._run_until(died.session.now_ns + round(config.desk.warmup_s * S))
    died.session.manager.accept(
        ParentRequest("mine", "AAA", 1, 500, 120 * S, 12, "twap_take", "peg")
    )
    died.session.run_until(died.session.now_ns + 45 * S)
    exchange.step(exchange.now_ns + 10 * S)
    for _ in range(2):
        over = exchange.now_ns + 200 * S
        while exchange.now_ns < over:
            exchange.step(over)
        opened = assemble_desk(config, journal, DeskDependencies(exchange))
        recorder = TcaRecorder(opened.session)
        opened.run()
        recorder.close()
        told = {row["id"]: row for row in opened.results}
    parent = opened.session.ledger.parents.require("mine")
    assert (parent.status, 0 < parent.filled < 500) == ("expired", True)
    for kind in (kinds.FEEDBACK, kinds.TCA):
        [body] = [entry.body for _, entry in journal.read(kinds=(kind,)) if entry.parent == "mine"]
        assert (body["filled"], body["unfilled"]) == (parent.filled, 500 - parent.filled)
    assert (told["mine"]["filled"], told["mine"]["status"]) == (parent.filled, "expired")
    state = DeskState()
    for seq, entry in journal.read():
        state.apply(seq, entry)
    row = next(row for row in to_jsonable(state.report())["parents"] if row["parent"] == "mine")
    assert (row["filled"], row["unfilled"], row["is_bps"]) == (
        parent.filled,
        500 - parent.filled,
        body["is_bps"],
    )
    assert {row["parent"] for row in to_jsonable(state.report())["parents"]} == set(told)


@pytest.mark.parametrize(
    "said", [(kinds.TCA, kinds.FEEDBACK), (kinds.FEEDBACK, kinds.TCA), (kinds.TCA,)]
)
def test_the_console_counts_a_parent_once(said: tuple[str, ...]) -> None:
    """Of a parent that a starting session expires the analysis comes first; else the desk's feedback does."""
    accepted = {
        "event": "accepted",
        "side": 1,
        "lots": 21,
        "horizon_ns": 600,
        "decisions": 2,
        "strategy": "twap_take",
    }
    cost = {
        "is_bps": 16.75,
        "notional": 11_940.0,
        "quantity": 21,
        "filled": 8,
        "unfilled": 13,
        "refused": 0,
    }
    state = DeskState()
    entries = [
        Entry(kinds.PARENT, 1, "AAA", "taker", "p", body=accepted),
        Entry(
            kinds.PARENT,
            700,
            "AAA",
            "taker",
            "p",
            body={"event": "expired", "reason": "it was not worked"},
        ),
        *(Entry(kind, 700, "AAA", "taker", "p", body=cost) for kind in said),
    ]
    for seq, entry in enumerate(entries, 1):
        state.apply(seq, entry)
    shown = to_jsonable(state.report())
    assert (shown["summary"]["unfilled"], shown["summary"]["over"], len(shown["cost_points"])) == (
        13,
        1,
        1,
    )
    assert [agent["parents"] for agent in shown["agents"]] == [1]
    assert shown["agents"][0]["is_bps"] == pytest.approx(16.75)
