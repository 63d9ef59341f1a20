"""Carry: oracles with the tape's own stream, with noise and with another library; who may read what."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.signals.command.material import signals

from tercel.core.errors import DataError
from tercel.execution.foresight.forecaster import (
    SimulatedMarket,
    find_forecaster,
    load,
    readable_forecaster,
    save,
)
from tercel.execution.strategies.timed_takes import TakeTimed
from tercel.market.flow.registry import load as preset
from tercel.market.simulator.synthetic_days import synthetic_day
from tercel.market.tape import Lake
from tercel.market.tape.local_times import working_days
from tercel.signals.flow import carry as carried
from tercel.signals.flow.carry import Carry, carry, describe_carry
from tercel.signals.flow.days import FlowDay, flow_day
from tercel.signals.flow.train import fit_symbols, stack_samples, train

pytest.importorskip("lightgbm")
DATES = tuple(working_days("2030-01-02", 10))


@pytest.fixture(scope="module")
def tape() -> list[FlowDay]:
    """Ten days of three quarters of an hour of one market."""
    market = preset("sh600961")
    return [
        flow_day(*synthetic_day(market, seed, date, 2700.0, "SIM"))
        for seed, date in enumerate(DATES)
    ]


def judged(tape: list[FlowDay], other: list[FlowDay], seen: Sequence[str] = ()) -> Carry:
    """What days of another market carry to those of a tape."""
    found = carry(tape, seen, other, 1)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def own(tape: list[FlowDay]) -> Carry:
    """What the tape's own early days carry to its later ones."""
    return judged(tape, tape[:6])


def noise(day: FlowDay) -> FlowDay:
    """The same moments, each with another's features and looking up or down by chance."""
    rng = np.random.default_rng(4)
    return replace(day, x=rng.permutation(day.x), sign=rng.choice([-1.0, 1.0], len(day.x)))


@pytest.mark.long
def test_what_learns_from_the_tapes_own_days_carries_exactly(own: Carry) -> None:
    assert (own.learned_on, own.judged_on) == (DATES[:6], DATES[6:])
    assert (
        own.horizons["10"].carry == own.horizons["10"].ci_low == own.horizons["10"].ci_high == 1.0
    )
    assert own.horizons["10"].tape == own.horizons["10"].simulated > 0.02


def test_another_seed_of_the_same_market_carries(tape: list[FlowDay]) -> None:
    market = preset("sh600961")
    other = [flow_day(*synthetic_day(market, 50 + n, DATES[n], 2700.0, "SIM")) for n in range(6)]
    assert judged(tape, other).horizons["10"].carry == pytest.approx(1.0, abs=0.35)


def test_noise_carries_nothing(tape: list[FlowDay]) -> None:
    found = judged(tape, [noise(day) for day in tape[:6]])
    assert found.carry is not None
    assert found.carry < 0.1
    assert "below 0.5: no policy reads" in describe_carry(found)


def test_r2_is_that_of_another_library(tape: list[FlowDay], own: Carry) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    x, y = stack_samples(tape[6:], 10)
    said = carried.forecasts_and_moves(fit_symbols("boosting", [tape[:6]], 10, 1), tape[6:], 10)[0]
    both, forecasts = (
        np.concatenate([y, -y]),
        np.concatenate([said, -said]),
    )  # mirrored, so that the mean is 0
    assert len(x) == len(y)
    assert own.horizons["10"].tape == pytest.approx(metrics.r2_score(both, forecasts), abs=1e-12)


def test_days_calibrated_on_are_not_judged_on_where_there_are_others(tape: list[FlowDay]) -> None:
    one, all_seen = (judged(tape, tape[:6], seen) for seen in (DATES[6:7], DATES))
    assert (one.judged_on, all_seen.judged_on) == (DATES[7:], DATES[6:])


def test_a_single_day_is_judged_on_its_second_half(tape: list[FlowDay]) -> None:
    day = flow_day(*synthetic_day(preset("sh600961"), 0, DATES[0], 5400.0, "SIM"))
    found = judged([day], tape)
    assert found.learned_on == found.judged_on == DATES[:1]


def test_too_little_and_no_library_is_no_carry(
    tape: list[FlowDay], monkeypatch: pytest.MonkeyPatch
) -> None:
    short = replace(
        tape[0],
        quote_index=tape[0].quote_index[:300],
        x=tape[0].x[:300],
        sign=tape[0].sign[:300],
        unit=tape[0].unit[:300],
    )
    assert carry([short, tape[1]], (), tape, 1) is None
    assert carry(tape, (), [short], 1) is None
    monkeypatch.setattr(carried, "find_spec", lambda name: None)
    assert carry(tape, (), tape, 1) is None


def test_a_tape_that_teaches_nothing_has_no_quotient(tape: list[FlowDay]) -> None:
    assert judged([noise(day) for day in tape], tape[:6]).carry is None
    assert "too little was recorded" in describe_carry(SimulatedMarket("m", None))
    assert describe_carry(None).startswith("no R² ratio: not measured")


def test_no_policy_reads_what_was_learned_in_a_market_that_does_not_carry(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    lake.write(*synthetic_day(preset("csco-santa-fe"), 3, DATES[0], 3600.0, "SIM"))
    out = tmp_path / "flow"
    told = signals("flow", "train", lake.root, "--symbol", "SIM", "--kind", "linear", "--out", out)
    assert told.exit_code == 0, told.output
    assert "SIM was simulated by csco-santa-fe, R² ratio -0.48, below 0.5" in " ".join(
        told.stderr.split()
    )
    assert (
        json.loads((out / "card.json").read_text())["simulated"]["SIM"]["market"] == "csco-santa-fe"
    )
    assert find_forecaster(str(out)).id == load(out).id
    with pytest.raises(DataError, match=r"csco-santa-fe, which has -0\.48"):
        TakeTimed(model=str(out)).forecaster  # noqa: B018 - what a policy reads
    assert readable_forecaster("flow-2").id == find_forecaster("flow-2").id


def test_a_market_that_carries_and_one_that_nobody_judged_are_heard(tmp_path: Path) -> None:
    found = find_forecaster("flow-2")
    for carry_, name in ((0.62, "sh600961"), (None, "mine")):
        one = replace(
            found, card={**found.card, "simulated": {"SIM": {"market": name, "carry": carry_}}}
        )
        assert save(tmp_path / name, one).id == readable_forecaster(str(tmp_path / name)).id


def test_training_on_tape_says_nothing_of_simulation(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    instrument, events = synthetic_day(preset("csco-santa-fe"), 3, DATES[0], 3600.0, "SIM")
    lake.write(replace(instrument, extra={}), events)
    assert not train(lake, ["SIM"], tmp_path / "flow", kind="linear").simulated
