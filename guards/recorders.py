"""The guards: what each runs, and what it keeps of it."""

import platform
from collections.abc import Callable
from contextlib import chdir
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from guards.compare import Record
from guards.figures import Leaf, Leaves, leaves
from guards.files import left_in
from guards.journal import columns, events_in
from guards.options import options
from guards.program import ROOT, tercel
from guards.shapes import shapes

LIBRARIES: Final = ("numpy", "numba", "llvmlite", "scipy", "onnx")
ALIKE: Final = ("*.cluster", "*.side", "*.arrival_mid2", "*.rows")
"""Arrays that are the same for all who are judged on the same episodes: their hash suffices."""


def _run() -> Leaves:
    tercel("run", "--quick", "--seed", "1", "--out", "run")
    skip = [f"policies/*/{one}" for one in ("checkpoint/*", "last/*", "seconds")]
    skip += [
        "cells/*",
        *(
            f"result.json/{one}*"
            for one in ("claims", "by_", "paired/", "paired_by", "power", "wins", "ratios")
        ),
    ]
    return left_in(Path("run"), skip, ALIKE)


def _evaluate() -> Leaves:
    tercel("agent", "evaluate", "default", "--episodes", "64", "--out", "evaluation")
    chosen_on = "cells/*-validation-costs/*"
    skip = [chosen_on + one for one in ("_grid", ".cluster", ".side", ".arrival_mid2")]
    return left_in(Path("evaluation"), skip, hashed=(chosen_on, *ALIKE))


def _journal() -> Leaves:
    result = tercel("trade", "run", "--demo", "--rounds", "6", "--desk", "desk")
    parents = columns("result/parents", result.pop("parents"))
    return dict(leaves({"result": result})) | parents | events_in(Path("desk/journal.db"))


@dataclass(frozen=True)
class Guard:
    """What is recorded, how it is found, and keys that come out of training."""

    what: str
    found: Callable[[], Leaves]
    trained: tuple[str, ...] = ()


GUARDS: Final = {
    "options": Guard("every option of every command", options),
    "shapes": Guard("keys and types of the object of every command that is cheap", shapes),
    "journal": Guard("the journal of `tercel trade run --demo --rounds 6`", _journal),
    "run": Guard(
        "what `tercel run --quick --seed 1` leaves", _run, ("*trained*", "result.json/notes")
    ),
    "evaluate": Guard("what `tercel agent evaluate default --episodes 64` leaves", _evaluate),
}


def found_by(name: str) -> Record:
    """What a guard finds now, in an empty folder that is gone afterwards."""
    with TemporaryDirectory() as folder, chdir(folder):
        found = GUARDS[name].found()
        here = (str(Path(folder).resolve()), folder)
    return Record(
        {key: _apart_from((*here, str(ROOT)), leaf) for key, leaf in found.items()}, machine()
    )


def _apart_from(here: tuple[str, ...], leaf: Leaf) -> Leaf:
    """A value without the folder in which it was found, and without that of the clone."""
    if isinstance(leaf, list):
        return [_apart_from(here, one) for one in leaf]
    if isinstance(leaf, str):
        for folder in here:
            leaf = leaf.replace(folder, "FOLDER")
    return leaf


def machine() -> dict[str, str]:
    """What the last digits of floating point depend on."""
    file = Path("/proc/cpuinfo")
    told = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    about = [line for line in told if line.startswith(("model name", "flags"))][:2]
    name = about[0].split(":")[1].strip() if about else platform.processor()
    return {
        "processor": f"{name} {sha256(''.join(about).encode()).hexdigest()[:8]}",
        "libc": " ".join(platform.libc_ver()),
        **{library: version(library) for library in LIBRARIES},
    }
