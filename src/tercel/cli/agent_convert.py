"""`tercel agent export` and `convert`: a policy to ONNX, and a model of one's own to a policy folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tercel.cli.options import AsJson, Policy, Registry, Seed
from tercel.cli.output import hand_over, say
from tercel.core.errors import ConfigError, refuse_if

if TYPE_CHECKING:
    from tercel.execution.policies.export import ExportCheck


def export(
    policy: Policy,
    out: Annotated[
        Path, typer.Option(help="Folder, or .zip file, to write.", metavar="FOLDER|FILE.zip")
    ],
    format_: Annotated[str, typer.Option("--format", help="onnx.", metavar="FORMAT")] = "onnx",
    replace: Annotated[bool, typer.Option("--replace", help="Overwrite existing files.")] = False,
    registry: Registry = "",
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Write a policy as ONNX with its card, and check the file by running it."""
    refuse_if(format_ != "onnx", "a format: onnx", f"--format {format_}", "leave it out")
    refuse_if(
        out.exists() and not replace,
        "a place where nothing is yet",
        f"--out {out}",
        "name another, or add --replace",
    )
    if out.exists() and out.is_dir() == (out.suffix == ".zip"):
        existing, wanted = (
            ("a file", "a folder") if out.suffix != ".zip" else ("a folder", "an archive")
        )
        raise ConfigError(
            f"a place for {wanted}",
            f"--out {out}, which is {existing}",
            "name another; one that ends in .zip is an archive, any other a folder",
        )
    from tercel.execution.policies.export import export_policy
    from tercel.execution.policies.folder import CARD
    from tercel.execution.registry import resolve_policy

    refuse_if(
        out.is_dir() and any(out.iterdir()) and not (out / CARD).is_file(),
        "an empty folder or that of a policy",
        f"--out {out}",
        "name another: this would be emptied",
    )
    check = export_policy(resolve_policy(policy, registry), out, seed)
    result = {"policy": policy, "out": str(out), "format": format_} | check.json_fields()
    text = f"written  {out}: {', '.join(check.files)}\n{_export_text(check)}"
    hand_over(result, as_json, lambda: say(text))


def _export_text(check: "ExportCheck") -> str:
    """Text on the check of an export by the native loader and by ONNX Runtime, with their differences."""
    rows = f"checked on {check.rows} random observations: the native loader gives the same bytes"
    if check.onnxruntime_difference is None:
        return f"{rows}; ONNX Runtime is not installed (pip install 'tercel[learn]')"
    share = (
        ""
        if check.same_action_share is None
        else f" ({100 * check.same_action_share:.4g} % the same action)"
    )
    return f"{rows}, ONNX Runtime the same to {check.onnxruntime_difference:.1e}{share}"


def convert(
    model: Annotated[
        Path,
        typer.Argument(
            help="An ONNX file, or the .zip of a Stable-Baselines3 model.", metavar="MODEL"
        ),
    ],
    folder: Annotated[Path, typer.Argument(help="Policy folder to write.", metavar="FOLDER")],
    trust: Annotated[
        bool,
        typer.Option("--trust", help="Unpickle the .zip, which may run any code in it."),
    ] = False,
    moments: Annotated[
        Path | None,
        typer.Option(
            help="File of VecNormalize.save, if the model was trained with it; unpickled too.",
            metavar="FILE",
        ),
    ] = None,
    name: Annotated[
        str, typer.Option(help="On its card; the folder's if not given.", metavar="NAME")
    ] = "",
    actions: Annotated[
        str, typer.Option(help="Name of its set of actions.", metavar="SET")
    ] = "placement",
    observation: Annotated[
        str,
        typer.Option(
            help="Its observation: v3, v2, or your own function, module:name.", metavar="WHAT"
        ),
    ] = "v3",
    as_json: AsJson = False,
) -> None:
    """Convert your own model to a policy folder, which runs no code when it is read."""
    from tercel.execution.observation import is_user_name
    from tercel.execution.registry import resolve_policy
    from tercel.execution.registry.resolve import ARCHIVE
    from tercel.execution.user_strategy import import_object
    from tercel.lab.learning.own_models import save_model
    from tercel.lab.learning.sb3.archive import unpickle_model

    observation_source = (
        import_object(observation, "observation") if is_user_name(observation) else observation
    )
    interface: dict[str, Any] = {
        "actions": actions,
        "action_parameters": None,
        "observation": observation_source,
        "stack": None,
    }
    model_and_moments: tuple[Any, Any] = model, None
    if model.suffix == ARCHIVE:
        if not trust:
            resolve_policy(str(model))  # refuses
        model_and_moments = unpickle_model(model, moments)
    strategy = save_model(
        model_and_moments[0], folder, name, interface, normalize=model_and_moments[1]
    )
    network = type(strategy.policy).__name__

    def show() -> None:
        """Print where the policy was written."""
        say(
            f"written  {folder}: {strategy.name}, {network}, actions {actions}, observes {observation}"
        )
        say(f"judge it with `tercel agent evaluate {folder}`")

    result = {"model": str(model), "folder": str(folder), "name": strategy.name, "network": network}
    hand_over(result, as_json, show)
