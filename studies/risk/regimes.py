"""Two regimes of volatility: a Gaussian hidden Markov model whose probabilities look back, never ahead.

Parameters are fitted once a year on the past (EM, `hmmlearn`); between fits the filter alone runs, so that the
probability of day t never changes when later days are added. A switch with hysteresis turns it into a state.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from studies.hidden_markov import filtered, gaussian_hmm, likeliest
from tercel.core import Bools, DataError, Floats

YEAR = 252
LEAST_DAYS = 500
ENTER, LEAVE = 0.8, 0.2


@dataclass(frozen=True)
class TwoStateModel:
    """A fitted model; state 1 is the turbulent one.

    Parameters
    ----------
    means, sds : float64[2]
    stay : float64[2]
        Probability of staying in each state.
    start : float64[2]
    """

    means: Floats
    sds: Floats
    stay: Floats
    start: Floats

    def filtered(self, returns: Floats) -> Floats:
        """Probability of the turbulent state after each day, given that day and those before it, float64[n]."""
        density = -0.5 * ((returns[:, None] - self.means) / self.sds) ** 2 - np.log(self.sds)
        calm, turbulent = self.stay
        transitions = np.array([[calm, 1.0 - calm], [1.0 - turbulent, turbulent]])
        return np.clip(filtered(density, self.start, transitions)[:, 1], 1e-12, 1 - 1e-12)


def fit_two_states(returns: Floats, seed: int = 0, restarts: int = 3) -> TwoStateModel:
    """Fit by EM from several starts, the likeliest one kept.

    Raises
    ------
    DataError
        Fewer than 500 days, NaN or returns that never move.
    ConfigError
        When the extra [risk] is not installed.
    """
    if len(returns) < LEAST_DAYS:
        raise DataError(
            f"at least {LEAST_DAYS} days for two regimes", f"{len(returns)}", "begin the test later"
        )
    if not np.isfinite(returns).all() or returns.std() < 1e-12:
        raise DataError("finite returns that move", "NaN or a constant", "mend the series")
    x = 100.0 * returns[:, None]  # near 1, where the library's floors for variances do no harm
    kind, sd = gaussian_hmm("risk"), float(x.std())

    def begun(restart: int) -> Any:
        model = kind(
            2,
            "diag",
            n_iter=100,
            tol=1e-3,
            random_state=seed + restart,
            init_params="s",
            params="stmc",
        )
        spread = 1.5 + 0.5 * restart
        model.means_ = np.zeros((2, 1))
        model.covars_ = np.array([[(sd / spread) ** 2], [(sd * spread) ** 2]])
        model.transmat_ = np.array([[0.98, 0.02], [0.04, 0.96]])
        return model

    best = likeliest(map(begun, range(restarts)), x)
    sds = np.sqrt(best.covars_.reshape(2)) / 100.0
    order = np.argsort(sds)
    stay = np.diag(best.transmat_)[order]
    return TwoStateModel(
        best.means_.reshape(2)[order] / 100.0, sds[order], stay, best.startprob_[order]
    )


def regime_probabilities(returns: Floats, first: int, refit: int = YEAR, seed: int = 0) -> Floats:
    """Filtered probability of the turbulent state on days `first .. n - 1`, refitted every `refit` days on the past."""
    if first >= len(returns):
        raise DataError(
            "days in the test", f"{first} before it of {len(returns)}", "use a longer series"
        )
    out = np.empty(len(returns))
    for start in range(first, len(returns), refit):
        stop = min(start + refit, len(returns))
        out[start:stop] = fit_two_states(returns[:start], seed).filtered(returns[:stop])[start:]
    return out[first:]


def switched(probabilities: Floats, enter: float = ENTER, leave: float = LEAVE) -> Bools:
    """State with hysteresis: on from `enter`, off from below `leave`.

    >>> switched(np.array([0.1, 0.9, 0.5, 0.1, 0.5])).tolist()
    [False, True, True, False, False]
    """
    out = np.zeros(len(probabilities), np.bool_)
    on = False
    for t, p in enumerate(probabilities.tolist()):
        on = p >= enter or (on and p >= leave)
        out[t] = on
    return out


@dataclass(frozen=True)
class RegimeVerdict:
    """A regime detector on trial.

    Parameters
    ----------
    name : str
    share : float
        Of days in the turbulent state.
    calm_sd, turbulent_sd : float
        Volatility of the *next* day's return in each state, a year.
    ratio : float
    switches_per_year : float
    state : bool[n]
    """

    name: str
    share: float
    calm_sd: float
    turbulent_sd: float
    ratio: float
    switches_per_year: float
    state: Bools


def judge(name: str, state: Bools, returns: Floats) -> RegimeVerdict:
    """How far apart the next days' volatilities are; `state` and `returns` are of the same days.

    Raises
    ------
    DataError
        When one of the states never occurs.
    """
    now, then = state[:-1], returns[1:]
    if now.all() or not now.any():
        raise DataError(
            "days in both regimes", f"{int(now.sum())} turbulent of {len(now)}", "use a longer test"
        )
    calm, turbulent = (float(then[which].std() * math.sqrt(YEAR)) for which in (~now, now))
    switches = float(np.sum(state[1:] != state[:-1])) * YEAR / len(state)
    return RegimeVerdict(
        name, float(state.mean()), calm, turbulent, turbulent / calm, switches, state
    )


def ewma_rule(returns: Floats, first: int, decay: float = 0.94, over: float = 1.15) -> Bools:
    """The one-line rival: volatility above `over` times the median of its past, bool of days `first .. n - 1`."""
    variance, level = np.empty(len(returns)), float(np.mean(returns[:25] ** 2))
    for t, r in enumerate(returns.tolist()):
        level = decay * level + (1 - decay) * r * r
        variance[t] = level
    return np.array(
        [variance[t] > over**2 * np.median(variance[: t + 1]) for t in range(first, len(returns))]
    )
