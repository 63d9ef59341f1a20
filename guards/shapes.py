"""What the object of every command holds: keys and types, of those that small inputs and seconds suffice for."""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from guards.figures import Leaves, shape
from guards.program import command_of, commands, tercel

INPUTS: Final = Path(__file__).parent / "inputs"
TYPED: Final = INPUTS / "commands.txt"
ALONE: Final = {
    "run": "the guard `run` has its keys",
    "agent evaluate": "the guard `evaluate` has its keys",
    "console": "serves until it is stopped",
    "console users *": "tests/cli/test_console_users.py reads its objects",
    "venue serve": "serves until it is stopped",
    "data record *": "listens to a network",
    "data import itch": "a binary file of a venue",
    "data import binance": "recorded messages of a venue",
    "data import bitstamp": "recorded messages of a venue",
    "market table": "recorded days of seven data sets",
    "agent ablate": "trains for minutes",
    "trade crashtest": "kills processes for a minute",
    "certify week": "trades for twenty minutes",
    "market arbitrage": "searches for minutes",
    "agent tune": "searches for minutes",
    "tca": "fills beside recorded days",
    "limits show-default": "prints a file, no object",
}
"""Commands whose options alone are recorded, and why."""
MET: Final = "limits stress/denials_by_code/"
"""Begins the keys that are what a random run met, which a new limit changes: one key stands for all."""


def shapes() -> Leaves:
    """Types of everything in the object of each command in `inputs/commands.txt`, by command and key.

    Commands run one after another in the current folder, on what those before them left. Objects of one command that
    is typed more than once are of elements of one list.
    """
    for path in INPUTS.iterdir():
        Path(path.name).write_bytes(path.read_bytes())
    objects: dict[str, list[object]] = {}
    for line in TYPED.read_text(encoding="utf-8").splitlines():
        if words := line.split("#")[0].split():
            objects.setdefault(command_of(words), []).append(tercel(*words))
    found: Leaves = {}
    for command, _ in commands():
        if command in objects:
            each = shape(objects[command])
            keys = {f"{command}/{key.removeprefix('[]/')}": kinds for key, kinds in each.items()}
            found |= {
                f"{MET}CODE" if key.startswith(MET) else key: kinds for key, kinds in keys.items()
            }
        else:
            why = [reason for pattern, reason in ALONE.items() if fnmatchcase(command, pattern)]
            found[f"options alone/{command}"] = (
                why[0] if why else "nobody has typed it in inputs/commands.txt"
            )
    return found
