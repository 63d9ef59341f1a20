"""Regimes: a Gaussian hidden Markov model and a mixture of Gaussians estimate which state the market is in.

Probabilities are filtered (:mod:`studies.hidden_markov`). Rows are moments, oldest first.
"""

import warnings
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from studies.hidden_markov import filtered, gaussian_hmm, likeliest
from tercel.core import Floats, Indices
from tercel.signals import Estimator, FitError, scale_of


class _States(Estimator):
    """What both kinds of states share: how they begin to learn, and that the likeliest is predicted."""

    takes_weights = False
    states: int
    means_: Floats
    variances_: Floats

    def _standardised(self, X: Any) -> Floats:
        """Rows to learn from, each column of mean 0 and deviation 1, float64 (n, F)."""
        features, _, weights = self.begin(X, np.zeros(len(X)), None, numeric=True)
        if len(features) < 5 * self.states:
            text = f"{len(features)} sample(s) for {self.states} states"
            raise FitError(
                f"at least {5 * self.states} samples", text, "take a longer history or fewer states"
            )
        self.mean_, self.deviation_ = scale_of(features, weights)
        return np.asarray((features - self.mean_) / self.deviation_)

    def predict_proba(self, X: Any) -> Floats:
        """Probabilities of the states, float64 (n, S)."""
        raise NotImplementedError

    def predict(self, X: Any) -> Indices:
        """The likeliest state of each row, by what was known then."""
        return np.asarray(self.predict_proba(X).argmax(axis=1))

    def _apart(self, X: Any) -> Floats:
        """Squared distances of rows to the states' means, in their variances, float64 (n, S, F)."""
        Z = (self.asked(X) - self.mean_) / self.deviation_
        return np.asarray((Z[:, None, :] - self.means_[None]) ** 2 / self.variances_[None])


@dataclass(eq=False, repr=False)
class HmmRegimes(_States):
    """A hidden Markov model with Gaussian states of diagonal covariance, fitted by EM from several starts.

    Parameters
    ----------
    states : int
    n_init : int
        Starts of EM; the likeliest is kept.
    n_iter : int
        Steps of EM at most.
    random_state : int

    States are numbered by the variance of the first column, calm first. NaN is refused; there are no weights.
    """

    learned = ("mean_", "deviation_", "start_", "transitions_", "means_", "variances_")

    states: int = 2
    n_init: int = 3
    n_iter: int = 60
    random_state: int = 0

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the states from rows in time order, `X` float (n, F)."""
        rows, kind, seed = self._standardised(X), gaussian_hmm("signals"), self.random_state * 1000
        seeds = range(seed, seed + self.n_init)
        tried = (
            kind(self.states, "diag", n_iter=self.n_iter, tol=1e-3, random_state=one)
            for one in seeds
        )
        best = likeliest(tried, rows)
        order = np.argsort(best.covars_[:, 0, 0] if best.covars_.ndim == 3 else best.covars_[:, 0])
        variances = np.array([np.diag(c) if c.ndim == 2 else c for c in best.covars_])
        self.start_ = _stationary(best.transmat_[np.ix_(order, order)])
        self.transitions_ = best.transmat_[np.ix_(order, order)]
        self.means_, self.variances_ = best.means_[order], variances[order]
        self.n_features_in_ = len(self.mean_)
        return self

    def _log_density(self, X: Any) -> Floats:
        """Log density of each row in each state, (n, S)."""
        apart = self._apart(X)
        return np.asarray(-0.5 * (apart + np.log(2 * np.pi * self.variances_[None])).sum(axis=2))

    def predict_proba(self, X: Any) -> Floats:
        """Filtered probabilities, float64 (n, S): row t knows rows 0..t alone; before row 0 the stationary ones."""
        return self.finite(filtered(self._log_density(X), self.start_, self.transitions_))


def _stationary(transitions: Floats) -> Floats:
    """The distribution that a transition matrix keeps."""
    size = len(transitions)
    system = np.vstack([transitions.T - np.eye(size), np.ones(size)])
    solved = np.linalg.lstsq(system, np.append(np.zeros(size), 1.0), rcond=None)[0]
    solved = np.clip(solved, 1e-12, None)
    return np.asarray(solved / solved.sum())


@dataclass(eq=False, repr=False)
class ClusterRegimes(_States):
    """A mixture of Gaussians: states without memory, row by row.

    Parameters
    ----------
    states : int
    n_init : int
    random_state : int

    States are numbered by the variance of the first column, calm first. NaN is refused; there are no weights.
    """

    learned = ("mean_", "deviation_", "shares_", "means_", "variances_")

    states: int = 2
    n_init: int = 3
    random_state: int = 0

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the clusters, `X` float (n, F)."""
        from sklearn.mixture import GaussianMixture

        Z = self._standardised(X)
        model = GaussianMixture(
            self.states, covariance_type="diag", n_init=self.n_init, random_state=self.random_state
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(Z)
        order = np.argsort(model.covariances_[:, 0])
        self.shares_ = model.weights_[order]
        self.means_, self.variances_ = model.means_[order], model.covariances_[order]
        self.n_features_in_ = len(self.mean_)
        return self

    def predict_proba(self, X: Any) -> Floats:
        """Probabilities of the states, float64 (n, S)."""
        apart = self._apart(X)
        log = np.log(self.shares_) - 0.5 * (apart + np.log(self.variances_[None])).sum(axis=2)
        likely = np.exp(log - log.max(axis=1, keepdims=True))
        return self.finite(likely / likely.sum(axis=1, keepdims=True))


KINDS: dict[str, type[HmmRegimes | ClusterRegimes]] = {
    "hmm": HmmRegimes,
    "clusters": ClusterRegimes,
}
