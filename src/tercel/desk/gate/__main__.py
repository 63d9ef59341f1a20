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

from tercel.core.errors import TercelError, VenueError, file_error, refuse_if
from tercel.core.system import user_name
from tercel.desk.gate.config import read_config
from tercel.desk.gate.opening import forbid_tracing, run_gate
from tercel.desk.gate.server import Gate
from tercel.venues.address_proof import REMEDY

_log: Final = logging.getLogger("tercel.desk.gate")


def main(file: Path, *, watchdog: bool = False) -> int:
    """Run the gate of a configuration file, or its watchdog; exit code 0, 1 if orders are left open, 2 after an error."""
    signals: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _: signals.append(received))
    gates: list[Gate] = []
    desk = _StartingDesk()

    def listens(gate: Gate) -> None:
        """Keep the gate that listens now, and tell the starting desk its socket."""
        gates.append(gate)
        _write_line({"listen": gate.path})

    code = 0
    try:
        config = read_config(file)
        if watchdog:
            from tercel.desk.gate.watchdog import watch

            forbid_tracing()
            watch(config, file.parent, lambda: bool(signals), _log.info)
        else:
            ends = (lambda: bool(signals) or _parent_ended()), listens
            run_gate(
                config, file, user_name(), *ends, approve_money=desk.approve_money, prove=desk.prove
            )
    except (TercelError, OSError) as error:
        failure = error if isinstance(error, TercelError) else file_error(error)
        _log.critical("%s", failure)
        _write_line({"error": failure.to_json()})
        code = 2
    for gate in gates:
        _write_line({"open": gate.open_orders})
        code = code or int(bool(gate.open_orders))
    return code


class _StartingDesk:
    """The desk process that started this gate: it confirms a venue that moves money, by a token on standard input."""

    _token = ""

    def approve_money(self, reason: str) -> bool:
        """Write that the venue moves money, and wait for the desk's token; whether sessions may trade (see `process`)."""
        _write_line({"money": reason})
        answer = os.read(sys.stdin.fileno(), 1024)
        refuse_if(not answer, "the confirmation of the desk that started this gate", reason, REMEDY)
        self._token = str(json.loads(answer)["token"])
        return bool(self._token)

    def prove(self, proof: Mapping[str, Any], uid: int) -> str:
        """Check that a session shows the starting desk's token; returns the name for the journal, or raises."""
        refuse_if(
            not self._token or proof.get("token") != self._token,
            "the desk that started this gate",
            f"a session of uid {uid}",
            "start a gate of its own",
            VenueError,
        )
        return "its desk"


def _write_line(message: Mapping[str, Any]) -> None:
    """Write a JSON line to standard output for the starting desk; nothing happens if that is gone."""
    with suppress(OSError):
        os.write(sys.stdout.fileno(), json.dumps(message).encode() + b"\n")


def _parent_ended() -> bool:
    """Whether the parent process is gone: its end closes standard input."""
    ready, _, _ = select.select([sys.stdin], [], [], 0.0)
    return bool(ready) and not os.read(sys.stdin.fileno(), 1024)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.raiseExceptions = False  # a log on a full disk must not stop the gate
    sys.exit(main(Path(sys.argv[1]).resolve(), watchdog=sys.argv[2:] == ["watchdog"]))
