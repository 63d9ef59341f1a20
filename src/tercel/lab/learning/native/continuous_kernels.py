"""Kernels of continuous actions under normal and Dirichlet laws: sampling, log densities, and the policy loss's gradient.

A logistic-normal action is the softmax of a normal vector z with one more coordinate fixed at 0. Learning keeps z: the
ratio of two densities of the shares is that of the densities of z, since the Jacobian of the softmax depends on the
action alone and cancels. Entropy here means that of z.
"""

import math

import numpy as np

from tercel.core.arrays import Float32, Floats
from tercel.core.jit import kernel
from tercel.execution.policies.mlp import softmax_row, softplus
from tercel.lab.learning.native.categorical_kernels import advantage_moments, surrogate

LOG_TWO_PI = math.log(2.0 * math.pi)
# Shares of a Dirichlet law are bounded away from 0, where their log density is infinite in float32.
SMALLEST_SHARE = 1e-6


@kernel
def sample_gaussian(
    raw: Float32, bias: Float32, noise: Float32, sigma: float, actions: Float32, logps: Float32
) -> None:
    """Draw normal actions: writes actions[n, K] = raw + bias + sigma noise, and their log densities into logps[n]."""
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
    """Write shares[n, K + 1], the softmax of (latent[n, K], 0)."""
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
    raw_gradient: Float32,
    stats: Floats,
) -> None:
    """Write the policy loss's gradient by `raw` into `raw_gradient` and add means to `stats`, as `policy_loss` does, for
    normal actions of mean `raw` + `bias` and deviation `sigma` in each direction.

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
            raw_gradient[r, j] = u
            squares += u * u
        log_ratio = -0.5 * squares - constant - floats[r, 0]
        gradient = surrogate(log_ratio, (floats[r, 1] - mean) / spread, clip, share, stats)
        push = np.float32(-gradient * share / sigma)
        for j in range(size):
            raw_gradient[r, j] *= push
    stats[2] += constant + 0.5 * size


@kernel
def digamma(x: float) -> float:
    """Digamma function psi(x) for x > 0: recurrence up to 6, then asymptotic (Abramowitz and Stegun 6.3.5, 6.3.18)."""
    shift = 0.0
    while x < 6.0:
        shift -= 1.0 / x
        x += 1.0
    s = 1.0 / (x * x)
    tail = s * (1.0 / 12 - s * (1.0 / 120 - s * (1.0 / 252 - s * (1.0 / 240 - s * (1.0 / 132)))))
    return shift + math.log(x) - 0.5 / x - tail


@kernel
def trigamma(x: float) -> float:
    """Trigamma function psi'(x) for x > 0 (Abramowitz and Stegun 6.4.6, 6.4.12)."""
    shift = 0.0
    while x < 6.0:
        shift += 1.0 / (x * x)
        x += 1.0
    s = 1.0 / (x * x)
    tail = s * (1.0 / 6 - s * (1.0 / 30 - s * (1.0 / 42 - s * (1.0 / 30 - s * (5.0 / 66)))))
    return shift + 1.0 / x + 0.5 * s + tail / x


@kernel
def concentrations(raw: Float32, bias: Float32, alpha: Float32) -> None:
    """Write Dirichlet concentrations alpha[n, A] = softplus(raw + bias) + 1.

    Concentrations below 1 would give densities with peaks in the corners.
    """
    for r in range(raw.shape[0]):
        for j in range(raw.shape[1]):
            alpha[r, j] = softplus(raw[r, j] + bias[j]) + np.float32(1)


@kernel
def dirichlet_logp(alpha: Float32, x: Float32) -> float:
    """Log density of the shares x[A] under a Dirichlet law of concentrations alpha[A]."""
    total = 0.0
    logp = 0.0
    for j in range(alpha.shape[0]):
        a = float(alpha[j])
        total += a
        logp += (a - 1.0) * math.log(x[j]) - math.lgamma(a)
    return logp + math.lgamma(total)


@kernel
def normalise_gammas(alpha: Float32, gammas: Float32, logps: Float32) -> None:
    """Turn gamma variates `gammas` of shapes alpha[n, A] into Dirichlet shares in place; writes log densities into `logps`."""
    for r in range(alpha.shape[0]):
        row = gammas[r]
        total = np.float32(0)
        for j in range(row.shape[0]):
            total += row[j]
        least = total * np.float32(SMALLEST_SHARE)
        total = np.float32(0)
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
    raw_gradient: Float32,
    stats: Floats,
) -> None:
    """Write the policy loss's gradient by `raw` into `raw_gradient` and add means to `stats`, as `policy_loss` does, for
    shares under a Dirichlet law; `alpha[A]` is work space.
    """
    batch, size = raw.shape
    mean, spread = advantage_moments(floats)
    share = 1.0 / batch
    for r in range(batch):
        total = 0.0
        entropy = 0.0
        for j in range(size):
            alpha[j] = softplus(raw[r, j] + bias[j]) + np.float32(1)
            total += alpha[j]
        log_ratio = dirichlet_logp(alpha, actions[r]) - floats[r, 0]
        gradient = surrogate(log_ratio, (floats[r, 1] - mean) / spread, clip, share, stats)
        psi = digamma(total)
        psi1 = trigamma(total)
        for j in range(size):
            a = float(alpha[j])
            psi_a = digamma(a)
            entropy += math.lgamma(a) - (a - 1.0) * psi_a
            by_logp = psi - psi_a + math.log(actions[r, j])
            by_entropy = (total - size) * psi1 - (a - 1.0) * trigamma(a)
            slope = 1.0 / (1.0 + math.exp(-float(raw[r, j] + bias[j])))  # of softplus
            raw_gradient[r, j] = -share * slope * (gradient * by_logp + entropy_coef * by_entropy)
        stats[2] += (entropy - math.lgamma(total) + (total - size) * psi) * share
