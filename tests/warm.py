"""Compile the dearest kernels side by side, before tests that share them start: `python -m tests.warm`.

They are a third of what a cold cache costs, and the first test of every worker would ask for them. Any other kernel is
compiled by the test that asks first, within a second or two. Jobs share no kernel, so nothing is compiled twice.
"""

from multiprocessing import get_context

from tests.market.simulator.test_replay_rules import Replay
from tests.markets import martingale_market

from tercel.execution import intent
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Episodes, seeded_plan
from tercel.market.flow.preset import load
from tercel.market.simulator.days import simulated_day


def simulator() -> None:
    """One entry for all that is asked of a simulated market."""
    simulated_day(load("csco-santa-fe"), 1, 1.0, 1.0)


def episodes() -> None:
    """Batches of episodes, and the event loop by itself."""
    task = Task(warmup_s=1.0)
    batch = Episodes(martingale_market(), task, 1)
    batch.start(seeded_plan(task, 1, 1, 0, 1))
    batch.step(intent.empty(1))
    Replay([]).run_to(0)


def main() -> None:
    """Run the jobs, each in a process of its own; one that fails leaves its kernels to the tests, which tell why."""
    started = [get_context("spawn").Process(target=job) for job in (simulator, episodes)]
    for process in started:
        process.start()
    for process in started:
        process.join()


if __name__ == "__main__":
    main()
