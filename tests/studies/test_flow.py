"""`python -m studies flow`: terms of impact, gains under each assumption, what is left of a late forecast."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tests.studies.typed import printed, refused

from studies.tape import flow
from tercel.execution.policies import PolicyStrategy
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
    made, market = Lake(tmp_path_factory.mktemp("flow") / "lake"), load("csco-santa-fe")
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


def test_days_of_a_study_have_the_terms_of_impact_that_were_asked_for(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "FIRST", 1)
    plain, half = (
        flow.ground(lake, "AAA", "strict", terms=terms).judged.impact
        for terms in ({}, {"passive_impact": 0.5, "impact_scale": 2.0})
    )
    assert half == plain.scaled(2.0, 0.5)


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
