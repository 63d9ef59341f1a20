"""Saved Stable-Baselines3 models: the algorithm that an archive holds, and the model unpickled from it.

Unpickling an archive may run any code: a caller that reads one here trusts it.
"""

import pickle
import zipfile
from pathlib import Path
from typing import Any

from tercel.core.bounded_parsing import parse_json
from tercel.core.errors import PolicyError, refuse_if
from tercel.lab.learning.sb3.settings import ALGORITHMS, algorithm_class, require_module

# Algorithm by the module of a model's policy class.
_MODULES = {
    "sb3_contrib.common.recurrent": "recurrent_ppo",
    "sb3_contrib.common.maskable": "maskable_ppo",
    "sb3_contrib.qrdqn": "qrdqn",
    "stable_baselines3.dqn": "dqn",
    "stable_baselines3.common.policies": "ppo",
}


def algorithm_of(path: Path) -> str:
    """Algorithm of a saved model, read from the archive's text without unpickling.

    Raises
    ------
    PolicyError
        No archive of a model, or of an algorithm that is not known here.
    """
    remedy = "name what model.save(...) wrote, of one of these algorithms"
    try:
        with zipfile.ZipFile(path) as archive:
            content = parse_json(archive.read("data"))
        module = str(content["policy_class"]["__module__"])
    except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise PolicyError(
            "an archive of a Stable-Baselines3 model", f"{path}: {error}", remedy
        ) from error
    algorithm = next((name for start, name in _MODULES.items() if module.startswith(start)), "")
    refuse_if(
        not algorithm,
        f"a model of {', '.join(ALGORITHMS)}",
        f"{path} with a policy of {module}",
        remedy,
        PolicyError,
    )
    return algorithm


def unpickle_model(path: Path, moments: Path | None = None) -> tuple[Any, Any]:
    """Model unpickled from an archive, and the `VecNormalize` saved beside it (None without).

    Parameters
    ----------
    path : Path
        Archive of ``model.save``.
    moments : Path, optional
        File of ``VecNormalize.save``.

    Raises
    ------
    ConfigError, PolicyError
        Stable-Baselines3 is not installed; files that are something else.
    """
    require_module()
    name = algorithm_of(path)
    require_module(ALGORITHMS[name][0].partition(".")[0])
    try:
        model = algorithm_class(name).load(path, device="cpu")
        normalised = None if moments is None else pickle.loads(moments.read_bytes())
    except Exception as error:  # code in a pickle may raise anything
        raise PolicyError(
            "a model that can be read",
            f"{path}: {error}"[:400],
            "save it again with the versions that are installed here",
        ) from error
    refuse_if(
        moments is not None and "norm_obs" not in getattr(normalised, "__dict__", {}),
        "what VecNormalize.save wrote",
        f"{moments}: {type(normalised).__name__}",
        "name that file",
        PolicyError,
    )
    return model, normalised
