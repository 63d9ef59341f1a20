"""How the demo model is made: ridge per source on simulated rounds, fused out of fold, judged on markets never seen.

Its material is synthetic: rounds of a market with planted informed flow, and news that hints at it. In each round
market orders lean to one side, to the other or to none, by `drift` of all orders. At the start of a round the flow of
the past minute, the book and a news score are known; what is forecast is the move of the mid in the round. The features
are those that a desk senses from market data, made by the same kernels.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tercel.cli import print_rows, say
from tercel.core import (
    NS_PER_SECOND,
    CapacityError,
    ConfigError,
    Estimate,
    Floats,
    Ints,
    seed_stream,
)
from tercel.core.report import format_interval
from tercel.core.stats import intervals, moments_of_mean, ranks
from tercel.execution import imbalance
from tercel.market import BUY_SHARE
from tercel.market.book import layout as lay, public_depth
from tercel.market.flow import Preset, load
from tercel.market.simulator import NO_TAPE, Source, layout as sim, reactive, run_free
from tercel.signals import (
    BOUNDED,
    AlphaScale,
    BaseModel,
    BoundedLinear,
    Fusion,
    Ridge,
    SignalModel,
    save_model as save,
    signal_decay as decay,
    stack,
)

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
DEMO_ROUNDS = 20_000
"""Rounds that the demo alpha model learns from."""
FIGURES = {"r2": 3, "sd_bps": 1, "within_90": 3}
"""Of the alpha model, and the digits that they are shown with."""
HEADINGS = ("sources", "IC", "R²", "sd bps", "in 90 %")


@dataclass(frozen=True, eq=False)
class TrainingRounds:
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


def simulate_rounds(
    preset: Preset, rounds: int, seed: int, drift: float = 0.25, news: float = 0.6
) -> TrainingRounds:
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
        raise ConfigError(
            "a preset of model santa_fe", received, "plant the drift in csco-santa-fe"
        )
    source = reactive(preset, worlds=WORLDS, seed=seed)
    chains = -(-rounds // CHAIN)
    parts = [_chain(source, preset, seed, number, drift, news) for number in range(chains)]
    X, moves, sides = (np.concatenate([part[i] for part in parts])[:rounds] for i in range(3))
    return TrainingRounds(X, moves, sides, np.repeat(np.arange(chains), CHAIN)[:rounds])


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
        raise CapacityError(
            "room for the market's orders", f"preset {preset.name}", "raise `orders` in the preset"
        )
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
        [
            now[0] - past[0],
            now[1] - past[1],
            1e4 * (mid2 - past[2]) / mid2,
            lean,
            1e4 * spread * lean / mid2,
        ]
    )


FOLDS = 5
ALPHA = 10.0
SHRINK = 0.2


def train_demo(
    preset: Preset, rounds: int, test_rounds: int, seed: int, command: str
) -> SignalModel:
    """The demo model of a preset's market; its card says what :func:`save` is told.

    Parameters
    ----------
    preset : Preset
    rounds, test_rounds : int
        To learn from, and of other markets (another seed) to judge on.
    seed : int
    command : str
        What was typed, for the card.
    """
    train = simulate_rounds(preset, rounds, seed)
    target = train.moves[:, -1]
    models = {name: _fit(train.X[:, _columns(name)], target) for name in SOURCES}
    parts = tuple(_part(name, model) for name, model in models.items())
    fusion = stack(_out_of_fold(train), target, tuple(part.name for part in parts), shrink=SHRINK)
    shape = decay(
        _fused(models, fusion, train.X), train.moves, [h * NS_PER_SECOND for h in HORIZONS_S]
    )
    test = simulate_rounds(preset, test_rounds, seed + 1)
    card = {
        "name": "demo",
        "inputs": "market",
        "about": "forecast of the mid's move over a ten-minute round; synthetic material alone",
        "command": command,
        "market": preset.name,
        "rounds": rounds,
        "seed": seed,
        "planted": {"drift": 0.25, "news": 0.6},
        "test": judged(models, fusion, test, seed),
    }
    scale = AlphaScale(1.0, 1.0, 1.0, HORIZONS_S[-1] * NS_PER_SECOND, shape.half_life_ns)
    return SignalModel(fusion, parts, scale, card=card)


def save_demo(seed: int, folder: Path) -> dict[str, Any]:
    """Train the packaged demo model anew, into a folder; its figures on markets that it has not seen."""
    say(f"training the alpha model of the demo desk on {DEMO_ROUNDS:,} simulated rounds")
    command = f"tercel signals train --demo --seed {seed}"
    model = train_demo(load("csco-santa-fe"), DEMO_ROUNDS, DEMO_ROUNDS // 2, seed, command)
    save(folder, model, model.card)
    return {"file": folder, "half_life_s": model.scale.half_life_ns / 1e9, **model.card["test"]}


def show(found: Mapping[str, Any]) -> None:
    """Print the figures of the demo model, whole and without each source."""
    rows = [
        (
            name,
            format_interval(Estimate.of(one["ic"]), digits=3),
            *(f"{one[key]:.{digits}f}" for key, digits in FIGURES.items()),
        )
        for name, one in found.items()
        if isinstance(one, dict)
    ]
    print_rows("alpha model of the demo desk, on markets it has not seen", HEADINGS, rows)


def _columns(source: str) -> list[int]:
    return [NAMES.index(name) for name in SOURCES[source]]


def _part(source: str, model: BoundedLinear) -> BaseModel:
    names = SOURCES[source]
    return BaseModel(source, BOUNDED, names, np.arange(len(names)), np.zeros(len(names)), model)


def _fit(X: Floats, y: Floats) -> BoundedLinear:
    low, high = np.quantile(X, [0.005, 0.995], axis=0)
    ridge = Ridge(alpha=ALPHA).fit(np.clip(X, low, high), y)
    return BoundedLinear(low, high, ridge.coef_, float(ridge.intercept_))


def _out_of_fold(train: TrainingRounds) -> Floats:
    """Forecasts of each source for markets that it did not learn from, (n, K)."""
    out = np.full((len(train.X), len(SOURCES)), np.nan)
    fold = train.chain * FOLDS // (int(train.chain.max()) + 1)
    for number in range(FOLDS):
        here = fold == number
        for k, name in enumerate(SOURCES):
            X = train.X[:, _columns(name)]
            out[here, k] = _fit(X[~here], train.moves[~here, -1]).predict(X[here])
    return out


def _forecasts(models: dict[str, BoundedLinear], X: Floats) -> Floats:
    return np.stack([model.predict(X[:, _columns(name)]) for name, model in models.items()], axis=1)


def _fused(models: dict[str, BoundedLinear], fusion: Fusion, X: Floats) -> Floats:
    return fusion.combine(_forecasts(models, X))[0]


def judged(
    models: dict[str, BoundedLinear], fusion: Fusion, test: TrainingRounds, seed: int
) -> dict[str, Any]:
    """Out-of-sample figures, whole and without each source: IC with interval over markets, R², coverage of 90 %."""
    rng = np.random.default_rng([seed, 41])
    forecasts, y = _forecasts(models, test.X), test.moves[:, -1]
    found: dict[str, Any] = {"rounds": len(y), "move_sd_bps": float(y.std())}
    cases = {"all": (), **{f"without {name}": (name,) for name in models}}
    for case, gone in cases.items():
        holed = forecasts.copy()
        holed[:, [list(models).index(name) for name in gone]] = np.nan
        value, sd = fusion.combine(holed)
        error = y - value
        ic = clustered_spearman(value, y, test.chain, rng).to_json()
        found[case] = {
            "ic": ic,
            "r2": float(1 - error @ error / ((y - y.mean()) @ (y - y.mean()))),
            "sd_bps": float(sd.mean()),
            "within_90": float(np.mean(np.abs(error) <= fusion.tail * sd)),
        }
    return found


def clustered_spearman(
    first: ArrayLike, second: ArrayLike, labels: ArrayLike, rng: np.random.Generator
) -> Estimate:
    """Spearman's correlation of float (n,) and float (n,) with the interval of a bootstrap over clusters, int (n,)."""
    x, y = (side - side.mean() for side in (ranks(first), ranks(second)))
    columns = np.stack([x, y, x * x, y * y, x * y], axis=1)
    return intervals(replace(moments_of_mean(columns, labels), statistic=_correlation), rng)[0]


def _correlation(means: Floats) -> Floats:
    """Means of x, y, x^2, y^2, xy, (B, 5) -> correlations (B, 1)."""
    mx, my, xx, yy, xy = means.T
    return np.asarray(
        ((xy - mx * my) / np.sqrt(np.maximum((xx - mx**2) * (yy - my**2), 1e-300)))[:, None]
    )
