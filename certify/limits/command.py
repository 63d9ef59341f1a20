"""What `tercel limits stress` does."""

from time import perf_counter, perf_counter_ns
from typing import Any, Final

from certify.commands import Stress
from certify.limits.stress import PLANTS, StressTest
from tercel.cli import hand_over, print_table, progress, result_console, say
from tercel.core import check_known

CHUNK: Final = 5_000
SHARES: Final = {"p50": 0.50, "p99": 0.99}


def stress(request: Stress) -> int:
    """Print what was counted; 1 on any breach."""
    if request.plant:
        check_known(request.plant, PLANTS, received=f"--plant {request.plant}")
    test = StressTest(request.seed, perf_counter_ns, plant=request.plant)
    began = perf_counter()
    _run(test, request.actions)
    tally = test.tally
    times = sorted(tally.check_ns)
    result = {
        "actions": tally.actions,
        "breaches": tally.breaches.total(),
        "denials_by_code": dict(tally.denials.most_common()),
        "breaches_by_limit": dict(tally.breaches.most_common()),
        "alarms_by_code": dict(tally.alarms.most_common()),
        "seed": request.seed,
        "sent": tally.sent,
        "checks": len(times),
        "check_us": {
            name: times[int(share * (len(times) - 1))] / 1000 if times else None
            for name, share in SHARES.items()
        },
        "seconds": round(perf_counter() - began, 3),
    }
    hand_over(result, request.as_json, lambda: _print_stress(result))
    return 1 if result["breaches"] else 0


def _run(test: StressTest, actions: int) -> None:
    """Run the stress test, with a bar on stderr when a person watches."""
    remaining = actions
    try:
        say(f"stressing the gate with {actions:,} actions; Ctrl-C prints how far it came")
        with progress(counted=True, transient=True) as bar:
            task = bar.add_task("actions", total=actions)
            while remaining:
                step = min(CHUNK, remaining)
                test.run(step)
                remaining -= step
                bar.update(task, advance=step)
    except KeyboardInterrupt:
        done = test.tally.actions
        broken = test.tally.breaches.total()
        raise KeyboardInterrupt(
            f"{done:,} of {actions:,} actions were done, {broken:,} breaches among them"
        ) from None
    if test.gate.fault:
        test.tally.breaches["COUNTS_BROKEN"] += 1
        say(f"the gate's counts broke: {test.gate.fault}")


def _print_stress(result: dict[str, Any]) -> None:
    rows = [(key, f"{result[key]:,}") for key in ("actions", "checks", "sent", "breaches")]
    for room, label in (
        ("breaches_by_limit", "broken"),
        ("denials_by_code", "denied"),
        ("alarms_by_code", "alarm"),
    ):
        rows += [(f"  {label}: {code}", f"{count:,}") for code, count in result[room].items()]
    print_table("the gate under stress", ("what", "count"), rows)
    console = result_console()
    us = result["check_us"]
    if us["p50"] is not None:
        console.print(
            f"a check took {us['p50']:.2f} us (p50), {us['p99']:.2f} us (p99); {result['seconds']:.1f} s in all"
        )
    console.print(
        "no limit was broken" if not result["breaches"] else f"{result['breaches']:,} BREACHES"
    )
