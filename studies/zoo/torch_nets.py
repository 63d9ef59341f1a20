"""The torch half of the sequence models: networks and the loop that trains them. Imported when a model learns."""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from studies.zoo.networks import EPOCH_ROWS
from tercel.core import Floats


@dataclass(frozen=True)
class NetTraining:
    """How a network is trained; see :class:`studies.zoo.networks.LstmRegressor`."""

    epochs: int
    patience: int
    batch: int
    rate: float
    holdout: float
    seed: int


class Lstm(nn.Module):
    """One LSTM layer (Hochreiter & Schmidhuber, 1997); its last state into one number."""

    def __init__(self, features: int, steps: int, hidden: int) -> None:
        super().__init__()
        self.body = nn.LSTM(features, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, steps, features) -> (n,)."""
        out, _ = self.body(x)
        return self.head(out[:, -1]).squeeze(-1)  # type: ignore[no-any-return]


class Transformer(nn.Module):
    """One pre-norm encoder layer (Vaswani et al., 2017) with learned positions; the mean over steps into one number."""

    def __init__(self, features: int, steps: int, hidden: int) -> None:
        super().__init__()
        self.inward = nn.Linear(features, hidden)
        self.place = nn.Parameter(torch.randn(1, steps, hidden) / math.sqrt(hidden))
        heads = 4 if hidden % 4 == 0 else 1
        self.body = nn.TransformerEncoderLayer(
            hidden, heads, 2 * hidden, dropout=0.0, batch_first=True, norm_first=True
        )
        self.norm = nn.LayerNorm(hidden)
        self.head = nn.Linear(hidden, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, steps, features) -> (n,)."""
        out = self.norm(self.body(self.inward(x) + self.place))
        return self.head(out.mean(dim=1)).squeeze(-1)  # type: ignore[no-any-return]


BODIES = {"lstm": Lstm, "transformer": Transformer}


def train(
    body: str, hidden: int, X: Floats, y: Floats, weights: Floats, classify: bool, how: NetTraining
) -> tuple[nn.Module, list[float]]:
    """A trained network and its loss on the held-out last part, epoch by epoch.

    Parameters
    ----------
    X : float64, shape (n, steps, F)
        Standardised.
    y, weights : float64, shape (n,)
        Targets (0 and 1, or standardised numbers) and weights.
    """
    cut = len(X) - max(int(how.holdout * len(X)), 1) if len(X) >= 10 else len(X)
    xs, ys, ws = (
        torch.as_tensor(np.asarray(a, np.float32)) for a in (X, y, weights / weights.mean())
    )
    # the global generator is put back as it was: initial weights are all that is drawn from it
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(how.seed)
        net = BODIES[body](X.shape[2], X.shape[1], hidden)
    shuffler = torch.Generator().manual_seed(how.seed)
    optimiser = torch.optim.Adam(net.parameters(), lr=how.rate)
    best, kept, waited, losses = math.inf, copy.deepcopy(net.state_dict()), 0, []
    for _ in range(how.epochs):
        net.train()
        order = torch.randperm(cut, generator=shuffler)[:EPOCH_ROWS]
        for start in range(0, len(order), how.batch):
            rows = order[start : start + how.batch]
            loss = _loss(net(xs[rows]), ys[rows], ws[rows], classify)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
        net.eval()
        held = slice(cut, None) if cut < len(X) else slice(None)
        with torch.no_grad():
            now = float(_loss(net(xs[held]), ys[held], ws[held], classify))
        losses.append(now)
        if now < best - 1e-5:
            best, kept, waited = now, copy.deepcopy(net.state_dict()), 0
        else:
            waited += 1
            if waited >= how.patience:
                break
    net.load_state_dict(kept)
    net.eval()
    return net, losses


def rebuilt(
    body: str, hidden: int, features: int, steps: int, weights: Mapping[str, NDArray[Any]]
) -> nn.Module:
    """The network with these weights by name.

    Raises
    ------
    ValueError
        When they are those of another.
    """
    with torch.random.fork_rng(devices=[]):  # initial weights are drawn, and overwritten
        net = BODIES[body](features, steps, hidden)
    try:
        net.load_state_dict(
            {name: torch.from_numpy(np.array(value)) for name, value in weights.items()}
        )
    except RuntimeError as error:
        raise ValueError(f"weights of another network: {error}") from error
    net.eval()
    return net


def _loss(out: torch.Tensor, y: torch.Tensor, w: torch.Tensor, classify: bool) -> torch.Tensor:
    error = (
        nn.functional.binary_cross_entropy_with_logits(out, y, reduction="none")
        if classify
        else (out - y) ** 2
    )
    return (error * w).sum() / w.sum().clamp_min(1e-12)


def forward(net: Any, X: Floats) -> Floats:
    """Outputs, float64 (n,), for standardised sequences (n, steps, F), some thousand rows at a time."""
    with torch.no_grad():
        parts = [
            net(torch.as_tensor(np.asarray(X[at : at + 4096], np.float32))).double().numpy()
            for at in range(0, len(X), 4096)
        ]
    return np.concatenate(parts)
