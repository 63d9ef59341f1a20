"""Precursors: features and a recorded day by hand, the posture's own policy as oracle, the trial end to end."""

import math
from pathlib import Path

import numpy as np
import pytest

from certify.kits.feed import read_all
from studies.risk import precursors as p
from studies.risk.rules import finish_early
from studies.risk.stress import power_for
from studies.risk.trials.precursors import METHODS, Sizes, Usual, found_precursors
from studies.risk.withdrawals import Withdrawal, plant
from tercel.feeds import FeedOptions, LobsterFeed
from tercel.market.flow.registry import load
from tercel.market.observed import Observed, observe
from tercel.market.observed.event_columns import CANCEL_DEEPER, LIMIT_AT_BEST, MARKET
from tercel.market.simulator.source import reactive
from tercel.market.tape import Lake
from tercel.signals.risk.anomaly import RiskMeter, alarm_starts
from tercel.signals.risk.posture import PosturePolicy
from tercel.signals.risk.seconds import Second, simulate

pytestmark = pytest.mark.release

pytest.importorskip("sklearn")
pytest.importorskip("lightgbm")
NS = 1_000_000_000
TINY = Sizes(
    withdrawals=4, days=2, fitted=8, chosen=3, calm=2, threshold=2, day_s=3600, planted_s=2400
)


def drawn(seed: int, n: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    out = rng.poisson([2, 300, 280, 0, 2, 0.3, 2, 1], (n, 8)).astype(float)
    out[:, 7] -= 1
    return out


def test_features_are_what_they_say_and_know_no_later_second() -> None:
    calm_day, day = drawn(1, 2000), drawn(2, 400)
    calm = p.Calm.of([calm_day])
    found = calm.features(day)
    assert found.shape == (400, len(p.FEATURES))
    np.testing.assert_array_equal(calm.features(day[:250]), found[:250])

    def said(column: np.ndarray, usual: float, span: int, t: int) -> float:
        return math.log(column[t - span + 1 : t + 1].mean() / usual + p.FLOOR)

    t = 300
    for name, of in {"depth": lambda x: x[:, 1] + x[:, 2], "cancels": lambda x: x[:, 4]}.items():
        column, usual = of(day), of(calm_day).mean()
        for span in p.SPANS_S:
            level = said(column, usual, span, t)
            change = level - said(column, usual, span, t - span)
            for label, value in ((f"{name} {span} s", level), (f"{name} change {span} s", change)):
                at = p.FEATURES.index(label)
                assert found[t, at] * calm.scale[at] + calm.centre[at] == pytest.approx(
                    value, abs=1e-9
                )


def test_the_postures_score_is_one_when_its_policy_comes_into_force() -> None:
    source = reactive(load("csco-santa-fe"))
    usual = Usual.of([simulate(source, np.ones((3600, 3)), 1)])
    planted, rates = plant(np.random.default_rng(3), power_for(source), 2400)
    seconds = simulate(source, rates, 4)
    meter, policy = RiskMeter("A", usual.anomaly), PosturePolicy("A", finish_early())
    in_force = []
    for t, row in enumerate(seconds):
        now = policy.update(meter.update(Second(*row.tolist()), (t + 1) * NS), (t + 1) * NS)
        in_force.append(bool(now.reasons))
    first = in_force.index(True)
    assert planted.onset < first < planted.end + 120
    scores = p.posture_scores(seconds, usual.anomaly.depth, usual.anomaly.variance)
    assert alarm_starts(scores)[0] == first


def test_the_first_alarm_is_timed_from_the_half() -> None:
    planted = Withdrawal(100, 110, 200)
    scores = np.zeros(1000)
    scores[[50, 105, 130]] = 1.5
    assert p.first_alarm(scores, planted, 120) == p.Alarm(True, 15.0)
    assert p.first_alarm(scores, planted, 103) == p.Alarm(False, -2.0)
    scores[:] = 0.8  # one from before that never ends
    scores[50] = 1.5
    assert not p.first_alarm(scores, planted, 120).before_half


def test_seconds_of_a_recorded_day_by_hand() -> None:
    # three events: an order in the first second, a cancel at the very start of the third, a trade that ends the tape
    ns = np.array([NS // 2, 2 * NS, 3 * NS], np.int64)
    zeros, books = np.zeros(3, np.int32), np.array([[5, 0], [7, 2], [4, 2]], np.int32)
    day = Observed(
        ns, np.array([LIMIT_AT_BEST, CANCEL_DEEPER, MARKET], np.uint8), np.ones(3, np.int8), zeros, zeros, zeros,
        np.zeros(3, np.int64), np.zeros(3, bool), books, books, books, 2 * books, np.zeros((0, 5), np.int64),
        np.array([20, 20, 21, 23]), np.array([2, 2, 3, 4]), 0, 3 * NS, 0, 1, 0, {},
    )  # fmt: skip
    found = p.tape_seconds(day)
    assert found.shape == (3, 8)
    assert found[:, 1].tolist() == [9, 9, 6]  # the book before the next event
    assert found[:, 2].tolist() == [18, 18, 12]
    assert found[:, 4].tolist() == [0, 0, 1]
    assert found[:, 6].tolist() == [1, 0, 0]
    assert found[:, 0].tolist() == [2, 3, 4]
    assert found[:, 7].tolist() == [0, 0.5, 1.0]


def test_the_trial_on_a_market_and_a_tape(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "lobster-zips-20120621" / "LOBSTER_SampleFile_GOOG_2012-06-21_5.zip"
    (imported,) = read_all(LobsterFeed(), [path], FeedOptions())
    Lake(tmp_path).write(imported.instrument, imported.events)
    seconds = p.tape_seconds(observe(imported.instrument, imported.events))
    assert np.isfinite(seconds).all()
    assert 22_000 < len(seconds) <= 22_500
    lines: list[str] = []
    found = found_precursors(("goog-santa-fe",), TINY, tmp_path, 5, lines.append)
    assert len(lines) == 3
    assert set(found.body["markets"]["goog-santa-fe"]) == set(METHODS)
    assert found.body["tapes"]["goog-santa-fe"]["days"] == 1
    assert found.body == found_precursors(("goog-santa-fe",), TINY, tmp_path, 5, lines.append).body
    assert "<svg" in found.page()
    assert "risk state" in found.notes[-1]
