"""The arithmetic of PPO and DQN that is not a matrix product: sampling, advantages, the losses and their gradients.

Loss kernels add the head's bias themselves (see :meth:`Net.forward`) and write the gradient by the head's raw output.
"""

import numpy as np

from tercel.core.arrays import Bools, Float32, Floats, Ints
from tercel.core.jit import kernel

FORBIDDEN = np.float32(-1e8)
"""Logit of a masked action: its probability underflows to 0 (Huang and Ontanon 2022, section 4.1)."""


@kernel
def log_softmax_row(raw: Float32, bias: Float32, mask: Bools, logp: Float32) -> None:
    """logp = log softmax(raw + bias), masked actions at probability 0."""
    size = raw.shape[0]
    top = FORBIDDEN * np.float32(10)
    for j in range(size):
        logp[j] = raw[j] + bias[j] if mask[j] else FORBIDDEN
        top = max(top, logp[j])
    total = np.float32(0)
    for j in range(size):
        total += np.exp(logp[j] - top)
    shift = top + np.log(total)
    for j in range(size):
        logp[j] -= shift


@kernel
def sample_actions(
    raw: Float32,
    bias: Float32,
    mask: Bools,
    uniform: Float32,
    logp: Float32,
    actions: Ints,
    logps: Float32,
) -> None:
    """Draw one action per row by inverting the distribution at uniform[row]; logps[row] its log probability.

    `logp[A]` is work space.
    """
    for r in range(raw.shape[0]):
        log_softmax_row(raw[r], bias, mask[r], logp)
        chosen, cumulated = -1, np.float32(0)
        for j in range(raw.shape[1]):
            if mask[r, j]:
                chosen = j  # the last allowed action takes what rounding leaves
                cumulated += np.exp(logp[j])
                if uniform[r] < cumulated:
                    break
        actions[r] = chosen
        logps[r] = logp[chosen]


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
    """Generalised advantages adv[T, n] (Schulman et al. 2016, eq. 16); done is a true end, nothing lies beyond it."""
    steps, n = rewards.shape
    decay, trace = np.float32(discount), np.float32(discount * lam)
    for e in range(n):
        running = np.float32(0)
        following = last[e]
        for t in range(steps - 1, -1, -1):
            if dones[t, e]:
                running, following = np.float32(0), np.float32(0)
            running = rewards[t, e] + decay * following - values[t, e] + trace * running
            adv[t, e] = running
            following = values[t, e]


@kernel
def advantage_moments(floats: Float32) -> tuple[float, float]:
    """Mean and padded standard deviation of floats[B, 1]: normalised within the minibatch ("37 details", detail 7)."""
    batch = floats.shape[0]
    mean = 0.0
    for r in range(batch):
        mean += floats[r, 1]
    mean /= batch
    squares = 0.0
    for r in range(batch):
        squares += (floats[r, 1] - mean) ** 2
    return mean, np.sqrt(squares / max(batch - 1, 1)) + 1e-8


@kernel
def surrogate(
    log_ratio: float, advantage: float, clip: float, share: float, stats: Floats
) -> float:
    """Clipped surrogate of one row (Schulman et al. 2017, eq. 7); returns -d loss / d log p, not yet times `share`."""
    ratio = np.exp(log_ratio)
    inside = ratio * advantage
    cut = min(max(ratio, 1.0 - clip), 1.0 + clip) * advantage
    stats[0] -= min(inside, cut) * share
    stats[3] += (ratio - 1.0 - log_ratio) * share  # Schulman's low-variance estimator of the KL
    stats[4] += share if abs(ratio - 1.0) > clip else 0.0
    return inside if inside <= cut else 0.0


@kernel
def policy_loss(
    raw: Float32,
    bias: Float32,
    actions: Ints,
    floats: Float32,
    mask: Bools,
    clip: float,
    entropy_coef: float,
    logp: Float32,
    draw: Float32,
    stats: Floats,
) -> None:
    """Clipped surrogate and entropy of categorical actions and their gradient by the head.

    `floats[B, 3]` holds old log probability, advantage and return. `logp[A]` is work space. `stats` += policy loss, -,
    entropy, approximate KL, clipped share, each a mean.
    """
    batch, size = raw.shape
    mean, spread = advantage_moments(floats)
    share = 1.0 / batch
    for r in range(batch):
        log_softmax_row(raw[r], bias, mask[r], logp)
        log_ratio = float(logp[actions[r]] - floats[r, 0])
        gradient = surrogate(log_ratio, (floats[r, 1] - mean) / spread, clip, share, stats)
        entropy = np.float32(0)
        for j in range(size):
            p = np.exp(logp[j])
            draw[r, j] = p
            entropy -= p * logp[j]
        push = np.float32(gradient * share)
        spreading = np.float32(entropy_coef * share)
        for j in range(size):
            p = draw[r, j]
            draw[r, j] = p * (push + spreading * (logp[j] + entropy))
        draw[r, actions[r]] -= push
        stats[2] += entropy * share


@kernel
def value_loss(
    value: Float32, bias: Float32, floats: Float32, value_coef: float, draw: Float32, stats: Floats
) -> None:
    """Squared error of the values against floats[B, 2] and its gradient; `stats[1]` += its mean."""
    share = 1.0 / value.shape[0]
    for r in range(value.shape[0]):
        error = float(value[r, 0] + bias[0] - floats[r, 2])
        draw[r, 0] = 2.0 * value_coef * share * error
        stats[1] += error * error * share


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
    x: Float32,
    a: Ints,
    f: Float32,
    m: Bools,
) -> None:
    """Copy transitions out of the ring obs[capacity, n, D] into x[2 B, D]: states, then the states `steps` later.

    `rows` number (time, episode) pairs as time * n + episode. f[B, 2] is the reward over up to `steps` steps,
    discounted, and the discount of what follows, 0 when the episode ended on the way (Sutton 1988; Hessel et al. 2018).
    m[B, A] are the actions allowed in the later state.
    """
    batch, capacity, n = rows.shape[0], obs.shape[0], obs.shape[1]
    decay = np.float32(gamma)
    for k in range(batch):
        t, e = rows[k] // n, rows[k] % n
        for j in range(x.shape[1]):
            x[k, j] = obs[t, e, j]
        a[k] = actions[t, e]
        total, discount = np.float32(0), np.float32(1)
        for _ in range(steps):
            total += discount * rewards[t, e]
            discount *= decay
            ended = dones[t, e]
            t = t + 1 if t + 1 < capacity else 0
            if ended:
                discount = np.float32(0)
                break
        for j in range(x.shape[1]):
            x[batch + k, j] = obs[t, e, j]
        for j in range(m.shape[1]):
            m[k, j] = masks[t, e, j]
        f[k, 0], f[k, 1] = total, discount


@kernel
def q_values(raw: Float32, bias: Float32, dueling: bool, q: Float32) -> None:
    """Action values of one row of a head: as they are, or V + A - mean A (Wang et al. 2016, eq. 9)."""
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
    draw: Float32,
    stats: Floats,
) -> None:
    """Double-DQN loss and its gradient by the head (van Hasselt et al. 2016, eq. 4), Huber with threshold 1.

    `raw[B]` are the online head's outputs at states; at later states `choice[B]` chooses the action and `later[B]`, the
    target network's, values it. `choice` is the online network's, or `later` itself for plain DQN; `biases` belong to
    the three. `q[A]` is work space. `stats` += loss, mean value.
    """
    batch, size = actions.shape[0], mask.shape[1]
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
            draw[r, 0] = gradient
            for j in range(size):
                draw[r, j + 1] = -gradient / np.float32(size)
            draw[r, actions[r] + 1] += gradient
        else:
            for j in range(size):
                draw[r, j] = np.float32(0)
            draw[r, actions[r]] = gradient
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
    """With probability `epsilon` a random allowed action, else the best; uniform[n, 2] decides. `q` is work space."""
    size = mask.shape[1]
    for r in range(mask.shape[0]):
        q_values(raw[r], bias, dueling, q)
        allowed, best = 0, -1
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
