"""The mean of a policy's weights over the last part of a training.

Near the end of a training the weights walk about where the objective is flat, pushed by the noise of single batches;
their mean lies nearer to the middle of that place than any one of them (Polyak and Juditsky 1992; Izmailov et al. 2018,
"Averaging weights leads to wider optima and better generalization").
"""

from dataclasses import replace
from typing import Any

import numpy as np

from tercel.core.arrays import Floats
from tercel.execution.policies.mlp import MlpPolicy
from tercel.learning.port import State


class Average:
    """Sums of the layers of policies of one shape.

    >>> one = MlpPolicy(((np.eye(2, dtype=np.float32), np.ones(2, np.float32)),), np.zeros(2), np.ones(2))
    >>> two = MlpPolicy(((3 * np.eye(2, dtype=np.float32), np.zeros(2, np.float32)),), np.zeros(2), np.ones(2))
    >>> average = Average()
    >>> average.add(one), average.add(two)
    (None, None)
    >>> average.policy(two).layers[0][0].diagonal().tolist(), average.policy(two).layers[0][1].tolist()
    ([2.0, 2.0], [0.5, 0.5])
    """

    def __init__(self) -> None:
        self.count = 0
        self._sums: list[Floats] = []

    def add(self, policy: MlpPolicy) -> None:
        """Take one policy in."""
        parts = [part for layer in policy.layers for part in layer]
        if not self._sums:
            self._sums = [np.zeros(part.shape) for part in parts]
        for number, part in enumerate(parts):
            self._sums[number] += part
        self.count += 1

    def policy(self, latest: MlpPolicy) -> MlpPolicy:
        """The mean of those taken in, with the normalisation of the latest."""
        means = [(total / self.count).astype(np.float32) for total in self._sums]
        return replace(latest, layers=tuple(zip(means[::2], means[1::2], strict=True)))

    def state(self) -> State:
        """What a resume needs."""
        return {"count": self.count, "sums": [total.copy() for total in self._sums]}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.count = int(state["count"])
        self._sums = [np.array(total, np.float64) for total in state["sums"]]
