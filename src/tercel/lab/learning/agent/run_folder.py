"""The folder of a training run: its configuration, its result file, and checks before a run continues."""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final

import msgspec

from tercel.core.errors import ConfigError, refuse_if
from tercel.core.files import write_atomic
from tercel.core.fingerprint import fingerprint
from tercel.core.records import Record
from tercel.execution.policies.folder import CARD
from tercel.execution.policies.training_outcome import Confirmation, ValidationCheck
from tercel.lab.evaluation.training_files import VALIDATION_FILE
from tercel.lab.learning.agent.config import AgentConfig, parse
from tercel.lab.learning.agent.policy_parts import functions_of
from tercel.lab.learning.port import Metrics
from tercel.market.flow import registry as presets
from tercel.market.tape import Lake

CONFIG_FILE: Final = "config.json"
# Key in `config.json` of the fingerprints of the configuration's inputs.
MADE_OF: Final = "made_of"
RESULT: Final = "run.json"
# Folder of the best policy by validation.
POLICY: Final = "policy"
CHECKS: Final = VALIDATION_FILE
# Columns of `validation.csv` without which a run cannot continue.
CHECK_COLUMNS: Final = ("frames", "merit", "is_bps", "rule_bps", "gain", "se")
LAST: Final = "last"
UPDATES_A_CHECKPOINT: Final = 10


@dataclass(frozen=True, kw_only=True)
class TrainingResult(Record):
    """Result of a training, the content of `run.json`.

    `confirmation` holds the selected policy against the start, where the training began with the best strategy.
    `best`, `start` and `best_checkpoint` are rows of `validation.csv`: of the selected policy, of the policy before
    learning and of the best checkpoint; `looks` counts those rows, `variants` the recipes tried with them.
    """

    optional = ("start", "best_checkpoint", "confirmation")

    name: str
    seed: int
    done: bool
    frames: int
    policy: str
    best: Metrics
    start: Metrics | None = None
    best_checkpoint: Metrics | None = None
    confirmation: Confirmation | None = None
    rule: str
    looks: int
    variants: int
    trained_on: dict[str, Any]
    version: str

    def look(self, name: str) -> ValidationCheck | None:
        """The validation check named `best`, `start` or `best_checkpoint`; None if there was none."""
        row = getattr(self, name)
        return msgspec.convert(row, ValidationCheck) if row else None


def _run_record(config: AgentConfig, seed: int) -> dict[str, Any]:
    """Configuration and seed as a run folder stores them."""
    return {"seed": seed, **config.model_dump(mode="json"), MADE_OF: input_marks(config)}


def input_marks(config: AgentConfig) -> dict[str, Any]:
    """Fingerprints of a configuration's inputs: presets, user functions, days of the lake.

    Functions are marked by their compiled code, which another version of Python does not share.
    """
    marks = dict[str, Any]()
    if config.on_tape:
        marks["days"] = list(Lake(config.market.lake).days(config.market.symbol))
    else:
        marks["presets"] = {name: presets.load(name).fingerprint for name in config.market.presets}
    if config.own_code:
        marks["python"] = f"{sys.version_info.major}.{sys.version_info.minor}"
        marks["functions"] = {
            name: fingerprint(function) for name, function in functions_of(config).items()
        }
    return marks


def differences(
    before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = ""
) -> Iterator[str]:
    """Sentences on the differences between two stored configurations.

    >>> list(differences({"task": {"share": 0.1, "side": 0}}, {"task": {"share": 0.2, "side": 0}}))
    ['task.share 0.1 there, 0.2 here']
    """
    for key in dict.fromkeys([*before, *now]):
        old_value = before.get(key)
        new_value = now.get(key)
        name = f"{prefix}{key}"
        if isinstance(old_value, Mapping) and isinstance(new_value, Mapping):
            yield from differences(old_value, new_value, f"{name}.")
        elif old_value != new_value:
            yield f"{name} {_format_value(old_value)} there, {_format_value(new_value)} here"


def _format_value(value: Any) -> str:
    """Text of a configuration value, at most 80 characters."""
    return "not given" if value is None else f"{value!r:.80}"


def changed_since(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Sentences on the differences between the inputs at the start of a run and now."""
    for kind, label in (("presets", "market"), ("functions", "function")):
        if kind == "functions" and before.get("python") != now.get("python"):
            continue
        for name, mark in before.get(kind, {}).items():
            if now.get(kind, {}).get(name, mark) != mark:
                yield f"the {label} {name} was another then"
    if before.get("days", now.get("days")) != now.get("days"):
        yield f"the lake held {len(before['days'])} days then, {len(now['days'])} now"


def refuse_other_training(folder: Path, config: AgentConfig, seed: int) -> None:
    """Raise unless a run folder is new or holds the same training, which then continues.

    Raises
    ------
    ConfigError, UnknownNameError
        With the first difference.
    """
    path = folder / CONFIG_FILE
    now = json.loads(json.dumps(_run_record(config, seed)))
    if not path.exists():
        return
    try:
        before: dict[str, Any] = dict(json.loads(path.read_text()))
    except ValueError as error:
        raise ConfigError(
            "a training's configuration", f"{path}: {error}", "name another folder (`out=`)"
        ) from None
    marks_before = before.pop(MADE_OF, {})
    marks_now = now.pop(MADE_OF)
    difference = next(chain(differences(before, now), changed_since(marks_before, marks_now)), None)
    if difference is not None:
        remedy = f"name another folder (`out=`), or go on with it as it was: tercel agent train `resume={folder}`"
        remedy += " `trust=True`" if marks_before.get("functions") else ""
        raise ConfigError(
            "a new run folder, or one of this very training",
            f"{folder} holds another: {difference}",
            remedy,
        )


def claim_folder(folder: Path, config: AgentConfig, seed: int) -> None:
    """Write the configuration and its input fingerprints into an existing run folder; ConfigError if it holds another
    training.

    Raises
    ------
    ConfigError
        It is that of another training.
    """
    refuse_other_training(folder, config, seed)
    write_atomic(folder / CONFIG_FILE, json.dumps(_run_record(config, seed), indent=1) + "\n")


def read_run(
    folder: Path, *, trust: bool = False, seed: int | None = None
) -> tuple[AgentConfig, Path, int]:
    """Configuration, folder and seed of a run; ConfigError if it is damaged, if `seed` is given and differs, or without
    `trust` if it names functions.

    Raises
    ------
    ConfigError
        No run, one that is damaged or of another seed, or without `trust` one that names functions: nothing that a
        folder names is run (`refuse_changed` looks at its inputs).
    """
    path = folder / CONFIG_FILE
    try:
        raw: dict[str, Any] = json.loads(path.read_text())
        raw.pop(MADE_OF, None)
        raw.pop("sweep", None)  # a section that was removed; a training never read it
        stored_seed = int(raw.pop("seed"))
    except OSError as error:
        raise ConfigError(
            "the folder of a training", f"{path}: {error.strerror}", "name one that was begun"
        ) from None
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ConfigError(
            "a training's configuration", f"{path}: {error}", "start it again elsewhere"
        ) from None
    refuse_if(
        seed is not None and seed != stored_seed,
        f"the seed of {folder}, which is {stored_seed}",
        f"seed {seed}",
        f"leave `seed=` out, or train seed {seed} in another folder",
    )
    config = parse(raw, str(path))
    refuse_if(
        config.own_code and not trust,
        "a word that the functions of the run may run",
        f"{path} names {' and '.join(config.own_code)}, and nothing that a folder names is run",
        f"if it is yours: tercel agent train `resume={folder}` `trust=True`",
    )
    return config, folder, stored_seed


def refuse_changed(folder: Path, config: AgentConfig) -> None:
    """Refuse to continue a run whose markets, days or functions have changed since its start.

    Raises
    ------
    ConfigError
    """
    before = json.loads((folder / CONFIG_FILE).read_text()).get(MADE_OF, {})
    change = next(changed_since(before, input_marks(config)), None)
    refuse_if(
        change is not None,
        f"what {folder} was begun with",
        f"another now: {change}",
        "put back what it was, or train in another folder",
    )


def is_done(folder: Path) -> bool:
    """Whether the training in a folder is finished and its policy saved; False if the result cannot be read."""
    try:
        return (
            msgspec.convert(json.loads((folder / RESULT).read_text()), TrainingResult).done
            and (folder / POLICY / CARD).is_file()
        )
    except (OSError, ValueError):
        return False
