"""Number of recipes in a sweep's folder, by which the gain of the one that was kept is deflated.

A sweep goes on after its best configuration was written down, and its trials have policies of their own: what counts is
what lies in its folder, whenever it is asked.
"""

import json
from pathlib import Path
from typing import Any, Final

SWEEP: Final = "sweep.json"
"""What a sweep's folder is known by: what was told."""
RESULT: Final = "result.json"
TRIALS: Final = "trials"
DEPTH: Final = 4
"""A trial's policy lies at most so deep in a sweep's folder: sweep/trials/000/policy."""


def variants_in(folder: Path) -> int | None:
    """Recipes tried in a sweep's folder, those before the sweep included; None where there is no sweep."""
    if not (folder / SWEEP).is_file():
        return None
    before = _count(_read(folder / SWEEP).get("guards"), "variants")
    trials = sum(path.name.isdecimal() for path in (folder / TRIALS).glob("*"))
    return max(_count(_read(folder / RESULT), "variants"), before - 1 + max(trials, 1))


def variants_of_trial(policy: Path, checks: int) -> int:
    """Recipes and looks that the policy in a sweep's folder is the best of; 1 where it is in none."""
    for folder in [policy, *policy.parents][:DEPTH]:
        found = variants_in(folder)
        if found is not None:
            return found + max(checks, 1) - 1
    return 1


def _read(path: Path) -> dict[str, Any]:
    """What a file holds; nothing where it cannot be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _count(content: Any, key: str) -> int:
    """A count in a table, at least 1."""
    value = content.get(key) if isinstance(content, dict) else None
    return max(value, 1) if isinstance(value, int) and not isinstance(value, bool) else 1
