"""Body of `tercel agent convert`: a policy folder of somebody's own model."""

from pathlib import Path
from typing import Any

from tercel.app.output import print_json, say
from tercel.execution.observers import is_own_name
from tercel.execution.own import located
from tercel.execution.policies.mlp import MlpPolicy
from tercel.execution.policies.onnx_file import OnnxPolicy
from tercel.execution.registry import resolve_policy
from tercel.execution.registry.resolve import ARCHIVE
from tercel.learning.own_models import kept

CONVERTED = "converted"
"""Folder of archives that were opened to be judged."""


def run(
    model: Path,
    folder: Path,
    *,
    trust: bool,
    moments: Path | None,
    name: str,
    actions: str,
    observation: str,
    as_json: bool,
) -> None:
    """Read the model, check it on what it is to observe, write the folder.

    Raises
    ------
    PolicyError
        An archive without `trust`, or what is no model.
    ConfigError
        A folder that holds other files.
    """
    watched = located(observation, "observation") if is_own_name(observation) else observation
    told: dict[str, Any] = {"actions": actions, "action_parameters": {}, "observation": watched, "stack": 1}
    given: Any = model
    if model.suffix == ARCHIVE:
        if not trust:
            resolve_policy(str(model))  # refuses
        given = unzipped(model, moments, actions)
    strategy = kept(given, folder, name, told)
    network = type(strategy.policy).__name__
    if as_json:
        print_json({"model": str(model), "folder": str(folder), "name": strategy.name, "network": network})
        return
    say(f"written  {folder}: {strategy.name}, {network}, actions {actions}, observes {observation}")
    say(f"judge it with `tercel agent evaluate {folder}`")


def unzipped(model: Path, moments: Path | None, actions: str) -> MlpPolicy | OnnxPolicy:
    """What lies in an archive that is trusted."""
    from tercel.learning.sb3.archive import unpickled
    from tercel.learning.sb3.export import policy_of, trained

    found, normalised = unpickled(model, moments)
    return policy_of(trained(found, actions == "allocation", normalised))


def opened(archive: str, out: Path) -> str:
    """The policy folder of a trusted archive of the ordinary actions and observation, beside what is judged."""
    folder = out / CONVERTED / Path(archive).stem
    kept(
        unzipped(Path(archive), None, "placement"), folder, Path(archive).stem,
        {"actions": "placement", "action_parameters": {}, "observation": "v1", "stack": 1},
    )  # fmt: skip
    return str(folder)
