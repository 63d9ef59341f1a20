"""Almgren and Chriss (2000), "Optimal execution of portfolio transactions": the worked example, and an agent in it.

A million shares are sold in five days, in five blocks. Selling at n / tau shares a day costs eps + eta n / tau a
share, each share lowers the price by gamma for good, and the price diffuses with sigma. Table 1 of the paper gives the
numbers; units are dollars, shares and days.

The agent is one network that is told the risk aversion: traced over it, its schedules are an efficient frontier. It is
paid the expected cost of what it sells and lambda times the variance of what it keeps, both exactly; the diffusion
itself, whose mean is zero whatever is done, is left out of its rewards, which changes no expected gradient.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercel.core import AnyArray, Float32
from tercel.execution import Parameters, kappa, share_left
from tercel.execution.policies import MlpPolicy
from tercel.lab.learning import Info, Ppo, PpoSettings, SameStepVectorEnv, vectors

Floats = NDArray[np.float64]

PRICE: Final = 50.0
SHARES: Final = 1e6
DAYS: Final = 5.0
BLOCKS: Final = 5
TAU: Final = DAYS / BLOCKS
SIGMA: Final = 0.95
"""30 % a year at $50 over 250 days, $ a share a square root of a day."""
ETA: Final = 2.5e-6
"""Selling 1 % of the daily volume of 5 million costs one spread of 1/8."""
GAMMA: Final = 2.5e-7
"""Selling 10 % of it lowers the price by one spread."""
EPSILON: Final = 0.0625
AVERSIONS: Final = (1e-7, 1e-6, 2e-6)
"""lambda, 1 / $, of the worked figures."""
LOWEST, HIGHEST = 1e-8, 1e-5
"""Risk aversions that the agent is trained on."""
OBSERVES: Final = ("time_left", "shares_left", "log_risk_aversion")
FRAMES: Final = 655_360
MARKETS: Final = 64


def parameters(risk_aversion: float) -> Parameters:
    """Table 1 with a risk aversion."""
    return Parameters(
        sigma=SIGMA, eta=ETA, gamma=GAMMA, epsilon=EPSILON, risk_aversion=risk_aversion
    )


def holdings(quantity: float, horizon: float, intervals: int, p: Parameters) -> Floats:
    """Lots left at t_0 .. t_N, float64 (N + 1,), from `quantity` to 0.

    The worked example of the paper, in days and shares (x / 1000):

    >>> p = Parameters(sigma=0.95, eta=2.5e-6, gamma=2.5e-7, epsilon=0.0625, risk_aversion=1e-6)
    >>> (holdings(1e6, 5.0, 5, p) / 1000).round().tolist()
    [1000.0, 542.0, 290.0, 148.0, 62.0, 0.0]
    """
    k = kappa(p.lambda_of(quantity, horizon), horizon / intervals, p)
    return quantity * share_left(k * horizon, np.linspace(0.0, 1.0, intervals + 1))


def expected_cost(left: Floats, tau: float, p: Parameters) -> float:
    """Expected shortfall of the trajectory `left` (N + 1,), ticks x lots (eq. 4 with linear impact)."""
    n = -np.diff(left)
    fixed = 0.5 * p.gamma * left[0] ** 2 + p.epsilon * np.abs(n).sum()
    return float(fixed + (p.eta - p.gamma * tau / 2) / tau * (n**2).sum())


def cost_variance(left: Floats, tau: float, p: Parameters) -> float:
    """Variance of the shortfall of the trajectory `left` (N + 1,), (ticks x lots)^2 (eq. 5)."""
    return float(p.sigma**2 * tau * (left[1:] ** 2).sum())


@dataclass(frozen=True, eq=False)
class Schedule:
    """A trajectory and its cost.

    Parameters
    ----------
    risk_aversion : float
        lambda, 1 / $.
    left : float64 (BLOCKS + 1,)
        Shares held at the end of each day.
    """

    risk_aversion: float
    left: Floats

    @property
    def cost(self) -> float:
        """Expected shortfall, $ (eq. 4)."""
        return expected_cost(self.left, TAU, parameters(self.risk_aversion))

    @property
    def sd(self) -> float:
        """Standard deviation of the shortfall, $ (eq. 5)."""
        return float(np.sqrt(cost_variance(self.left, TAU, parameters(self.risk_aversion))))

    @property
    def objective(self) -> float:
        """Expected cost plus lambda times variance, $."""
        return self.cost + self.risk_aversion * self.sd**2


def optimal(risk_aversion: float) -> Schedule:
    """The closed form (eq. 17 to 20)."""
    return Schedule(risk_aversion, holdings(SHARES, DAYS, BLOCKS, parameters(risk_aversion)))


def even(risk_aversion: float = 0.0) -> Schedule:
    """The same number of shares every day: the least expected cost."""
    return Schedule(risk_aversion, np.linspace(SHARES, 0.0, BLOCKS + 1))


def at_once(risk_aversion: float = 0.0) -> Schedule:
    """Everything on the first day: no variance."""
    return Schedule(risk_aversion, np.append(SHARES, np.zeros(BLOCKS)))


def urgency(risk_aversion: float) -> float:
    """kappa of the closed form, 1 / day; its inverse is the trade's half-life."""
    return float(kappa(risk_aversion, TAU, parameters(risk_aversion)))


def simulate(left: Floats, paths: int, rng: np.random.Generator) -> Floats:
    """Shortfalls of a trajectory on drawn price paths, $, float64 (paths,): the model itself, not its formulas.

    The price moves during a block and falls by what was sold in it; each block is sold at the price before it less
    the temporary impact (eq. 1, 3 and 6).
    """
    sold = -np.diff(left)
    price, cash = np.full(paths, PRICE), np.zeros(paths)
    for shares in sold:
        rate = shares / TAU
        cash += shares * (price - EPSILON * np.sign(shares) - ETA * rate)
        price += SIGMA * np.sqrt(TAU) * rng.standard_normal(paths) - TAU * GAMMA * rate
    return PRICE * SHARES - cash


class AlmgrenChrissVec(SameStepVectorEnv):
    """The example as a vector environment: each episode has a risk aversion of its own.

    **Observation** (float32[3]): `OBSERVES`; the aversion as its logarithm, -1 at `LOWEST` and 1 at `HIGHEST`.
    **Action** (float32[1]): moves the logit of the share of what is left that is sold today; 0 is the even schedule.
    **Reward**: minus the objective's part of this day, in units of what the even schedule's own comes to.
    """

    def __init__(self, n: int = MARKETS) -> None:
        super().__init__(n, len(OBSERVES), vectors(1))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float32, Info]:
        """Start all episodes."""
        self.rng = np.random.default_rng((seed or 0, 0xAC))
        self.day = np.zeros(self.num_envs, np.int64)
        self.left, self.level = np.ones(self.num_envs), np.zeros(self.num_envs)
        self._begin(np.arange(self.num_envs))
        return self._seen(), {}

    def step(self, actions: AnyArray) -> tuple[Float32, AnyArray, AnyArray, AnyArray, Info]:
        """Sell, and start again where the last day is over."""
        share = share_sold(actions[:, 0], BLOCKS - self.day)
        sold = self.left * share
        kept = self.left - sold
        aversion = aversion_of(self.level)
        cost = (ETA - GAMMA * TAU / 2) / TAU * (SHARES * sold) ** 2
        risk = aversion * SIGMA**2 * TAU * (SHARES * kept) ** 2
        reward = -(cost + risk) / _unit(aversion)
        self.left, self.day = kept, self.day + 1
        done = self.day >= BLOCKS
        self._begin(np.flatnonzero(done))
        return self._seen(), reward, done, self.truncated, {}

    def _begin(self, which: NDArray[np.int64]) -> None:
        self.day[which], self.left[which] = 0, 1.0
        self.level[which] = self.rng.uniform(-1.0, 1.0, len(which))

    def _seen(self) -> Float32:
        return observe(self.day, self.left, self.level)


def observe(day: NDArray[np.int64], left: Floats, level: Floats) -> Float32:
    """Observations float32 (n, 3) of days gone, shares left (of 1) and the level of the aversion."""
    return np.stack([1.0 - day / BLOCKS, left, level], axis=1).astype(np.float32)


def share_sold(action: NDArray[Any], days_left: NDArray[np.int64]) -> Floats:
    """Share of what is left that an action sells; the last day sells all."""
    others = np.maximum(days_left - 1, 1)  # the even schedule's odds are 1 to the other days
    share = 1.0 / (1.0 + others * np.exp(-np.clip(np.asarray(action, np.float64), -20.0, 20.0)))
    return np.where(days_left <= 1, 1.0, share)


def aversion_of(level: Floats) -> Floats:
    """lambda of a level from -1 to 1."""
    middle, half = np.log(LOWEST * HIGHEST) / 2, np.log(HIGHEST / LOWEST) / 2
    aversion: Floats = np.exp(middle + half * np.asarray(level, np.float64))
    return aversion


def level_of(risk_aversion: float) -> float:
    """The level of a lambda.

    >>> round(level_of(1e-8)), round(level_of(1e-5))
    (-1, 1)
    """
    middle, half = np.log(LOWEST * HIGHEST) / 2, np.log(HIGHEST / LOWEST) / 2
    return float((np.log(risk_aversion) - middle) / half)


def _unit(aversion: Floats) -> Floats:
    kept = even().left[1:]
    cost = (ETA - GAMMA * TAU / 2) / TAU * BLOCKS * (SHARES / BLOCKS) ** 2
    return cost + aversion * SIGMA**2 * TAU * float((kept**2).sum())


def settings(frames: int = FRAMES) -> PpoSettings:
    """PPO for five decisions without noise: exploration and steps that end small."""
    return PpoSettings(
        hidden=(32, 32), distribution="gaussian", sigma_start=0.5, sigma_end=0.03, learning_rate=2e-3, entropy=0.0,
        lam=1.0, anneal_frames=frames, minibatch=512, normalise_observations=False,
    )  # fmt: skip


def train_agent(seed: int, frames: int = FRAMES) -> MlpPolicy:
    """An agent for every risk aversion, from nothing."""
    learner = Ppo(AlmgrenChrissVec(), settings(frames), seed)
    while learner.frames < frames:
        learner.update()
    return learner.policy()


def scheduled(policy: MlpPolicy, risk_aversion: float) -> Schedule:
    """What an agent does at a risk aversion; it sees no price, so this is all there is to know of it."""
    left, level = np.ones(BLOCKS + 1), np.array([level_of(risk_aversion)])
    for day in range(BLOCKS):
        seen = observe(np.array([day]), left[[day]], level)
        left[day + 1] = left[day] * (
            1.0 - share_sold(policy.act(seen)[:, 0], np.array([BLOCKS - day]))[0]
        )
    return Schedule(risk_aversion, SHARES * left)
