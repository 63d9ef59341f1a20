"""Archives of somebody's own model that are trusted: opened for `agent convert`, and to be judged."""

from pathlib import Path

from tercel.execution.policies.mlp import MlpPolicy
from tercel.execution.policies.onnx_file import OnnxPolicy
from tercel.lab.learning.own_models import save_model

CONVERTED = "converted"
"""Folder of archives that were opened to be judged."""


def unzipped(model: Path, moments: Path | None, actions: str) -> MlpPolicy | OnnxPolicy:
    """What lies in an archive that is trusted."""
    from tercel.lab.learning.sb3.export import policy_of, trained, unpickled

    found, normalised = unpickled(model, moments)
    return policy_of(trained(found, actions == "allocation", normalised))


def opened(archive: str, out: Path) -> str:
    """The policy folder of a trusted archive of the ordinary actions and observation, beside what is judged."""
    folder = out / CONVERTED / Path(archive).stem
    save_model(
        unzipped(Path(archive), None, "placement"),
        folder,
        Path(archive).stem,
        {"actions": "placement", "action_parameters": {}, "observation": "v1", "stack": 1},
    )
    return str(folder)
