"""Archives of Stable-Baselines3: what is in one is unpickled and may run anything. Whoever calls this trusts it."""

import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

from tercel.core.errors import PolicyError
from tercel.learning.sb3.env import require
from tercel.learning.sb3.settings import ALGORITHMS, algorithm_class

_MODULES = {
    "sb3_contrib.common.recurrent": "recurrent_ppo",
    "sb3_contrib.common.maskable": "maskable_ppo",
    "sb3_contrib.qrdqn": "qrdqn",
    "stable_baselines3.dqn": "dqn",
    "stable_baselines3.common.policies": "ppo",
}
"""Where the class of a model's policy is written -> the algorithm."""


def algorithm_of(path: Path) -> str:
    """The algorithm whose model lies in an archive, read off its text; nothing is unpickled.

    Raises
    ------
    PolicyError
        No archive of a model, or of an algorithm that is not known here.
    """
    remedy = "name what model.save(...) wrote, of one of these algorithms"
    try:
        with zipfile.ZipFile(path) as archive:
            told = json.loads(archive.read("data"))
        module = str(told["policy_class"]["__module__"])
    except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise PolicyError("an archive of a Stable-Baselines3 model", f"{path}: {error}", remedy) from error
    found = next((name for start, name in _MODULES.items() if module.startswith(start)), "")
    if not found:
        raise PolicyError(f"a model of {', '.join(ALGORITHMS)}", f"{path} with a policy of {module}", remedy)
    return found


def unpickled(path: Path, moments: Path | None = None) -> tuple[Any, Any]:
    """The model in an archive, and the `VecNormalize` that was saved beside it.

    Parameters
    ----------
    path : Path
        What ``model.save`` wrote.
    moments : Path, optional
        What ``VecNormalize.save`` wrote.

    Raises
    ------
    ConfigError, PolicyError
        Stable-Baselines3 is not installed; files that are something else.
    """
    require()
    name = algorithm_of(path)
    require(ALGORITHMS[name][0].partition(".")[0])
    try:
        model = algorithm_class(name).load(path, device="cpu")
        normalised = None if moments is None else pickle.loads(moments.read_bytes())
    except Exception as error:  # what is in a pickle raises what it likes
        remedy = "save it again with the versions that are installed here"
        raise PolicyError("a model that can be read", f"{path}: {error}"[:400], remedy) from error
    if moments is not None and not hasattr(normalised, "obs_rms"):
        raise PolicyError("what VecNormalize.save wrote", f"{moments}: {type(normalised).__name__}", "name that file")
    return model, normalised
