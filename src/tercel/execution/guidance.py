"""Forecast and posture as integers: how a market's state carries guidance, and what remains of a forecast at a
decision.

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
    """Forecasts and postures of n markets, as arrays of n.

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
        zero = np.zeros(n)
        ones = np.ones(n)
        no_times = np.zeros(n, np.int64)
        return cls(
            zero,
            zero.copy(),
            no_times,
            no_times.copy(),
            no_times.copy(),
            zero.copy(),
            ones,
            np.full(n, int(ANY_STYLE)),
            ones.copy(),
        )

    @classmethod
    def of(
        cls, alphas: Sequence[Alpha | None], postures: Sequence[Posture | None] | None = None
    ) -> "Guidance":
        """Guidance of one alpha and one posture per market; None for no forecast or no constraint.

        Raises
        ------
        ConfigError
            Another number of postures than of alphas.
        """
        posture_list = [None] * len(alphas) if postures is None else list(postures)
        refuse_if(
            len(posture_list) != len(alphas),
            f"{len(alphas)} risk states, one per market",
            f"{len(posture_list)}",
            "give None for a market without one",
        )
        guidance = cls.none(len(alphas))
        for i, (alpha, posture) in enumerate(zip(alphas, posture_list, strict=True)):
            if alpha is not None:
                guidance.expected_bps[i] = alpha.expected_bps
                guidance.sd_bps[i] = alpha.sd_bps
                guidance.at_ns[i] = alpha.at_ns
                guidance.horizon_ns[i] = alpha.horizon_ns
                guidance.half_life_ns[i] = alpha.half_life_ns
            if posture is not None:
                guidance.urgency[i] = posture.urgency
                guidance.max_participation[i] = posture.max_participation
                guidance.styles[i] = int(posture.styles)
                guidance.size_multiplier[i] = posture.size_multiplier
        return guidance

    def words(self, now_ns: ArrayLike) -> Ints:
        """Guidance as words of the markets' states at `now_ns` (one, or one a market), int64 (n, WORDS); ConfigError
        for a forecast made later.

        Raises
        ------
        ConfigError
            A forecast that was not known yet.
        """
        past = np.asarray(now_ns, np.int64) - self.at_ns
        known = self.horizon_ns > 0
        if (past[known] < 0).any():
            market = int(np.flatnonzero(known & (past < 0))[0])
            raise ConfigError(
                "a forecast that is known by now",
                f"market {market}: known {-int(past[market])} ns later",
                "guide with what was known, nothing later",
            )
        share, half = remaining(past, self.horizon_ns, self.half_life_ns)
        packed = np.empty((len(self), WORDS), np.int64)
        packed[:, _ALPHA] = np.rint(np.clip(self.expected_bps, -MOST_BPS, MOST_BPS) * share * MILLI)
        packed[:, _SD] = np.rint(np.minimum(self.sd_bps, MOST_BPS) * share * MILLI)
        packed[:, _HALF_LIFE] = half
        packed[:, _URGENCY] = np.rint(self.urgency * sim.MILLION)
        packed[:, _PARTICIPATION] = np.maximum(np.rint(self.max_participation * sim.MILLION), 1)
        packed[:, _STYLES] = self.styles
        packed[:, _SIZE] = np.rint(self.size_multiplier * sim.MILLION)
        return packed

    def known_by(self, now_ns: ArrayLike) -> "Guidance":
        """The guidance without forecasts made after `now_ns` (one time, or one per market); postures stay."""
        return replace(
            self,
            horizon_ns=np.where(self.at_ns <= np.asarray(now_ns, np.int64), self.horizon_ns, 0),
        )

    def put(self, which: Ints, source: "Guidance") -> "Guidance":
        """A copy of the guidance with the rows of the markets `which` (indices) replaced by those of `source`, in that order."""
        merged = {}
        for name in self.__dataclass_fields__:
            merged[name] = getattr(self, name).copy()
            merged[name][which] = getattr(source, name)
        return Guidance(**merged)


def remaining(past: Ints, horizon: Ints, half_life: Ints) -> tuple[Floats, Ints]:
    """Share of a forecast left `past` ns after it was made (0: expired), and ns in which half of that passes (0: expired)."""
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
    """Guidance at `now_ns` as a row for :class:`~tercel.execution.driver.Driver`: int64 (8,), kind GUIDED.

    Feed it at the time of the decision that it is for, before what else falls due then.
    """
    a, sd, half, urgency, participation, styles, size = pack(alpha, posture, now_ns).tolist()
    return np.array(
        [now_ns, sim.GUIDED, a, sd, half, urgency, participation, styles << 32 | size], np.int64
    )


def expected_move(alpha_bps: ArrayLike, half_life_ns: ArrayLike, ahead_ns: ArrayLike) -> Floats:
    """Move expected within the next `ahead_ns`, bps, by a forecast of `alpha_bps` in total; 0 without a forecast.

    >>> expected_move(8.0, 100, [0, 100, 200]).tolist()
    [0.0, 4.0, 6.0]
    """
    half = np.asarray(half_life_ns, np.float64)
    spent = -np.expm1(-np.log(2.0) * np.asarray(ahead_ns, np.float64) / np.maximum(half, 1.0))
    return np.asarray(
        np.where(half > 0, np.asarray(alpha_bps, np.float64) * spent, 0.0), np.float64
    )
