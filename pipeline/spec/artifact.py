"""What passes between tasks: artifacts and parameter values, as a record keeps them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from idxpipe.components.core import storage
from idxpipe.components.core.stores.litter import is_litter

_EVENTS = "events.out.tfevents."


@dataclass(frozen=True)
class Artifact:
    """Files at a URI, with KFP's type of them and metadata."""

    name: str
    uri: str
    type: Mapping[str, Any]
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Return the type's name, such as `system.Model`."""
        return str(self.type.get("schemaTitle", ""))

    def to_json(self) -> dict[str, Any]:
        """Return KFP's `RuntimeArtifact`."""
        return {
            "name": self.name,
            "type": dict(self.type),
            "uri": self.uri,
            "metadata": dict(self.metadata),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_json` returned.

        Raises:
            KeyError, TypeError: If it is something else.
        """
        return cls(
            str(value["name"]), str(value["uri"]), dict(value["type"]), dict(value["metadata"])
        )

    def inventory(self) -> dict[str, int]:
        """Return the size of each file, by its name relative to the URI; "" is the URI itself.

        TensorBoard's event files are left out: every attempt adds one of its own. So is what
        desktops, editors and NFS leave wherever somebody looked.
        """
        if storage.exists(self.uri):
            return {"": storage.size(self.uri)}
        files = storage.list_files(self.uri)
        return {
            name: size
            for name, size in files.items()
            if _EVENTS not in name and not is_litter(name)
        }

    def moved(self, before: str, after: str) -> "Artifact":
        """Return the artifact as it is called when the folder `before` has become `after`."""
        if self.uri != before and not self.uri.startswith(f"{before}/"):
            return self
        return replace(self, uri=after + self.uri.removeprefix(before))


@dataclass(frozen=True)
class Values:
    """The inputs or the outputs of a task."""

    parameters: Mapping[str, Any] = field(default_factory=dict)
    artifacts: Mapping[str, Artifact] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return both as JSON values."""
        return {
            "parameters": dict(self.parameters),
            "artifacts": {name: a.to_json() for name, a in self.artifacts.items()},
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_json` returned.

        Raises:
            KeyError, TypeError, AttributeError: If it is something else.
        """
        artifacts = {n: Artifact.from_json(a) for n, a in value["artifacts"].items()}
        return cls(dict(value["parameters"]), artifacts)

    def moved(self, before: str, after: str) -> "Values":
        """Return the values with artifacts as they are called after a move of their folder."""
        artifacts = {name: a.moved(before, after) for name, a in self.artifacts.items()}
        return replace(self, artifacts=artifacts)
