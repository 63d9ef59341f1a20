"""Compile the dearest kernels in two processes, before tests that share them start: `python -m tests.warm`.

They are a third of what a cold cache costs, and the first test of every worker would ask for them. Any other kernel is
compiled by the test that asks first, within a second or two.
"""

from tercel.api import display  # noqa: F401 - shows how far it is
from tercel.core.ahead import compile_ahead
from tercel.execution.step import kernels_for
from tercel.market.simulator import kernel_requests, second_figures
from tercel.market.simulator.event_loop import COMPILED_APART


def main() -> None:
    """Compile what every market needs, what each model does, and what few of Python's requests reach."""
    here, beside = (
        [kernel for model in COMPILED_APART for kernel in kernels_for(model)[part]]
        for part in range(2)
    )
    requests = [kernel_requests._run_free, kernel_requests._pass_time, second_figures.run_seconds]
    compile_ahead(list(dict.fromkeys([*here, *requests])), list(dict.fromkeys(beside)))


if __name__ == "__main__":
    main()
