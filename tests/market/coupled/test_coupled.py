"""Coupled twins: the same law, the same bytes without own orders, and worlds that find together again."""

import dataclasses

import numpy as np
import pytest

from tercel.core.errors import ConfigError
from tercel.market.book import layout as lay
from tercel.market.coupled.source import couple
from tercel.market.flow import Preset, load
from tercel.market.flow.census import Census, census
from tercel.market.flow.pilot import simulated_census
from tercel.market.impact.metaorder import MID, Leg, program, run
from tercel.market.simulator import layout as sim
from tercel.market.simulator.days import as_events, run_recorded, standing
from tercel.market.simulator.reals import put_real
from tercel.market.simulator.source import Source, first_world, martingale_market, reactive
from tercel.market.tape import schema
from tercel.testing import flow as oracle

SIGMAS = 4.5
MODELS = ("csco-santa-fe", "csco", "csco-hawkes")


@pytest.fixture(scope="module")
def plain() -> Source:
    return reactive(load("csco-santa-fe"), worlds=2, seed=1, settle_s=1800.0, impact="none")


@pytest.fixture(scope="module")
def coupled(plain: Source) -> Source:
    return couple(plain)


def coupled_census(preset: Preset, seed: int, seconds: float, warmup: float) -> Census:
    b, k, flow = first_world(preset, seed)
    source = Source(preset.name, preset.code, flow, np.zeros((0, 6), np.int64), b[None], k[None], 0.01, 1)
    twin = couple(source, room=6.0)
    b, k = twin.worlds_b[0], twin.worlds_k[0]
    stood = standing(b)
    rows = run_recorded(b, k, flow, int((warmup + seconds) * 1e9))
    assert b[lay.OVERFLOW] == 0
    orders = b[lay.HEADER : lay.HEADER + int(b[lay.ORDERS]) * lay.ORDER].reshape(-1, lay.ORDER)
    assert b[lay.LIVE] == np.count_nonzero(orders[:, lay.QTY])
    return census(as_events(np.concatenate((stood, rows))), 0, int((warmup + seconds) * 1e9), int(warmup * 1e9))


def test_keyed_draws_obey_the_same_law() -> None:
    """Every quantity of the fit table, twelve days each way, Welch's z."""
    preset = load("csco-santa-fe")
    keyed = [coupled_census(preset, 50 + seed, 3600.0, 1800.0) for seed in range(12)]
    plain = [simulated_census(preset, seed, 3600.0, 1800.0) for seed in range(24)]
    scores = oracle.z_scores(plain, keyed)
    assert max(map(abs, scores.values())) < SIGMAS, scores


def test_the_bias_of_own_trades_leans_keyed_draws_as_it_leans_others(plain: Source, coupled: Source) -> None:
    """With log factor 1 on public sells, their share is e / (1 + e), drawn either way."""
    wanted = np.e / (1.0 + np.e)
    for source in (plain, coupled):
        b, k = source.worlds_b[0].copy(), source.worlds_k[0].copy()
        k[sim.IMPACT] = sim.WEIGHTS
        put_real(k, sim.BIAS, 1.0)
        rows = run_recorded(b, k, source.flow, int(k[sim.NOW]) + 3_600 * 10**9)
        traded = rows[rows[:, sim.R_KIND] == schema.EXECUTE]
        _, first = np.unique(traded[:, sim.R_NS], return_index=True)  # executions of one moment are one order
        sold = np.mean(traded[first, sim.R_SIDE] > 0)
        assert abs(sold - wanted) < SIGMAS * np.sqrt(wanted * (1.0 - wanted) / len(first))


@pytest.mark.parametrize("name", MODELS)
def test_a_twin_without_own_orders_is_byte_identical(name: str) -> None:
    source = couple(reactive(load(name), worlds=1, seed=3, settle_s=600.0, impact="none"))
    ends = []
    for _ in range(2):
        b, k = source.worlds_b[0].copy(), source.worlds_k[0].copy()
        rows = run_recorded(b, k, source.flow, int(k[sim.NOW]) + 300_000_000_000)
        ends.append((b.tobytes(), k.tobytes(), rows.tobytes()))
    assert ends[0] == ends[1]


@pytest.mark.parametrize("name", MODELS)
def test_seeds_tell_episodes_apart(name: str) -> None:
    source = couple(reactive(load(name), worlds=1, seed=3, settle_s=600.0, impact="none"))
    none = program([Leg(1.0, 0.0, 1.0)], 1.0, 0)[:0]
    paths = [run(source, none, 7, index, 60.0, 6)[:, MID] for index in (0, 0)]
    others = [run(source, none, seed, 0, 60.0, 6)[:, MID] for seed in range(8, 14)]
    assert np.array_equal(paths[0], paths[1])
    assert len({tuple(path) for path in others}) > 1


def test_twins_find_together_again(plain: Source, coupled: Source) -> None:
    """Ten lots bought in the first minute; ten minutes later most coupled twins have the same mid again."""
    orders = program([Leg(10.0, 0.0, 60.0)], 10.0, 0)
    apart, equal = [], []
    for source in (plain, coupled):
        gap = np.array(
            [
                run(source, orders, 5, i, 600.0, 2)[1, MID] - run(source, orders[:0], 5, i, 600.0, 2)[1, MID]
                for i in range(200)
            ]
        )
        apart.append(float(gap.var()))
        equal.append(float((gap == 0.0).mean()))
    assert apart[1] < 0.4 * apart[0]
    assert equal[1] > equal[0] + 0.1


def test_slots_that_do_not_suffice_are_an_overflow(coupled: Source) -> None:
    b, k = coupled.worlds_b[0].copy(), coupled.worlds_k[0].copy()
    k[sim.COUPLED_SLOTS] = b[lay.LIVE] // 2
    run_recorded(b, k, coupled.flow, int(k[sim.NOW]) + 60_000_000_000)
    assert b[lay.OVERFLOW] > 0


def test_what_cannot_be_coupled_is_refused(plain: Source) -> None:
    with pytest.raises(ConfigError, match="flow model"):
        couple(martingale_market())
    with pytest.raises(ConfigError, match="room above 1"):
        couple(plain, room=1.0)
    with pytest.raises(ConfigError, match="flow model"):
        couple(dataclasses.replace(plain, model=sim.REPLAY))
