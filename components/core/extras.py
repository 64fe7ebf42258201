"""The distributions that some stages need, and that `pip install idxpipe` leaves out."""

from idxpipe.components.core.errors import SetupError

# Modules by what setup.py calls the extra that is missing; where conversions alone run, none is.
_EXTRAS = {
    "array_record": "array-record",
    "google_cloud_pipeline_components": "gcp",
    **dict.fromkeys(
        ("tensorflow", "keras", "PIL", "kfp", "yaml", "urllib3", "tensorboard", "s3fs"), "all"
    ),
}


def missing(error: ModuleNotFoundError) -> SetupError | None:
    """Return what to say of a module that is not installed; None if no extra brings it."""
    package = (error.name or "").partition(".")[0]
    extra = _EXTRAS.get(package)
    if extra is None:
        return None
    return SetupError(
        f"{package} is not installed",
        where=package,
        expected=f"idxpipe[{extra}]: idxpipe alone converts, and no more",
        remedy=f"pip install 'idxpipe[{extra}]', from a checkout pip install '.[{extra}]', "
        f"from a wheel pip install './idxpipe-VERSION-py3-none-any.whl[{extra}]'",
    )
