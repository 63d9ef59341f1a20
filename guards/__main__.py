"""`python -m guards record|compare [NAME...]`."""

import argparse
import resource
import sys
from collections.abc import Sequence
from pathlib import Path

from guards.compare import differences
from guards.keys import KeyMap, read_keys
from guards.recorders import GUARDS, found_by
from guards.store import FOLDER, read, write
from tercel.core.errors import ConfigError, TercelError

KEYS = Path(__file__).parent / "keys.toml"
MOST = 40
"""Sentences of a guard that are printed without --all."""
TO_GO_ON = """
What was renamed goes into guards/keys.toml. What is to be another figure is recorded in a commit of its own that names
every key and says why: python -m guards record {}
"""


def main(words: Sequence[str] | None = None) -> int:
    """Do what is typed: 0 all as recorded, 1 something differs, 2 it could not be done."""
    parser = argparse.ArgumentParser(
        prog="python -m guards",
        description="Compare the outputs of the code base with recorded ones.",
    )
    parser.add_argument("what", choices=("compare", "record"))
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"guards (default: all): {', '.join(GUARDS)}"
    )
    parser.add_argument("--all", action="store_true", help="print every sentence")
    typed = parser.parse_args(words)
    most = sys.maxsize if typed.all or typed.what == "record" else MOST
    try:
        names = _known(typed.names)
        keys = read_keys(KEYS, GUARDS)
        if typed.what == "compare":
            for name in names:
                read(FOLDER / f"{name}.json")  # what is missing is told before minutes are spent
        return max(_one(name, typed.what, keys, most) for name in names)
    except TercelError as error:
        _say(
            f"error\n  expected  {error.expected}\n  received  {error.received}\n  to go on  {error.remedy}"
        )
        return 2


def _one(name: str, what: str, keys: KeyMap, most: int) -> int:
    path = FOLDER / f"{name}.json"
    before, now = _seconds(), found_by(name)
    spent = f"{_seconds() - before:.0f} s of CPU"
    if what == "record":
        said = differences(name, read(path), now, keys) if path.exists() else []
        said += [
            f"{name}: renamed {one.old} to {one.new}: take its rule out of keys.toml"
            for one in keys.of(name)
        ]
        write(now, path)
        verdict = f"{len(now.leaves)} keys recorded, {len(said)} changes"
    else:
        said = differences(name, read(path), now, keys, GUARDS[name].trained)
        verdict = (
            f"{len(said)} of {len(now.leaves)} keys differ"
            if said
            else f"{len(now.leaves)} keys, as recorded"
        )
    for sentence in said[:most]:
        _say(sentence)
    if len(said) > most:
        _say(f"{name}: and {len(said) - most} more; --all prints them")
    _say(f"{name}: {verdict} ({spent})")
    if said and what == "compare":
        _say(TO_GO_ON.format(name))
    return int(bool(said) and what == "compare")


def _known(names: Sequence[str]) -> list[str]:
    if unknown := [name for name in names if name not in GUARDS]:
        raise ConfigError(
            f"guards among {', '.join(GUARDS)}", unknown[0], "name one of them, or none for all"
        )
    return list(names or GUARDS)


def _seconds() -> float:
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in spent)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
