"""A model registry over HTTP, as Vertex AI's: models, versions, long-running uploads."""

from tests import oracles
from tests.fakes.http import JsonServer, Refused, Request

UPLOAD_FIELDS = {"displayName", "artifactUri", "containerSpec", "labels", "versionDescription"}
LABEL = set("abcdefghijklmnopqrstuvwxyz0123456789_-")


class Registry(JsonServer):
    """Keeps versions by model; `fail` makes the next upload's operation end in that message."""

    def __init__(self) -> None:
        super().__init__()
        self.models: dict[str, list[dict]] = {}
        self.operations: dict[str, dict] = {}
        self.fail = ""

    def answer(self, request: Request) -> dict:
        name = request.path.removeprefix("/v1/")
        if request.method == "POST" and name.endswith("/models:upload"):
            return self._upload(name.removesuffix("/models:upload"), request.body)
        if name.endswith("/models"):
            wanted = request.query["filter"].removeprefix('display_name="').removesuffix('"')
            found = [v[-1] for v in self.models.values() if v[-1]["displayName"] == wanted]
            return {"models": found} if found else {}
        if name.endswith(":listVersions"):
            versions = self.models[name.removesuffix(":listVersions")]
            at = int(request.query.get("pageToken", 0))
            more = {"nextPageToken": str(at + 1)} if at + 1 < len(versions) else {}
            return {"models": versions[at : at + 1], **more}
        if name in self.operations:
            operation = self.operations[name]
            operation["polls"] -= 1
            ended = operation["polls"] <= 0
            return {"name": name, **({"done": True, **operation["end"]} if ended else {})}
        raise Refused(404, f"no {name}")

    def _upload(self, place: str, body: dict) -> dict:
        with oracles.as_refusal():
            oracles.parse_upload(place, body)
        model = body["model"]
        unknown = body.keys() - {"model", "parentModel"} | model.keys() - UPLOAD_FIELDS
        if unknown:
            raise Refused(400, f"unknown fields: {sorted(unknown)}")
        if not model["artifactUri"].startswith("gs://"):
            raise Refused(400, "artifactUri must be gs://")
        if any(len(v) > 63 or not set(v) <= LABEL for v in model["labels"].values()):
            raise Refused(400, f"bad label in {model['labels']}")
        operation = f"{place}/operations/{len(self.operations) + 1}"
        self.operations[operation] = {"polls": 2, "end": self._end(place, body)}
        return {"name": operation}

    def _end(self, place: str, body: dict) -> dict:
        if self.fail:
            return {"error": {"code": 9, "message": self.fail}}
        name = body.get("parentModel") or f"{place}/models/{len(self.models) + 1}"
        versions = self.models.setdefault(name, [])
        version = str(len(versions) + 1)
        versions.append({**body["model"], "name": f"{name}@{version}", "versionId": version})
        return {"response": {"model": name, "modelVersionId": version}}
