"""CMA-ES: a search for the minimum of a noisy function of ten to thirty numbers.

The (mu/mu_w, lambda) evolution strategy with covariance matrix adaptation of Hansen (2016, "The CMA evolution strategy:
a tutorial", table 1 and figure 6): Gaussian steps whose mean, length and covariance follow the better half of what was
tried. Only ranks count, so noise that all candidates of a generation share does nothing.

Our own and not `cmaes` (0.13): that refuses a single parameter, which three strategies have, and has other learning rates
and draws, so every tuned value would change, and steps are capped and saved through its private attributes alone.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tercel.core.errors import refuse_if
from tercel.core.stored_attributes import Stored

Floats = NDArray[np.float64]
# Steps grow no longer than this: in a flat place they would grow for ever.
MAX_SIGMA = 1e6


class CmaEs(Stored):
    """CMA-ES search for a minimum: `ask` for candidates, `tell` their values, repeat; `mean` is the result.

    Parameters
    ----------
    start : float (d,)
        Where the search begins.
    scale : float (d,) or float
        Standard deviation of the first steps of each number.
    rng : numpy Generator
    population : int, optional
        Candidates a generation; 4 + 3 ln d when not given.
    diagonal : bool
        Variances alone are learned, (d + 2) / 3 times as fast: sep-CMA-ES (Ros and Hansen 2008), for many numbers.

    Raises
    ------
    ConfigError
        A start or a scale that is not finite, or fewer than 4 candidates.

    >>> search = CmaEs([3.0, -2.0], 1.0, np.random.default_rng(1))
    >>> for _ in range(80):
    ...     tried = search.ask()
    ...     search.tell(tried, (tried**2).sum(axis=1))
    >>> bool(np.abs(search.mean).max() < 1e-3)
    True
    """

    stored = ("mean", "covariance", "_path_s", "_path_c", "sigma", "generation")

    def __init__(
        self,
        start: ArrayLike,
        scale: ArrayLike,
        rng: np.random.Generator,
        population: int | None = None,
        diagonal: bool = False,
    ) -> None:
        """Start a search at `start` with first steps of deviation `scale` in each parameter; `diagonal`: adapt
        variances alone.
        """
        self.mean: Floats = np.array(start, np.float64)
        d = len(self.mean)
        self.scale = np.broadcast_to(np.asarray(scale, np.float64), d)
        self.population = population or 4 + int(3 * math.log(max(d, 1)))
        is_valid = (
            d > 0
            and np.isfinite(self.mean).all()
            and (self.scale > 0).all()
            and np.isfinite(self.scale).all()
        )
        refuse_if(
            not is_valid or self.population < 4,
            "a finite start, scales above 0 and 4 or more candidates",
            f"start {self.mean}, scale {self.scale}, {self.population} candidates",
            "such as scale 1",
        )
        self.rng = rng
        self.diagonal = diagonal
        half = self.population // 2
        weights = np.log((self.population + 1) / 2) - np.log(np.arange(1, half + 1))
        self.weights: Floats = weights / weights.sum()
        self.mu_effective = 1 / float((self.weights**2).sum())
        self._set_rates(d)
        self.sigma = 1.0
        self.covariance: Floats = np.eye(d)
        self._path_s = np.zeros(d)
        self._path_c = np.zeros(d)
        self.generation = 0

    def _set_rates(self, d: int) -> None:
        """Set the learning rates for `d` dimensions, by table 1 of the tutorial."""
        mu = self.mu_effective
        self._c_s = (mu + 2) / (d + mu + 5)
        self._damp = 1 + 2 * max(0.0, math.sqrt((mu - 1) / (d + 1)) - 1) + self._c_s
        self._c_c = (4 + mu / d) / (d + 4 + 2 * mu / d)
        speedup = (d + 2) / 3 if self.diagonal else 1.0
        self._c_1 = min(1.0, speedup * 2 / ((d + 1.3) ** 2 + mu))
        self._c_mu = min(1 - self._c_1, speedup * 2 * (mu - 2 + 1 / mu) / ((d + 2) ** 2 + mu))
        self._norm = math.sqrt(d) * (1 - 1 / (4 * d) + 1 / (21 * d**2))

    def _eigen_roots(self) -> tuple[Floats, Floats]:
        """Square roots of the eigenvalues of the covariance, and its eigenvectors."""
        values, vectors = np.linalg.eigh(self.covariance)
        return np.sqrt(np.maximum(values, 1e-20)), vectors

    def ask(self) -> Floats:
        """Draw the candidates of the next generation, float64 (population, d)."""
        roots, vectors = self._eigen_roots()
        steps = self.rng.standard_normal((self.population, len(self.mean))) * roots @ vectors.T
        return np.asarray(self.mean + self.sigma * self.scale * steps, np.float64)

    def tell(self, candidates: Floats, values: ArrayLike) -> None:
        """Update the search with the candidates' values; lower is better, and values that are not finite come last."""
        values = np.where(np.isfinite(values), values, np.inf)
        parents = candidates[np.argsort(values, kind="stable")[: len(self.weights)]]
        steps = (parents - self.mean) / (self.scale * self.sigma)
        step = self.weights @ steps
        self.mean = self.mean + self.sigma * self.scale * step
        self.generation += 1
        roots, vectors = self._eigen_roots()
        whitened = vectors @ ((vectors.T @ step) / roots)
        mu = self.mu_effective
        c_s = self._c_s
        c_c = self._c_c
        self._path_s = (1 - c_s) * self._path_s + math.sqrt(c_s * (2 - c_s) * mu) * whitened
        length = float(np.linalg.norm(self._path_s))
        corrected_length = length / math.sqrt(1 - (1 - c_s) ** (2 * self.generation))
        h_sigma = float(corrected_length < (1.4 + 2 / (len(self.mean) + 1)) * self._norm)
        self._path_c = (1 - c_c) * self._path_c + h_sigma * math.sqrt(c_c * (2 - c_c) * mu) * step
        retained = 1 - self._c_1 * (1 - (1 - h_sigma) * c_c * (2 - c_c)) - self._c_mu
        rank_mu_update = (steps * self.weights[:, None]).T @ steps
        self.covariance = (
            retained * self.covariance
            + self._c_1 * np.outer(self._path_c, self._path_c)
            + self._c_mu * rank_mu_update
        )
        if self.diagonal:
            self.covariance = np.diag(np.diag(self.covariance))
        self.sigma = min(
            self.sigma * math.exp(c_s / self._damp * (length / self._norm - 1)), MAX_SIGMA
        )

    def state(self) -> dict[str, Any]:
        """State of the search that :meth:`restore` reads: arrays and numbers by name."""
        return super().state() | {"rng": self.rng.bit_generator.state}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore the search from `state`."""
        super().restore(state)
        self.rng.bit_generator.state = state["rng"]
