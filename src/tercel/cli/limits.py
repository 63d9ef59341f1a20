"""`tercel limits ...`: show how a limit file is read, stress the gate."""

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, perf_counter_ns
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tercel.cli.request import add
from tercel.cli.shared import AsJson, Seed
from tercel.core.names import check_known
from tercel.report.terminal import hand_over, print_table, progress, result_console, say

if TYPE_CHECKING:
    from tercel.limits.stress import StressTest

limits_app = typer.Typer(
    name="limits", help="Hard pre-trade limits: check a file, stress the gate.", no_args_is_help=True
)
CHUNK = 5_000
SHARES = {"p50": 0.50, "p99": 0.99}


@dataclass(frozen=True)
class LimitsCheck:
    """What is asked of `tercel limits check`."""

    file: Annotated[Path, typer.Argument(help="Limit file (TOML).", metavar="FILE.toml")]
    as_json: AsJson = False


def check(request: LimitsCheck) -> None:
    """Print the limits as they are understood; exit 2 where the file cannot be obeyed to the letter."""
    from tercel.limits import read
    from tercel.limits.file import understood

    limits = understood(read(request.file))

    def show() -> None:
        scopes = {"desk": limits["desk"]}
        for room in ("instruments", "agents"):
            scopes |= {
                f"{room[:-1]} {'(any other)' if name == '*' else name}": each for name, each in limits[room].items()
            }
        keys = dict.fromkeys(key for each in scopes.values() for key in each)
        rows = [[key, *(_shown(each.get(key)) for each in scopes.values())] for key in keys]
        print_table(limits["source"], ("limit", *scopes), rows)

    hand_over(limits, request.as_json, show)


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, list):
        return " to ".join(value)
    return value if isinstance(value, str) else f"{value:,.15g}" if isinstance(value, float) else f"{value:,}"


@dataclass(frozen=True)
class Stress:
    """What is asked of `tercel limits stress`."""

    actions: Annotated[int, typer.Option(help="Random actions.", min=1, max=10**9, metavar="N")] = 1_000_000
    seed: Seed = 1
    plant: Annotated[str, typer.Option(hidden=True, help="Give the gate one limit that is off by a step.")] = ""
    as_json: AsJson = False


def stress(request: Stress) -> int:
    """Stress the gate with random actions beside an auditor that recomputes every limit; exit 1 on any breach."""
    from tercel.limits.stress import PLANTS, StressTest

    if request.plant:
        check_known(request.plant, PLANTS, said=f"--plant {request.plant}")
    test, began = StressTest(request.seed, perf_counter_ns, plant=request.plant), perf_counter()
    _run(test, request.actions)
    tally = test.tally
    times = sorted(tally.check_ns)
    found = {
        "actions": tally.actions,
        "breaches": tally.breaches.total(),
        "denials_by_code": dict(tally.denials.most_common()),
        "breaches_by_limit": dict(tally.breaches.most_common()),
        "alarms_by_code": dict(tally.alarms.most_common()),
        "seed": request.seed,
        "sent": tally.sent,
        "checks": len(times),
        "check_us": {
            name: times[int(share * (len(times) - 1))] / 1000 if times else None for name, share in SHARES.items()
        },
        "seconds": round(perf_counter() - began, 3),
    }
    hand_over(found, request.as_json, lambda: _print_stress(found))
    return 1 if found["breaches"] else 0


def _run(test: "StressTest", actions: int) -> None:
    """Run the stress test, with a bar on stderr when a person watches."""
    left = actions
    try:
        say(f"stressing the gate with {actions:,} actions; Ctrl-C prints how far it came")
        with progress(counted=True, transient=True) as bar:
            task = bar.add_task("actions", total=actions)
            while left:
                step = min(CHUNK, left)
                test.run(step)
                left -= step
                bar.update(task, advance=step)
    except KeyboardInterrupt:
        done, broken = test.tally.actions, test.tally.breaches.total()
        raise KeyboardInterrupt(f"{done:,} of {actions:,} actions were done, {broken:,} breaches among them") from None
    if test.gate.fault:
        test.tally.breaches["COUNTS_BROKEN"] += 1
        say(f"the gate's counts broke: {test.gate.fault}")


def _print_stress(found: dict[str, Any]) -> None:
    rows = [(key, f"{found[key]:,}") for key in ("actions", "checks", "sent", "breaches")]
    for room, label in (("breaches_by_limit", "broken"), ("denials_by_code", "denied"), ("alarms_by_code", "alarm")):
        rows += [(f"  {label}: {code}", f"{count:,}") for code, count in found[room].items()]
    print_table("the gate under stress", ("what", "count"), rows)
    console, us = result_console(), found["check_us"]
    if us["p50"] is not None:
        console.print(
            f"a check took {us['p50']:.2f} us (p50), {us['p99']:.2f} us (p99); {found['seconds']:.1f} s in all"
        )
    console.print("no limit was broken" if not found["breaches"] else f"{found['breaches']:,} BREACHES")


@dataclass(frozen=True)
class ShowDefault:
    """Nothing is asked of `tercel limits show-default`."""


def show_default(_: ShowDefault) -> None:
    """Print the packaged limit file with every key explained, to start one's own from: > limits.toml."""
    from rich.text import Text

    from tercel.limits import default_file

    result_console().print(Text(default_file().read_text(encoding="utf-8")), soft_wrap=True, end="")


add(limits_app, check, show_default, stress)
