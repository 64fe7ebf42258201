"""Register an evaluated model as a new version, unless the registered one is better."""

import dataclasses
import re
import time
from collections.abc import Mapping
from typing import Any

from idxpipe.components.core import storage
from idxpipe.components.core.errors import (
    DataError,
    GateError,
    SetupError,
    TransientError,
    UsageError,
)
from idxpipe.components.core.google.rest import Client, vertex_client
from idxpipe.components.core.integrity.digest import check_stored
from idxpipe.components.core.metrics import read_metrics
from idxpipe.components.core.model import read_card
from idxpipe.components.register.config import RegisterConfig

# Source: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.models
# Values of labels hold no dot, so accuracy is counted in parts per million.
ACCURACY = "accuracy_ppm"
_MILLION = 1_000_000
TEST = "test_fingerprint"
_LABEL = re.compile(r"[^a-z0-9_-]")
_POLL_SECONDS = 2.0
_WAIT_SECONDS = 1800.0


@dataclasses.dataclass(frozen=True)
class Registered:
    """A version in the registry.

    Attributes:
        model: Resource name of the model.
        version: Id of the version.
        accuracy: Its accuracy on the test split.
        champion: The best accuracy that was registered before on the same files, if any.
    """

    model: str
    version: str
    accuracy: float
    champion: float | None


def register(
    model: str,
    metrics: str,
    run: str,
    config: RegisterConfig,
    client: Client | None = None,
) -> Registered:
    """Upload the model as a new version of `config.register_as`.

    Args:
        model: `gs://` folder of the SavedModel.
        metrics: URI of the metrics.json of its evaluation.
        run: Name of the pipeline run, for the version's labels.
        config: Where to, and when.
        client: For Vertex AI; by default that of the region.

    Raises:
        UsageError: If name, project or region is missing, the model is not on Cloud Storage, or
            was not evaluated on the whole split.
        DataError: If the metrics are not those of an evaluation of this model, or it is damaged.
        GateError: If a registered version is more accurate on the same test files.
        SetupError: If Vertex AI refuses the model, or credentials are missing.
        TransientError: If the upload does not end.
    """
    _check(model, config)
    facts = _read(metrics)
    _check_model(model, facts)
    accuracy, labels = float(facts["accuracy"]), _labels(facts, run)
    score = int(labels[ACCURACY])
    client = client or vertex_client(config.region)
    place = f"/v1/projects/{config.project}/locations/{config.region}"
    parent = _find(client, place, config.register_as)
    champion = _champion(client, parent, labels[TEST]) if parent else None
    # Both as the registry keeps them: rounded up, a model would be better than itself.
    if champion is not None and champion > score and config.register_when == "better":
        raise GateError(
            "a registered version is more accurate on the same test files",
            where=f"{config.register_as} ({parent})",
            expected=f"accuracy of at least {champion / _MILLION:.6f}",
            found=f"{accuracy:.6f}",
            remedy="keep that version, or set register_when to always",
        )
    body: dict[str, Any] = {"model": _version(model, config, labels, facts)}
    if parent:
        body["parentModel"] = parent
    operation = client.call("POST", f"{place}/models:upload", body=body, repeatable=False)
    answer = _wait(client, operation)
    best = None if champion is None else champion / _MILLION
    return Registered(answer["model"], str(answer["modelVersionId"]), accuracy, best)


def _check(model: str, config: RegisterConfig) -> None:
    for name in ("register_as", "project", "region"):
        if not getattr(config, name):
            raise UsageError("parameter is missing", where=name, remedy=f"set {name}")
    if storage.scheme(model) != "gs":
        raise UsageError(
            "the registry takes models from Cloud Storage only",
            where=model,
            expected="gs://",
            remedy="run the pipeline with a gs:// root",
        )


def _check_model(model: str, facts: Mapping[str, Any]) -> None:
    """Check that the model is whole, and the one that was evaluated.

    Raises:
        DataError: If it is not.
    """
    card = read_card(model)
    check_stored(card.uri, card.digests)
    evaluated = facts.get("model", {}).get("digest")
    if evaluated and evaluated != card.digest:
        raise DataError(
            "model is not the one that was evaluated",
            where=model,
            expected=f"digest {evaluated}, as in the metrics",
            found=f"digest {card.digest}",
            remedy="evaluate it again",
        )


def _read(metrics: str) -> dict[str, Any]:
    facts = read_metrics(metrics)
    try:
        _ = facts["dataset"]["sources"]["images"], facts["dataset"]["sources"]["labels"]
        whole = facts["num_examples"] == facts["dataset"]["num_examples"]
    except (KeyError, TypeError):
        raise DataError(
            "not the metrics of an evaluation", where=metrics, remedy="run evaluate again"
        ) from None
    if not whole:
        raise UsageError(
            "model was evaluated on a part of the split only",
            where=metrics,
            expected=f"{facts['dataset']['num_examples']} examples",
            found=facts["num_examples"],
            remedy="evaluate it with eval_steps 0",
        )
    return facts


def _labels(facts: Mapping[str, Any], run: str) -> dict[str, str]:
    sources = facts["dataset"]["sources"]
    trained = facts.get("model", {}).get("sources", {})
    labels = {
        ACCURACY: str(round(facts["accuracy"] * _MILLION)),
        TEST: f"{sources['images']}_{sources['labels']}",
        "train_fingerprint": "_".join(filter(None, (trained.get(k) for k in ("images", "labels")))),
        "pipeline_run": run,
    }
    return {name: _LABEL.sub("-", value.lower())[:63] for name, value in labels.items() if value}


def _version(
    model: str, config: RegisterConfig, labels: dict[str, str], facts: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "displayName": config.register_as,
        "artifactUri": model,
        "containerSpec": {"imageUri": config.serving_image},
        "labels": labels,
        "versionDescription": f"test accuracy {facts['accuracy']:.6f} "
        f"on {facts['num_examples']} examples",
    }


def _find(client: Client, place: str, name: str) -> str:
    """Return the resource name of the model called `name`; empty if there is none."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    query = {"filter": f'display_name="{escaped}"'}
    models = client.call("GET", f"{place}/models", query=query).get("models", [])
    # Without the version that a listed name may carry.
    return str(models[0]["name"]).partition("@")[0] if models else ""


def _champion(client: Client, parent: str, test: str) -> int | None:
    """Return the best accuracy, in parts per million, of versions tested on the same files."""
    found = []
    token = ""
    while True:
        query = {"pageToken": token} if token else {}
        page = client.call("GET", f"/v1/{parent}:listVersions", query=query)
        for version in page.get("models", []):
            labels = version.get("labels", {})
            if labels.get(TEST) == test and labels.get(ACCURACY, "").isdigit():
                found.append(int(labels[ACCURACY]))
        token = page.get("nextPageToken", "")
        if not token:
            return max(found, default=None)


def _wait(client: Client, operation: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the answer of a long-running operation."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while not operation.get("done"):
        if time.monotonic() > deadline:
            raise TransientError(
                "upload to the registry does not end",
                where=operation["name"],
                remedy="look at the operation, then run this stage again",
            )
        time.sleep(_POLL_SECONDS)
        operation = client.call("GET", f"/v1/{operation['name']}")
    if "error" in operation:
        raise SetupError(
            "Vertex AI did not take the model",
            where=operation["name"],
            found=operation["error"].get("message", "no message"),
            remedy="check the serving image and the service account's right to read the model",
        )
    return dict(operation["response"])
