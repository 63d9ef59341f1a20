"""Proximal policy optimisation (Schulman et al. 2017) without a framework: read :meth:`Ppo.update` from top to bottom.

"37 details" is Huang et al. 2022, "The 37 implementation details of proximal policy optimization" (ICLR blog track);
SB3 is Stable-Baselines3 2.x, whose defaults and order of operations this follows so that the two can be compared.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from tercel.core.arrays import Bools, Float32, Floats, Ints
from tercel.core.errors import check_known, refuse_if
from tercel.core.jit import kernel
from tercel.execution.policies.mlp import MlpPolicy
from tercel.lab.learning.native.distributions import (
    NAMES,
    Categorical,
    Distribution,
    HeadOutput,
    distribution,
)
from tercel.lab.learning.native.learner import NativeLearner, one_thread
from tercel.lab.learning.native.net import Net
from tercel.lab.learning.native.normalisation import ValueNormaliser
from tercel.lab.learning.native.settings import NativeSettings
from tercel.lab.learning.port import (
    AnyVectorEnv,
    Metrics,
    State,
    act_and_restart,
    action_sizes,
    check_env,
    check_finite,
)


@kernel
def gae(
    rewards: Float32,
    values: Float32,
    dones: Bools,
    last: Float32,
    discount: float,
    lam: float,
    adv: Float32,
) -> None:
    """Write generalised advantages into adv[T, n] (Schulman et al. 2016, eq. 16); `dones` are true ends, `last` the values
    after the last step.
    """
    steps, n = rewards.shape
    decay = np.float32(discount)
    trace = np.float32(discount * lam)
    for e in range(n):
        running = np.float32(0)
        following = last[e]
        for t in range(steps - 1, -1, -1):
            if dones[t, e]:
                running = np.float32(0)
                following = np.float32(0)
            running = rewards[t, e] + decay * following - values[t, e] + trace * running
            adv[t, e] = running
            following = values[t, e]


@kernel
def value_loss(
    value: Float32,
    bias: Float32,
    floats: Float32,
    value_coef: float,
    raw_gradient: Float32,
    stats: Floats,
) -> None:
    """Squared error of the values against the returns (column 2 of `floats`): its gradient, times `value_coef`, is written
    into `raw_gradient`, its mean added to `stats[1]`.
    """
    share = 1.0 / value.shape[0]
    for r in range(value.shape[0]):
        error = float(value[r, 0] + bias[0] - floats[r, 2])
        raw_gradient[r, 0] = 2.0 * value_coef * share * error
        stats[1] += error * error * share


class Rollout:
    """One batch of experience in flat arrays, rows in time order: row = step * n + episode."""

    def __init__(self, steps: int, n: int, width: int, law: Distribution) -> None:
        """Allocate `steps` * `n` rows for observations of `width` numbers and actions of `law`."""
        rows = steps * n
        self.obs = np.empty((rows, width), np.float32)
        self.actions = law.store(rows)
        self.masks = np.ones((rows, law.width), np.bool_)
        self.floats = np.empty((rows, 3), np.float32)  # log probability, advantage, return
        self.logps = np.empty(rows, np.float32)
        self.values = np.empty((steps, n), np.float32)
        self.last = np.empty(n, np.float32)  # values of the observations after the last step
        self.earned = np.empty((steps, n))  # rewards as the environment gives them
        self.rewards = np.empty((steps, n), np.float32)  # the same, scaled
        self.dones = np.empty((steps, n), np.bool_)
        self.advantages = np.empty((steps, n), np.float32)


class Shuffled:
    """Copy of a rollout with rows in random order, so that minibatches are slices."""

    FIELDS = ("obs", "actions", "floats", "masks")

    def __init__(self, like: Rollout) -> None:
        """Allocate arrays of the shapes of the rollout `like`."""
        self.obs = np.empty_like(like.obs)
        self.actions = np.empty_like(like.actions)
        self.floats = np.empty_like(like.floats)
        self.masks = np.empty_like(like.masks)

    def take(self, rollout: Rollout, order: Ints) -> None:
        """Copy the rows of `rollout` in the order `order`."""
        for field in self.FIELDS:
            # "raise" would copy through a buffer
            np.take(getattr(rollout, field), order, axis=0, out=getattr(self, field), mode="clip")

    def epochs(
        self, rollout: Rollout, rng: np.random.Generator, epochs: int, size: int
    ) -> Iterator[slice]:
        """Iterate over minibatches (slices of `size` rows), shuffled again in each epoch."""
        rows = len(self.obs)
        for _ in range(epochs):
            self.take(rollout, rng.permutation(rows))
            yield from (slice(start, start + size) for start in range(0, rows, size))


@dataclass(frozen=True)
class PpoSettings(NativeSettings):
    """Settings of :class:`Ppo`; the defaults suit execution tasks (finite horizon, costs in bps).

    Learning rate, entropy and sigma are annealed.

    Raises
    ------
    ConfigError
        A value outside its range (`native.learner.OF`).
    """

    steps: int = 64  # decisions per episode slot and rollout; x 64 slots = 4,096 frames a batch
    epochs: int = 4
    learning_rate_end: float = 0.0
    lam: float = 0.95  # SB3
    clip: float = 0.2  # SB3, PPO paper
    entropy: float = 0.01  # PPO paper, Atari; SB3 has 0
    entropy_end: float | None = None  # None: constant
    value: float = 0.5  # SB3
    max_norm: float = 0.5  # SB3; "37 details", detail 11
    target_kl: float = (
        0.0  # no more epochs once a minibatch's KL is above 1.5 x this (SB3); 0: all of them
    )
    distribution: str = (
        "categorical"  # or gaussian, logistic_normal, dirichlet: see native.distributions
    )
    sigma_start: float = 1.0  # of normal laws; 1 -> 0.32: Cheridito and Weiss 2025
    sigma_end: float = 0.32
    threads: int = (
        1  # 2: one for each tower, the same bytes; pays from hidden layers of 128 on, on idle cores
    )
    start: tuple[
        float, ...
    ] = ()  # greedy action in every state before learning; (): 0, or all alike
    normalise_values: bool = False  # the value head learns returns of mean 0 and variance 1

    def __post_init__(self) -> None:
        """Refuse settings out of range and an unknown action law."""
        super().__post_init__()
        check_known(
            self.distribution,
            NAMES,
            "a distribution among",
            f"distribution = {self.distribution!r}",
        )


class Ppo(NativeLearner):
    """PPO learner with a policy tower and a value tower; actions are drawn from the law in the settings.

    An episode that a wrapper truncates counts as ended: nothing is bootstrapped past it.

    Raises
    ------
    ConfigError
        If the batch (steps x num_envs) is no multiple of the minibatch, or the law does not fit the environment's actions.
    """

    name = "ppo"
    settings: PpoSettings

    def __init__(
        self, env: AnyVectorEnv, settings: PpoSettings | None = None, seed: int = 0
    ) -> None:
        """Make networks, optimiser and rollout for `env`, and start the episodes of `seed`."""
        width, actions = check_env(env)
        s = self.settings = settings or PpoSettings()
        n = env.num_envs
        self.batch = s.steps * n
        refuse_if(
            self.batch % s.minibatch,
            "a batch (steps x environments) that is a multiple of the minibatch",
            f"{s.steps} x {n} against {s.minibatch}",
            "change the steps, the environments or the minibatch",
        )
        self.rng = np.random.default_rng([seed, 0x990])  # policy noise, initial weights, shuffling
        self.law = distribution(s.distribution, *actions)
        net = Net(width, s.hidden, (self.law.width, 1))
        net.initialise(self.rng, (self.law.gain, 1.0))  # SB3; "37 details", detail 2
        self._prepare(env, seed, net, self.law.width, masked=isinstance(self.law, Categorical))
        self._start()
        self.valuer = ValueNormaliser() if s.normalise_values else None
        self.rollout = Rollout(s.steps, n, width, self.law)
        self.shuffled = Shuffled(self.rollout)
        self._pool = ThreadPoolExecutor(1) if s.threads > 1 else None
        self._set_observation(env.reset(seed=seed)[0])
        if s.normalise_observations:
            self.normaliser.update(self.raw)

    def _start(self) -> None:
        """Set the head's bias so that the greedy action is `settings.start` for every observation."""
        start = self.settings.start
        if not start:
            return
        size = max(action_sizes(self.env))
        refuse_if(
            len(start) != size or not np.isfinite(start).all(),
            f"a start of {size} finite numbers",
            f"{start}",
            "one for each action, or none at all",
        )
        self.net.head_biases[0][:] = self.law.start(np.array(start, np.float64))

    def update(self) -> Metrics:
        """Run one rollout of steps x n frames, then `epochs` passes over it in minibatches; returns metrics.
        LearningError if the gradient is not finite.
        """
        s = self.settings
        rate = self._anneal(s.learning_rate, s.learning_rate_end)
        sigma = self.sigma
        with one_thread():
            if hasattr(self.env, "roll"):
                self.env.roll(self)
            else:
                self.collect()
            self._compute_advantages()
            stats = self._improve(rate, sigma)
        self.frames += self.batch
        row = {**self._metrics_row(), **stats, "learning_rate": rate}
        if s.distribution in ("gaussian", "logistic_normal"):
            row["sigma"] = sigma
        if self.risk_transform:
            row["risk_threshold"] = self.risk_transform.threshold
        return check_finite(row, self.name)

    @property
    def sigma(self) -> float:
        """Standard deviation of normal action laws in the next batch."""
        return self._anneal(self.settings.sigma_start, self.settings.sigma_end)

    def collect(self) -> None:
        """Act for `steps` decisions in every slot and fill the rollout with observations, actions and rewards; updates
        the observation normaliser.
        """
        s = self.settings
        r = self.rollout
        n = self.n
        sigma = self.sigma
        for t in range(s.steps):
            now = slice(t * n, (t + 1) * n)
            x = r.obs[now]
            self.normaliser.apply(self.raw, x)
            r.masks[now] = self.mask
            logits, value = self.net.forward(x, self.acting)
            np.add(value[:, 0], self.net.head_biases[1], out=r.values[t])
            head = HeadOutput(logits, self.net.head_biases[0], self.mask, sigma)
            taken = self.law.sample(head, self.rng, r.actions[now], r.logps[now])
            obs, r.earned[t], r.dones[t], _, _ = act_and_restart(self.env, taken)
            self._set_observation(obs)
            if s.normalise_observations:
                self.normaliser.update(self.raw)
        self.normaliser.apply(self.raw, self.x)
        np.add(self.net.forward(self.x, self.acting)[1][:, 0], self.net.head_biases[1], out=r.last)

    def _compute_advantages(self) -> None:
        """Scale the rewards of the rollout and compute advantages and returns; updates return tracker, reward scaler,
        risk transform and value normaliser.
        """
        s = self.settings
        r = self.rollout
        r.rewards[:] = r.earned
        for t in range(s.steps):
            self.returns.add(r.earned[t], r.dones[t])
            if self.risk_transform:
                r.rewards[t] = self.risk_transform.pay(r.earned[t], r.dones[t])
            if s.scale_rewards:
                r.rewards[t] = self.scaler.scale(r.rewards[t], r.dones[t])
        values = r.values
        last = r.last
        if self.valuer:
            values = self.valuer.values(values)
            last = self.valuer.values(last)
        gae(r.rewards, values, r.dones, last, s.gamma, s.lam, r.advantages)
        r.floats[:, 0] = r.logps
        r.floats[:, 1] = r.advantages.ravel()
        r.floats[:, 2] = r.advantages.ravel() + values.ravel()
        if self.valuer:
            r.floats[:, 2] = self.valuer.learn(
                r.floats[:, 2].copy(), self.net.head_weights[1], self.net.head_biases[1]
            )

    def _improve(self, rate: float, sigma: float) -> Metrics:
        """Take an Adam step on the loss of each minibatch, fewer if `target_kl` is exceeded; returns means of the statistics."""
        s = self.settings
        r = self.rollout
        net = self.net
        entropy_coef = (
            s.entropy if s.entropy_end is None else self._anneal(s.entropy, s.entropy_end)
        )
        stats = np.zeros(5)
        norms = 0.0
        count = 0
        for rows in self.shuffled.epochs(r, self.rng, s.epochs, s.minibatch):
            kl = stats[3]
            self.gradient(rows, stats, sigma, entropy_coef)
            if s.target_kl and stats[3] - kl > 1.5 * s.target_kl and count:
                break
            norms += self.adam.step(net.params, net.grad, rate, s.max_norm)
            count += 1
        stats /= count
        spread = float(np.var(r.floats[:, 2]))
        unexplained = float(np.var(r.floats[:, 1])) / (self.valuer.scale**2 if self.valuer else 1.0)
        return {
            **dict(
                zip(
                    ("policy_loss", "value_loss", "entropy", "kl", "clipped"),
                    stats.tolist(),
                    strict=True,
                )
            ),
            "explained_variance": 1.0 - unexplained / spread if spread > 0 else float("nan"),
            "gradient_norm": norms / count,
        }

    def gradient(self, rows: slice, stats: Floats, sigma: float, entropy_coef: float) -> None:
        """Fill the network's gradient from `rows` of the shuffled rollout (one minibatch); adds its losses to `stats`.

        The towers have nothing in common but the input, so each may have a thread of its own: the bytes are the same.
        """
        s = self.settings
        m = self.shuffled
        net = self.net
        work = self.learning
        x = m.obs[rows]
        floats = m.floats[rows]

        def policy() -> None:
            """Forward and backward pass of the policy tower."""
            raw = net.forward_tower(0, x, work)
            head = HeadOutput(raw, net.head_biases[0], m.masks[rows], sigma)
            raw_gradient = work.dout[0]
            self.law.loss(head, m.actions[rows], floats, s.clip, entropy_coef, raw_gradient, stats)
            net.backward_tower(0, x, work)

        def value() -> None:
            """Forward and backward pass of the value tower."""
            value_loss(
                net.forward_tower(1, x, work),
                net.head_biases[1],
                floats,
                s.value,
                work.dout[1],
                stats,
            )
            net.backward_tower(1, x, work)

        value_task = self._pool.submit(value) if self._pool else None
        policy()
        if value_task is None:
            value()
        else:
            value_task.result()

    def policy(self) -> MlpPolicy:
        """Exported policy tower, with the current observation normalisation."""
        *hidden, (weight, bias) = self.net.tower(0)
        return self._policy([*hidden, self.law.layer(weight, bias)], self.law.head)

    def _parts(self) -> State:
        """Parts with a state of their own: the value normaliser, and those of every native learner."""
        return {"valuer": self.valuer, **super()._parts()}
