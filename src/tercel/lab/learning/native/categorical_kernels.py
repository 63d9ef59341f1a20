"""Kernels of categorical actions: sampling, the clipped surrogate loss and its gradient by the head's output.

Loss kernels add the head's bias themselves (see `Net.forward`) and write the gradient by the head's raw output.
"""

import numpy as np

from tercel.core.arrays import Bools, Float32, Floats, Ints
from tercel.core.jit import kernel

# Logit of a masked action: its probability underflows to 0 (Huang and Ontanon 2022, section 4.1).
FORBIDDEN = np.float32(-1e8)


@kernel
def log_softmax_row(raw: Float32, bias: Float32, mask: Bools, logp: Float32) -> None:
    """Write log probabilities logp = log softmax(raw + bias) of one row; masked actions have probability 0."""
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
    """Draw an allowed action per row by inverting its distribution at uniform[row]; writes `actions` and their
    log probabilities `logps`.

    `logp[A]` is work space.
    """
    for r in range(raw.shape[0]):
        log_softmax_row(raw[r], bias, mask[r], logp)
        chosen = -1
        cumulated = np.float32(0)
        for j in range(raw.shape[1]):
            if mask[r, j]:
                chosen = j  # the last allowed action takes what rounding leaves
                cumulated += np.exp(logp[j])
                if uniform[r] < cumulated:
                    break
        actions[r] = chosen
        logps[r] = logp[chosen]


@kernel
def advantage_moments(floats: Float32) -> tuple[float, float]:
    """Mean and standard deviation plus 1e-8 of a minibatch's advantages (column 1 of `floats`; "37 details", detail 7)."""
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
    """Add clipped surrogate loss, KL and clipping of one row to `stats`, times `share`; returns -d loss / d log p.

    The loss is that of Schulman et al. 2017, eq. 7.

    The returned gradient is not yet multiplied by `share`.
    """
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
    raw_gradient: Float32,
    stats: Floats,
) -> None:
    """Write the policy loss's gradient by `raw`, for categorical actions, into `raw_gradient`, and add means over the
    rows to `stats`: [0] clipped surrogate loss, [2] entropy, [3] KL, [4] share of clipped rows.

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
            raw_gradient[r, j] = p
            entropy -= p * logp[j]
        push = np.float32(gradient * share)
        spreading = np.float32(entropy_coef * share)
        for j in range(size):
            p = raw_gradient[r, j]
            raw_gradient[r, j] = p * (push + spreading * (logp[j] + entropy))
        raw_gradient[r, actions[r]] -= push
        stats[2] += entropy * share
