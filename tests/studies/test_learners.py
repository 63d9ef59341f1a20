"""`python -m studies learners`: pairs add up to the digit, choices are the best of all, the command runs through."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, strategies as st
from tests.studies.typed import printed, refused

from studies.tape import flow, learners
from tercel.execution.policies import PolicyStrategy
from tercel.execution.strategies import build
from tercel.lab.evaluation import run_strategies
from tercel.market.flow.registry import load
from tercel.market.simulator.days import simulated_session
from tercel.market.tape import Instrument, Lake
from tercel.signals.flow import FlowDay

pytestmark = [pytest.mark.release, pytest.mark.usefixtures("one_tick_counts")]
DATES = ("2020-01-02", "2020-01-03", "2020-01-06")
SHIPPED = "flow-2"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Two symbols of three simulated days, an hour each."""
    made, market = Lake(tmp_path_factory.mktemp("learners") / "lake"), load("csco-santa-fe")
    for number, (symbol, date) in enumerate(
        (one, date) for one in ("AAA", "BBB") for date in DATES
    ):
        open_ns = Instrument("SIM", symbol, date, market.tick, market.lot).clock_ns("10:00")
        close_ns = open_ns + 3600 * 10**9
        about = Instrument(
            "SIM", symbol, date, market.tick, market.lot, session_open_ns=open_ns, session_close_ns=close_ns
        )  # fmt: skip
        made.write(about, simulated_session(market, 5 + number, 3600.0, open_ns, warmup_s=300.0))
    return made


@pytest.fixture
def of(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> learners.Domain:
    monkeypatch.setattr(flow, "FIRST", 1)
    return learners.Domain(flow.ground(lake, "AAA", "strict"), flow.policy_of(SHIPPED))


def test_days_of_a_study_have_the_terms_of_impact_that_were_asked_for(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "FIRST", 1)
    plain, half = (
        flow.ground(lake, "AAA", "strict", terms=terms).judged.impact
        for terms in ({}, {"passive_impact": 0.5, "impact_scale": 2.0})
    )
    assert half == plain.scaled(2.0, 0.5)


def cost(of: learners.Domain, name: str = "") -> np.ndarray:
    """Bps of each order, by the package's own loop."""
    strategy = build(name) if name else of.start
    [found] = run_strategies(
        of.market.judged, of.market.task, of.market.plan, [strategy], run_out=False
    )
    return 1e4 * found.shortfall / found.denominator


def test_pairs_add_up_to_what_is_saved(
    of: learners.Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert of.rival[:, -1] == pytest.approx(cost(of, "guarded"))
    saved = (cost(of, "guarded") - cost(of)) / of.unit
    monkeypatch.setattr(learners, "EXPLORED", 0.0)
    env = learners.PairedVec(of, 8)
    env.reset(seed=3)
    orders = env.rows.copy()
    seen = learners.logged(learners.SideBySide([env]), 8 * 1_000, of.start.policy, 3)
    assert seen.to_go[:8] == pytest.approx(saved[orders], abs=1e-6)
    assert np.bincount(orders).max() > 1  # an order that is drawn twice


def test_the_policys_own_choice_saves_nothing_to_the_digit(of: learners.Domain) -> None:
    same = learners.advantages(of, 2, np.random.default_rng(1), lambda own, rng: own.copy())
    assert len(same.gain) == 2 * len(of.rival)
    assert (same.gain == 0).all()
    assert (same.changed == 0).all()
    other = learners.advantages(of, 2, np.random.default_rng(1))
    assert (other.gain != 0).any()
    assert (other.changed[:, 0] == other.bands.sum(axis=1)).all()


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 2.0]))
def test_the_best_of_all_choices_is_taken_where_it_beats_the_own(seed: int, caution: float) -> None:
    rng = np.random.default_rng(seed)
    start = flow.policy_of(SHIPPED).policy
    obs = rng.normal(size=(6, 6)).astype(np.float32)
    obs[0, learners.KNOWN[0]] = 0.0
    weights, root = rng.normal(size=56), 0.3 * rng.normal(size=(56, 56))
    found = learners.Choosing(start, weights, caution * root).act(obs)
    own = learners.chosen(start.act(obs))
    for row, scores, mine in zip(obs, found, own, strict=True):
        phi = [1.0, *row.astype(float)]
        phi += [phi[i] * phi[j] for i in range(1, 7) for j in range(i, 7)]
        best, wanted = 0.0, mine
        for choice in learners.CHOICES if row[learners.KNOWN].all() else ():
            x = np.kron(choice - mine, phi)
            low = float(x @ weights - caution * np.linalg.norm(x @ root))
            if low > best:
                best, wanted = low, choice
        assert learners.chosen(scores[None])[0].tolist() == wanted.tolist()


@given(st.integers(0, 2**32 - 1))
def test_no_choice_is_drawn_that_is_the_own(seed: int) -> None:
    rng = np.random.default_rng(seed)
    own = learners.CHOICES[rng.integers(3, size=40)]
    assert (learners.drawn(own, rng) != own).any(axis=1).all()


def test_what_a_choice_is_worth_is_found_again() -> None:
    rng = np.random.default_rng(1)
    x, true = rng.normal(size=(4_000, 5)), np.arange(5.0)
    weights, root = learners.least_squares(x, x @ true + rng.normal(size=4_000), 1e-6)
    assert weights == pytest.approx(true, abs=0.1)
    assert np.linalg.norm(root, axis=1) == pytest.approx(4_000**-0.5, rel=0.1)


@pytest.fixture
def shipped_forecaster(monkeypatch: pytest.MonkeyPatch) -> None:
    packaged = flow.policy_of

    def shipped(model: str) -> PolicyStrategy:
        return packaged(SHIPPED)

    monkeypatch.setattr(flow, "FIRST", 1)
    monkeypatch.setattr(flow, "LEAST_DAYS", 3)
    monkeypatch.setattr(flow, "learned", lambda days, out, seed: "")
    monkeypatch.setattr(flow, "policy_of", shipped)


@pytest.mark.usefixtures("shipped_forecaster")
def test_gains_are_told_under_each_assumption(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "share_left", lambda days, model, late_s: 1.0 / late_s)
    typed = ["flow", "--lake", str(lake.root), "--bound", "strict"]
    plain = printed(*typed)["strict"]
    found = printed(*typed, "--assume", "impact,latency")
    assert list(found["gains"]) == [
        "strict",
        "strict, resting fills move no price",
        "strict, orders arrive 100 ms late",
        "strict, orders arrive 1 s late",
    ]
    as_assumed, no_impact, _, late = found["gains"].values()
    assert [row["saves"]["default"] for row in as_assumed] == [
        row["saves"]["default"] for row in plain
    ]
    direct = printed(*typed, "--passive-impact", "0")["strict"]
    assert [row["bps"]["guarded"] for row in no_impact] == [row["bps"]["guarded"] for row in direct]
    assert late[0]["bps"] != as_assumed[0]["bps"]
    assert found["share_left"]["AAA"] == {"1": 1.0, "2": 0.5, "5": 0.2}
    rows = {row["symbol"]: row for row in as_assumed}
    assert 0 < rows["AAA"]["taken"]["default"] < 1
    for action in flow.ACTIONS:
        without = (
            rows["all"]["saves"]["default"]["mean"]
            - rows["all"]["saves"][f"without {action}"]["mean"]
        )
        assert rows["all"]["saves_on"][f"without {action}"]["mean"] == pytest.approx(without)
    parts = [rows[name] for name in ("AAA", "BBB")]
    orders = [row["orders"] for row in parts]
    for name in ("guarded", "default"):
        assert rows["all"]["taken"][name] == pytest.approx(
            np.average([row["taken"][name] for row in parts], weights=orders)
        )


def test_what_would_be_ignored_is_refused(tmp_path: Path) -> None:
    for words in (["--choose"], ["--shares", "0.5"]):
        told = refused("flow", "--lake", tmp_path, "--assume", "impact", *words)
        assert f"received --assume and {words[0]}" in told


def test_a_late_order_meets_what_is_left_of_a_steady_move(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "load", lambda _: SimpleNamespace(raw=lambda x, horizon_s: x[:, 0]))
    bid, at, one = np.arange(1000) + 100, np.arange(0, 800, 40), np.ones(20)
    foreseen = np.random.default_rng(1).normal(size=(20, 1))
    day = FlowDay("AAA", "2020-01-02", 0.01, 0, bid, bid + 2, at, foreseen + 3.0, one, one)
    for late_s in (1, 5, 30):
        assert flow.share_left([day], "any", late_s) == pytest.approx(1.0 - late_s / 30)


@pytest.mark.usefixtures("shipped_forecaster")
def test_the_command_prints_every_learner(lake: Lake) -> None:
    typed = ["learners", "--lake", str(lake.root), "--bound", "strict", "--quick"]
    rows = printed(*typed)["strict"]
    assert [row["learner"] for row in rows] == [name for name in learners.ROWS for _ in range(3)]
    assert [row["left_out"] for row in rows[:3]] == ["AAA", "BBB", "all"]
    assert rows[2]["orders"] == rows[0]["orders"] + rows[1]["orders"]
    assert "two symbols of 3 days or more" in refused(*typed, "--symbol", "AAA")
