"""Training of the hedging network by pathwise gradients (extra `learn`): the loss itself is differentiated.

Buehler et al. (2019), section 4: the loss at maturity is a known function of what is held each day, so its gradient
goes through the whole path; w of Rockafellar and Uryasev is one more parameter for each cost.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from replications.deep_hedging import model as dh
from tercel.core import ConfigError
from tercel.execution.policies import MlpPolicy


@dataclass(frozen=True)
class Settings:
    """Settings of a training."""

    hidden: tuple[int, ...] = (24, 24)  # two layers of d + 15 units: Buehler et al., section 5.1
    batch: int = 1024
    steps: int = 1500
    learning_rate: float = 5e-3  # Buehler et al., Adam
    final_rate: float = 5e-5


def train_hedge(
    seed: int,
    settings: Settings | None = None,
    progress: Callable[[int, float], None] | None = None,
) -> MlpPolicy:
    """A network for all costs at once, trained from nothing on paths of its own.

    Raises
    ------
    ConfigError
        Without torch.
    """
    try:
        import torch
    except ImportError as error:
        raise ConfigError(
            "torch to train with", "none installed", "pip install 'tercel[learn]'"
        ) from error

    s = settings or Settings()
    torch.manual_seed(seed)
    rng = np.random.default_rng((seed, 0xD4))
    sizes = (len(dh.OBSERVES), *s.hidden, 2)
    layers = [torch.nn.Linear(a, b) for a, b in pairwise(sizes)]
    with torch.no_grad():
        layers[-1].bias.copy_(
            torch.tensor([0.0, -2.0])
        )  # narrow bands first: those of small costs are the harder part
    threshold = torch.nn.Parameter(
        torch.full((len(dh.COSTS),), float(dh.call_price(np.array([dh.SPOT]), dh.YEARS)[0]))
    )
    optimiser = torch.optim.Adam(
        [p for layer in layers for p in layer.parameters()] + [threshold], lr=s.learning_rate
    )
    decay = (s.final_rate / s.learning_rate) ** (1 / s.steps)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimiser, decay)
    for step in range(s.steps):
        spots = torch.from_numpy(dh.paths(s.batch, rng).astype(np.float32))
        loss = _losses(torch, layers, spots)
        objective: Any = (
            threshold + torch.relu(loss - threshold[:, None].T).mean(0) / (1 - dh.ALPHA)
        ).mean()
        optimiser.zero_grad()
        objective.backward()
        optimiser.step()
        schedule.step()
        if progress is not None:
            progress(step + 1, float(objective.detach()))
    arrays = tuple(
        (layer.weight.detach().numpy().T.copy(), layer.bias.detach().numpy().copy())
        for layer in layers
    )
    width = len(dh.OBSERVES)
    return MlpPolicy(
        arrays, np.zeros(width, np.float32), np.ones(width, np.float32), dh.CLIP, "tanh", "vector"
    )


def _losses(torch: Any, layers: list[Any], spots: Any) -> Any:
    """Losses at maturity for each path and cost, float32 (batch, costs): `deep_hedging.losses`, differentiable."""
    batch, costs = spots.shape[0], torch.tensor(dh.COSTS)
    level = torch.tensor([dh.cost_level(cost) for cost in dh.COSTS]).expand(batch, -1)
    held = torch.zeros(batch, len(dh.COSTS))
    paid, gained = torch.zeros_like(held), torch.zeros_like(held)
    scale = dh.VOLATILITY * dh.YEARS**0.5
    for day in range(dh.DAYS):
        left = 1.0 - day / dh.DAYS
        spot = spots[:, day, None].expand(-1, len(dh.COSTS))
        moneyness = torch.log(spot / dh.STRIKE) / scale
        seen = torch.stack(
            [torch.full_like(held, left), moneyness, moneyness / left**0.5, level], dim=-1
        )
        seen = seen.clamp(-dh.CLIP, dh.CLIP)
        for layer in layers[:-1]:
            seen = torch.tanh(layer(seen))
        values = layers[-1](seen)
        centre, half = (
            torch.sigmoid(values[..., 0]),
            level * torch.nn.functional.softplus(values[..., 1]),
        )
        wanted = torch.minimum(torch.maximum(held, centre - half), centre + half)
        paid = paid + costs * spot * (wanted - held).abs()
        gained = gained + wanted * (spots[:, day + 1, None] - spot)
        held = wanted
    paid = paid + costs * spots[:, dh.DAYS, None] * held.abs()
    return torch.relu(spots[:, dh.DAYS, None] - dh.STRIKE) - gained + paid
