"""The installation's file (test venues without real money, file of people), and the proof that an exchange is simulated."""

import hashlib
import os
import stat
from pathlib import Path
from typing import Final

from tercel.core.errors import ConfigError, refuse_if
from tercel.core.toml import read_toml
from tercel.core.validation import TomlTable, validate_model

# Settings of a machine by its administrator, in a file that its trading users cannot write.
#
# test_hosts = ["10.0.0.7:9878"]       # venues without money behind them, as host:port of every URL
# people = "/etc/tercel/people.json"   # among whom the second person of a desk that goes live is
FILE: Final = Path("/etc/tercel/installation.toml")
"""No option and no variable names another."""


# How a server of this package proves that it is a simulated exchange: it answers a random challenge.
#
# Before any logon it answers with a digest over the challenge and its protocol. A server that echoes the challenge, or
# does not know it, fails.
PROOF_PATH = "/tercel/simulated"
"""HTTP path of the proof: `?nonce=...`."""


class Installation(TomlTable):
    """Settings of the installation's file /etc/tercel/installation.toml."""

    test_hosts: tuple[str, ...] = ()
    people: str = ""


def read_installation() -> Installation:
    """Settings of the installation's file; defaults without a file.

    Raises
    ------
    ConfigError
        A file that does not read, or that the user of this process could have written.
    """
    if not FILE.exists():
        return Installation()
    check_guarded(FILE, os.geteuid())
    return validate_model(
        Installation, read_toml(FILE, "see docs/howto/gate.md"), str(FILE), "an installation"
    )


def check_guarded(path: Path, uid: int) -> None:
    """Raise a ConfigError for a file that user `uid` could write or replace, by owner and mode of it and its folders,
    or that this process cannot read.

    Raises
    ------
    ConfigError
        That user is root, owns one of them, or everybody or a group may write one; there is no such file.
    """
    expected = f"{path}, which the user who trades cannot write"
    refuse_if(
        uid == 0,
        expected,
        "root, who can write every file",
        "run desk and gate as users of their own",
    )
    refuse_if(
        not os.access(path, os.R_OK),
        expected,
        "none that this user can read",
        f"chgrp {path} to a group of that user; chmod 640",
    )
    for guarded_path in (
        path.absolute(),
        *path.absolute().parents,
        path.resolve(),
        *path.resolve().parents,
    ):
        status = guarded_path.stat()
        if status.st_uid == uid or (status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX):
            raise ConfigError(
                expected,
                f"{guarded_path}, mode {status.st_mode & 0o777:o}, which uid {uid} can change",
                f"chown root {guarded_path}; chmod go-w {guarded_path}",
            )


def simulation_proof(protocol: str, nonce: str) -> str:
    """The answer to `nonce` by which an exchange that speaks `protocol` (fix, binance) proves that it is simulated.

    >>> simulation_proof("fix", "a") != simulation_proof("binance", "a") != simulation_proof("binance", "b")
    True
    """
    return hashlib.sha256(
        f"a simulated exchange of tercel in the words of {protocol}: {nonce}".encode()
    ).hexdigest()
