"""A live node that is killed in the middle of a parent: no lot is lost or doubled."""

import json
import os
import random
import signal
import sys
import time
from decimal import Decimal

import pytest
import venue
from tercel_nautilus import KeptParent

PATIENCE_S = 90.0


def killed_and_started_again(folder, kills, strategy, side, size, horizon, decisions, seed):
    """Work one parent through so many kills; what the venue has filled, what the executor believes, and what happened.

    Half of the kills are at a random moment, from the start of the process on; half as soon as the venue has a new
    order, before the node can hear of it.
    """
    dice, story = random.Random(seed), []
    server = venue.served(seed)
    account = server.engine.account(venue.TRADER)
    log = (folder / "log").open("w")
    try:
        for number in range(kills + 1):
            process = venue.node(server.url, folder, side, size, strategy, horizon, decisions, log)
            begun, known = time.monotonic(), len(account.orders)
            at_order = number % 2 == 1
            delay_s = dice.uniform(1.5, 6.0)
            while process.poll() is None and time.monotonic() < begun + PATIENCE_S:
                late = time.monotonic() > begun + delay_s
                if number < kills and (len(account.orders) > known if at_order else late):
                    process.send_signal(signal.SIGKILL)
                    process.wait()
                    break
                time.sleep(0.0005 if at_order else 0.01)
            if process.poll() is None:
                process.kill()
                raise AssertionError((folder / "log").read_text()[-3000:])
            story.append(
                {
                    "rc": process.returncode,
                    "s": round(time.monotonic() - begun, 2),
                    "kind": "at a new order" if at_order else "at random",
                    "orders": len(account.orders),
                    "filled": str(sum(venue.fills_of(server).values(), Decimal(0))),
                }
            )
            if process.returncode == 0:
                break
        return venue.fills_of(server), KeptParent.read(folder / "parent.json"), story
    finally:
        log.close()
        server.close()


def confirm(folder, kills, **words):
    fills, kept, story = killed_and_started_again(folder, kills, **words)
    sys.stdout.write(f"{json.dumps(story)}\n")
    log = (folder / "log").read_text()
    assert story[-1]["rc"] == 0, log[-3000:]
    assert sum(one["rc"] == -9 for one in story) == kills, story
    assert sum(fills.values(), Decimal(0)) == Decimal(words["size"]) == kept.executor.filled
    assert kept.executions == set(fills)
    assert kept.executor.done
    assert not kept.open


def test_two_kills_lose_and_double_nothing(tmp_path):
    confirm(
        tmp_path, 2, strategy="twap_take", side="buy", size="2", horizon=20, decisions=20, seed=1
    )


@pytest.mark.long
@pytest.mark.parametrize(("strategy", "side"), [("twap_repeg", "sell"), ("twap_take", "buy")])
def test_ten_kills_lose_and_double_nothing(tmp_path, strategy, side):
    seed = int(os.environ.get("SEED", "7"))
    confirm(
        tmp_path, 10, strategy=strategy, side=side, size="6", horizon=75, decisions=60, seed=seed
    )
