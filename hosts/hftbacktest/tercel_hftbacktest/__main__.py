"""``python -m tercel_hftbacktest JOB.json``: jobs for programs of other environments, which exchange files with this one.

`rest`: orders at rest (`backtest.rest_orders`). The job names `day` (``.npz``), `tick`, `feed` (`feed.FEEDS`), `orders` (``.npz``
of ns, side, price), `size`, `hold_ns`, `latency_ns`, and `out`, the ``.npz`` to write.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tercel_hftbacktest.backtest import rest_orders
from tercel_hftbacktest.feed import read_day, show_aggressors


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


JOBS = {"rest": rest}


def main(file: str) -> None:
    """Do the jobs of a file, a JSON list of objects that each name their `job`."""
    for job in json.loads(Path(file).read_text(encoding="utf-8")):
        JOBS[job.pop("job")](job)


if __name__ == "__main__":
    main(sys.argv[1])
