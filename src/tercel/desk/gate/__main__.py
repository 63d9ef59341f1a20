"""`python -m tercel.desk.gate FILE [watchdog]`: started by `process` and `watchdog`; people type `tercel gate`."""

import json
import logging
import os
import select
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from tercel.core.errors import ConfigError, TercelError, VenueError, of_files
from tercel.core.system import user_name
from tercel.desk.gate.config import read_config
from tercel.desk.gate.opening import hide, hold, left_open
from tercel.desk.gate.server import Gate
from tercel.venues.hosts import REMEDY

_log: Final = logging.getLogger("tercel.desk.gate")


def main(file: Path, *, watchdog: bool = False) -> int:
    """Run the gate of a configuration file, or its watchdog; the exit code."""
    signals: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda got, _: signals.append(got))
    gates: list[Gate] = []
    desk = _ItsDesk()

    def listens(gate: Gate) -> None:
        gates.append(gate)
        _say({"listen": gate.path})

    code = 0
    try:
        config = read_config(file)
        if watchdog:
            from tercel.desk.gate.watchdog import watch

            hide()
            watch(config, file.parent, lambda: bool(signals), _log.info)
        else:
            ends = (lambda: bool(signals) or _parent_ended()), listens
            hold(config, file, user_name(), *ends, begins=desk.begins, prove=desk.prove)
    except (TercelError, OSError) as error:
        failure = error if isinstance(error, TercelError) else of_files(error)
        _log.critical("%s", failure)
        _say({"error": failure.to_json()})
        code = 2
    for gate in gates:
        left = left_open(gate)
        _say({"open": left})
        code = code or int(bool(left))
    return code


class _ItsDesk:
    """The desk that started this gate, and gives its word where money is behind the venue: no other session trades here."""

    _token = ""

    def begins(self, why: str) -> bool:
        """Say what the gate found, and wait for the word: see `process`."""
        _say({"money": why})
        word = os.read(sys.stdin.fileno(), 1024)
        if not word:
            raise ConfigError("the confirmation of the desk that started this gate", why, REMEDY)
        self._token = str(json.loads(word)["token"])
        return bool(self._token)

    def prove(self, shown: Mapping[str, Any], uid: int) -> str:
        """Let the sessions of that desk trade."""
        if not self._token or shown.get("token") != self._token:
            raise VenueError(
                "the desk that started this gate",
                f"a session of uid {uid}",
                "start a gate of its own",
            )
        return "its desk"


def _say(said: Mapping[str, Any]) -> None:
    """Write a line that a desk reads, if there still is one."""
    with suppress(OSError):
        os.write(sys.stdout.fileno(), json.dumps(said).encode() + b"\n")


def _parent_ended() -> bool:
    """Whether the parent process is gone: nothing else closes the pipe."""
    ready, _, _ = select.select([sys.stdin], [], [], 0.0)
    return bool(ready) and not os.read(sys.stdin.fileno(), 1024)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.raiseExceptions = False  # a log on a full disk must not stop the gate
    sys.exit(main(Path(sys.argv[1]).resolve(), watchdog=sys.argv[2:] == ["watchdog"]))
