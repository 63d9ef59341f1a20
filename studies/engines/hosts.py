"""Other engines, each in an environment of its own that `make hosts` makes: their interpreters, and jobs for them."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tercel.core import ConfigError, refuse_if

MADE: Final = Path(__file__).parents[2] / ".venv-hosts"
"""Where `make hosts` puts environments, a folder a host."""
Job = Mapping[str, Any]


def interpreter(host: str, folder: Path | None = None) -> Path:
    """The interpreter of a host's environment, in `folder` or where `make hosts` puts it.

    Raises
    ------
    ConfigError
        There is none.
    """
    python = (folder or MADE) / host / "bin" / "python"
    refuse_if(
        not python.is_file(),
        f"an environment of {host}",
        f"no {python}",
        "make it with `make hosts`, or name the folder of another with --hosts",
    )
    return python


def do_jobs(python: Path, module: str, jobs: Sequence[Job], folder: Path) -> None:
    """Have a host do jobs, a JSON list in `folder`, one after another (``python -m MODULE FILE``).

    Raises
    ------
    ConfigError
        It ends with an error, whose last line is shown.
    """
    file = folder / "jobs.json"
    file.write_text(json.dumps(list(jobs), default=str), encoding="utf-8")
    done = subprocess.run(
        [python, "-I", "-m", module, file], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        last = done.stderr.strip().rpartition("\n")[2]
        raise ConfigError(
            f"{module} to do {len(jobs)} jobs", last, "renew its environment with `make hosts`"
        )
