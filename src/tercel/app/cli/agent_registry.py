"""`tercel agent list|show|export|convert|register|promote|explain`."""

from pathlib import Path
from typing import Annotated

import typer

from tercel.app.cli.shared import AsJson, Eyes, Seed, told

Policy = Annotated[
    str,
    typer.Argument(
        help="A policy's folder, a run's, a packaged policy, or NAME@VERSION (also @champion, @challenger, @latest).",
        metavar="POLICY",
    ),
]
Where = Annotated[
    str,
    typer.Option(
        "--registry",
        help="Registry: a folder, or mlflow+http://HOST:PORT. Default: TERCEL_REGISTRY, else runs/registry.",
        metavar="DIR|URL",
    ),
]
RUNS = Path("runs") / "agents"


def add_to(app: typer.Typer) -> None:
    """Hang the commands under `tercel agent`."""
    app.command("list")(list_policies)
    app.command("show")(show_policy)
    app.command("export")(export_policy)
    app.command("convert")(convert_model)
    app.command("register")(register_policy)
    app.command("promote")(promote_policy)
    app.command("explain")(explain_policy)


def list_policies(
    registry: Where = "",
    runs: Annotated[Path, typer.Option(help="Folder of the training runs.", metavar="DIR")] = RUNS,
    as_json: AsJson = False,
) -> None:
    """List what there is: packaged policies, the registry, training runs."""
    with told(as_json):
        from tercel.app.commands import agent_list

        agent_list.run(registry, runs, as_json)


def show_policy(policy: Policy, registry: Where = "", as_json: AsJson = False) -> None:
    """Show a policy's card: what it sees and does, where it comes from, how good it was, what it is not for."""
    with told(as_json):
        from tercel.app.commands import agent_show

        agent_show.run(policy, registry, as_json)


def export_policy(
    policy: Policy,
    out: Annotated[Path, typer.Option(help="Folder, or .zip file, to write.", metavar="FOLDER|FILE.zip")],
    format_: Annotated[str, typer.Option("--format", help="onnx.", metavar="FORMAT")] = "onnx",
    replace: Annotated[bool, typer.Option("--replace", help="Replace what is there.")] = False,
    registry: Where = "",
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Write a policy as ONNX with its card, and check what was written by running it."""
    with told(as_json):
        from tercel.app.commands import agent_export

        agent_export.run(policy, out, format_=format_, replace=replace, registry=registry, seed=seed, as_json=as_json)


def convert_model(
    model: Annotated[
        Path, typer.Argument(help="An ONNX file, or the .zip of a Stable-Baselines3 model.", metavar="MODEL")
    ],
    folder: Annotated[Path, typer.Argument(help="Policy folder to write.", metavar="FOLDER")],
    trust: Annotated[
        bool, typer.Option("--trust", help="Unpickle the .zip, which may run anything that is in it.")
    ] = False,
    moments: Annotated[
        Path | None,
        typer.Option(help="What VecNormalize.save wrote, if it was trained under one; unpickled too.", metavar="FILE"),
    ] = None,
    name: Annotated[str, typer.Option(help="On its card; the folder's if not given.", metavar="NAME")] = "",
    actions: Annotated[str, typer.Option(help="What its actions mean.", metavar="SET")] = "placement",
    observation: Annotated[
        str, typer.Option(help="What it observes: v1, v2, or a function of yours, module:name.", metavar="WHAT")
    ] = "v1",
    as_json: AsJson = False,
) -> None:
    """Make a policy folder of your own model, once: nothing in it runs code when it is read."""
    with told(as_json):
        from tercel.app.commands import agent_convert

        agent_convert.run(
            model, folder, trust=trust, moments=moments, name=name, actions=actions, observation=observation,
            as_json=as_json,
        )  # fmt: skip


def register_policy(
    policy: Policy,
    name: Annotated[str, typer.Option(help="Name to register it under.", metavar="NAME")],
    note: Annotated[str, typer.Option(help="A line for those who read the registry.", metavar="TEXT")] = "",
    registry: Where = "",
    as_json: AsJson = False,
) -> None:
    """Keep a policy in the registry as the next version of a name."""
    with told(as_json):
        from tercel.app.commands import agent_register

        agent_register.run(policy, name, note, registry, as_json)


def promote_policy(
    version: Annotated[str, typer.Argument(help="A registered version.", metavar="NAME@VERSION")],
    to: Annotated[str, typer.Option(help="champion or challenger.", metavar="ALIAS")],
    evidence: Annotated[
        Path | None, typer.Option(help="JSON of an evaluation of it: its paired gain must be above 0.", metavar="FILE")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why, where there is no evidence.", metavar="TEXT")] = "",
    registry: Where = "",
    as_json: AsJson = False,
) -> None:
    """Make a registered version champion or challenger, on evidence or for a reason that is kept."""
    with told(as_json):
        from tercel.app.commands import agent_promote

        agent_promote.run(version, to, evidence, reason, registry, as_json)


def explain_policy(
    policy: Policy,
    market: Annotated[str, typer.Option(help="Market to look at it in. Default: that of its card.")] = "",
    episodes: Annotated[int, typer.Option(help="Episodes to look at.", min=16, max=100_000)] = 256,
    out: Annotated[Path | None, typer.Option(help="Folder for the report.", metavar="DIR")] = None,
    seed: Seed = 1,
    observation: Eyes = None,
    registry: Where = "",
    as_json: AsJson = False,
) -> None:
    """Explain a policy: which features move what it does and what it costs, and some episodes step by step."""
    with told(as_json):
        from tercel.app.commands import agent_explain

        agent_explain.run(
            policy, market=market, episodes=episodes, out=out, seed=seed, observations=observation or (),
            registry=registry, as_json=as_json,
        )  # fmt: skip
