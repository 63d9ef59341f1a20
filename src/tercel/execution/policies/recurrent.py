"""Policies with a memory: networks whose state goes in with one observation and comes out for the next."""

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import Bools, Float32
from tercel.execution.policies.mlp import Head
from tercel.execution.policies.onnx_file import OnnxPolicy


class RecurrentPolicy(OnnxPolicy):
    """An ONNX network with inputs ``observation`` [n, D], ``h`` and ``c`` [n, H], and as many outputs.

    :meth:`proceed` goes on from decision to decision of a batch that stays together, as judging has it; one object
    remembers one batch. `logits` and `act` answer without a memory and leave it alone.
    """

    def __init__(self, data: bytes, head: Head = "logits") -> None:
        super().__init__(data, head)
        self.width = int(self.session.get_inputs()[1].shape[-1])
        self._h = self._c = np.zeros((0, self.width), np.float32)

    def advance(self, obs: Float32, h: Float32, c: Float32) -> tuple[Float32, Float32, Float32]:
        """The head's values float32[n, A], and the memory for the next decision, float32[n, H] twice."""
        entries = {"observation": np.asarray(obs, np.float32), "h": h, "c": c}
        values, h, c = self.session.run(None, entries)
        return np.ascontiguousarray(values, np.float32), h, c

    def logits(self, obs: Float32) -> Float32:
        """The head's values for raw observations float32[n, D], as at the start of an episode."""
        empty = np.zeros((len(obs), self.width), np.float32)
        return self.checked(self.advance(obs, empty, empty)[0])

    def proceed(self, obs: Float32, starts: Bools) -> NDArray[np.generic]:
        """Greedy actions of the batch's next decision; rows whose episode starts here remember nothing.

        Another number of rows than before is another batch.
        """
        if len(self._h) != len(obs):
            self._h = self._c = np.zeros((len(obs), self.width), np.float32)
        keep = ~starts[:, None]
        values, self._h, self._c = self.advance(obs, self._h * keep, self._c * keep)
        return self.greedy(self.checked(values))
