"""What `tercel signals compare` reads of a configuration: its table [compare]."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tercel.core import validated_model as validated
from tercel.signals.runs import SignalsConfig


class CompareSection(BaseModel):
    """What is compared."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    families: tuple[str, ...] = ()
    """Empty: all."""
    problems: tuple[
        Literal["linear", "interaction", "mixed", "filter", "gated", "regime"], ...
    ] = ()
    """Empty: all."""
    rows: int = Field(default=1000, ge=200, le=1_000_000)
    test_rows: int = Field(default=2000, ge=200, le=1_000_000)
    noise: tuple[float, ...] = (0.0, 0.1, 0.2, 0.4)
    noise_rows: int = Field(default=60_000, ge=100)
    """On the panel: rows that a training with exchanged labels sees at most."""
    seeds: int = Field(default=3, ge=1, le=100)
    panel: Literal["off", "on"] = "off"
    """Whether the families are also tried on [panel]."""
    panel_noise: bool = True
    """Whether label noise is tried there too."""

    @field_validator("noise")
    @classmethod
    def _shares(cls, noise: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 <= share < 0.5 for share in noise):
            raise ValueError(f"shares of flipped labels from 0 to below 0.5, not {list(noise)}")
        return tuple(sorted({0.0, *noise}))


def compare_section(config: SignalsConfig) -> CompareSection:
    """The table of a configuration.

    Raises
    ------
    ConfigError
        An unknown key, with the nearest known one; a value that will not do.
    """
    return validated(
        CompareSection, config.compare, f"[compare] of {config.name}", "`tercel signals compare`"
    )
