"""Venues without real money: by the installation's file, or by proof of a simulated exchange."""

import hashlib
import os
import stat
from pathlib import Path
from typing import Final

from tercel.core.errors import ConfigError
from tercel.core.toml import TomlTable, read_toml, validated

# -- installation ---------------------------------------------------------------------------------
# Settings of a machine by its administrator, in a file that its trading users cannot write.
#
# test_hosts = ["10.0.0.7:9878"]       # venues without money behind them, as host:port of every URL
# people = "/etc/tercel/people.json"   # among whom the second person of a desk that goes live is

FILE: Final = Path("/etc/tercel/installation.toml")
"""No option and no variable names another."""


class Installation(TomlTable):
    """The installation's file."""

    test_hosts: tuple[str, ...] = ()
    people: str = ""


def installation() -> Installation:
    """Settings of the installation's file; defaults without a file.

    Raises
    ------
    ConfigError
        A file that does not read, or that the user of this process could have written.
    """
    if not FILE.exists():
        return Installation()
    check_guarded(FILE, os.geteuid())
    return validated(
        Installation, read_toml(FILE, "see docs/howto/gate.md"), str(FILE), "an installation"
    )


def check_guarded(path: Path, uid: int) -> None:
    """Refuse a file that a user could write, or replace: owner and mode of the file and its folders count.

    Raises
    ------
    ConfigError
        That user is root, owns one of them, or everybody or a group may write one; there is no such file.
    """
    wanted = f"{path}, which the user who trades cannot write"
    if uid == 0:
        raise ConfigError(
            wanted, "root, who can write every file", "run desk and gate as users of their own"
        )
    if not os.access(path, os.R_OK):
        raise ConfigError(
            wanted,
            "none that this user can read",
            f"chgrp {path} to a group of that user; chmod 640",
        )
    for one in (path.absolute(), *path.absolute().parents, path.resolve(), *path.resolve().parents):
        found = one.stat()
        if found.st_uid == uid or (found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX):
            raise ConfigError(
                wanted,
                f"{one}, mode {found.st_mode & 0o777:o}, which uid {uid} can change",
                f"chown root {one}; chmod go-w {one}",
            )


# -- simulated ------------------------------------------------------------------------------------
# How a server of this package proves that it is a simulated exchange: it answers a random challenge.
#
# Before any logon it answers with a digest over the challenge and its protocol. A server that echoes the challenge, or
# does not know it, fails.

PATH = "/tercel/simulated"
"""HTTP path of the proof: `?nonce=...`."""


def proof(words: str, nonce: str) -> str:
    """The answer of a simulated exchange that speaks `words` (fix, binance).

    >>> proof("fix", "a") != proof("binance", "a") != proof("binance", "b")
    True
    """
    return hashlib.sha256(
        f"a simulated exchange of tercel in the words of {words}: {nonce}".encode()
    ).hexdigest()
