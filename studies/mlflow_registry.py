"""A registry of policies on an MLflow server, or in its SQLite file or folder (extra ``[mlflow]``).

Wants the Model Registry with aliases: MLflow 2.9 and on.

Names are registered models, numbers their versions, champion and challenger their aliases, so that other tools of the
house see the same. A version's files are artifacts of a run of its own; they are fetched once into Tercel's cache, and
checked against the hash in the version's tags each time.
"""

import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

from tercel.core import PolicyError, cache_root, import_optional
from tercel.execution.policies import load_policy
from tercel.execution.registry import Promotion, RegistryEntry, Version, check_alias, check_name

EXPERIMENT: Final = "tercel-policies"
FILES: Final = "policy"
# Of the tags that are ours; versions without them were put there by something else and are left alone.
PREFIX: Final = "tercel."


# Defaults of variables that MLflow reads.
IN_THE_ENVIRONMENT: Final = {
    "MLFLOW_ALLOW_FILE_STORE": "true",  # MLflow 3 asks that folders be chosen with intent; `mlflow+file:` is that
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # of 7: a person waits, and minutes say no more than seconds
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}


class MlflowRegistry:
    """Policies in MLflow's model registry (port `tercel.execution.registry.Registry`).

    Parameters
    ----------
    where : str
        ``mlflow+`` and a tracking URI: ``mlflow+http://host:5000``, ``mlflow+sqlite:///m.db``, ``mlflow+file:/folder``.

    Raises
    ------
    ConfigError
        Without MLflow, or without a URI that it takes.
    """

    def __init__(self, where: str) -> None:
        uri = where.removeprefix("mlflow+")
        for name, value in IN_THE_ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        for library in ("mlflow", "alembic"):  # they tell of every table that they make
            logging.getLogger(library).setLevel(logging.WARNING)
        mlflow = import_optional("mlflow", "mlflow", distribution="tercel-studies")
        self._where = where
        self._uri = uri
        self._client: Any = self._call(
            lambda: mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
        )

    @property
    def location(self) -> str:
        """The URL, without a password that it may hold."""
        head, at, tail = self._where.rpartition("@")
        return f"{head.split('//')[0]}//...@{tail}" if at else self._where

    def entries(self) -> list[RegistryEntry]:
        """All names with versions of ours, sorted."""
        found: list[RegistryEntry] = []
        token = None
        while True:
            page = self._call(
                lambda token=token: self._client.search_registered_models(page_token=token)
            )
            found += [self._entry(model) for model in page]
            token = page.token
            if not token:
                return sorted(
                    (entry for entry in found if entry.versions), key=lambda entry: entry.name
                )

    def entry(self, name: str) -> RegistryEntry:
        """One name; without versions when nothing is registered under it."""
        model = self._model(check_name(name))
        return RegistryEntry(name) if model is None else self._entry(model)

    def register(
        self, folder: Path, name: str, *, note: str = "", timestamp: str = "", by: str = ""
    ) -> Version:
        """Log the policy in `folder` as artifacts of a run and register them; the same policy again is what it was.

        Raises
        ------
        PolicyError
            For a folder that is no policy, or a server that does not take it.
        """
        _, card = load_policy(folder)
        for version in self.entry(name).versions:
            if version.weights_sha256 == card.weights_sha256 and (
                (self.folder(version) / "card.json").read_bytes()
                == (folder / "card.json").read_bytes()
            ):
                return version
        words = {
            "weights_sha256": card.weights_sha256,
            "observation_hash": card.observation_hash,
            "registered": timestamp,
            "by": by,
            "source": str(folder.resolve()),
            "note": note,
        }
        tags = {PREFIX + key: value for key, value in words.items()}
        made = self._call(lambda: self._log(folder, name, tags))
        return Version(name, int(made.version), **words)

    def promote(
        self,
        name: str,
        reference: str,
        alias: str,
        *,
        reason: str,
        timestamp: str = "",
        by: str = "",
    ) -> Promotion:
        """Point an alias at a version; why, when and by whom stand in the version's tags."""
        check_alias(alias)
        entry = self.entry(name)
        version, before = entry.find(reference), dict(entry.aliases).get(alias, 0)
        number = str(version.number)

        def point() -> None:
            about = {"why": reason, "at": timestamp, "by": by, "before": str(before)}
            for key, value in about.items():
                self._client.set_model_version_tag(name, number, f"{PREFIX}{alias}.{key}", value)
            self._client.set_registered_model_alias(name, alias, number)

        self._call(point)
        return Promotion(alias, version.number, before, reason, timestamp, by)

    def folder(self, version: Version) -> Path:
        """The version's files, fetched if they are not here.

        Raises
        ------
        PolicyError
            When they are not those that were registered.
        """
        cached = cache_root() / "policies" / version.weights_sha256[:16] / version.label
        if not cached.is_dir():
            self._fetch(version, cached)
        _, card = load_policy(cached)
        if card.weights_sha256 != version.weights_sha256:
            shutil.rmtree(cached, ignore_errors=True)
            raise PolicyError(
                f"{version.label} with weights {version.weights_sha256[:16]}",
                f"{card.weights_sha256[:16]} from {self.location}",
                "register the policy again",
            )
        return cached

    def _fetch(self, version: Version, cached: Path) -> None:
        cached.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cached.parent) as aside:
            stored = self._call(
                lambda: self._client.get_model_version(version.name, str(version.number))
            )
            self._call(lambda: self._client.download_artifacts(stored.run_id, FILES, aside))
            Path(aside, FILES).rename(cached)

    def _log(self, folder: Path, name: str, tags: dict[str, str]) -> Any:
        client = self._client
        if self._model(name) is None:
            client.create_registered_model(name)
        experiment = client.get_experiment_by_name(EXPERIMENT)
        number = (
            experiment.experiment_id
            if experiment
            else client.create_experiment(EXPERIMENT, self._artifacts)
        )
        run = client.create_run(number, run_name=name)
        client.log_artifacts(run.info.run_id, str(folder), FILES)
        client.set_terminated(run.info.run_id)
        return client.create_model_version(
            name, f"{run.info.artifact_uri}/{FILES}", run.info.run_id, tags
        )

    @property
    def _artifacts(self) -> str | None:
        """Where files go: beside a database that is a file; elsewhere the server knows best."""
        head, _, file = self._uri.partition("sqlite:///")
        return None if head or not file else str(Path(file + ".files").resolve())

    def _model(self, name: str) -> Any:
        found = self._call(lambda: self._client.search_registered_models(f"name = '{name}'"))
        return next(iter(found), None)

    def _entry(self, model: Any) -> RegistryEntry:
        stored = self._call(
            lambda: list(self._client.search_model_versions(f"name = '{model.name}'"))
        )
        versions, promotions = [], []
        aliases = {alias: int(number) for alias, number in model.aliases.items()}
        for one in sorted(stored, key=lambda one: int(one.version)):
            tags = {
                key.removeprefix(PREFIX): value
                for key, value in one.tags.items()
                if key.startswith(PREFIX)
            }
            if "weights_sha256" not in tags:
                continue
            words = {key: tags.get(key, "") for key in ("weights_sha256", "observation_hash")}
            more = {key: tags.get(key, "") for key in ("registered", "by", "source", "note")}
            versions.append(Version(model.name, int(one.version), **words, **more))
            promotions += [
                Promotion(
                    alias,
                    int(one.version),
                    int(tags.get(f"{alias}.before", 0)),
                    tags[f"{alias}.why"],
                    tags.get(f"{alias}.at", ""),
                    tags.get(f"{alias}.by", ""),
                )
                for alias in ("challenger", "champion")
                if f"{alias}.why" in tags
            ]
        ours = {version.number for version in versions}
        cached = tuple(
            sorted((alias, number) for alias, number in aliases.items() if number in ours)
        )
        return RegistryEntry(
            model.name, tuple(versions), cached, tuple(sorted(promotions, key=lambda made: made.at))
        )

    def _call(self, ask: Any) -> Any:
        """What the server answers."""
        from mlflow.exceptions import MlflowException

        try:
            return ask()
        except (MlflowException, OSError) as error:
            line = next(iter(str(error).splitlines()), type(error).__name__)
            raise PolicyError(
                f"an answer of MLflow at {self.location}",
                line[:300],
                "check the URL and that the server runs",
            ) from error
