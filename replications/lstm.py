"""An LSTM on the CPU, seeded, stopped early on the last part of the training.

A row is a sequence laid out flat, oldest step first: column ``step * F + feature``.
"""

import copy
import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tercel.core import Floats, import_optional
from tercel.signals import FitError, Regressor, scale_of

EPOCH_ROWS: Final = 100_000
"""Rows that an epoch visits at most: of more, the held-out part is looked at before all were seen."""


@dataclass(eq=False, repr=False)
class LstmRegressor(Regressor):
    """One LSTM layer (Hochreiter & Schmidhuber, 1997); its last state into one number.

    Parameters
    ----------
    steps : int
        Length of a sequence.
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

    steps: int = 1
    hidden: int = 24
    epochs: int = 40
    patience: int = 6
    batch: int = 128
    rate: float = 5e-3
    holdout: float = 0.2
    random_state: int = 0

    def _fit(self, X: Floats, y: Floats, weights: Floats) -> None:
        torch = import_optional("torch", "learn")
        sequences = self._folded(X)
        flat = sequences.reshape(-1, sequences.shape[2])
        self.mean_, self.deviation_ = scale_of(flat, np.repeat(weights, self.steps))
        centre, spread = scale_of(y[:, None], weights)
        self.centre_, self.spread_ = float(centre[0]), float(spread[0])
        scaled = (sequences - self.mean_) / self.deviation_
        xs, ys, ws = (
            torch.as_tensor(np.asarray(a, np.float32))
            for a in (scaled, (y - self.centre_) / self.spread_, weights / weights.mean())
        )
        # the global generator is put back as it was: initial weights are all that is drawn from it
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.random_state)
            self.net_ = torch.nn.ModuleDict(
                {
                    "body": torch.nn.LSTM(scaled.shape[2], self.hidden, batch_first=True),
                    "head": torch.nn.Linear(self.hidden, 1),
                }
            )
        self.losses_ = self._trained(torch, xs, ys, ws)
        self.n_iter_ = len(self.losses_)

    def _trained(self, torch: Any, xs: Any, ys: Any, ws: Any) -> list[float]:
        """Losses on the held-out last part, epoch by epoch; the best weights are kept."""
        cut = len(xs) - max(int(self.holdout * len(xs)), 1) if len(xs) >= 10 else len(xs)
        shuffler = torch.Generator().manual_seed(self.random_state)
        optimiser = torch.optim.Adam(self.net_.parameters(), lr=self.rate)
        best, kept, waited, losses = math.inf, copy.deepcopy(self.net_.state_dict()), 0, []
        for _ in range(self.epochs):
            order = torch.randperm(cut, generator=shuffler)[:EPOCH_ROWS]
            for start in range(0, len(order), self.batch):
                rows = order[start : start + self.batch]
                optimiser.zero_grad()
                self._loss(xs[rows], ys[rows], ws[rows]).backward()
                torch.nn.utils.clip_grad_norm_(self.net_.parameters(), 1.0)
                optimiser.step()
            held = slice(cut, None) if cut < len(xs) else slice(None)
            with torch.no_grad():
                losses.append(float(self._loss(xs[held], ys[held], ws[held])))
            if losses[-1] < best - 1e-5:
                best, kept, waited = losses[-1], copy.deepcopy(self.net_.state_dict()), 0
            else:
                waited += 1
                if waited >= self.patience:
                    break
        self.net_.load_state_dict(kept)
        return losses

    def _loss(self, x: Any, y: Any, w: Any) -> Any:
        return ((self._out(x) - y) ** 2 * w).sum() / w.sum().clamp_min(1e-12)

    def _out(self, x: Any) -> Any:
        return self.net_["head"](self.net_["body"](x)[0][:, -1]).squeeze(-1)

    def _value(self, X: Floats) -> Floats:
        torch = import_optional("torch", "learn")
        scaled = (self._folded(X) - self.mean_) / self.deviation_
        with torch.no_grad():
            parts = [
                self._out(torch.as_tensor(np.asarray(scaled[at : at + 4096], np.float32)))
                for at in range(0, len(scaled), 4096)
            ]
        return np.asarray(torch.cat(parts).double().numpy() * self.spread_ + self.centre_)

    def _folded(self, X: Floats) -> Floats:
        """(n, steps * F) -> (n, steps, F)."""
        if self.steps < 1 or X.shape[1] % self.steps:
            text = f"{X.shape[1]} columns, which are no multiple of {self.steps} steps"
            raise FitError("sequences laid out flat", text, "set `steps` to their length")
        return X.reshape(len(X), self.steps, -1)
