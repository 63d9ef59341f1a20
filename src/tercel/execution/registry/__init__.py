"""Registry of policies: names with versions, champion and challenger, and the folder that a name means.

`local` is a folder, `mlflow_store` a tracking server by URL; both keep the same port. :func:`resolve_policy` is how
every command turns what a person wrote into a policy's folder.
"""

from tercel.execution.registry.entries import ALIASES, Promotion, Registry, RegistryEntry, Version
from tercel.execution.registry.resolve import open_registry, pinned, resolve_policy

__all__ = [
    "ALIASES",
    "Promotion",
    "Registry",
    "RegistryEntry",
    "Version",
    "open_registry",
    "pinned",
    "resolve_policy",
]
