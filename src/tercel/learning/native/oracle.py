"""The oracle's own learning: PPO in an environment that shows the future, and a policy that stays inside."""

from typing import NoReturn

from tercel.learning.native.ppo import Ppo
from tercel.learning.port import LearningError


class Oracle(Ppo):
    """:class:`~tercel.learning.native.ppo.Ppo` in a :class:`~tercel.learning.privileged.PrivilegedVec`.

    Its state teaches (:meth:`tercel.learning.native.distil.Teacher.restore`); a policy it does not give.
    """

    name = "oracle"

    def policy(self) -> NoReturn:
        """Refused.

        Raises
        ------
        LearningError
            Always: nobody who trades sees the future.
        """
        raise LearningError(
            "a policy that observes what can be known",
            "an oracle's, which sees the future of its training episodes",
            "teach a policy with it: [oracle] in `tercel agent train`",
        )
