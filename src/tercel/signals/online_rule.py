"""How a line that learns online does so, as a file of signals has it."""

from typing import Final, Literal

from pydantic import Field

from tercel.core.validated import TomlTable

EXPERTS: Final = ("static", "rolling", "recursive")
Update = Literal["static", "rolling", "recursive", "blend"]


class OnlineRule(TomlTable):
    """How a line learns, in dates of the panel."""

    warm: int = Field(default=52, ge=2, le=10_000)
    """Dates of a source before its first forecast: they fix scale, medians and `static`."""
    window: int = Field(default=104, ge=1, le=10_000)
    """Of `rolling`."""
    half_life: float = Field(default=20.0, ge=1, le=1e6)
    """Of `recursive`."""
    share: float = Field(default=0.01, ge=0, le=0.5)
    """Chance, a date, that the best expert is another from then on."""
    bets: float = Field(default=50.0, gt=0, le=1e6)
    """Names of a date count as no more independent ones in a loss."""
    penalty: float = Field(default=1.0, ge=0, le=1e12)
    """Of the ridge, on standardised coefficients, in rows."""


USUAL: Final = OnlineRule()
