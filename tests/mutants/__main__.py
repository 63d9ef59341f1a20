"""``python -m tests.mutants``: run the limits' tests against every mutant of them and print what survived.

    python -m tests.mutants                      # all, some minutes on two cores
    python -m tests.mutants --only checks.py     # of one file
    python -m tests.mutants --sample 40          # every so many-th, 40 in all

Ends with 1 where a mutant survives that `equivalent.toml` does not prove equivalent, or more than five do.
"""

import argparse
import sys
import tomllib
from collections import Counter
from pathlib import Path

from tests.mutants.generate import FILES, every
from tests.mutants.run import FAST, SLOW, SURVIVED, fate_of

MOST = 5
"""Mutants that may survive, each proved equivalent."""


def equivalents() -> dict[str, str]:
    """Mutants that change nothing, by name, with the proof."""
    listed = tomllib.loads(Path(__file__).with_name("equivalent.toml").read_text(encoding="utf-8"))
    return {each["mutant"]: each["proof"] for each in listed.get("equivalent", [])}


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(words: list[str]) -> int:
    """Run; the exit code."""
    parser = argparse.ArgumentParser(prog="tests.mutants", description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=FILES, action="append", help="a file; may be repeated")
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="so many, evenly spread")
    parser.add_argument("--part", default="1/1", metavar="I/N", help="the I-th of N parts")
    parser.add_argument("--fast", action="store_true", help="ask the fast tests alone")
    asked = parser.parse_args(words)
    found = [each for each in every() if not asked.only or each.file in asked.only]
    part, parts = map(int, asked.part.split("/"))
    found = found[part - 1 :: parts]
    if asked.sample:
        found = found[:: max(1, len(found) // asked.sample)][: asked.sample]
    fates: Counter[str] = Counter()
    proved, survivors = equivalents(), []
    for mutant in found:
        fate = fate_of(mutant, FAST if asked.fast else (*FAST, *SLOW))
        fates[fate.fate] += 1
        if fate.fate == SURVIVED:
            survivors.append(mutant.name)
        known = "  (equivalent)" if fate.fate == SURVIVED and mutant.name in proved else ""
        _say(f"{fate.fate:15} {fate.seconds:6.1f} s  line {mutant.line:4}  {mutant.name}{known}")
    _say(f"{len(found)} mutants: " + ", ".join(f"{count} {fate}" for fate, count in fates.items()))
    unproved = [name for name in survivors if name not in proved]
    return 1 if unproved or len(survivors) > MOST else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
