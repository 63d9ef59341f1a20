"""How the demo model is made: ridge per source on simulated rounds, fused out of fold, judged on markets never seen."""

from typing import Any

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.flow.preset import Preset
from tercel.signals.alpha import decay
from tercel.signals.fusion import Fusion, stack
from tercel.signals.models_packaged.material import HORIZONS_S, NAMES, SOURCES, Material, simulate_rounds
from tercel.signals.models_packaged.model import AlphaModel, SourceModel
from tercel.signals.zoo.linear import Ridge
from tercel.stats.ranks import clustered_spearman

FOLDS = 5
ALPHA = 10.0
SHRINK = 0.2


def train_demo(preset: Preset, rounds: int, test_rounds: int, seed: int, command: str) -> AlphaModel:
    """The demo model of a preset's market.

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
    models = {name: _fit(train.X[:, _columns(name)], target, SOURCES[name]) for name in SOURCES}
    fusion = stack(_out_of_fold(train), target, tuple(SOURCES), shrink=SHRINK)
    shape = decay(_fused(models, fusion, train.X), train.moves, [h * NS_PER_SECOND for h in HORIZONS_S])
    test = simulate_rounds(preset, test_rounds, seed + 1)
    card = {
        "about": "forecast of the mid's move over a ten-minute round; synthetic material alone",
        "command": command,
        "market": preset.name,
        "rounds": rounds,
        "seed": seed,
        "planted": {"drift": 0.25, "news": 0.6},
        "test": judged(models, fusion, test, seed),
    }
    horizon = HORIZONS_S[-1] * NS_PER_SECOND
    return AlphaModel("demo", models, fusion, horizon, shape.half_life_ns, card)


def _columns(source: str) -> list[int]:
    return [NAMES.index(name) for name in SOURCES[source]]


def _fit(X: Floats, y: Floats, features: tuple[str, ...]) -> SourceModel:
    low, high = np.quantile(X, [0.005, 0.995], axis=0)
    ridge = Ridge(alpha=ALPHA).fit(np.clip(X, low, high), y)
    return SourceModel(features, low, high, ridge.coef_, ridge.intercept_)


def _out_of_fold(train: Material) -> Floats:
    """Forecasts of each source for markets that it did not learn from, (n, K)."""
    out = np.full((len(train.X), len(SOURCES)), np.nan)
    fold = train.chain * FOLDS // (int(train.chain.max()) + 1)
    for number in range(FOLDS):
        here = fold == number
        for k, name in enumerate(SOURCES):
            X = train.X[:, _columns(name)]
            model = _fit(X[~here], train.moves[~here, -1], SOURCES[name])
            out[here, k] = np.clip(X[here], model.low, model.high) @ model.coef + model.intercept
    return out


def _told(models: dict[str, SourceModel], X: Floats) -> Floats:
    columns = [np.clip(X[:, _columns(n)], m.low, m.high) @ m.coef + m.intercept for n, m in models.items()]
    return np.stack(columns, axis=1)


def _fused(models: dict[str, SourceModel], fusion: Fusion, X: Floats) -> Floats:
    return fusion.combine(_told(models, X))[0]


def judged(models: dict[str, SourceModel], fusion: Fusion, test: Material, seed: int) -> dict[str, Any]:
    """Out-of-sample figures, whole and without each source: IC with interval over markets, R², coverage of 90 %."""
    rng = np.random.default_rng([seed, 41])
    told, y = _told(models, test.X), test.moves[:, -1]
    found: dict[str, Any] = {"rounds": len(y), "move_sd_bps": float(y.std())}
    cases = {"all": (), **{f"without {name}": (name,) for name in models}}
    for case, gone in cases.items():
        holed = told.copy()
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
