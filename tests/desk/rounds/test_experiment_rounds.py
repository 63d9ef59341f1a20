"""A desk with an experiment: what it draws, journals and keeps over restarts and kills, and what people decide."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from tests.desk.trading.desk_of_two import killed

from tercel.api.desk.config import parse_config
from tercel.api.simulated_desk import SimulatedMarkets, open_demo
from tercel.core.errors import ConfigError, OrderError, TercelError, UnknownNameError
from tercel.core.ports import Entry
from tercel.desk.engine.assembly import DeskDependencies, assemble_desk
from tercel.desk.engine.config import DeskConfig
from tercel.desk.engine.loop import DeskLoop
from tercel.desk.trading.experiment import ExperimentRecord, draw_arm, read_experiments
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import ParentEntry
from tercel.desk.trading.journal.memory import MemoryJournal
from tercel.desk.trading.journal.store import SqlJournal
from tercel.desk.trading.parent_orders.observers import SessionObserver
from tercel.desk.trading.parent_orders.parent_request import ParentRequest

SMALL = """
[desk]
rounds = 6
round_s = 40.0
decision_s = 10.0
warmup_s = 70.0
[signals]
model = "off"
[risk]
posture = "off"
[[instrument]]
name = "AAA"
[[instrument]]
name = "BBB"
[[agent]]
name = "ann"
strategy = "peg_behind"
[[experiment]]
name = "e"
agent = "ann"
strategies = ["peg_behind", "twap_take"]
"""


@pytest.fixture(scope="module")
def config() -> DeskConfig:
    return parse_config(SMALL, "desk.toml")


def record_of(journal: MemoryJournal | SqlJournal) -> ExperimentRecord:
    return read_experiments(journal)["e"]


def accepted(journal: MemoryJournal | SqlJournal) -> dict[str, ParentEntry]:
    entries = [
        (entry.parent, ParentEntry.of(entry)) for _, entry in journal.read(0, (kinds.PARENT,))
    ]
    return {parent: body for parent, body in entries if body.event == "accepted"}


def operator(desk: DeskLoop, agent: str = "ann", **words: object) -> None:
    body = {
        "command": "experiment",
        "body": {"agent": agent, **words},
        "by": "bob",
        "reason": "why",
        "id": 7,
    }
    desk.on_operator(Entry(kinds.OPERATOR, desk.session.now_ns, body=body))


@pytest.fixture(scope="module")
def run(config: DeskConfig, tools: SimulatedMarkets) -> tuple[DeskLoop, MemoryJournal]:
    journal = MemoryJournal(chained=False)
    desk = open_demo(config, journal, tools)
    desk.run()
    return desk, journal


def test_each_order_is_worked_by_the_strategy_that_it_drew(
    run: tuple[DeskLoop, MemoryJournal],
) -> None:
    _, journal = run
    record, parents = record_of(journal), accepted(journal)
    assert len(parents) == len(record.orders) == 12
    assert {order.draw.arm for order in record.orders.values()} == {"peg_behind", "twap_take"}
    for name, order in record.orders.items():
        assert parents[name].strategy == record.terms.strategies[order.draw.arm]
        assert order.draw.covariates.spread_bps > 0
        assert order.draw.covariates.estimate_bps > 0
        assert order.cost_bps is not None
    takes = [name for name, order in record.orders.items() if order.draw.arm == "twap_take"]
    rested = [
        entry.parent
        for _, entry in journal.read(0, (kinds.ORDER_OUT,))
        if entry.body["what"] == "new" and entry.body.get("tif") not in ("ioc", "fok")
    ]
    assert not set(takes) & set(rested)


def test_a_draw_is_in_the_entry_that_accepts_and_no_strategy_is_asked_before(
    run: tuple[DeskLoop, MemoryJournal],
) -> None:
    _, journal = run
    first: dict[str, int] = {}
    for seq, entry in journal.read(0, (kinds.PARENT, kinds.DECISION, kinds.ORDER_OUT)):
        if entry.parent not in first:
            first[entry.parent] = seq
            assert ParentEntry.of(entry).experiment is not None


def test_the_same_seed_gives_the_same_journal(
    config: DeskConfig, run: tuple[DeskLoop, MemoryJournal], tools: SimulatedMarkets
) -> None:
    again = MemoryJournal(chained=False)
    open_demo(config, again, tools).run()
    assert [entry.body for _, entry in again.read()] == [entry.body for _, entry in run[1].read()]


def test_a_session_goes_on_with_the_experiment_and_other_terms_are_refused(
    config: DeskConfig, tools: SimulatedMarkets
) -> None:
    exchange, journal = tools.exchange(config), MemoryJournal(chained=False)

    def session(settings: DeskConfig) -> DeskLoop:
        desk = assemble_desk(settings, journal, DeskDependencies(exchange))
        desk.run()
        return desk

    session(config.with_desk(rounds=2))
    before = accepted(journal)
    session(config.with_desk(rounds=2))
    assert len(accepted(journal)) == 8
    assert {name: accepted(journal)[name] for name in before} == before
    assert len([one for _, one in journal.read(0, (kinds.EXPERIMENT,))]) == 1
    others = (
        SMALL.replace('"twap_take"]', '"pov"]'),
        SMALL + "seed = 9\n",
        SMALL + 'unit = "day"\n',
        SMALL + "shares = [0.3, 0.7]\n",
    )
    for text in others:
        with pytest.raises(ConfigError, match="experiment e on the terms on which it began"):
            session(parse_config(text, "desk.toml"))
    assert len(accepted(journal)) == 8
    session(
        parse_config(
            SMALL.replace("rounds = 6", "rounds = 1") + "end = { orders = 9 }\n", "desk.toml"
        )
    )
    assert len(record_of(journal).orders) == 9
    assert record_of(journal).ended.reason == "9 orders"
    assert len(accepted(journal)) == 10


def test_people_stop_change_and_promote(config: DeskConfig, tools: SimulatedMarkets) -> None:
    journal = MemoryJournal(chained=False)
    desk = open_demo(config, journal, tools)
    desk.begin()
    desk.round()
    for words, error in (
        ({"agent": "bob"}, UnknownNameError),
        ({"act": "stop", "name": "another"}, OrderError),
        ({"act": "promote"}, OrderError),
        ({"act": "promote", "arm": "peg"}, UnknownNameError),
        ({"act": "shares", "shares": {"peg_behind": 0.9, "twap_take": 0.2}}, OrderError),
        ({"act": "shares", "shares": {"peg_behind": 1.0}}, OrderError),
    ):
        with pytest.raises(error):
            operator(desk, **words)
    operator(desk, act="shares", shares={"peg_behind": 0.98, "twap_take": 0.02})
    desk.round()
    *_, last = record_of(journal).orders.values()
    assert last.draw.chances == {"peg_behind": 0.98, "twap_take": 0.02}
    operator(desk, act="promote", arm="twap_take")
    desk.round()
    assert len(record_of(journal).orders) == 4
    assert [body.strategy for body in accepted(journal).values()][-2:] == ["twap_take+posture"] * 2
    answers = [entry.body for _, entry in journal.read(0, (kinds.EXPERIMENT,))][1:]
    assert [(body["event"], body["by"], body["reason"], body["operator"]) for body in answers] == [
        ("shares", "bob", "why", 7),
        ("ended", "bob", "why", 7),
    ]
    with pytest.raises(OrderError, match="which has ended"):
        operator(desk, act="stop")
    # A session that follows keeps what people decided.
    later = assemble_desk(config, journal, DeskDependencies(desk.session.gateway.venue))
    later.begin()
    later.round()
    assert [body.strategy for body in accepted(journal).values()][-2:] == ["twap_take+posture"] * 2


def test_an_arm_beyond_a_guardrail_is_drawn_no_more(tools: SimulatedMarkets) -> None:
    text = (
        SMALL.replace('"twap_take"]', '"twap_take", "immediate"]')
        + "guardrails = { daily_loss = 1.0 }\n"
    )
    journal = MemoryJournal(chained=False)
    desk = open_demo(parse_config(text, "desk.toml"), journal, tools)
    desk.run()
    record = record_of(journal)
    assert record.stopped
    assert record.ended is not None
    assert record.ended.reason.endswith("is the one arm left")
    assert all("guardrail: its fills of a day cost" in why for why in record.stopped.values())
    # Its own strategy, which was stopped, gets no order after the end either.
    if "peg_behind" in record.stopped:
        (left,) = set(record.terms.arms) - record.stopped.keys()
        *_, last = accepted(journal).values()
        assert last.strategy == record.terms.strategies[left]
    alerts = [entry.body for _, entry in journal.read(0, (kinds.ALERT,))]
    assert any(body["code"] == "EXPERIMENT_GUARDRAIL" for body in alerts)
    assert len(accepted(journal)) == 12


def test_an_order_of_a_person_draws_unless_it_names_its_strategy(
    config: DeskConfig, tools: SimulatedMarkets
) -> None:
    journal = MemoryJournal(chained=False)
    desk = open_demo(config, journal, tools)
    desk.begin()
    body = {"instrument": "AAA", "side": 1, "lots": 5, "horizon_ns": 30 * 10**9, "agent": "ann"}
    for name, more in (("drawn", {}), ("named", {"strategy": "twap_take"})):
        command = {
            "command": "submit",
            "body": {"id": name, **body, **more},
            "by": "bob",
            "reason": "",
            "id": 1,
        }
        desk.session.commands.execute(Entry(kinds.OPERATOR, desk.session.now_ns, body=command))
    assert [*record_of(journal).orders] == ["drawn"]
    assert accepted(journal)["named"].strategy == "twap_take"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("shares = [0.5, 0.6]", "sum to 1.1"),
        ("shares = [1.0]", "a share of at least 0.02 for each of 2 strategies"),
        ("shares = [0.999, 0.001]", "a share of at least 0.02"),
        ('unit = "week"', "unit"),
        ("planned = 3", "planned"),
        (
            '[[experiment]]\nname = "f"\nagent = "ann"\nstrategies = ["pov", "twap_take"]',
            "two of ann",
        ),
        (
            '[[experiment]]\nname = "f"\nagent = "eve"\nstrategies = ["pov", "twap_take"]',
            "not of eve",
        ),
        (
            '[[experiment]]\nname = "f"\nagent = "ann"\nstrategies = ["pov", "pov"]',
            "strategies that differ",
        ),
    ],
)
def test_an_experiment_that_cannot_be_is_refused(more: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_config(f"{SMALL}{more}\n", "desk.toml")


def test_an_arm_that_does_not_exist_is_refused_before_anything_is_journaled(
    tools: SimulatedMarkets,
) -> None:
    journal = MemoryJournal(chained=False)
    with pytest.raises(TercelError, match="twap_tak"):
        open_demo(parse_config(SMALL.replace("twap_take", "twap_tak"), "desk.toml"), journal, tools)
    assert not [*journal.read()]


class DyingJournal:
    """A journal whose process is killed at one of its appends."""

    def __init__(self, journal: SqlJournal, appends: int) -> None:
        self._journal, self._left = journal, appends

    def __getattr__(self, name: str) -> object:
        return getattr(self._journal, name)

    def append(self, entries: list[Entry], **words: object) -> int:
        self._left -= 1
        if self._left == 0:  # half of the deaths before the write, half after it
            os.kill(os.getpid(), signal.SIGKILL)
        seq = self._journal.append(entries, **words)
        if self._left == 1 and len(entries) % 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return seq


@pytest.mark.long
def test_50_kills_lose_no_draw_and_change_none(
    config: DeskConfig, tools: SimulatedMarkets, tmp_path: Path
) -> None:
    """Killed at any append, started again in the same folder: every order that was accepted has its one draw, for ever."""
    tools.exchange(config)
    seen: dict[str, ParentEntry] = {}
    for kill in range(50):

        def trade(kill: int = kill) -> None:
            journal = DyingJournal(SqlJournal(tmp_path, f"kill {kill}"), 30 + 37 * kill % 150)
            exchange = tools.exchange(config.with_desk(seed=kill + 1))
            past_ns = max((entry.ns for _, entry in journal.read(0, (kinds.PARENT,))), default=0)
            exchange.step(past_ns + 600 * 10**9)  # the venue went on meanwhile, and lost the orders
            assemble_desk(config, journal, DeskDependencies(exchange)).run()

        killed(trade)
        journal = SqlJournal(tmp_path, "looks")
        now = accepted(journal)
        assert {name: now[name] for name in seen} == seen
        seen = now
        record = record_of(journal)
        assert record.orders.keys() == {name for name, body in now.items() if body.experiment}
        for name, order in record.orders.items():
            again = draw_arm(
                record,
                name,
                order.instrument,
                order.draw.day * 86_400 * 10**9,
                order.draw.covariates,
            )
            assert again == order.draw
            assert now[name].strategy == record.terms.strategies[order.draw.arm]
        sessions = len([*journal.read(0, (kinds.SESSION,))])
        journal.close()
    assert sessions > 40
    assert len(seen) > 100
    assert len([one for _, one in SqlJournal(tmp_path, "end").read(0, (kinds.EXPERIMENT,))]) == 1


class Onlooker(SessionObserver):
    """Keeps the first observation of each order: all that its strategy is shown before it decides."""

    def __init__(self) -> None:
        self.first: dict[str, np.ndarray] = {}

    def on_decision(self, order: ParentRequest, observation: np.ndarray) -> None:
        self.first.setdefault(order.id, np.array(observation, np.float64))


@pytest.mark.long
def test_a_strategy_that_guesses_its_draw_from_all_that_it_sees_is_right_half_the_time(
    config: DeskConfig, tools: SimulatedMarkets
) -> None:
    """A regression on what is seen, and on all earlier draws, learned from all earlier orders, guesses each next one."""
    journal, onlooker = MemoryJournal(chained=False), Onlooker()
    desk = open_demo(config.with_desk(rounds=100), journal, tools)
    desk.session.manager.observers.append(onlooker)
    desk.run()
    orders = record_of(journal).orders
    drawn = np.array([1.0 if order.draw.arm == "twap_take" else -1.0 for order in orders.values()])
    seen = np.array([onlooker.first[name] for name in orders])
    past = np.array([np.roll(drawn, lag) for lag in range(1, 6)]).T
    known = np.column_stack((seen[:, seen.std(axis=0) > 0], past))
    known = (known - known.mean(axis=0)) / known.std(axis=0)
    right = []
    for n in range(40, len(drawn)):
        x, y = known[:n], drawn[:n]
        weights = np.linalg.solve(x.T @ x + 10 * np.eye(x.shape[1]), x.T @ y)
        right.append((known[n] @ weights > 0) == (drawn[n] > 0))
    assert len(right) == 160
    assert abs(np.mean(right) - 0.5) < 3 * 0.5 / len(right) ** 0.5
