"""Guidance: forecast and posture as the integers that a market's state carries and a strategy sees.

One place knows the scaling. An `Alpha` is a forecast from the moment it was known; at a decision a strategy reads the
*remaining* part of it. With E expected over a horizon H at half-life h, the move expected by t after the forecast is

    done(t) = E (1 - 2^(-t/h)) / (1 - 2^(-H/h)),   0 <= t <= H

so that exactly E is over at H, half of the exponential after h, and a half-life far above the horizon is a constant
drift. The words at t say

- what remains until the forecast expires, E - done(t); nothing at t >= H: an expired forecast is none;
- the standard deviation of its error, shrunk by the same factor (a forecast used up to a half is uncertain by half);
- the time in which half of what remains will be over, h (1 - log2(1 + 2^(-(H-t)/h))): h itself while the end is far,
  half of the rest of the horizon for a constant drift; 0 says that there is no forecast.

Guidance is written again before every decision (by `Episodes`, or by a GUIDED row of a session), so that no reader
has to know when a forecast was made. Between two readings :func:`expected_move` takes the words for an exponential with
that total and that half-life: it never claims more than the forecast did.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from tercel.core.arrays import Floats, Ints
from tercel.core.errors import ConfigError, refuse_if
from tercel.core.messages import ANY_STYLE, Alpha, Posture
from tercel.market.simulator import layout as sim

# Words of guidance in a market's state, from `sim.ALPHA` on: as many as in a row of `x`.
WORDS = 7
MILLI = 1000.0
# Forecasts beyond it are cut: a price cannot fall by more than all of it.
MOST_BPS = 1e6
_ALPHA, _SD, _HALF_LIFE, _URGENCY, _PARTICIPATION, _STYLES, _SIZE = range(WORDS)


@dataclass(frozen=True, eq=False)
class Guidance:
    """Guidance of n markets: forecasts and postures as arrays of n.

    Parameters
    ----------
    expected_bps, sd_bps : float64 (n,)
        Expected move of the mid (up is positive) over the horizon, and the standard deviation of its error.
    at_ns, horizon_ns, half_life_ns : int64 (n,)
        When it was known, how far it reaches, how fast it is used up. A horizon of 0: no forecast.
    urgency, max_participation, size_multiplier : float64 (n,)
        Of `core.messages.Posture`.
    styles : int64 (n,)
        Bits of `core.messages.Style`.

    >>> alpha = Alpha("A", 0, 600 * 10**9, 8.0, 2.0, 200 * 10**9)
    >>> Guidance.of([alpha, None]).words(0)[:, :3].tolist()
    [[8000, 2000, 166014999712], [0, 0, 0]]
    """

    expected_bps: Floats
    sd_bps: Floats
    at_ns: Ints
    horizon_ns: Ints
    half_life_ns: Ints
    urgency: Floats
    max_participation: Floats
    styles: Ints
    size_multiplier: Floats

    def __len__(self) -> int:
        return len(self.expected_bps)

    @classmethod
    def none(cls, n: int) -> "Guidance":
        """No forecast and no constraint in `n` markets."""
        zero, one = np.zeros(n), np.ones(n)
        none = np.zeros(n, np.int64)
        return cls(
            zero,
            zero.copy(),
            none,
            none.copy(),
            none.copy(),
            zero.copy(),
            one,
            np.full(n, int(ANY_STYLE)),
            one.copy(),
        )

    @classmethod
    def of(
        cls, alphas: Sequence[Alpha | None], postures: Sequence[Posture | None] | None = None
    ) -> "Guidance":
        """One alpha and one posture a market; None says nothing.

        Raises
        ------
        ConfigError
            Another number of postures than of alphas.
        """
        given = [None] * len(alphas) if postures is None else list(postures)
        refuse_if(
            len(given) != len(alphas),
            f"{len(alphas)} risk states, one per market",
            f"{len(given)}",
            "give None for a market without one",
        )
        out = cls.none(len(alphas))
        for i, (alpha, posture) in enumerate(zip(alphas, given, strict=True)):
            if alpha is not None:
                out.expected_bps[i], out.sd_bps[i] = alpha.expected_bps, alpha.sd_bps
                out.at_ns[i], out.horizon_ns[i], out.half_life_ns[i] = (
                    alpha.at_ns,
                    alpha.horizon_ns,
                    alpha.half_life_ns,
                )
            if posture is not None:
                out.urgency[i], out.max_participation[i] = (
                    posture.urgency,
                    posture.max_participation,
                )
                out.styles[i], out.size_multiplier[i] = int(posture.styles), posture.size_multiplier
        return out

    def words(self, now_ns: ArrayLike) -> Ints:
        """Guidance as words of the markets' states at `now_ns` (one, or one a market): int64 (n, WORDS).

        Raises
        ------
        ConfigError
            A forecast that was not known yet.
        """
        past = np.asarray(now_ns, np.int64) - self.at_ns
        known = self.horizon_ns > 0
        if (past[known] < 0).any():
            first = int(np.flatnonzero(known & (past < 0))[0])
            raise ConfigError(
                "a forecast that is known by now",
                f"market {first}: known {-int(past[first])} ns later",
                "guide with what was known, nothing later",
            )
        share, half = remaining(past, self.horizon_ns, self.half_life_ns)
        out = np.empty((len(self), WORDS), np.int64)
        out[:, _ALPHA] = np.rint(np.clip(self.expected_bps, -MOST_BPS, MOST_BPS) * share * MILLI)
        out[:, _SD] = np.rint(np.minimum(self.sd_bps, MOST_BPS) * share * MILLI)
        out[:, _HALF_LIFE] = half
        out[:, _URGENCY] = np.rint(self.urgency * sim.MILLION)
        out[:, _PARTICIPATION] = np.maximum(np.rint(self.max_participation * sim.MILLION), 1)
        out[:, _STYLES] = self.styles
        out[:, _SIZE] = np.rint(self.size_multiplier * sim.MILLION)
        return out

    def known_by(self, now_ns: ArrayLike) -> "Guidance":
        """The same without forecasts from after `now_ns` (one, or one a market)."""
        return replace(
            self,
            horizon_ns=np.where(self.at_ns <= np.asarray(now_ns, np.int64), self.horizon_ns, 0),
        )

    def put(self, which: Ints, other: "Guidance") -> "Guidance":
        """The same with the markets `which` guided by `other`, one row each."""
        merged = {}
        for name in self.__dataclass_fields__:
            merged[name] = getattr(self, name).copy()
            merged[name][which] = getattr(other, name)
        return Guidance(**merged)


def remaining(past: Ints, horizon: Ints, half_life: Ints) -> tuple[Floats, Ints]:
    """Share of a forecast that is left after `past` ns, and the time in which half of that will be over."""
    left = np.maximum(horizon - past, 0)
    alive = (left > 0) & (horizon > 0)
    h = np.maximum(half_life, 1).astype(np.float64)
    # 2^(-t/h) - 2^(-H/h) over 1 - 2^(-H/h), written with what does not cancel when h is far above H
    share = np.exp2(-past / h) * -np.expm1(-np.log(2.0) * left / h)
    share = np.where(
        alive, share / np.where(alive, -np.expm1(-np.log(2.0) * horizon / h), 1.0), 0.0
    )
    # h (1 - log2(1 + y)) with y = 2^(-left/h), as -h log2(1 - (1 - y) / 2)
    half = -h * np.log1p(0.5 * np.expm1(-np.log(2.0) * left / h)) / np.log(2.0)
    return share, np.where(alive, np.maximum(np.rint(half), 1), 0).astype(np.int64)


def pack(alpha: Alpha | None, posture: Posture | None, now_ns: int) -> Ints:
    """The words of one market at `now_ns`: int64 (WORDS,), for `state[sim.ALPHA : sim.ALPHA + WORDS]`.

    >>> pack(None, None, 0).tolist()
    [0, 0, 0, 0, 1000000, 7, 1000000]
    """
    return np.asarray(Guidance.of([alpha], [posture]).words(now_ns)[0])


def guided_row(alpha: Alpha | None, posture: Posture | None, now_ns: int) -> Ints:
    """The same as a row for a :class:`~tercel.execution.driver.Driver`: int64 (8,), kind GUIDED.

    Feed it at the time of the decision that it is for, before what else falls due then.
    """
    a, sd, half, urgency, participation, styles, size = pack(alpha, posture, now_ns).tolist()
    return np.array(
        [now_ns, sim.GUIDED, a, sd, half, urgency, participation, styles << 32 | size], np.int64
    )


def expected_move(alpha_bps: ArrayLike, half_life_ns: ArrayLike, ahead_ns: ArrayLike) -> Floats:
    """Move that a forecast expects within the next `ahead_ns`, bps; 0 without a forecast (`half_life_ns` 0).

    >>> expected_move(8.0, 100, [0, 100, 200]).tolist()
    [0.0, 4.0, 6.0]
    """
    half = np.asarray(half_life_ns, np.float64)
    spent = -np.expm1(-np.log(2.0) * np.asarray(ahead_ns, np.float64) / np.maximum(half, 1.0))
    return np.asarray(
        np.where(half > 0, np.asarray(alpha_bps, np.float64) * spent, 0.0), np.float64
    )
