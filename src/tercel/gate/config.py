"""The file of a gate: where it listens, which venue it holds, whose orders pass, under which limits.

[gate]            venue, accounts, limits, latch, folder, listen, silence_s, heartbeat_s
[gate.drop_copy]  venue, seconds
"""

from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tercel.core.toml import read_toml
from tercel.core.validated import validated

_HELP: Final = "see `docs/howto/gate.md`"
LISTEN: Final = "gate.sock"
LONGEST_PATH: Final = 100
"""Bytes of the path of a socket."""


class DropCopyTerms(BaseModel):
    """A session of the venue that hears of every execution; it is compared with the order session."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    venue: str
    """`fix://COMPID@host:port?profile=NAME`, or `fix:PROFILE.toml`."""
    seconds: float = Field(default=2.0, gt=0, le=4)
    """How long an execution of one session waits for the other's."""


class GateTerms(BaseModel):
    """A gate. Relative paths begin at the file's own folder."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    venue: str
    """`wire://host:port`; `fix://[COMPID@]host:port`."""
    accounts: tuple[str, ...] = Field(min_length=1)
    """Whose orders pass: the agents of the desks behind it."""
    limits: str = ""
    """A limits file; empty: the packaged one."""
    folder: str = "."
    """Its journal, its kill latch unless one is named, the numbers of its FIX session."""
    latch: str = ""
    """The kill latch of the desk; empty: `kill.json` in its folder."""
    listen: str = LISTEN
    """Socket file that sessions connect to: whoever may write to it may trade, so it is its owner's alone."""
    silence_s: float = Field(default=5.0, gt=0, le=60)
    """A session that sends nothing for so long is cut off, and its orders are cancelled."""
    heartbeat_s: float = Field(default=10.0, gt=0)
    """Between two entries of positions and usage in its journal."""
    drop_copy: DropCopyTerms | None = None
    """A drop copy; without the table there is none."""

    @field_validator("accounts")
    @classmethod
    def _once(cls, accounts: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(accounts)) != len(accounts) or not all(accounts):
            raise ValueError(f"names that differ, not {', '.join(accounts)}")
        return accounts


class GateConfig(BaseModel):
    """A whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gate: GateTerms


def read_config(path: Path) -> GateConfig:
    """The gate that a file describes.

    Raises
    ------
    ConfigError
        With the file, the key and the nearest known one.
    """
    return validated(GateConfig, read_toml(path, _HELP, "a gate's file"), str(path), "a gate")
