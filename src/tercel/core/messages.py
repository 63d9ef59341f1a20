"""`Alpha` (a forecast) and `Posture` (size and urgency allowed): the messages from signals and risk to execution.

Signals give the expected drift (`Alpha`), risk the size and urgency (`Posture`). Realised costs come back by the
journal (`feedback`).
"""

import math
from dataclasses import dataclass, field
from enum import IntFlag

from tercel.core.errors import ConfigError


class Style(IntFlag):
    """Ways to trade that a posture can allow."""

    JOIN = 1
    """Rest at the touch or behind it."""
    IMPROVE = 2
    """Rest inside the spread."""
    TAKE = 4
    """Cross the spread."""


ANY_STYLE = Style.JOIN | Style.IMPROVE | Style.TAKE


def _field_error(subject: str, name: str, expected: str, value: object) -> ConfigError:
    """Return (not raise) a ConfigError for a field of a message with an invalid value."""
    return ConfigError(
        f"{subject} whose {name} is {expected}",
        f"{value!r}",
        f"mend what makes the {subject.split()[1]}",
    )


@dataclass(frozen=True, slots=True)
class Alpha:
    """Expected drift of one instrument's mid.

    Parameters
    ----------
    instrument : str
    at_ns : int
        When it was known.
    horizon_ns : int
        The expected move is from `at_ns` to `at_ns + horizon_ns`.
    expected_bps, sd_bps : float
        Expected move (up is positive) and the standard deviation of the forecast's error.
    half_life_ns : int
        Half of the expected move is over after so long.
    sources : tuple of str
        What it was made from; a source that was missing is not in it.
    """

    instrument: str
    at_ns: int
    horizon_ns: int
    expected_bps: float
    sd_bps: float
    half_life_ns: int
    sources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse values that are not finite, or a horizon or half-life that is not positive."""
        subject = f"an Alpha of {self.instrument}"
        if not math.isfinite(self.expected_bps):
            raise _field_error(subject, "expected_bps", "a number", self.expected_bps)
        if not (math.isfinite(self.sd_bps) and self.sd_bps >= 0):
            raise _field_error(subject, "sd_bps", "a number, at least 0", self.sd_bps)
        if self.horizon_ns <= 0 or self.half_life_ns <= 0:
            raise _field_error(
                subject,
                "horizon_ns and half_life_ns",
                "above 0",
                (self.horizon_ns, self.half_life_ns),
            )


@dataclass(frozen=True, slots=True)
class Posture:
    """Size, urgency and style with which one instrument may be traded now.

    Parameters
    ----------
    instrument : str
    at_ns : int
    urgency : float
        0: as patient as the task allows; 1: as fast as the caps allow.
    max_participation : float
        Cap on the own share of all lots traded, (0, 1]; 1 is no cap.
    styles : Style
        Allowed order styles; never empty.
    size_multiplier : float
        Factor on the requested size, [0, 1]; 0 stops new parents.
    reasons : tuple of str
        Reasons, in words.
    """

    instrument: str
    at_ns: int
    urgency: float = 0.0
    max_participation: float = 1.0
    styles: Style = field(default=ANY_STYLE)
    size_multiplier: float = 1.0
    reasons: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse an urgency, participation or size outside [0, 1], a participation of 0, and a posture without a style."""
        for name in ("urgency", "max_participation", "size_multiplier"):
            if not 0.0 <= (value := getattr(self, name)) <= 1.0:
                raise _field_error("a Posture", name, "in [0, 1]", value)
        if self.max_participation == 0.0 or not self.styles:
            raise _field_error(
                "a Posture",
                "max_participation and styles",
                "not empty",
                (self.max_participation, self.styles),
            )
