"""What the driver does event by event, and how it refuses a record that is not one."""

import copy
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from numpy.typing import NDArray

from tercel.core.errors import PolicyError, TapeError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.execution import driver_kernels as kernels, intent as it, step
from tercel.execution.driver import Driver
from tercel.execution.intent import Intents
from tercel.execution.paper_trial import PaperTrial
from tercel.execution.policies.mlp import MlpPolicy
from tercel.execution.policies.strategy import PolicyStrategy, policy_strategy
from tercel.execution.policies_packaged import folder_of
from tercel.execution.reconcile import open_lots
from tercel.execution.strategies import build
from tercel.execution.strategy import Strategy, forecaster_of, gap_of, ladder
from tercel.execution.task import Latency, Task
from tercel.execution.view import View
from tercel.lab.evaluation.episodes import Episodes
from tercel.lab.evaluation.plans import Plan, seeded_plan
from tercel.market.book import layout as lay
from tercel.market.flow.registry import load
from tercel.market.simulator import layout as sim
from tercel.market.simulator.layout import blank_state
from tercel.market.simulator.replay import init_touch, replay_row
from tercel.market.simulator.source import Source, reactive
from tercel.market.tape.schema import ADD, DELETE, EXECUTE, TRADE_HIDDEN

S = NS_PER_SECOND
OWN = 8


class RestAtTouch(Strategy):
    """Rest ten lots at the touch, at the next decision one tick behind it, and so on in turn."""

    name = "rest"

    def decide(self, view: View) -> Intents:
        intents = ladder(view)
        intents[:, it.REST0 + 1 + view.decision[0] % 2] = min(10, view.left[0])
        return intents


def market(
    quantity: int = 20, horizon_s: int = 60, decisions: int = 6
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """100 lots on each of three levels a side, 99 at 101; slots 0 to 5; a buy order that arrives at 1000 s."""
    b, k = lay.new_book(32, 32, OWN), sim.extend(blank_state(sim.REPLAY), 0)
    for slot, (side, price) in enumerate(
        (side, 100 - side * n) for side in (1, -1) for n in (1, 2, 3)
    ):
        replay_row(b, k, ADD, slot, side, price, 100)
    init_touch(b, k)
    k[[sim.SIDE, sim.QUANTITY, sim.LEFT]] = 1, quantity, quantity
    k[[sim.NOW, sim.START_NS, sim.HORIZON_NS, sim.DECISIONS]] = (
        1000 * S,
        1000 * S,
        horizon_s * S,
        decisions,
    )
    k[[sim.PHASE, sim.ARRIVAL_MID2]] = sim.WORKING, k[sim.MID2]
    return b, k


def row(at_s: float, kind: int, who: int, *words: int) -> NDArray[np.int64]:
    """A row `at_s` seconds after arrival: kind, who, then side, price, lots, mid2, touch2 as far as given."""
    return np.array(
        [round((1000 + at_s) * S), kind, who, *words, *[0] * (5 - len(words))], np.int64
    )


def rest(at_s: float, who: int, price: int, lots: int) -> NDArray[np.int64]:
    return row(at_s, sim.OWN_REST, who, 1, price, lots)


def sent(commands: NDArray[np.int64] | None) -> list[tuple[int, ...]]:
    """(what, who, price, lots)"""
    return (
        []
        if commands is None
        else [tuple(c) for c in commands[:, kernels.C_WHAT : kernels.C_HOW].tolist()]
    )


def test_decisions_fall_on_their_clock_and_before_what_comes_later() -> None:
    driver = Driver(*market(), RestAtTouch())
    assert driver.due_ns == 1000 * S
    assert sent(driver.decide_due(1000 * S)) == [(sim.NEW, 0, 99, 10)]
    assert driver.due_ns == 1010 * S
    assert driver.on_event(rest(0.5, 0, 99, 10)) is None
    assert driver.decide_due(1010 * S - 1) is None
    commands = driver.on_event(row(12, EXECUTE, 0, 1, 99, 4))
    assert sent(commands) == [(sim.CANCEL, 0, 0, 10), (sim.NEW, 1, 98, 10)]
    assert commands is not None
    assert commands[0, kernels.C_NS] == 1010 * S
    assert driver.view.v_seen[0] == 0  # the execution came later


def test_a_row_at_the_time_of_a_decision_is_seen_by_it() -> None:
    driver = Driver(*market(), RestAtTouch())
    driver.decide_due(1000 * S)
    assert driver.on_event(row(10, EXECUTE, 0, 1, 99, 4)) is None
    assert driver.on_event(row(10, EXECUTE, 0, 1, 99, 5), ends_moment=True) is not None
    assert driver.view.v_seen[0] == 9


def test_an_unasked_cancel_of_the_venue_answers_no_command() -> None:
    driver = Driver(*market(quantity=10), RestAtTouch())
    driver.decide_due(1000 * S)
    driver.on_event(rest(1, 0, 99, 10))
    driver.on_event(row(2, sim.OWN_DEAD, 0, 0, 0, 10))
    assert driver.left == 10
    assert open_lots(driver.book) == 0
    assert sent(driver.decide_due(1010 * S)) == [(sim.NEW, 0, 98, 10)]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (row(-1, TRADE_HIDDEN, 0, 1, 99, 1), "order of time"),
        (row(1, ADD, 2, 1, 98, 5), "slot"),
        (row(1, ADD, 32, 1, 98, 5), "slot"),
        (row(1, ADD, 10, 1, 98, 0), "lots"),
        (row(1, EXECUTE, 0, 1, 99, 101), "lots"),
        (row(1, DELETE, 17, 1, 99, 1), "lots"),
        (row(1, DELETE, 10**6, 1, 99, 1), "slot"),
        (row(1, DELETE, -2, 1, 99, 1), "slot"),
        (row(1, 77, 0), "kind"),
        (row(1, sim.WALKED, 0, 0, 100), "kind"),
        (rest(1, 1, 99, 10), "own order"),
        (rest(1, OWN, 99, 10), "own order"),
        (rest(1, 0, 99, 11), "own order"),
        (row(1, sim.OWN_DEAD, 0, 0, 3, 3), "own order"),
        (row(1, sim.OWN_SENT, 0, sim.NEW, 99, 10), "recorded command"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(bad: NDArray[np.int64], why: str) -> None:
    driver = Driver(*market(), RestAtTouch())
    driver.decide_due(1000 * S)
    before = driver.book.copy(), driver.state.copy()
    with pytest.raises(TapeError, match=why):
        driver.on_event(bad)
    np.testing.assert_array_equal(driver.book, before[0])
    np.testing.assert_array_equal(driver.state, before[1])


def test_a_policy_of_another_observation_is_refused() -> None:
    layer = (np.zeros((3, 8), np.float32), np.zeros(8, np.float32))
    policy = MlpPolicy((layer,), np.zeros(3, np.float32), np.ones(3, np.float32))
    with pytest.raises(PolicyError, match="50 entries"):
        Driver(*market(), PolicyStrategy("small", policy))


# -- a venue that answers as it likes ---------------------------------------------------------------------------------


class Venue:
    """Answers the driver's commands in their order, whenever it is asked to."""

    def __init__(self, driver: Driver) -> None:
        self.driver, self.inbox, self.resting = driver, [], {}
        self.now = 0.0

    def hear(self, commands: NDArray[np.int64] | None) -> None:
        self.inbox += [] if commands is None else commands.tolist()

    def tell(self, *args: int) -> None:
        self.hear(self.driver.on_event(row(self.now, *args)))

    def answer(self, fill: int) -> None:
        """The oldest command arrives; `fill` of ten lots of a new order trade at once."""
        if not self.inbox:
            return
        _, what, who, price, lots, how = self.inbox.pop(0)
        if what == sim.CANCEL:
            have = self.resting.get(who, 0)
            dead = min(have, lots)
            self.resting[who] = have - dead
            self.tell(sim.OWN_DEAD, who, 0, lots, dead)
            return
        traded = lots if how & sim.FORCED else min(lots, lots * fill // 10)
        if traded:
            self.tell(sim.OWN_FILL, who, how & sim.FORCED, 101, traded, 200, 202)
        if traded < lots and how & sim.IMMEDIATE:
            self.tell(sim.OWN_DEAD, who, 0, 0, lots - traded)
        elif traded < lots:
            self.resting[who] = lots - traded
            self.tell(sim.OWN_REST, who, 1, price, lots - traded)

    def trade(self, pick: int, lots: int) -> None:
        """A public order trades with one of the resting own orders."""
        live = [who for who, have in self.resting.items() if have]
        if live:
            who = live[pick % len(live)]
            lots = min(lots, self.resting[who])
            self.resting[who] -= lots
            self.tell(sim.OWN_FILL, who, 1, 99, lots, 200, 0)


STEPS = st.lists(
    st.tuples(st.sampled_from("acft"), st.integers(0, 10), st.floats(0.1, 5.0)), max_size=60
)


@pytest.mark.parametrize("name", ["twap_passive", "random", "rest"])
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
def test_own_lots_not_known_dead_never_exceed_what_is_left(
    name: str, steps: list[tuple[str, int, float]]
) -> None:
    strategy = RestAtTouch() if name == "rest" else build(name)
    driver = Driver(*market(quantity=40), strategy)
    venue = Venue(driver)
    venue.hear(driver.decide_due(1000 * S))
    for what, size, wait in steps:
        venue.now += wait
        if what == "a":
            venue.answer(size)
        elif what == "f":
            venue.trade(size, size + 1)
        elif what == "c":
            venue.hear(driver.decide_due(round((1000 + venue.now) * S)))
        else:
            venue.tell(TRADE_HIDDEN, 0, 1, 99, 1)
        assert 0 <= open_lots(driver.book) <= driver.left
    venue.now = max(venue.now, 60.0)
    venue.hear(driver.decide_due(round((1000 + venue.now) * S)))
    for _ in range(200):
        venue.now += 0.1
        venue.answer(3)
        assert open_lots(driver.book) <= driver.left
    assert driver.done
    assert driver.left == open_lots(driver.book) == 0
    driver.check()


# -- paper trading: a growing tape, fed in any pieces, is the replay of the whole one ---------------------------------


PAPER = Task(
    side=1,
    share=0.1,
    horizon_s=120.0,
    decisions=12,
    warmup_s=30.0,
    latency=Latency("constant", 2_000_000),
)


@pytest.fixture(scope="module")
def recorded() -> tuple[Source, np.ndarray, int]:
    """A market without own orders, recorded: as a source of replay, its rows, and when it began."""
    source = reactive(load("csco-santa-fe"))
    episodes = Episodes(source, PAPER, 1, record_rows=25_000)
    plan = seeded_plan(PAPER, 0, 5, 0, 1)
    episodes.start(plan)
    idle = np.zeros((1, 10), np.int32)
    while episodes.working.any():
        episodes.step(idle)
    rows = episodes.record(0)
    tape = np.ascontiguousarray(
        rows[:, [sim.R_NS, sim.R_KIND, sim.R_WHO, sim.R_SIDE, sim.R_PRICE, sim.R_LOTS]]
    )
    worlds = source.worlds_k.copy()
    worlds[:, sim.MODEL] = sim.REPLAY
    return (
        replace(source, model=sim.REPLAY, tape=tape, worlds_k=worlds),
        tape,
        int(source.worlds_k[0, sim.NOW]),
    )


def plan_of(source: Source, began: int, lots: int) -> Plan:
    rows = np.zeros((1, step.EPISODE_WORDS), np.int64)
    rows[0, : step.E_LIMIT] = (
        5,
        0,
        1,
        lots,
        began + PAPER.warmup_ns,
        PAPER.warmup_ns,
        0,
        len(source.tape),
        0,
    )
    return Plan(rows, np.zeros(1, np.int64))


def replayed(source: Source, began: int, strategy: Strategy) -> tuple[PaperTrial, float]:
    """A trial from the arrival on, and the bps that the replay of the whole tape costs."""
    episodes = Episodes(source, PAPER, 1, run_out=False, looks_back=True)
    episodes.set_gap(gap_of(strategy))
    forecaster = forecaster_of(strategy)
    if forecaster is not None:
        episodes.set_forecaster(forecaster)
    episodes.start(plan_of(source, began, 40))
    trial = PaperTrial(episodes.books[0], episodes.states[0], strategy)
    while episodes.working.any():
        episodes.step(strategy.decide(episodes.view))
    k = episodes.states[0]
    sums = int(k[sim.SPREAD : sim.FORCED_TIMING + 1].sum())
    return trial, 1e4 * sums / int(k[sim.ARRIVAL_MID2] * 40)


@pytest.mark.parametrize(
    "name", ["twap_take", "twap_passive", "peg_behind", "immediate", "submit_and_leave"]
)
def test_a_trial_fed_in_pieces_costs_what_the_replay_of_the_whole_tape_costs(
    name, recorded
) -> None:
    source, tape, began = recorded
    start = began + PAPER.warmup_ns
    fresh, wanted = replayed(source, began, build(name))

    @settings(max_examples=8, deadline=None)
    @given(st.lists(st.integers(0, 150_000_000_000), max_size=12))
    def any_pieces(cuts: list[int]) -> None:
        trial, seen = copy.deepcopy(fresh), start
        for cut in [*sorted(start + cut for cut in cuts), start + 10**12]:
            trial.feed(tape[(tape[:, sim.T_NS] > seen) & (tape[:, sim.T_NS] <= cut)], cut)
            seen = cut
        assert trial.done
        assert trial.shortfall_bps == pytest.approx(wanted, abs=1e-12)

    any_pieces()


@pytest.mark.usefixtures("one_tick_counts")
def test_a_policy_on_paper_hears_its_forecast(recorded) -> None:
    """Without one it would decide as `guarded`, and its paired gain on that rule would be 0 in every trial."""
    source, tape, began = recorded
    start, costs = began + PAPER.warmup_ns, []
    weight = np.zeros((6, 2), np.float32)
    weight[0, 0] = 1.0  # takes wherever the forecast is against the order
    takes = MlpPolicy(
        ((weight, np.zeros(2, np.float32)),), np.zeros(6, np.float32), np.ones(6, np.float32), head="vector"
    )  # fmt: skip
    for strategy in (
        build("guarded"),
        replace(policy_strategy(folder_of("default-1")), waiting=0.18, policy=takes),
    ):
        trial, wanted = replayed(source, began, strategy)
        trial.feed(tape[tape[:, sim.T_NS] > start], start + 10**12)
        assert trial.shortfall_bps == pytest.approx(wanted)
        costs.append(wanted)
    assert costs[0] != costs[1]


def test_rows_that_go_back_in_time_are_refused(recorded) -> None:
    source, tape, began = recorded
    trial, _ = replayed(source, began, build("twap_take"))
    trial.feed(tape[:0], began + PAPER.warmup_ns + 10**9)
    with pytest.raises(TapeError, match="in order of time"):
        trial.feed(tape[:1], began + PAPER.warmup_ns + 2 * 10**9)
