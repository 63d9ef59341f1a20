"""A record against what there is now: every key that is neither the same nor mapped, in a sentence."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from guards.figures import FIGURE, Leaf, Leaves
from guards.keys import KeyMap

CLOSE = 1e-9
"""Relative difference of two floats that are the same: sums are taken in another order on another machine."""
MOST = 160
"""Letters of a value that a sentence tells."""


@dataclass(frozen=True)
class Record:
    """What a guard found.

    Parameters
    ----------
    leaves : Leaves
    machine : dict of str to str
        What floating point depends on: processor and libraries.
    """

    leaves: Leaves
    machine: dict[str, str] = field(default_factory=dict)


def differences(
    guard: str,
    recorded: Record,
    now: Record,
    keys: KeyMap | None = None,
    trained: Sequence[str] = (),
) -> list[str]:
    """Sentences, one for every key that differs.

    Parameters
    ----------
    guard : str
    recorded, now : Record
    keys : KeyMap, optional
    trained : sequence of str
        Patterns of recorded keys whose figures come out of training. On another machine they are told apart by their
        types and shapes alone.
    """
    keys = KeyMap() if keys is None else keys
    here, other = now.leaves, recorded.machine != now.machine
    renamed, idle = keys.renamed(guard, recorded.leaves)
    said = [
        f'{guard}: keys.toml maps "{rule.old}", which is no recorded key: take the rule out'
        for rule in idle
    ]
    for name, key in renamed.items():
        was = f"{guard}: {name}" + (f" (recorded as {key})" if name != key else "")
        before = keys.read(recorded.leaves[key])
        if name not in here:
            said.append(f"{was}: recorded {_short(before)}, now nothing")
        elif not same(before, here[name], other, any(fnmatchcase(key, one) for one in trained)):
            said.append(f"{was}: {_apart(before, here[name])}")
    added = [name for name in here if name not in renamed]
    return said + [f"{guard}: {name}: recorded nothing, now {_short(here[name])}" for name in added]


def same(before: Leaf, now: Leaf, other_machine: bool = False, trained: bool = False) -> bool:
    """Whether two values are the same: whole numbers and words exactly, floats to :data:`CLOSE`.

    On another machine arrays of floats that are told by a hash are the same where their figures are, and what was
    trained where its type is.
    """
    if other_machine and trained:
        return _type(before) == _type(now)
    if isinstance(before, list) and isinstance(now, list):
        return len(before) == len(now) and all(
            same(a, b, other_machine) for a, b in zip(before, now, strict=True)
        )
    if isinstance(before, float) and isinstance(now, float):
        return math.isclose(before, now, rel_tol=CLOSE, abs_tol=CLOSE)
    if isinstance(before, str) and isinstance(now, str) and before.startswith("float"):
        return before == now or _same_floats(before, now, other_machine)
    return type(before) is type(now) and before == now


def _same_floats(before: str, now: str, other_machine: bool) -> bool:
    """Two lines on arrays of floats, of one shape and told in one way."""
    if _type(before) != _type(now) or ("=" in before) != ("=" in now):
        return False
    if "=" in before:
        return same(_all_of(before), _all_of(now))
    was, there = ([float(one) for _, one in FIGURE.findall(text)] for text in (before, now))
    return other_machine and same(was, there)


def _all_of(text: str) -> Leaf:
    runs = (one.split("*") for one in text.split("=")[1].split())
    return [float(figure) for figure, *many in runs for _ in range(int(many[0]) if many else 1)]


def _type(leaf: Leaf) -> str:
    if isinstance(leaf, str):
        return (
            re.split("[,=]", leaf)[0].strip()
            if re.match(r"(int|float\d+|text) \d", leaf)
            else "text"
        )
    if isinstance(leaf, float | None):
        return "float"  # a mean of nothing is null
    return type(leaf).__name__


def _apart(before: Leaf, now: Leaf) -> str:
    """What was recorded and what there is, of arrays in full the first figure that differs."""
    if isinstance(before, str) and isinstance(now, str) and " = " in before and " = " in now:
        was, there = before.split(" = ")[1].split(), now.split(" = ")[1].split()
        unlike = [number for number, (a, b) in enumerate(zip(was, there, strict=False)) if a != b]
        if len(was) == len(there) and len(was) > 1 and unlike:
            first = unlike[0]
            where = f"{len(unlike)} of {len(was)} figures differ, figure {first + 1} first"
            return f"recorded {was[first]}, now {there[first]} ({where})"
    return f"recorded {_short(before)}, now {_short(now)}"


def _short(leaf: Leaf) -> str:
    text = repr(leaf)
    return text if len(text) <= MOST else f"{text[:MOST]}..."
