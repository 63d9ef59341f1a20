"""Laws of actions over a network's head: sampling, log densities, losses with their gradients, export.

One class per law. Each keeps the actions as learning needs them (`store`) and hands the environment what it expects:
numbers int64[n], vectors float32[n, A], or shares float32[n, A] that add up to 1.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from tercel.core.arrays import AnyArray, Bools, Float32, Floats, Ints
from tercel.core.errors import check_known, refuse_if
from tercel.core.jit import kernel
from tercel.execution.policies.network import Head, softmax_row, softplus

# -- categorical law and clipped loss ---
# Loss kernels add the head's bias themselves (see `Net.forward`) and write the gradient by the head's raw output.

# Logit of a masked action: its probability underflows to 0 (Huang and Ontanon 2022, section 4.1).
FORBIDDEN = np.float32(-1e8)


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


# -- continuous -----------------------------------------------------------------------------------
# The arithmetic of PPO with actions that are vectors or shares: sampling, log densities, losses and their gradients.
#
# A logistic-normal action is the softmax of a normal vector z with one more coordinate fixed at 0. Learning keeps z: the
# ratio of two densities of the shares is that of the densities of z, since the Jacobian of the softmax depends on the
# action alone and cancels. Entropy here means that of z.

LOG_TWO_PI = math.log(2.0 * math.pi)
# Shares of a Dirichlet law are bounded away from 0, where their log density is infinite in float32.
SMALLEST_SHARE = 1e-6


# -- normal laws -------------------------------------------------------------------------------------------------------


@kernel
def sample_gaussian(
    raw: Float32, bias: Float32, noise: Float32, sigma: float, actions: Float32, logps: Float32
) -> None:
    """actions[n, K] = raw + bias + sigma noise, and their log densities."""
    size = raw.shape[1]
    constant = size * (math.log(sigma) + 0.5 * LOG_TWO_PI)
    for r in range(raw.shape[0]):
        squares = 0.0
        for j in range(size):
            u = float(noise[r, j])
            squares += u * u
            actions[r, j] = raw[r, j] + bias[j] + np.float32(sigma) * noise[r, j]
        logps[r] = -0.5 * squares - constant


@kernel
def shares_of(latent: Float32, shares: Float32) -> None:
    """shares[n, K + 1] = softmax of (latent[n, K], 0)."""
    size = latent.shape[1]
    for r in range(latent.shape[0]):
        row = shares[r]
        for j in range(size):
            row[j] = latent[r, j]
        row[size] = np.float32(0)
        softmax_row(row)


@kernel
def gaussian_loss(
    raw: Float32,
    bias: Float32,
    actions: Float32,
    floats: Float32,
    sigma: float,
    clip: float,
    draw: Float32,
    stats: Floats,
) -> None:
    """Policy loss, as `policy_loss`, for normal actions of mean `raw` + `bias` and deviation `sigma` in each direction.

    The entropy does not depend on the network, so there is no term for it.
    """
    batch, size = raw.shape
    mean, spread = advantage_moments(floats)
    share = 1.0 / batch
    constant = size * (math.log(sigma) + 0.5 * LOG_TWO_PI)
    for r in range(batch):
        squares = 0.0
        for j in range(size):
            u = float(actions[r, j] - (raw[r, j] + bias[j])) / sigma
            draw[r, j] = u
            squares += u * u
        log_ratio = -0.5 * squares - constant - floats[r, 0]
        gradient = surrogate(log_ratio, (floats[r, 1] - mean) / spread, clip, share, stats)
        push = np.float32(-gradient * share / sigma)
        for j in range(size):
            draw[r, j] *= push
    stats[2] += constant + 0.5 * size


# -- Dirichlet laws ----------------------------------------------------------------------------------------------------


@kernel
def digamma(x: float) -> float:
    """psi(x) for x > 0: up to 6 by recurrence, then the asymptotic series (Abramowitz and Stegun 6.3.5, 6.3.18)."""
    shift = 0.0
    while x < 6.0:
        shift -= 1.0 / x
        x += 1.0
    s = 1.0 / (x * x)
    tail = s * (1.0 / 12 - s * (1.0 / 120 - s * (1.0 / 252 - s * (1.0 / 240 - s * (1.0 / 132)))))
    return shift + math.log(x) - 0.5 / x - tail


@kernel
def trigamma(x: float) -> float:
    """psi'(x) for x > 0 (Abramowitz and Stegun 6.4.6, 6.4.12)."""
    shift = 0.0
    while x < 6.0:
        shift += 1.0 / (x * x)
        x += 1.0
    s = 1.0 / (x * x)
    tail = s * (1.0 / 6 - s * (1.0 / 30 - s * (1.0 / 42 - s * (1.0 / 30 - s * (5.0 / 66)))))
    return shift + 1.0 / x + 0.5 * s + tail / x


@kernel
def concentrations(raw: Float32, bias: Float32, alpha: Float32) -> None:
    """alpha[n, A] = softplus(raw + bias) + 1: never below 1, where densities have no peak in a corner."""
    for r in range(raw.shape[0]):
        for j in range(raw.shape[1]):
            alpha[r, j] = softplus(raw[r, j] + bias[j]) + np.float32(1)


@kernel
def dirichlet_logp(alpha: Float32, x: Float32) -> float:
    """Log density of shares x[A]."""
    total, logp = 0.0, 0.0
    for j in range(alpha.shape[0]):
        a = float(alpha[j])
        total += a
        logp += (a - 1.0) * math.log(x[j]) - math.lgamma(a)
    return logp + math.lgamma(total)


@kernel
def normalise_gammas(alpha: Float32, gammas: Float32, logps: Float32) -> None:
    """Turn gamma variates of shapes alpha[n, A] into Dirichlet shares in place, and write their log densities."""
    for r in range(alpha.shape[0]):
        row = gammas[r]
        total = np.float32(0)
        for j in range(row.shape[0]):
            total += row[j]
        least, total = total * np.float32(SMALLEST_SHARE), np.float32(0)
        for j in range(row.shape[0]):
            row[j] = max(row[j], least)
            total += row[j]
        for j in range(row.shape[0]):
            row[j] /= total
        logps[r] = dirichlet_logp(alpha[r], row)


@kernel
def dirichlet_loss(
    raw: Float32,
    bias: Float32,
    actions: Float32,
    floats: Float32,
    clip: float,
    entropy_coef: float,
    alpha: Float32,
    draw: Float32,
    stats: Floats,
) -> None:
    """Policy loss, as `policy_loss`, for shares under a Dirichlet law; `alpha[A]` is work space."""
    batch, size = raw.shape
    mean, spread = advantage_moments(floats)
    share = 1.0 / batch
    for r in range(batch):
        total, entropy = 0.0, 0.0
        for j in range(size):
            alpha[j] = softplus(raw[r, j] + bias[j]) + np.float32(1)
            total += alpha[j]
        log_ratio = dirichlet_logp(alpha, actions[r]) - floats[r, 0]
        gradient = surrogate(log_ratio, (floats[r, 1] - mean) / spread, clip, share, stats)
        psi, psi1 = digamma(total), trigamma(total)
        for j in range(size):
            a = float(alpha[j])
            own = digamma(a)
            entropy += math.lgamma(a) - (a - 1.0) * own
            by_logp = psi - own + math.log(actions[r, j])
            by_entropy = (total - size) * psi1 - (a - 1.0) * trigamma(a)
            slope = 1.0 / (1.0 + math.exp(-float(raw[r, j] + bias[j])))  # of softplus
            draw[r, j] = -share * slope * (gradient * by_logp + entropy_coef * by_entropy)
        stats[2] += (entropy - math.lgamma(total) + (total - size) * psi) * share


# -- distributions --------------------------------------------------------------------------------

Stats = Floats
Layer = tuple[Float32, Float32]

NAMES = ("categorical", "gaussian", "logistic_normal", "dirichlet")


class HeadOutput(NamedTuple):
    """Output of a policy head for n states: raw values and bias, allowed actions, deviation of normal laws."""

    raw: Float32
    bias: Float32
    mask: Bools
    sigma: float


class Distribution:
    """A law of actions with parameters from a network's head; vectors of the head's width unless said otherwise."""

    head: Head
    # Outputs of the network.
    width: int
    # Scale of the head's first weights; 0 starts every state at `start`.
    gain = 0.0

    def __init__(self, size: int) -> None:
        self.width = size

    def store(self, rows: int) -> AnyArray:
        """Room for `rows` actions."""
        return np.empty((rows, self.width), np.float32)

    def start(self, mean: Floats) -> Floats:
        """The head's bias [width] that has the greedy action `mean` [A]."""
        return mean

    def sample(
        self, head: HeadOutput, rng: np.random.Generator, actions: Any, logps: Float32
    ) -> AnyArray:
        """Draw into `actions` (a slice of a store) and `logps`; returns what the environment receives."""
        raise NotImplementedError

    def loss(
        self,
        head: HeadOutput,
        actions: Any,
        floats: Float32,
        clip: float,
        entropy: float,
        draw: Float32,
        stats: Stats,
    ) -> None:
        """Gradient of the policy's loss by the head into `draw`; `stats` as in `policy_loss`."""
        raise NotImplementedError

    def layer(self, weight: Float32, bias: Float32) -> Layer:
        """The head's layer of the exported policy, with A outputs."""
        return weight, bias


class Categorical(Distribution):
    """One of `size` actions, some of them perhaps forbidden."""

    head: Head = "logits"
    gain = 0.01  # SB3; "37 details", detail 2

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._logp = np.empty(size, np.float32)

    def store(self, rows: int) -> AnyArray:
        return np.empty(rows, np.int64)

    def start(self, mean: Floats) -> Floats:
        return np.asarray(np.log(np.maximum(mean, 1e-3)))

    def sample(
        self, head: HeadOutput, rng: np.random.Generator, actions: Any, logps: Float32
    ) -> AnyArray:
        uniform = rng.random((head.raw.shape[0],), np.float32)
        sample_actions(head.raw, head.bias, head.mask, uniform, self._logp, actions, logps)
        return np.asarray(actions)

    def loss(
        self,
        head: HeadOutput,
        actions: Any,
        floats: Float32,
        clip: float,
        entropy: float,
        draw: Float32,
        stats: Stats,
    ) -> None:
        policy_loss(
            head.raw, head.bias, actions, floats, head.mask, clip, entropy, self._logp, draw, stats
        )


class Gaussian(Distribution):
    """A vector of `size` independent normal numbers: means from the network, one standard deviation for all of them.

    The network starts at 0 everywhere: an action that is added to something else starts as that.
    """

    head: Head = "vector"

    def sample(
        self, head: HeadOutput, rng: np.random.Generator, actions: Any, logps: Float32
    ) -> AnyArray:
        noise = rng.standard_normal(head.raw.shape, np.float32)
        sample_gaussian(head.raw, head.bias, noise, head.sigma, actions, logps)
        return np.asarray(actions)

    def loss(
        self,
        head: HeadOutput,
        actions: Any,
        floats: Float32,
        clip: float,
        entropy: float,
        draw: Float32,
        stats: Stats,
    ) -> None:
        gaussian_loss(head.raw, head.bias, actions, floats, head.sigma, clip, draw, stats)


class LogisticNormal(Gaussian):
    """`size` shares: softmax of `size` - 1 normal numbers and a 0 for the last share (Aitchison 1982).

    The network starts at equal shares, or at the shares requested. The greedy action is the softmax of the means.
    """

    head: Head = "simplex"

    def __init__(self, size: int) -> None:
        super().__init__(size - 1)

    def start(self, mean: Floats) -> Floats:
        logs = np.log(np.maximum(mean, 1e-3))
        return np.asarray(logs[:-1] - logs[-1])

    def sample(
        self, head: HeadOutput, rng: np.random.Generator, actions: Any, logps: Float32
    ) -> AnyArray:
        super().sample(head, rng, actions, logps)
        shares = np.empty((head.raw.shape[0], self.width + 1), np.float32)
        shares_of(actions, shares)
        return shares

    def layer(self, weight: Float32, bias: Float32) -> Layer:
        return np.pad(weight, ((0, 0), (0, 1))), np.pad(bias, (0, 1))


class Dirichlet(Distribution):
    """`size` shares with concentrations softplus(z) + 1 from the network; the greedy action is the law's mean."""

    head: Head = "dirichlet"

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._alpha = np.empty(size, np.float32)

    def start(self, mean: Floats) -> Floats:
        shares = np.maximum(mean, 1e-3) / np.maximum(mean, 1e-3).sum()
        alpha = (1.0 + 1e-3) * shares / shares.min()  # the least concentration is just above 1
        return np.asarray(np.log(np.expm1(alpha - 1.0)))

    def sample(
        self, head: HeadOutput, rng: np.random.Generator, actions: Any, logps: Float32
    ) -> AnyArray:
        alpha = np.empty(head.raw.shape, np.float32)
        concentrations(head.raw, head.bias, alpha)
        actions[:] = rng.standard_gamma(alpha, dtype=np.float32)
        normalise_gammas(alpha, actions, logps)
        return np.asarray(actions)

    def loss(
        self,
        head: HeadOutput,
        actions: Any,
        floats: Float32,
        clip: float,
        entropy: float,
        draw: Float32,
        stats: Stats,
    ) -> None:
        dirichlet_loss(
            head.raw, head.bias, actions, floats, clip, entropy, self._alpha, draw, stats
        )


def distribution(name: str, n_actions: int, action_size: int) -> Distribution:
    """The law called `name` over `n_actions` actions, or over vectors of `action_size` entries.

    Raises
    ------
    UnknownNameError
        No such law.
    ConfigError
        If the environment takes the other kind of actions.
    """
    check_known(name, NAMES, "a distribution among")
    takes, wants = (
        "vectors" if action_size else "numbers",
        "numbers" if name == "categorical" else "vectors",
    )
    refuse_if(
        takes != wants,
        f"an environment whose actions are {wants}, as the distribution {name!r} draws them",
        f"one whose actions are {takes}",
        f"distribution = {'gaussian' if action_size else 'categorical'!r}",
    )
    if name == "categorical":
        return Categorical(n_actions)
    refuse_if(
        action_size < 2 and name != "gaussian",
        "2 or more shares",
        f"{action_size}",
        "distribution = 'gaussian'",
    )
    if name == "dirichlet":
        return Dirichlet(action_size)
    return Gaussian(action_size) if name == "gaussian" else LogisticNormal(action_size)
