"""Sequence models: an LSTM and a small Transformer, on the CPU, seeded, stopped early on the last part of the training.

A row is a sequence laid out flat, oldest step first: column ``step * F + feature``. With ``steps=1`` it is a plain row.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from tercel.core import Floats
from tercel.signals import Estimator, FitError, Regressor, scale_of


def _folded(X: Floats, steps: int) -> Floats:
    """(n, steps * F) -> (n, steps, F)."""
    if steps < 1 or X.shape[1] % steps:
        text = f"{X.shape[1]} columns, which are no multiple of {steps} steps"
        raise FitError(
            "sequences laid out flat", text, "set `steps` to the length of the sequences"
        )
    return X.reshape(len(X), steps, -1)


EPOCH_ROWS: Final = 100_000
"""Rows that an epoch visits at most: of more, the held-out part is looked at before all were seen."""
_SCALES: Final = ("mean_", "deviation_", "losses_", "n_iter_")
# Before the names of a network's weights among what is kept.
_NET: Final = "net."


@dataclass(eq=False, repr=False)
class SequenceNetwork(Estimator):
    """A network of some body: how it learns, and what is kept of it."""

    body = ""
    learned: ClassVar[tuple[str, ...]] = _SCALES

    steps: int = 1
    hidden: int = 24
    epochs: int = 40
    patience: int = 6
    batch: int = 128
    rate: float = 5e-3
    holdout: float = 0.2
    random_state: int = 0

    def learn(self, X: Floats, y: Floats, weights: Floats, classify: bool) -> None:
        from studies.zoo import torch_nets

        sequences = _folded(X, self.steps)
        flat = sequences.reshape(-1, sequences.shape[2])
        self.mean_, self.deviation_ = scale_of(flat, np.repeat(weights, self.steps))
        how = torch_nets.NetTraining(
            self.epochs, self.patience, self.batch, self.rate, self.holdout, self.random_state
        )
        scaled = (sequences - self.mean_) / self.deviation_
        self.net_, self.losses_ = torch_nets.train(
            self.body, self.hidden, scaled, y, weights, classify, how
        )
        self.n_iter_ = len(self.losses_)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Weights as arrays by name."""
        return super().to_arrays() | {
            _NET + name: value.numpy() for name, value in self.net_.state_dict().items()
        }

    def from_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Put the weights into a network of the same make."""
        from studies.zoo import torch_nets

        super().from_arrays(arrays)
        weights = {
            name.removeprefix(_NET): value
            for name, value in arrays.items()
            if name.startswith(_NET)
        }
        self.net_ = torch_nets.rebuilt(self.body, self.hidden, len(self.mean_), self.steps, weights)
        return self

    def out(self, X: Floats) -> Floats:
        from studies.zoo import torch_nets

        return torch_nets.forward(
            self.net_, (_folded(X, self.steps) - self.mean_) / self.deviation_
        )


class LstmRegressor(SequenceNetwork, Regressor):
    """LSTM regressor.

    Parameters
    ----------
    steps : int
        Length of a sequence; columns are its steps laid out flat, oldest first.
    hidden : int
        Width.
    epochs, patience : int
        Epochs at most; stopped after `patience` without a better loss on the held-out last part.
    batch : int
    rate : float
        Of Adam.
    holdout : float
        Last share of the training that only stops it.
    random_state : int

    NaN is refused; sample weights are used.
    """

    body = "lstm"
    learned = (*_SCALES, "centre_", "spread_")

    def _fit(self, X: Floats, y: Floats, weights: Floats) -> None:
        centre, spread = scale_of(y[:, None], weights)
        self.centre_, self.spread_ = float(centre[0]), float(spread[0])
        self.learn(X, (y - self.centre_) / self.spread_, weights, False)

    def _value(self, X: Floats) -> Floats:
        return np.asarray(self.out(X) * self.spread_ + self.centre_)


class TransformerRegressor(LstmRegressor):
    """Small Transformer regressor; parameters as :class:`LstmRegressor`."""

    body = "transformer"
