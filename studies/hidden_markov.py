"""Hidden Markov models with Gaussian states: the likeliest of several fits, and probabilities that never look ahead.

Only *filtered* probabilities are given: the state at row t from rows up to t (Hamilton, 1989). Smoothed ones, which
hmmlearn's own ``predict_proba`` gives, look into the future and are never used.
"""

import logging
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from tercel.core import DataError, Floats, import_optional

_FLOOR = 1e-300


def gaussian_hmm(extra: str) -> Any:
    """hmmlearn's class of models with Gaussian states.

    Raises
    ------
    ConfigError
        When it is not installed, with the extra that brings it.
    """
    logging.getLogger("hmmlearn").setLevel(
        logging.ERROR
    )  # it reports every fit that EM ended by its last step
    return import_optional("hmmlearn.hmm", extra).GaussianHMM


def likeliest(models: Iterable[Any], rows: Floats) -> Any:
    """Fit each model by EM to rows in time order, float (n, F), and return the one under which they are likeliest.

    Raises
    ------
    DataError
        When none has a finite likelihood.
    """
    best, level = None, -np.inf
    for model in models:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(rows)
            likelihood = model.score(rows)
        if np.isfinite(likelihood) and likelihood > level:
            best, level = model, likelihood
    if best is None:
        raise DataError(
            "a likelihood that EM can climb", "none from any start", "scale the rows or take more"
        )
    return best


def filtered(log_density: Floats, start: Floats, transitions: Floats) -> Floats:
    """Filtered probabilities of S states, float64 (n, S): row t knows rows 0..t alone.

    Parameters
    ----------
    log_density : float64 (n, S)
        Log density of each row in each state, up to a constant of the row.
    start : float64 (S,)
        Probabilities before row 0.
    transitions : float64 (S, S)
        From state (row) to state (column).

    >>> filtered(np.log([[0.2, 0.6], [0.5, 0.5]]), np.array([0.5, 0.5]), np.eye(2)).round(6).tolist()
    [[0.25, 0.75], [0.25, 0.75]]
    """
    likelihood = np.exp(log_density - log_density.max(axis=1, keepdims=True))
    out: Floats = np.empty_like(likelihood)
    prior = start
    for t, row in enumerate(likelihood):
        joint = prior * row
        total = joint.sum()
        out[t] = joint / total if total > _FLOOR else prior
        prior = out[t] @ transitions
    return out
