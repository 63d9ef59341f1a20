"""Compile the dearest kernels in two processes, before tests that share them start: `python -m tests.warm`.

They are a third of what a cold cache costs, and the first test of every worker would ask for them. Any other kernel is
compiled by the test that asks first, within a second or two.
"""

from tercel.api import display  # noqa: F401 - shows how far it is
from tercel.core.ahead import compile_ahead
from tercel.execution.step import needed
from tercel.market.simulator import engine
from tercel.market.simulator.engine import OWN_CODE


def main() -> None:
    """Compile what every market needs, what each model does, and what few of Python's requests reach."""
    here, beside = (
        [kernel for model in OWN_CODE for kernel in needed(model)[part]] for part in range(2)
    )
    requests = [engine._run_free, engine._pass_time, engine.run_seconds]
    compile_ahead(list(dict.fromkeys([*here, *requests])), list(dict.fromkeys(beside)))


if __name__ == "__main__":
    main()
