"""Many days of a market left to itself, each kept as it ends, so that a stopped run goes on."""

import json
from contextlib import ExitStack
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

from studies.realism.sanity import FreeDay, free_day
from studies.side_by_side import as_they_end
from tercel.core import ConfigError, file_lock
from tercel.market.flow import load


def _one(name: str, seed: int) -> FreeDay:
    return free_day(load(name), seed)


def free_days(name: str, seeds: range, kept: Path) -> dict[int, FreeDay]:
    """The days of these seeds, a JSON line each in `kept`; what is there already is read."""
    key = json.dumps(load(name).model_dump(mode="json"), sort_keys=True)
    done = _read(kept, key)
    missing = [seed for seed in seeds if seed not in done]
    if not missing:
        return done
    with ExitStack() as stack:
        try:
            stack.enter_context(file_lock(kept, wait=False))
        except BlockingIOError as error:
            received = f"{kept}, which another run writes"
            raise ConfigError(
                "one run at a time in a folder", received, "wait for it, or name another `out=`"
            ) from error
        file = stack.enter_context(kept.open("a", encoding="utf-8"))
        done = _read(kept, key)  # another run may have ended since
        missing = [seed for seed in seeds if seed not in done]
        if not done:
            file.truncate(0)
            file.write(json.dumps({"preset": _digest(key)}) + "\n")
        elif not kept.read_bytes().endswith(b"\n"):
            file.write(
                "\n"
            )  # a run was stopped while writing: its torn line must not swallow the next day
        for day in as_they_end(
            _one, [(name, seed) for seed in missing], name, len(seeds) - len(missing)
        ):
            done[day.seed] = day
            file.write(json.dumps(asdict(day)) + "\n")
            file.flush()
    return done


def _digest(key: str) -> str:
    return sha256(key.encode()).hexdigest()[:16]


def _read(kept: Path, key: str) -> dict[int, FreeDay]:
    """Days of this very preset in a file; none when the file is of another or is not there."""
    if not kept.is_file():
        return {}
    lines = kept.read_text(encoding="utf-8").splitlines()
    try:
        if not lines or json.loads(lines[0]).get("preset") != _digest(key):
            return {}
    except (json.JSONDecodeError, AttributeError) as error:
        raise ConfigError(
            "days that `tercel market sanity` kept", f"{kept}: {error}", "name another `out=`"
        ) from error
    days = {}
    for line in lines[1:]:
        try:
            day = FreeDay(**json.loads(line))
        except (json.JSONDecodeError, TypeError):
            continue  # the last line of a run that was stopped while writing it
        days[day.seed] = day
    return days
