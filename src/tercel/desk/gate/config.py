"""Configuration file of a gate: where it listens, its venue, the accounts it serves, their limits.

[gate]            venue, accounts, limits, latch, folder, listen, group, people, silence_s, heartbeat_s, link_s
[gate.drop_copy]  venue, seconds
[gate.watchdog]   comp_id, profile, silence_s
"""

from pathlib import Path
from typing import Final

from pydantic import Field, field_validator, model_validator

from tercel.core.toml import read_toml
from tercel.core.validation import TomlTable, validate_model
from tercel.desk.limits import check_names

_HELP: Final = "see `docs/howto/gate.md`"
LISTEN: Final = "gate.sock"
LONGEST_PATH: Final = 100
"""Bytes of the path of a socket."""


class DropCopyTerms(TomlTable):
    """Section [gate.drop_copy]: a drop copy session of the venue, reconciled with the order session."""

    venue: str
    """`fix://COMPID@host:port?profile=NAME`, or `fix:PROFILE.toml`."""
    seconds: float = Field(default=2.0, gt=0, le=4)
    """Seconds that an execution of one session waits for the other's."""


class WatchdogTerms(TomlTable):
    """[gate.watchdog]: a second process, with a login of its own at the venue that may cancel the orders of others."""

    comp_id: str = Field(min_length=1)
    """Its name at the venue."""
    profile: str = ""
    """FIX profile of the venue for its session; empty: the gate's."""
    silence_s: float = Field(default=1.0, gt=0, le=60)
    """A gate that does not answer for so long, or has no link to the venue, has its orders cancelled."""


class GateTerms(TomlTable):
    """Section [gate]; relative paths begin at the file's own folder."""

    venue: str
    """`fix://[COMPID@]host:port[?profile=NAME]`, `fix:PROFILE.toml`, or `binance[:NET or FILE.toml]`."""
    accounts: tuple[str, ...] = Field(min_length=1)
    """Accounts whose orders pass: the agents of the desks behind it."""
    limits: str = ""
    """A limits file; empty: the packaged one."""
    folder: str = "."
    """Its journal, its kill latch unless one is named, the numbers of its FIX session."""
    latch: str = ""
    """The kill latch of the desk; empty: `kill.json` in its folder."""
    listen: str = LISTEN
    """Socket file that sessions connect to: write access allows trading, so it is its owner's alone."""
    group: str = ""
    """A group whose members may connect too; empty: no one else."""
    people: str = ""
    """File of people, one of whom must be the second person of a desk that trades money; empty: the one that the
    installation's file names."""
    changed: dict[str, bool | int | float | str] = Field(default_factory=dict)
    """Single limits that replace the file's, as in a desk's `[limits.changed]`."""
    silence_s: float = Field(default=4.0, gt=0, le=60)
    """A session that sends nothing for so long is cut off, and its orders are cancelled."""
    heartbeat_s: float = Field(default=10.0, gt=0)
    """Between two entries of positions and usage in its journal."""
    drop_copy: DropCopyTerms | None = None
    """A drop copy; none without the table."""
    link_s: int = Field(default=1, ge=1, le=60)
    """Heartbeats (108) at a venue of this package: it notices a link that is dead after 2.2 of them, and cancels."""
    watchdog: WatchdogTerms | None = None
    """For a venue that does not cancel on disconnect."""

    @model_validator(mode="after")
    def _consistent(self) -> "GateTerms":
        """Refuse a watchdog at a venue other than FIX, and limits of accounts that are not served."""
        if self.watchdog is not None and not self.venue.startswith("fix"):
            raise ValueError("a venue at fix://, where a watchdog is named")
        check_names(self.changed, {"agents": self.accounts})
        return self

    @field_validator("accounts")
    @classmethod
    def _once(cls, accounts: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse accounts that are empty, occur twice, or have a reserved name."""
        if len(set(accounts)) != len(accounts) or not all(accounts):
            raise ValueError(f"names that differ, not {', '.join(accounts)}")
        if strange := [
            account for account in accounts if account in ("all", "*") or "," in account
        ]:
            raise ValueError(f"names of one account each, not {', '.join(map(repr, strange))}")
        return accounts


class GateConfig(TomlTable):
    """A whole gate configuration file."""

    gate: GateTerms


def read_config(path: Path) -> GateConfig:
    """Read a gate's configuration file.

    Raises
    ------
    ConfigError
        With the file, the key and the nearest known one.
    """
    return validate_model(GateConfig, read_toml(path, _HELP, "a gate's file"), str(path), "a gate")
