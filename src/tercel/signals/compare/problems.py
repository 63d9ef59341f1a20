"""Problems with a known truth: the chance of "up" is given for every row, so an oracle's score is known too.

| name | rows are | the chance of up follows |
|---|---|---|
| `linear` | 10 columns | a sum of five of them |
| `interaction` | 10 columns | products of pairs; no column alone tells anything |
| `mixed` | 20 columns | a sum, a product, thresholds; twelve columns are noise |
| `filter` | 16 steps of 2 columns | an exponentially fading sum over the steps |
| `gated` | 16 steps of 2 columns | the values at the two steps that a marker names, wherever they lie |
| `regime` | moments in time, 3 columns | a column whose sign turns with a hidden state that shows in volatility |

The first three are tabular, the next two sequences (laid out flat for all families alike). Labels of the training can
be flipped at random; those of the test never are.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tercel.core.arrays import Floats, Ints
from tercel.core.errors import ConfigError
from tercel.signals.zoo.base import sigmoid

STEPS = 16


@dataclass(frozen=True, eq=False)
class Sample:
    """A training and a test set.

    Parameters
    ----------
    X, up : float64 (n, F) and int64 (n,)
        To train on; labels flipped where noise was asked for.
    X_test, up_test, chance_test : float64 (m, F), int64 (m,), float64 (m,)
        To test on, with the true chance of up.
    state_test : int64 (m,), optional
        The hidden state, where there is one.
    """

    X: Floats
    up: Ints
    X_test: Floats
    up_test: Ints
    chance_test: Floats
    state_test: Ints | None = None


@dataclass(frozen=True)
class Problem:
    """A law to draw from.

    Parameters
    ----------
    name, kind : str
        `kind` is "tabular", "sequence" or "regime".
    steps : int
        Length of the sequences, 1 for plain rows.
    law : callable
        ``law(n, rng)`` -> features (n, F), log odds of up (n,), hidden state (n,) or None.
    gate : tuple of int
        Columns that a regime shows in.
    """

    name: str
    kind: str
    steps: int
    law: Callable[[int, np.random.Generator], tuple[Floats, Floats, Ints | None]]
    gate: tuple[int, ...] = ()

    def draw(self, rows: int, test_rows: int, noise: float, seed: int) -> Sample:
        """A sample of its own for each seed; the same features and truth whatever the noise.

        Raises
        ------
        ConfigError
            For a share of flipped labels outside [0, 0.5).
        """
        if not 0.0 <= noise < 0.5:
            raise ConfigError("a share of flipped labels from 0 to below 0.5", f"{noise:g}", "0.5 is pure noise")
        rng = np.random.default_rng([seed, sum(map(ord, self.name))])
        X, odds, state = self.law(rows + test_rows, rng)
        chance = sigmoid(odds)
        up = (rng.random(rows + test_rows) < chance).astype(np.int64)
        flipped = np.random.default_rng([seed, 77]).random(rows) < noise
        train = np.where(flipped, 1 - up[:rows], up[:rows])
        return Sample(
            X[:rows], train, X[rows:], up[rows:], chance[rows:], None if state is None else state[rows:]
        )  # fmt: skip


def _linear(n: int, rng: np.random.Generator) -> tuple[Floats, Floats, None]:
    X = rng.standard_normal((n, 10))
    return X, X[:, :5] @ np.array([1.0, 0.8, 0.6, 0.4, 0.3]), None


def _interaction(n: int, rng: np.random.Generator) -> tuple[Floats, Floats, None]:
    X = rng.standard_normal((n, 10))
    return X, 1.6 * X[:, 0] * X[:, 1] + 1.2 * X[:, 2] * X[:, 3], None


def _mixed(n: int, rng: np.random.Generator) -> tuple[Floats, Floats, None]:
    X = rng.standard_normal((n, 20))
    # heavy tails and different scales, as tables of the world have
    X[:, 1] = np.exp(X[:, 1])
    X[:, 3] = X[:, 3] ** 3
    odds = (
        0.8 * X[:, 0] + 0.9 * X[:, 4] * X[:, 5] + 1.2 * (X[:, 1] > 1.5) - 1.0 * (X[:, 3] > 0.2) + 0.6 * np.abs(X[:, 6])
    )
    return X, odds - odds.mean(), None


def _filter(n: int, rng: np.random.Generator) -> tuple[Floats, Floats, None]:
    X = rng.standard_normal((n, STEPS, 2))
    fade = 0.8 ** np.arange(STEPS)[::-1]
    return X.reshape(n, -1), 1.2 * (X[:, :, 0] @ fade), None


def _gated(n: int, rng: np.random.Generator) -> tuple[Floats, Floats, None]:
    X = rng.standard_normal((n, STEPS, 2))
    first = rng.integers(0, STEPS // 2, n)
    second = rng.integers(STEPS // 2, STEPS, n)
    X[:, :, 1] = 0.0
    X[np.arange(n), first, 1] = X[np.arange(n), second, 1] = 1.0
    return X.reshape(n, -1), 1.5 * (X[np.arange(n), first, 0] + X[np.arange(n), second, 0]), None


def _regime(n: int, rng: np.random.Generator) -> tuple[Floats, Floats, Ints]:
    state = (np.cumsum(rng.random(n) < 1 / 60) + rng.integers(2)) % 2
    X = rng.standard_normal((n, 3))
    X[:, 0] *= np.where(state > 0, 2.5, 0.8)
    return X, 1.8 * np.where(state > 0, -1.0, 1.0) * X[:, 1], state.astype(np.int64)


PROBLEMS = {
    problem.name: problem
    for problem in (
        Problem("linear", "tabular", 1, _linear),
        Problem("interaction", "tabular", 1, _interaction),
        Problem("mixed", "tabular", 1, _mixed),
        Problem("filter", "sequence", STEPS, _filter),
        Problem("gated", "sequence", STEPS, _gated),
        Problem("regime", "regime", 1, _regime, (0,)),
    )
}
