"""Synthetic material of the demo model: rounds of a market with planted informed flow, and news that hints at it.

In each round market orders lean to one side, to the other or to none, by `drift` of all orders. At the start of a round
the flow of the past minute, the book and a news score are known; what is forecast is the move of the mid in the round.
The features are those that a desk senses from market data, made by the same kernels.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import Floats, Ints
from tercel.core.errors import CapacityError, ConfigError
from tercel.core.seeds import seed_stream
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.features.microstructure import imbalance, public_depth
from tercel.market.book import layout as lay
from tercel.market.flow.preset import Preset
from tercel.market.flow.santa_fe import BUY_SHARE
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import NO_TAPE, Source, reactive, run_free

SOURCES = {
    "flow": ("ofi", "signed_volume", "return_bps"),
    "book": ("imbalance", "microprice_bps"),
    "news": ("news",),
}
"""Features of each source: sums over the past minute in lots, its return; imbalance of five levels and the microprice
less the mid; a score of unit variance."""
NAMES = tuple(name for names in SOURCES.values() for name in names)
WINDOW_S = 60
HORIZONS_S = (60, 120, 180, 300, 450, 600)
LEVELS = 5
WORLDS = 16
"""Books that markets start from."""
CHAIN = 25
"""Rounds that follow each other in one market."""


@dataclass(frozen=True, eq=False)
class Material:
    """Rounds, in chains.

    Parameters
    ----------
    X : float64 (n, 6)
        `NAMES` at the start of each round.
    moves : float64 (n, 6)
        Move of the mid over each of `HORIZONS_S`, bps.
    direction : float64 (n,)
        The planted drift's side: the truth that nobody sees.
    chain : int64 (n,)
        Which market the round is of.
    """

    X: Floats
    moves: Floats
    direction: Floats
    chain: Ints


def simulate_rounds(preset: Preset, rounds: int, seed: int, drift: float = 0.25, news: float = 0.6) -> Material:
    """Rounds of ten minutes of a preset's market.

    Parameters
    ----------
    preset : Preset
    rounds : int
        In all, in chains of 25 that begin with a round that is not counted.
    seed : int
    drift : float
        Buyers' share of market orders is 1/2 plus or minus this, or 1/2.
    news : float
        Correlation of the news score with the side of the drift.

    Raises
    ------
    CapacityError
        When the preset has too few order slots for what its rates bring.
    ConfigError
        For a preset of another model than `santa_fe`: its share of buyers is not a rate of its own.
    """
    if preset.model != "santa_fe":
        received = f"{preset.name} of model {preset.model}"
        raise ConfigError("a preset of model santa_fe", received, "plant the drift in csco-santa-fe")
    source = reactive(preset, worlds=WORLDS, seed=seed)
    chains = -(-rounds // CHAIN)
    parts = [_chain(source, preset, seed, number, drift, news) for number in range(chains)]
    X, moves, sides = (np.concatenate([part[i] for part in parts])[:rounds] for i in range(3))
    return Material(X, moves, sides, np.repeat(np.arange(chains), CHAIN)[:rounds])


def _chain(
    source: Source, preset: Preset, seed: int, chain: int, drift: float, news: float
) -> tuple[Floats, Floats, Floats]:
    """Features (25, 6), moves (25, 6) and sides (25,) of the rounds of one market."""
    rng = np.random.default_rng([seed, 31, chain])
    world = chain % WORLDS
    b, k, flow = source.worlds_b[world].copy(), source.worlds_k[world].copy(), source.flow.copy()
    seed_stream(k, sim.FLOW_RNG, seed, chain, 0)
    start, length = int(k[sim.NOW]), HORIZONS_S[-1] * NS_PER_SECOND
    sides = rng.choice([-1.0, 0.0, 1.0], CHAIN + 1)
    scores = news * sides / np.sqrt(2 / 3) + np.sqrt(1 - news**2) * rng.normal(size=CHAIN + 1)
    X, moves = np.zeros((CHAIN + 1, len(NAMES))), np.zeros((CHAIN + 1, len(HORIZONS_S)))
    past = _tallies(k)
    for number in range(CHAIN + 1):
        X[number] = [*_sensed(b, k, past), scores[number]]
        mid2, begin = int(k[sim.MID2]), start + number * length
        flow[BUY_SHARE] = 0.5 + drift * sides[number]
        for h, horizon in enumerate(HORIZONS_S):
            if h == len(HORIZONS_S) - 1:
                run_free(b, k, flow, NO_TAPE, begin + (horizon - WINDOW_S) * NS_PER_SECOND)
                past = _tallies(k)
            run_free(b, k, flow, NO_TAPE, begin + horizon * NS_PER_SECOND)
            moves[number, h] = 1e4 * (int(k[sim.MID2]) - mid2) / mid2
    if b[lay.OVERFLOW]:
        raise CapacityError("room for the market's orders", f"preset {preset.name}", "raise `orders` in the preset")
    return X[1:], moves[1:], sides[1:]


def _tallies(k: Ints) -> tuple[int, int, int]:
    return int(k[sim.OFI]), int(k[sim.BOUGHT] - k[sim.SOLD]), int(k[sim.MID2])


def _sensed(b: NDArray[np.int32], k: Ints, past: tuple[int, int, int]) -> Floats:
    """The five features of the market itself, now."""
    bid, ask = int(k[sim.PUBLIC_BID]), int(k[sim.PUBLIC_ASK])
    depth = np.zeros(2 * LEVELS, np.int64)
    public_depth(b, 1, bid, depth, 0, LEVELS)
    public_depth(b, -1, ask, depth, LEVELS, LEVELS)
    lean = float(imbalance(float(depth[:LEVELS].sum()), float(depth[LEVELS:].sum())))
    now = _tallies(k)
    mid2 = now[2]
    spread = int(k[sim.LAST_ASK] - k[sim.LAST_BID])
    return np.array(
        [now[0] - past[0], now[1] - past[1], 1e4 * (mid2 - past[2]) / mid2, lean, 1e4 * spread * lean / mid2]
    )
