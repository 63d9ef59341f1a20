"""What `tercel certify week` does."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from certify.commands import CertifyWeek
from certify.week.faults import FIRST, KINDS
from certify.week.play import Week
from certify.week.verdict import verdict_of
from tercel.cli import hand_over, print_table, result_console, say
from tercel.core import ConfigError, check_known, write_atomic

PROCESSES: Final = ("desk", "gate", "venue", "console")
_TEXT: Final = ("what the desk and people did", "owners of alerts")
_ALL: Final = ("faults, and after which part of it", *_TEXT)


def week(request: CertifyWeek) -> int:
    """Let a desk go through a week by itself; 1 when a bar is not reached."""
    if sys.platform != "linux":
        raise ConfigError(
            "Linux, which tells the memory of processes", sys.platform, "run it in a container"
        )
    if request.out is not None:
        return _run_week(request, request.out)
    with TemporaryDirectory(prefix="tercel-week-", ignore_cleanup_errors=True) as folder:
        return _run_week(request, Path(folder))


def _run_week(request: CertifyWeek, folder: Path) -> int:
    began = time.monotonic()
    wanted = tuple(request.fault or ())
    for name in wanted:
        check_known(name, [*FIRST, *KINDS], "a fault of the week:")
    times = (request.sessions, request.hours, request.speed, request.round_s)
    played = Week(folder, request.seed, *times, say, wanted)
    try:
        played.begin()
        for number in range(request.sessions):
            played.session(number)
            say(
                f"session {number + 1} of {request.sessions} is over, after {time.monotonic() - began:,.0f} s"
            )
        played.end()
    finally:
        played.close()
    result = verdict_of(played).to_json()
    about = {
        "seed": request.seed,
        "sessions": request.sessions,
        "hours": request.hours,
        "speed": request.speed,
    }
    result = (
        about | {"seconds": round(time.monotonic() - began), "crashes": played.crashes} | result
    )
    hand_over(result, request.as_json, lambda: _show(result))
    write_atomic(folder / "week.json", json.dumps(result, indent=1))
    return 1 if result["failed"] else 0


def _show(result: dict[str, Any]) -> None:
    heads = (
        "session",
        "parents",
        "orders",
        "fills",
        "lost",
        "doubled",
        "breaches",
        "alerts",
        "unowned",
    )
    rows = [
        [
            f"{row['session']}", f"{row['parents']:,}", f"{row['orders']:,}", f"{row['fills']:,}", f"{row['lost']}",
            f"{row['doubled']}", f"{len(row['breaches'])}", f"{row['alerts']}", f"{len(row['unowned'])}",
            *(f"{row['rss'].get(who, 0) / 1e6:,.0f}" for who in PROCESSES),
        ]
        for row in result["rows"]
    ]  # fmt: skip
    title = f"a week of {result['sessions']} sessions of {result['hours']:g} h, seed {result['seed']}; memory in MB"
    print_table(title, [*heads, *PROCESSES], rows)
    rows = [
        [
            f"{row['session']}",
            "; ".join(f"{fault_name} ({part:.0%})" for fault_name, part in row["faults"]),
            "; ".join(action if n == 1 else f"{n} {action}" for action, n in row["did"].items()),
            "; ".join(f"{who} {n}" for who, n in row["owners"].items()),
        ]
        for row in result["rows"]
    ]
    print_table(
        "what befell it",
        ["session", "faults, and after which part of it", *_TEXT],
        rows,
        _ALL,
        _ALL,
        _ALL,
    )
    console = result_console()
    grown = ", ".join(f"{who} {by:+.1%}" for who, by in result["growth"].items())
    lines = [
        f"{result['seconds'] / 60:.1f} minutes; memory from the end of the first session to that of the last: {grown}.",
        f"Positions are {'NOT ' if result['positions'] else ''}the venue's; "
        f"{len(result['still_open'])} orders work there at the end, {len(result['strangers'])} are nobody's.",
        f"The longest that an order worked while nobody ran the desk: {result['unwatched_s']:.1f} s.",
        f"Not reached: {'; '.join(result['failed'])}."
        if result["failed"]
        else "Every bar was reached.",
    ]
    for line in [*lines, *(f"  {fault}" for fault in result["faults"])]:
        console.print(line, soft_wrap=True, markup=False, highlight=False)
