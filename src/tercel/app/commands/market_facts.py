"""`tercel market facts` and `tercel market sanity`: stylised facts one by one, and a thousand days of each market."""

import fcntl
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO

from tercel.app.commands.market_days import read_days
from tercel.app.job.side_by_side import as_they_end
from tercel.app.output import print_json, print_table, say
from tercel.core.errors import ConfigError
from tercel.market.flow.preset import load
from tercel.market.score.days import of_one_market, simulated
from tercel.market.score.sample import sample
from tercel.market.score.sanity import FreeDay, Sanity, free_day, summary
from tercel.market.score.stylised import FACTS, Finding, find

SEEDS = (1, 2, 3)
FACTS_HEAD = ("fact", "what is asked")
SANITY_HEAD = (
    "market", "model", "days", "runaway", "empty", "overflow", "sd60/tape", "within 20 %", "lowest", "highest",
    "spread/tape", "max spread", "volume/tape", "verdict",
)  # fmt: skip

LEAVES = ("max spread", "highest", "lowest", "volume/tape", "model", "spread/tape", "within 20 %")


def facts(
    *, lake: Path, symbol: str, dates: Sequence[str], presets: Sequence[str], seeds: Sequence[int], as_json: bool
) -> int:
    """Each stylised fact on real days and in each market, simulated as long and at the same time of day."""
    days = read_days(lake, symbol, dates)
    asked = [load(name) for name in presets]
    for preset in asked:
        of_one_market(preset, days)
    real = [day.seen() for day in days]
    sample(real)  # refuses tapes that are too short to say anything
    columns = {"real": real}
    for preset in asked:
        columns[preset.name] = [simulated(preset, seed, like) for like in real for seed in seeds]
    found = {fact.name: {name: find(fact, seen) for name, seen in columns.items()} for fact in FACTS}
    if as_json:
        rows = {
            fact.name: {"says": fact.says, **{name: asdict(cell) for name, cell in found[fact.name].items()}}
            for fact in FACTS
        }
        print_json({"symbol": symbol, "dates": list(dates), "seeds": list(seeds), "facts": rows})
        return 0
    cells = [(fact.name, fact.says, *(_told(cell) for cell in found[fact.name].values())) for fact in FACTS]
    title = f"{symbol}, {', '.join(dates)}: stylised facts (number, and whether it holds)"
    print_table(title, (*FACTS_HEAD, *columns), cells, leaves=("what is asked",), words={"what is asked"})
    return 0


def _told(cell: Finding) -> str:
    if cell.mean is None:
        return "-"
    return f"{cell.mean:.2f} {'?' if cell.holds is None else 'yes' if cell.holds else 'no'}"


def sanity(*, presets: Sequence[str], days: int, seed: int, out: Path, as_json: bool) -> int:
    """Many days of each market left to itself; days that are done are kept and not run again."""
    presets = list(dict.fromkeys(presets))
    called = [load(name).name for name in presets]
    if twice := sorted({name for name in called if called.count(name) > 1}):
        raise ConfigError("markets of different names", f"several of {', '.join(twice)}", "rename one in its file")
    out.mkdir(parents=True, exist_ok=True)
    found: dict[str, Sanity] = {}
    for name in presets:
        preset = load(name)
        seeds = range(seed, seed + days)
        done = _run(name, seeds, out / f"{preset.name}.jsonl")
        found[preset.name] = summary(preset, [done[s] for s in seeds])
        if not as_json:
            say(f"{preset.name}: {'passed' if found[preset.name].passed else 'missed'}")
    if as_json:
        print_json({"days": days, "seed": seed, "markets": {name: asdict(row) for name, row in found.items()}})
    else:
        cells = [_cells(name, row) for name, row in zip(presets, found.values(), strict=True)]
        title = f"{days} days of each market left to itself"
        print_table(title, SANITY_HEAD, cells, leaves=LEAVES, words={"model", "verdict"})
    return 0 if all(row.passed for row in found.values()) else 1


def _cells(name: str, row: Sanity) -> tuple[str, ...]:
    preset = load(name)
    return (
        preset.name,
        preset.model,
        str(row.days),
        str(row.runaway_days),
        str(row.empty_days),
        str(row.overflow_days),
        f"{row.volatility:.2f}",
        f"{100 * row.within_share:.0f} %",
        f"{row.lowest:.2f}",
        f"{row.highest:.2f}",
        f"{row.mean_spread_ratio:.2f}",
        f"{row.max_spread:.0f}",
        f"{row.volume_ratio:.2f}",
        "passed" if row.passed else "missed",
    )


def _one(name: str, seed: int) -> FreeDay:
    return free_day(load(name), seed)


def _run(name: str, seeds: range, kept: Path) -> dict[int, FreeDay]:
    """The days of these seeds, a JSON line each in `kept`; what is there already is read."""
    key = json.dumps(load(name).model_dump(mode="json"), sort_keys=True)
    done = _read(kept, key)
    missing = [seed for seed in seeds if seed not in done]
    if not missing:
        return done
    with kept.open("a", encoding="utf-8") as file:
        _hold(file, kept)
        done = _read(kept, key)  # another run may have ended since
        missing = [seed for seed in seeds if seed not in done]
        if not done:
            file.truncate(0)
            file.write(json.dumps({"preset": _digest(key)}) + "\n")
        elif not kept.read_bytes().endswith(b"\n"):
            file.write("\n")  # a run was stopped while writing: its torn line must not swallow the next day
        for day in as_they_end(_one, [(name, seed) for seed in missing], name, len(seeds) - len(missing)):
            done[day.seed] = day
            file.write(json.dumps(asdict(day)) + "\n")
            file.flush()
    return done


def _hold(file: IO[str], kept: Path) -> None:
    """Keep other runs away from the file until it is closed."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ConfigError(
            "one run at a time in a folder", f"{kept}, which another run writes", "wait for it, or name another --out"
        ) from error


def _digest(key: str) -> str:
    from hashlib import sha256

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
        raise ConfigError("days that `tercel market sanity` kept", f"{kept}: {error}", "name another --out") from error
    days = {}
    for line in lines[1:]:
        try:
            day = FreeDay(**json.loads(line))
        except (json.JSONDecodeError, TypeError):
            continue  # the last line of a run that was stopped while writing it
        days[day.seed] = day
    return days
