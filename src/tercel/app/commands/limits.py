"""``tercel limits``: say how a limit file is understood, storm the gate."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from time import perf_counter, perf_counter_ns
from typing import Any

from tercel.app.output import print_json, progress_console, result_console, say
from tercel.core.errors import UnknownNameError
from tercel.limits import Limits, default_file, read
from tercel.limits.file import MONEY, MS
from tercel.limits.stress import PLANTS, Storm

HELD = 0
BROKEN = 1
_CHUNK = 5_000


def check(file: Path, as_json: bool) -> int:
    """Print the limits of a file as they are understood."""
    limits = read(file)
    said = understood(limits)
    if as_json:
        print_json(said)
    else:
        _print_limits(said)
    return HELD


def show_default() -> None:
    """Print the packaged limit file, byte for byte."""
    from rich.text import Text

    result_console().print(Text(default_file().read_text(encoding="utf-8")), soft_wrap=True, end="")


def understood(limits: Limits) -> dict[str, Any]:
    """Limits in the words and units of the file: ``source``, ``sha256``, ``desk``, ``instruments``, ``agents``."""
    return {
        "source": limits.source,
        "sha256": limits.sha256,
        "desk": _as_written(asdict(limits.desk)),
        "instruments": {name: _as_written(asdict(each)) for name, each in limits.instruments.items()},
        "agents": {name: _as_written(asdict(each)) for name, each in limits.agents.items()},
    }


def _as_written(values: dict[str, Any]) -> dict[str, Any]:
    written: dict[str, Any] = {}
    for key, value in values.items():
        if key in ("order_value", "gross_value", "daily_loss"):
            written[key] = value / MONEY
        elif key == "hours":
            written[key] = "always" if value is None else [_time_of_day(ns) for ns in value]
        elif key.endswith("_ns"):
            written[key.removesuffix("_ns") + "_ms"] = value // MS
        else:
            written[key] = value
    return written


def _time_of_day(ns: int) -> str:
    seconds = ns // 10**9
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _print_limits(said: dict[str, Any]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    scopes = {"desk": said["desk"]}
    for room in ("instruments", "agents"):
        scopes |= {f"{room[:-1]} {'(any other)' if name == '*' else name}": each for name, each in said[room].items()}
    keys = list(dict.fromkeys(key for each in scopes.values() for key in each))
    table = Table(box=SIMPLE_HEAD, pad_edge=False, title=said["source"], title_justify="left")
    table.add_column("limit")
    for name in scopes:
        table.add_column(name, justify="right")
    for key in keys:
        table.add_row(key, *(_shown(each.get(key)) for each in scopes.values()))
    result_console().print(table)


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, list):
        return " to ".join(value)
    return value if isinstance(value, str) else f"{value:,.15g}" if isinstance(value, float) else f"{value:,}"


def stress(actions: int, seed: int, plant: str, as_json: bool) -> int:
    """Storm the gate; 1 when a limit was broken.

    ``actions``, ``breaches``, ``denials_by_code``; beside them ``breaches_by_limit``, ``alarms_by_code``, ``seed``,
    ``sent`` (commands that left), ``checks``, ``check_us`` (p50 and p99 of a question) and ``seconds``.
    """
    if plant and plant not in PLANTS:
        raise UnknownNameError(f"one of {', '.join(PLANTS)}", f"--plant {plant}", "name one of these")
    storm, began = Storm(seed, perf_counter_ns, plant=plant), perf_counter()
    _weather(storm, actions)
    tally = storm.tally
    times = sorted(tally.check_ns)
    found = {
        "actions": tally.actions,
        "breaches": tally.breaches.total(),
        "denials_by_code": dict(tally.denials.most_common()),
        "breaches_by_limit": dict(tally.breaches.most_common()),
        "alarms_by_code": dict(tally.alarms.most_common()),
        "seed": seed,
        "sent": tally.sent,
        "checks": len(times),
        "check_us": {name: times[int(share * (len(times) - 1))] / 1000 if times else None for name, share in _SHARES},
        "seconds": round(perf_counter() - began, 3),
    }
    if as_json:
        print_json(found)
    else:
        _print_storm(found)
    return BROKEN if found["breaches"] else HELD


_SHARES = (("p50", 0.50), ("p99", 0.99))


def _weather(storm: Storm, actions: int) -> None:
    """Run the storm, with a bar on stderr when a person watches."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console, left = progress_console(), actions
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        say(f"storming the gate with {actions:,} actions; Ctrl-C says how far it came")
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task("actions", total=actions)
            while left:
                step = min(_CHUNK, left)
                storm.run(step)
                left -= step
                progress.update(task, advance=step)
    except KeyboardInterrupt:
        done, broken = storm.tally.actions, storm.tally.breaches.total()
        raise KeyboardInterrupt(f"{done:,} of {actions:,} actions were done, {broken:,} breaches among them") from None
    if storm.gate.fault:
        storm.tally.breaches["COUNTS_BROKEN"] += 1
        say(f"the gate's counts broke: {storm.gate.fault}")


def _print_storm(found: dict[str, Any]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("what")
    table.add_column("count", justify="right")
    for key in ("actions", "checks", "sent", "breaches"):
        table.add_row(key, f"{found[key]:,}")
    for room, label in (("breaches_by_limit", "broken"), ("denials_by_code", "denied"), ("alarms_by_code", "alarm")):
        for code, count in found[room].items():
            table.add_row(f"  {label}: {code}", f"{count:,}")
    console, us = result_console(), found["check_us"]
    console.print(table)
    if us["p50"] is not None:
        console.print(
            f"a check took {us['p50']:.2f} us (p50), {us['p99']:.2f} us (p99); {found['seconds']:.1f} s in all"
        )
    console.print("no limit was broken" if not found["breaches"] else f"{found['breaches']:,} BREACHES")
