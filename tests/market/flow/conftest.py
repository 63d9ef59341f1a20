"""A small market whose rates are known (the truth that tests calibrate back to), and one of its days."""

import pytest
from tests.market.flow.conformance import SantaFe, simulate

from tercel.market.flow.santa_fe import SantaFePreset as Preset
from tercel.market.tape import Events

TOY_SECONDS = 6000.0
TOY_WARMUP_S = 300.0
TOY = Preset(
    name="toy",
    symbol="TOY",
    venue="TEST",
    tick=0.01,
    lot=1,
    start_mid_ticks=1000,
    limit_rate=(0.4, 0.6, 0.5, 0.3, 0.2),
    market_rate=0.3,
    cancel_rate=(0.15, 0.12, 0.1, 0.08, 0.05),
    limit_sizes=(1,) * 16 + (2,) * 32 + (4,) * 16,
    market_sizes=(1,) * 32 + (3,) * 32,
    volume_per_s=1.2,
    mean_depth=(8.0, 10.0, 9.0, 7.0, 5.0),
    level_offset_ticks=(0.0, 1.0, 2.0, 3.0, 4.0),
    mean_spread_ticks=1.5,
    sd60_ticks=1.0,
    volume_curve=(1.0,) * 13,
    eta_ticks_per_lot=0.1,
    orders=512,
    width=256,
    card={"days": ["2003-01-13"]},
)


@pytest.fixture(scope="session")
def toy() -> Preset:
    return TOY


@pytest.fixture(scope="session")
def toy_day() -> Events:
    """6,000 s after 300 s of warm-up."""
    return simulate(SantaFe(TOY), 11, TOY_SECONDS, TOY_WARMUP_S)
