"""Where a driver starts: the market of an episode as its order arrives."""

import numpy as np
from numpy.typing import NDArray

from tercel.execution import arrive, warm_up
from tercel.lab.evaluation import Episodes, Plan


def at_arrival(
    episodes: Episodes, plan: Plan, number: int = 0
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Book and state of the plan's episode `number` after its warm-up, before anything is observed.

    Returns
    -------
    book : int32[...], state : int64[...]
        For `execution.driver.Driver`. Rows recorded from here on begin at ``state[RECORD]``.
    """
    book, state = np.zeros_like(episodes.books[0]), np.zeros_like(episodes.states[0])
    source = episodes.source
    episode = plan.rows[number]
    warm_up(book, state, source.flow, source.tape, source.worlds_b, episodes._worlds, episode)
    arrive(book, state, source.flow, episode)
    return book, state
