"""Stylised facts: pieces against closed forms, and what a market that lacks a fact says."""

import numpy as np
import pytest

from studies.realism.stylised import (
    FACTS,
    correlation,
    excess_kurtosis,
    find,
    skewness,
)
from tercel.market.flow import load
from tercel.market.observed import Observed
from tercel.market.score.scored_days import Day, simulate_stretch
from tercel.market.simulator.days import simulated_day
from tercel.market.tape import Instrument

pytestmark = pytest.mark.release


@pytest.fixture(scope="module")
def poisson() -> Observed:
    """An hour of a zero-intelligence market."""
    preset = load("csco-santa-fe")
    events = simulated_day(preset, 1, 7_200.0)
    last = int(events.exch_ns[-1])
    instrument = Instrument(
        "SIM", "TOY", "1970-01-01", 0.01, session_open_ns=1, session_close_ns=last
    )
    return simulate_stretch(preset, 2, Day(instrument, events).observe())


def test_moments_of_known_laws() -> None:
    rng = np.random.default_rng(1)
    normal, exponential = rng.normal(size=400_000), rng.exponential(size=400_000)
    assert excess_kurtosis(normal) == pytest.approx(0.0, abs=0.05)
    assert excess_kurtosis(exponential) == pytest.approx(6.0, abs=0.5)
    assert skewness(exponential) == pytest.approx(2.0, abs=0.05)
    assert correlation(normal, normal + rng.normal(size=len(normal))) == pytest.approx(
        np.sqrt(0.5), abs=0.01
    )


def test_poisson_flow_has_no_memory(poisson: Observed) -> None:
    """What a market without memory cannot show: signs that persist, bursts."""
    found = {fact.name: find(fact, [poisson, poisson]) for fact in FACTS}
    assert found["memory of trade signs"].holds is False
    assert found["bursts of events"].holds is False
    assert all(cell.mean is None or np.isfinite(cell.mean) for cell in found.values())
