"""The container images: in Artifact Registry, and named so that they cannot change."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from idxpipe.components.core.errors import IdxpipeError, NotFoundError
from idxpipe.pipeline.preflight.check import Check, fail, ok, summary, unknown
from idxpipe.pipeline.preflight.services import Services, name
from idxpipe.pipeline.vertex.request import Place

# Source: https://cloud.google.com/artifact-registry/docs/docker/names
_NAME = re.compile(
    r"(?P<location>[a-z0-9-]+)-docker\.pkg\.dev/(?P<project>[^/]+)/(?P<repository>[^/]+)"
    r"/(?P<image>[^:@]+)(?::(?P<tag>[\w.-]+))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


@dataclass(frozen=True)
class Image:
    """An image in Artifact Registry, by the parts of its name."""

    location: str
    project: str
    repository: str
    image: str
    tag: str
    digest: str

    @property
    def parent(self) -> str:
        """Resource name of the repository."""
        return (
            f"projects/{name(self.project)}/locations/{self.location}"
            f"/repositories/{name(self.repository)}"
        )

    @property
    def address(self) -> str:
        """Name without tag and digest."""
        return f"{self.location}-docker.pkg.dev/{self.project}/{self.repository}/{self.image}"


def check_image(
    services: Services, place: Place, image: str, recompile: Callable[[str], str]
) -> Check:
    """Check that an image is there and pinned: by its digest, or by a tag that cannot be moved.

    Args:
        services: The services.
        place: Project and region that run.
        image: Name of the image.
        recompile: Returns the command that compiles the pipeline for another image in its place.
    """
    what = f"image {image}"
    match = _NAME.fullmatch(image)
    if match is None:
        if "/" in image and "." in image.partition("/")[0]:
            return unknown(what, "is not in Artifact Registry; Vertex AI may not get at it")
        return fail(
            what,
            "is not in a registry; Vertex AI cannot pull it",
            recompile(
                f"{place.region}-docker.pkg.dev/{place.project}/idxpipe/idxpipe:"
                "$(idxpipe image-tag)"
            ),
        )
    parts = Image(**{key: value or "" for key, value in match.groupdict().items()})
    try:
        return _check(services, what, parts, recompile)
    except IdxpipeError as error:
        if isinstance(error, NotFoundError):
            fix = (
                "gcloud builds submit --config cloudbuild.yaml "
                f"--project={parts.project} --substitutions=_TAG=$(idxpipe image-tag),"
                f"_REGION={parts.location}"
            )
            return fail(what, "there is no such image", fix)
        return unknown(what, summary(error))


def _check(services: Services, what: str, image: Image, recompile: Callable[[str], str]) -> Check:
    path = f"/v1/{image.parent}"
    if image.digest:
        entry = name(f"{image.image}@{image.digest}")
        services.get("artifactregistry", f"{path}/dockerImages/{entry}")
        return ok(what, "is there, pinned by its digest")
    tag = image.tag or "latest"
    answer = services.get(
        "artifactregistry", f"{path}/packages/{name(image.image)}/tags/{name(tag)}"
    )
    digest = str(answer.get("version", "")).rpartition("/")[2]
    repository = services.get("artifactregistry", path)
    if repository.get("dockerConfig", {}).get("immutableTags"):
        return ok(what, f"is there, and tags of {image.repository} cannot be moved: {digest}")
    return fail(
        what,
        "is there, but its tag can be moved to another one: pin the digest",
        recompile(f"{image.address}@{digest}"),
    )
