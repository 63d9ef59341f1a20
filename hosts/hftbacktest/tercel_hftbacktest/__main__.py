"""``python -m tercel_hftbacktest JOB.json``: jobs for programs of other environments, which exchange files with this one.

`rest`: orders at rest (`backtest.rest_orders`). The job names `day` (``.npz``), `tick`, `feed` (`feed.FEEDS`), `orders` (``.npz``
of ns, side, price), `size`, `hold_ns`, `latency_ns`, and `out`, the ``.npz`` to write.

`work`: parent orders, each worked by an executor in a backtest of its own (`loop.work`). The job names `day`, `tick`,
`lot`, `feed`, `strategies`, `orders` (``.npz`` of ns, side, quantity), `horizon_s`, `decisions`, `warmup_s`, `latency_ns`, and
`waiting` (`MarketEstimates.waiting`), and `out`: for each strategy its executions (`loop.Execution`) after the order's number.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

import tercel as tc
from tercel.execution.strategies import MarketEstimates
from tercel_hftbacktest.backtest import open_backtest, rest_orders
from tercel_hftbacktest.feed import between, read_day, show_aggressors
from tercel_hftbacktest.loop import work


def rest(job: dict[str, Any]) -> None:
    """Orders at rest, into `out`: filled bool (n,), ns and price int64 (n,)."""
    events = show_aggressors(read_day(job["day"]), job["tick"], job["feed"])
    with np.load(job["orders"]) as orders:
        found = rest_orders(
            events,
            job["tick"],
            orders["ns"],
            orders["side"],
            orders["price"],
            job["size"],
            job["hold_ns"],
            job["latency_ns"],
        )
    np.savez(job["out"], **found._asdict())


GRACE_NS = 10_000_000_000
"""What an order's horizon left open ends so long after it."""


def work_parents(job: dict[str, Any]) -> None:
    """Executions of parent orders, into `out`: float64 (n, 5) by strategy, in their order."""
    events = read_day(job["day"])
    instrument = tc.Instrument("day", job["tick"], job.get("lot", 1))
    latency = tc.Latency("constant", job["latency_ns"])
    estimates = MarketEstimates(0.0, waiting=job["waiting"])
    before_ns, after_ns = round(1e9 * job["warmup_s"]), round(1e9 * job["horizon_s"]) + GRACE_NS
    rows: dict[str, list[tuple[float, ...]]] = {name: [] for name in job["strategies"]}
    with np.load(job["orders"]) as orders:
        columns = [orders[name].tolist() for name in ("ns", "side", "quantity")]
    for number, (ns, side, quantity) in enumerate(zip(*columns, strict=True)):
        seen = between(events, ns - before_ns, ns + after_ns)
        traded = show_aggressors(seen, job["tick"], job["feed"])
        for name, done in rows.items():
            words = "buy" if side > 0 else "sell"
            parent = tc.Parent(
                words, quantity, job["horizon_s"], start_ns=ns, decisions=job["decisions"]
            )
            executor = tc.Executor(
                name, instrument, parent, latency=latency, own_orders_shown=False,
                warmup_s=job["warmup_s"], estimates=estimates,
            )  # fmt: skip
            backtest = open_backtest(traded, job["tick"], job["latency_ns"])
            done += [(number, *one) for one in work(executor, backtest, seen, ns + after_ns)]
            backtest.close()
    found: dict[str, Any] = {
        name: np.array(done, float).reshape(-1, 5) for name, done in rows.items()
    }
    np.savez(job["out"], **found)


JOBS = {"rest": rest, "work": work_parents}


def main(file: str) -> None:
    """Do the jobs of a file, a JSON list of objects that each name their `job`."""
    for job in json.loads(Path(file).read_text(encoding="utf-8")):
        JOBS[job.pop("job")](job)


if __name__ == "__main__":
    main(sys.argv[1])
