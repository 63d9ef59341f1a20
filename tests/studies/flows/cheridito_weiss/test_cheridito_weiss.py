"""The law against a second implementation and against the published table; the quirks one by one."""

import json

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.studies.flows.cheridito_weiss.reference import Reference

from replications.cheridito_weiss.published import MARKETS, published
from studies.flows.cheridito_weiss.preset import CheriditoWeissPreset
from tercel.core.errors import ConfigError
from tercel.core.seeds import seed_stream
from tercel.core.vocabulary import NS_PER_SECOND, SELL
from tercel.execution import columns as c, intent as it
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Episodes
from tercel.lab.evaluation.plans import seeded_plan
from tercel.market.flow import load
from tercel.market.simulator import engine, layout as sim
from tercel.market.simulator.source import NO_TAPE, first_world, reactive
from tercel.market.tape.schema import ADD, DELETE, EXECUTE, REDUCE

TASK = Task(side=SELL, share=0.1, horizon_s=150.0, decisions=10, warmup_s=15.0, grid_points=2)
ALONE = 1 << 20
"""A step between rungs that leaves the ladder with its first alone."""
MARKET_FACTS = (
    "volume_per_s",
    "mean_depth",
    "level_offset_ticks",
    "mean_spread_ticks",
    "sd60_ticks",
    "volume_curve",
    "eta_ticks_per_lot",
)


def reference_mids(
    preset: CheriditoWeissPreset, episodes: int, seconds: float
) -> NDArray[np.float64]:
    """Mid, spread, lots traded, lots at both touches after so many seconds: float64 (n, 4)."""
    rows = []
    for i in range(episodes):
        market = Reference(preset, np.random.default_rng([7, i]))
        market.run(seconds)
        touch = market.lots(1, market.best(1)) + market.lots(-1, market.best(-1))
        rows.append((market.mid(), market.spread(), market.traded, touch))
    return np.array(rows, np.float64)


def house_mids(preset: CheriditoWeissPreset, episodes: int, seconds: float) -> NDArray[np.float64]:
    """The same of the engine's market."""
    b0, k0, flow = first_world(preset, 0)
    out, rows = np.zeros((1, 8)), []
    for i in range(episodes):
        b, k = b0.copy(), k0.copy()
        seed_stream(k, sim.FLOW_RNG, 7, i, 1)
        engine.sample_market(b, k, flow, round(seconds * NS_PER_SECOND), 1, out)
        touch = sum(lots_at_best(b, side) for side in (1, -1))
        rows.append((out[0, 0], out[0, 1], out[0, 2], touch))
    return np.array(rows)


def lots_at_best(b: NDArray[np.int32], side: int) -> int:
    from tercel.market.book.book_records import best
    from tercel.market.book.ladder import lots_at

    return int(lots_at(b, side, best(b, side)))


@pytest.mark.long
@pytest.mark.parametrize("market", MARKETS)
def test_the_engine_and_the_reference_agree(market: str) -> None:
    preset = published(market)
    ours, theirs = house_mids(preset, 3000, 20.0), reference_mids(preset, 120, 20.0)
    for column in range(4):
        a, b = ours[:, column], theirs[:, column]
        error = np.sqrt(a.var() / len(a) + b.var() / len(b))
        assert abs(a.mean() - b.mean()) < 4.0 * error, (column, a.mean(), b.mean(), error)
    assert 0.75 < ours[:, 0].std() / theirs[:, 0].std() < 1.33


def submit_and_leave(
    market: str, quantity: int, episodes: int, cancels: str = "own"
) -> NDArray[np.float64]:
    """Ticks a lot over the arrival bid of the whole order at the best ask, the rest sold at the horizon."""
    source, parts = reactive(published(market, cancels)), []
    for first in range(0, episodes, 250):
        markets = Episodes(source, TASK, 250, run_out=False)
        markets.start(seeded_plan(TASK, quantity, 11, first, 250))
        bid, ask = markets.view.m[:, c.FAR].copy(), markets.view.m[:, c.TOUCH].copy()
        while markets.working.any():
            wanted = it.empty(250)
            wanted[:, it.OUTSIDE], wanted[:, it.STEP] = it.KEEP, ALONE
            wanted[:, it.ANCHOR], wanted[:, it.REST0] = ask, markets.view.left
            markets.step(wanted)
        k = markets.states
        shortfall = k[:, sim.SPREAD : sim.FORCED_TIMING + 1].sum(axis=1)
        parts.append((k[:, sim.ARRIVAL_MID2] - 2 * bid) / 2 - shortfall / (2 * quantity))
    return np.concatenate(parts)


PUBLISHED = {
    ("noise", 20): (0.52, 1.19),
    ("noise", 60): (-1.09, 1.34),
    ("flow", 20): (0.10, 1.43),
    ("flow", 60): (-3.36, 0.99),
    ("strategic", 20): (-1.64, 2.95),
    ("strategic", 60): (-2.51, 3.67),
}


@pytest.mark.long
@pytest.mark.parametrize(("market", "quantity"), PUBLISHED)
def test_submit_and_leave_costs_what_was_published(market: str, quantity: int) -> None:
    found = submit_and_leave(market, quantity, 4000)
    mean, sd = PUBLISHED[market, quantity]
    error = sd * np.sqrt(1 / 4000 + 1 / 10_000)
    assert abs(found.mean() - mean) < 3.5 * error
    assert found.std() == pytest.approx(sd, rel=0.06)


def test_with_plain_cancels_it_is_another_market() -> None:
    assert submit_and_leave("flow", 60, 1000, "any").mean() < -6.5


# -- the quirks -------------------------------------------------------------------------------------------------------


def recorded(preset: CheriditoWeissPreset, seconds: float, seed: int = 3) -> NDArray[np.int64]:
    """Rows of one market on its own."""
    b, k0, flow = first_world(preset, 0)
    k = sim.extend(k0, 0, 8192)
    seed_stream(k, sim.FLOW_RNG, seed, 0, 1)
    engine.run_until_full(b, k, flow, NO_TAPE, round(seconds * NS_PER_SECOND), 0)
    rows, at = int(k[sim.RECORD]), int(k[sim.RECORD_AT])
    return k[at : at + rows * sim.RECORD_WORDS].reshape(rows, sim.RECORD_WORDS)


def owners_of_cancels(rows: NDArray[np.int64], preset: CheriditoWeissPreset) -> dict[str, int]:
    """Whose orders the cancels of a record took from."""
    owner = dict.fromkeys(range(2 * len(preset.shape)), "starting")
    found = {"starting": 0, "noise": 0, "hidden": 0}
    for ns, kind, slot, *_ in rows.tolist():
        if kind == ADD:
            owner[slot] = (
                "hidden" if preset.strategic_s and ns % (3 * NS_PER_SECOND) == 2 else "noise"
            )
        elif kind in (DELETE, REDUCE):
            found[owner[slot]] += 1
    return found


def test_only_the_noise_traders_own_orders_are_cancelled() -> None:
    own, any_ = published("strategic"), published("strategic", "any")
    found = owners_of_cancels(recorded(own, 120.0), own)
    assert found["noise"] > 50
    assert found["starting"] == found["hidden"] == 0
    found = owners_of_cancels(recorded(any_, 120.0), any_)
    assert min(found.values()) > 0


def test_the_hidden_trader_keeps_to_its_side_and_its_clock() -> None:
    rows = recorded(published("strategic"), 60.0)
    acts = rows[rows[:, sim.R_NS] % (3 * NS_PER_SECOND) == 2]
    laid, took = acts[acts[:, sim.R_KIND] == ADD], acts[acts[:, sim.R_KIND] == EXECUTE]
    assert len(laid) == 20
    assert (laid[:, sim.R_LOTS] == 2).all()
    assert took[:, sim.R_LOTS].sum() == 20
    assert len(set(laid[:, sim.R_SIDE].tolist())) == 1
    assert set(took[:, sim.R_SIDE].tolist()) == {-laid[0, sim.R_SIDE]}


# -- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("cancels", ["own", "any"])
def test_the_shipped_files_say_what_was_published(market: str, cancels: str) -> None:
    made = published(market, cancels)
    shipped = load(made.name)
    facts = {name: getattr(shipped, name) for name in MARKET_FACTS}
    assert shipped == published(market, cancels, facts)
    assert shipped.mean_spread_ticks > 1.0
    assert shipped.sd60_ticks > 0.0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"limit_rate": [0.1]}, "cancel rates"),
        ({"size_share": [0.5, 0.4]}, "sums to"),
        ({"strategic_s": 1e-6}, "strategic_s"),
        ({"orders": 32}, "orders"),
        ({"orders": 4096}, "orders"),
        ({"width": 32}, "width"),
        ({"start_mid_ticks": 20}, "below zero"),
        ({"market_rate": 1e6}, "a slip|100,000"),
        ({"cancels": "all"}, "cancels"),
    ],
)
def test_wrong_files_are_refused(tmp_path, change: dict[str, object], says: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps(published("noise").model_dump(mode="json") | change))
    with pytest.raises(ConfigError, match=says):
        load(path)
