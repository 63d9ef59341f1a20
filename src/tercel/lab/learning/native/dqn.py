"""Deep Q-learning (Mnih et al. 2015), double, dueling, n-step, without a framework: read :meth:`Dqn.update`.

"Rainbow" is Hessel et al. 2018; of its six parts the three that cost nothing at run time are here.
"""

from dataclasses import dataclass

import numpy as np

from tercel.core.arrays import Bools, Float32, Floats, Ints
from tercel.core.errors import refuse_if
from tercel.core.jit import kernel
from tercel.execution.policies.mlp import MlpPolicy
from tercel.lab.learning.native.learner import NativeLearner, one_thread
from tercel.lab.learning.native.net import Net, Workspace
from tercel.lab.learning.native.settings import NativeSettings
from tercel.lab.learning.port import (
    AnyVectorEnv,
    Metrics,
    State,
    act_and_restart,
    check_env,
    check_finite,
)


@kernel
def gather_dqn(
    rows: Ints,
    steps: int,
    gamma: float,
    obs: Float32,
    actions: Ints,
    rewards: Float32,
    dones: Bools,
    masks: Bools,
    out_states: Float32,
    out_actions: Ints,
    out_floats: Float32,
    out_masks: Bools,
) -> None:
    """Copy transitions of the replay ring into the last four arrays; a transition spans up to `steps` decisions.

    `rows` number (time, episode) pairs as time * n + episode. `out_states[2 B, D]` is their states, then those `steps`
    decisions later. `out_floats[B, 2]` is the reward over up to `steps` steps, discounted, and the discount of what
    follows, 0 when the episode ended on the way (Sutton 1988; Hessel et al. 2018). `out_masks[B, A]` are the actions
    allowed in the later state.
    """
    batch = rows.shape[0]
    capacity = obs.shape[0]
    n = obs.shape[1]
    decay = np.float32(gamma)
    for k in range(batch):
        t = rows[k] // n
        e = rows[k] % n
        for j in range(out_states.shape[1]):
            out_states[k, j] = obs[t, e, j]
        out_actions[k] = actions[t, e]
        total = np.float32(0)
        discount = np.float32(1)
        for _ in range(steps):
            total += discount * rewards[t, e]
            discount *= decay
            ended = dones[t, e]
            t = t + 1 if t + 1 < capacity else 0
            if ended:
                discount = np.float32(0)
                break
        for j in range(out_states.shape[1]):
            out_states[batch + k, j] = obs[t, e, j]
        for j in range(out_masks.shape[1]):
            out_masks[k, j] = masks[t, e, j]
        out_floats[k, 0] = total
        out_floats[k, 1] = discount


@kernel
def q_values(raw: Float32, bias: Float32, dueling: bool, q: Float32) -> None:
    """Write the action values of one row into `q`: the head's outputs, or V + A - mean A if dueling (Wang et al. 2016, eq. 9)."""
    size = q.shape[0]
    if not dueling:
        for j in range(size):
            q[j] = raw[j] + bias[j]
        return
    mean = np.float32(0)
    for j in range(size):
        q[j] = raw[j + 1] + bias[j + 1]
        mean += q[j]
    shift = raw[0] + bias[0] - mean / np.float32(size)
    for j in range(size):
        q[j] += shift


@kernel
def dqn_loss(
    raw: Float32,
    choice: Float32,
    later: Float32,
    biases: tuple[Float32, Float32, Float32],
    actions: Ints,
    floats: Float32,
    mask: Bools,
    dueling: bool,
    q: Float32,
    raw_gradient: Float32,
    stats: Floats,
) -> None:
    """Add mean double-DQN loss and mean value to `stats`; writes the loss's gradient by the head into `raw_gradient`.

    Van Hasselt et al. 2016, eq. 4; Huber with threshold 1.

    `raw[B]` are the online head's outputs at states; at later states `choice[B]` chooses the action and `later[B]`, the
    target network's, values it. `choice` is the online network's, or `later` itself for plain DQN; `biases` belong to
    the three. `q[A]` is work space. `stats` += loss, mean value.
    """
    batch = actions.shape[0]
    size = mask.shape[1]
    bias, choice_bias, later_bias = biases
    share = np.float32(1) / np.float32(batch)
    for r in range(batch):
        q_values(choice[r], choice_bias, dueling, q)
        best = -1
        for j in range(size):
            if mask[r, j] and (best < 0 or q[j] > q[best]):
                best = j
        q_values(later[r], later_bias, dueling, q)
        goal = floats[r, 0] + floats[r, 1] * q[best]
        q_values(raw[r], bias, dueling, q)
        error = q[actions[r]] - goal
        gradient = min(max(error, np.float32(-1)), np.float32(1)) * share
        if dueling:
            raw_gradient[r, 0] = gradient
            for j in range(size):
                raw_gradient[r, j + 1] = -gradient / np.float32(size)
            raw_gradient[r, actions[r] + 1] += gradient
        else:
            for j in range(size):
                raw_gradient[r, j] = np.float32(0)
            raw_gradient[r, actions[r]] = gradient
        size_of = abs(error)
        stats[0] += (0.5 * error * error if size_of <= 1 else size_of - 0.5) * share
        stats[1] += q[actions[r]] * share


@kernel
def epsilon_greedy(
    raw: Float32,
    bias: Float32,
    mask: Bools,
    dueling: bool,
    uniform: Float32,
    epsilon: float,
    q: Float32,
    actions: Ints,
) -> None:
    """Write into `actions` per row a random allowed action with probability `epsilon`, else the best; `q` is work space."""
    size = mask.shape[1]
    for r in range(mask.shape[0]):
        q_values(raw[r], bias, dueling, q)
        allowed = 0
        best = -1
        for j in range(size):
            if mask[r, j]:
                allowed += 1
                if best < 0 or q[j] > q[best]:
                    best = j
        if uniform[r, 0] < epsilon:
            pick = min(int(uniform[r, 1] * allowed), allowed - 1)
            for j in range(size):
                if mask[r, j]:
                    if pick == 0:
                        best = j
                        break
                    pick -= 1
        actions[r] = best


@dataclass(frozen=True)
class DqnSettings(NativeSettings):
    """Settings of :class:`Dqn`; the defaults suit execution tasks. The learning rate is annealed to 0.

    Raises
    ------
    ConfigError
        A value outside its range (`native.learner.OF`).
    """

    capacity: int = 100_000  # transitions stored; 1e6 in the paper, but an execution episode has tens of decisions
    warmup: int = 4_096  # frames of random play before the first gradient step
    steps: int = 64  # decisions per episode slot and update (one row of metrics)
    gradient_steps: int = (
        4  # per decision of all slots: 4 x 256 rows for 64 new frames, each replayed 16 times
    )
    n_step: int = 3  # Rainbow, table 1
    double: bool = True
    dueling: bool = True
    target_every: int = (
        250  # gradient steps; Rainbow copies every 8,000 of batch 32 = 256,000 rows; here 64,000
    )
    epsilon_start: float = 1.0
    epsilon_end: float = 0.05  # Mnih et al. 2013 use 0.1, SB3 0.05
    epsilon_frames: int = 50_000  # over which it falls linearly
    max_norm: float = 10.0  # SB3; Wang et al. 2016
    start: tuple[float, ...] = ()  # values of the actions before learning; (): random ones


# Size of the first random values beside those of `start`: far smaller, so that the greedy action is the start's.
START_GAIN = 0.01


class Replay:
    """Replay memory: the last `capacity` steps of n episode slots in a ring of arrays [capacity, n, ...]."""

    def __init__(self, capacity: int, n: int, width: int, actions: int) -> None:
        """Allocate a ring of `capacity` steps for `n` slots, observations of `width` numbers and `actions` actions."""
        self.capacity = capacity
        self.n = n
        self.obs = np.zeros(
            (capacity, n, width), np.float32
        )  # raw: the normaliser continues to learn
        self.actions = np.zeros((capacity, n), np.int64)
        self.rewards = np.zeros((capacity, n), np.float32)
        self.dones = np.zeros((capacity, n), np.bool_)
        self.masks = np.ones((capacity, n, actions), np.bool_)
        self.at = 0
        self.filled = 0

    def add(self, obs: Float32, mask: Bools, actions: Ints, reward: Float32, done: Bools) -> None:
        """Store one step of all slots: observations, masks, actions, rewards and ends."""
        t = self.at
        self.obs[t] = obs
        self.masks[t] = mask
        self.actions[t] = actions
        self.rewards[t] = reward
        self.dones[t] = done
        self.at = (t + 1) % self.capacity
        self.filled = min(self.filled + 1, self.capacity)

    def draw(self, rng: np.random.Generator, batch: int, ahead: int) -> Ints:
        """Draw `batch` random transitions (time * n + slot) that have `ahead` later steps in the ring."""
        oldest = self.at if self.filled == self.capacity else 0
        age = rng.integers(0, (self.filled - ahead) * self.n, batch)
        return (age // self.n + oldest) % self.capacity * self.n + age % self.n

    def state(self) -> State:
        """Copies of the filled part of the ring, with its position."""
        fields = ("obs", "actions", "rewards", "dones", "masks")
        return {
            **{f: getattr(self, f)[: self.filled].copy() for f in fields},
            "at": self.at,
            "filled": self.filled,
        }

    def restore(self, state: State) -> None:
        """Restore the ring from `state`."""
        for name in ("at", "filled"):
            setattr(self, name, int(state[name]))
        for f in ("obs", "actions", "rewards", "dones", "masks"):
            getattr(self, f)[: self.filled] = state[f]

    def mark_end(self) -> None:
        """Mark the newest step as an end, since later steps belong to other episodes."""
        if self.filled:
            self.dones[self.at - 1] = True


class Dqn(NativeLearner):
    """Learner by double dueling deep Q-learning on the environment `env`.

    Raises
    ------
    ConfigError
        If the environment's actions are vectors, or the replay memory holds fewer steps than the warm-up and the n-step
        return need.
    """

    name = "dqn"
    settings: DqnSettings
    counters = ("frames", "updates", "gradient_steps")
    gradient_steps: int

    def __init__(
        self, env: AnyVectorEnv, settings: DqnSettings | None = None, seed: int = 0
    ) -> None:
        """Make network, target network and replay memory, and start the episodes of `seed`."""
        width, (numbers, _) = check_env(env)
        refuse_if(
            not numbers,
            "an environment whose actions are numbers",
            "one whose actions are vectors",
            "take PPO",
        )
        s = self.settings = settings or DqnSettings()
        n = env.num_envs
        capacity = s.capacity // n
        refuse_if(
            capacity * n < s.warmup or s.warmup // n <= s.n_step,
            f"capacity >= warm-up > {s.n_step} steps of {n} slots",
            f"capacity {s.capacity}, warm-up {s.warmup}",
            "raise the capacity or the warm-up",
        )
        self.rng = np.random.default_rng([seed, 0xD99])
        heads = (numbers + int(s.dueling),)
        net = Net(width, s.hidden, heads)
        self.target = Net(width, s.hidden, heads)
        net.initialise(self.rng, (START_GAIN if s.start else 1.0,))
        if s.start:
            net.head_biases[0][int(s.dueling) :] = s.start
        self.target.params[:] = net.params
        self._prepare(env, seed, net, numbers)
        self.replay = Replay(capacity, n, width, numbers)
        b = s.minibatch
        self.scratch = np.empty(numbers, np.float32)
        self.actions = np.empty(n, np.int64)
        self.choosing, self.valuing = (
            Workspace(self.net, b),
            Workspace(self.target, b),
        )  # at later states
        self.mini_raw = np.empty((2 * b, width), np.float32)
        self.mini_x = np.empty_like(self.mini_raw)
        self.mini = (
            np.empty(b, np.int64),
            np.empty((b, 2), np.float32),
            np.empty((b, numbers), np.bool_),
        )
        self._set_observation(env.reset(seed=seed)[0])

    def _set_observation(self, obs: Float32) -> None:
        """Set the current observation and update the normaliser with it."""
        super()._set_observation(obs)
        if self.settings.normalise_observations:
            self.normaliser.update(self.raw)

    @property
    def epsilon(self) -> float:
        """Current share of random actions after the warm-up, in which all are random."""
        s = self.settings
        progress = min(self.frames / s.epsilon_frames, 1.0) if s.epsilon_frames else 1.0
        return s.epsilon_start + progress * (s.epsilon_end - s.epsilon_start)

    def update(self) -> Metrics:
        """Take `steps` decisions in every slot, each followed by `gradient_steps` minibatches after the warm-up;
        returns metrics. LearningError if the gradient is not finite.
        """
        s = self.settings
        stats = np.zeros(2)
        norms = 0.0
        learned = 0
        rate = self._anneal(s.learning_rate, 0.0)
        with one_thread():
            for _ in range(s.steps):
                self._act()
                if self.frames < s.warmup:
                    continue
                for _ in range(s.gradient_steps):
                    norms += self._improve(rate, stats)
                    learned += 1
        metrics = {
            **self._metrics_row(),
            "loss": float(stats[0] / max(learned, 1)),
            "value_mean": float(stats[1] / max(learned, 1)),
            "epsilon": self.epsilon,
            "gradient_norm": norms / max(learned, 1),
            "learning_rate": rate,
        }
        return check_finite(metrics, self.name)

    def _act(self) -> None:
        """Take one epsilon-greedy decision (random in the warm-up) in every slot and store it in the replay memory."""
        s = self.settings
        self.normaliser.apply(self.raw, self.x)
        uniform = self.rng.random((self.n, 2), np.float32)
        epsilon = self.epsilon if self.frames >= s.warmup else 1.0
        epsilon_greedy(
            self.net.forward(self.x, self.acting)[0],
            self.net.head_biases[0],
            self.mask,
            s.dueling,
            uniform,
            epsilon,
            self.scratch,
            self.actions,
        )
        obs, reward, done, _, _ = act_and_restart(self.env, self.actions)
        self.returns.add(reward, done)
        scaled = np.asarray(
            self.risk_transform.pay(reward, done) if self.risk_transform else reward, np.float32
        )
        if s.scale_rewards:
            scaled = self.scaler.scale(scaled, done)
        self.replay.add(self.raw, self.mask, self.actions, scaled, done)
        self.frames += self.n
        self._set_observation(obs)

    def _improve(self, rate: float, stats: Floats) -> float:
        """Take one gradient step on a random minibatch, adding its loss to `stats`; returns the gradient's unclipped norm."""
        s = self.settings
        self.loss(self.replay.draw(self.rng, s.minibatch, s.n_step), stats)
        self.net.backward(self.mini_x[: s.minibatch], self.learning)
        norm = self.adam.step(self.net.params, self.net.grad, rate, s.max_norm)
        self.gradient_steps += 1
        if self.gradient_steps % s.target_every == 0:
            self.target.params[:] = self.net.params
        return norm

    def loss(self, rows: Ints, stats: Floats) -> None:
        """Add the loss and mean value of transitions `rows` to `stats`; leaves the head's gradient in the workspace."""
        s = self.settings
        m = self.replay
        actions, floats, mask = self.mini
        gather_dqn(
            rows,
            s.n_step,
            s.gamma,
            m.obs,
            m.actions,
            m.rewards,
            m.dones,
            m.masks,
            self.mini_raw,
            actions,
            floats,
            mask,
        )
        self.normaliser.apply(self.mini_raw, self.mini_x)
        x = self.mini_x[: s.minibatch]
        x_later = self.mini_x[s.minibatch :]
        later = self.target.forward(x_later, self.valuing)[0]
        later_bias = self.target.head_biases[0]
        choice = later
        choice_bias = later_bias
        if s.double:
            choice = self.net.forward(x_later, self.choosing)[0]
            choice_bias = self.net.head_biases[0]
        raw = self.net.forward(x, self.learning)[0]
        dqn_loss(
            raw,
            choice,
            later,
            (self.net.head_biases[0], choice_bias, later_bias),
            actions,
            floats,
            mask,
            s.dueling,
            self.scratch,
            self.learning.dout[0],
            stats,
        )

    def policy(self) -> MlpPolicy:
        """Greedy policy; the dueling head is folded into one layer of action values."""
        *hidden, (weight, bias) = self.net.tower(0)
        if self.settings.dueling:
            weight = weight[:, 1:] - weight[:, 1:].mean(axis=1, keepdims=True) + weight[:, :1]
            bias = bias[1:] - bias[1:].mean() + bias[0]
        return self._policy([*hidden, (weight, bias)], "q")

    def _parts(self) -> State:
        """Parts with a state of their own: the replay memory, and those of every native learner."""
        return {"replay": self.replay, **super()._parts()}

    def _forget_episodes(self) -> None:
        """Forget the running episodes, also in the replay memory."""
        super()._forget_episodes()
        self.replay.mark_end()

    def state(self) -> State:
        """State of the learner with the target network."""
        return {**super().state(), "target": self.target.params.copy()}

    def restore(self, state: State) -> None:
        """Restore the learner and the target network from `state`."""
        self.target.load(state["target"])
        super().restore(state)
