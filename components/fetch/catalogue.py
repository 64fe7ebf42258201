"""Where well-known data sets are kept, and what their files must be.

Sizes and SHA-256 of MNIST, Fashion-MNIST, KMNIST and EMNIST:
https://github.com/tensorflow/datasets, `tensorflow_datasets/url_checksums/NAME.txt`; the test
compares them with those of the version that is installed. Keras has the same for Fashion-MNIST
(`keras/src/datasets/fashion_mnist.py`).

MD5 of QMNIST: https://github.com/pytorch/vision, `torchvision/datasets/mnist.py`; the sizes of its
labels are those in https://github.com/facebookresearch/qmnist at 94061367. The sizes of its images
stand in no source that we know of, and are left out.

Mirrors: the same files of TensorFlow Datasets, torchvision and Keras, and the publishers' READMEs.
http://yann.lecun.com/exdb/mnist/ has had no files since 2024
(https://github.com/pytorch/pytorch/pull/164238). Whatever a mirror sends, the checksum decides.
"""

import dataclasses

MD5, SHA256 = "md5", "sha256"


@dataclasses.dataclass(frozen=True)
class Download:
    """A file to fetch.

    Attributes:
        name: What it is called here and there.
        urls: Where it is, the first first.
        digest: `sha256:` or `md5:` and the checksum in hexadecimal digits.
        size: Its length in bytes; None if that is not known.
    """

    name: str
    urls: tuple[str, ...]
    digest: str
    size: int | None = None


@dataclasses.dataclass(frozen=True)
class DataSet:
    """A data set that can be fetched.

    Attributes:
        name: What it is called.
        files: Its files.
        archive: Whether the one file is a zip of the IDX files.
        settings: Pipeline parameters that its files need.
        note: What else to know before it is used.
    """

    name: str
    files: tuple[Download, ...]
    archive: bool = False
    settings: tuple[str, ...] = ()
    note: str = ""


def _files(
    mirrors: tuple[str, ...], *facts: tuple[str, str, int | None], kind: str = SHA256
) -> tuple[Download, ...]:
    return tuple(
        Download(name, tuple(f"{mirror}{name}" for mirror in mirrors), f"{kind}:{digest}", size)
        for name, digest, size in facts
    )


_MNIST = DataSet(
    "mnist",
    _files(
        (
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
        ),
        (
            "train-images-idx3-ubyte.gz",
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            9912422,
        ),
        (
            "train-labels-idx1-ubyte.gz",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            28881,
        ),
        (
            "t10k-images-idx3-ubyte.gz",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            1648877,
        ),
        (
            "t10k-labels-idx1-ubyte.gz",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            4542,
        ),
    ),
)
_FASHION = DataSet(
    "fashion-mnist",
    _files(
        (
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        ),
        (
            "train-images-idx3-ubyte.gz",
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            26421880,
        ),
        (
            "train-labels-idx1-ubyte.gz",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            29515,
        ),
        (
            "t10k-images-idx3-ubyte.gz",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            4422102,
        ),
        (
            "t10k-labels-idx1-ubyte.gz",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            5148,
        ),
    ),
)
_KMNIST = DataSet(
    "kmnist",
    _files(
        (
            "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
            "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        ),
        (
            "train-images-idx3-ubyte.gz",
            "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
            18165135,
        ),
        (
            "train-labels-idx1-ubyte.gz",
            "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
            29497,
        ),
        (
            "t10k-images-idx3-ubyte.gz",
            "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
            3041136,
        ),
        (
            "t10k-labels-idx1-ubyte.gz",
            "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
            5120,
        ),
    ),
)
_EMNIST = DataSet(
    "emnist",
    _files(
        (
            "https://biometrics.nist.gov/cs_links/EMNIST/",
            "https://www.itl.nist.gov/iaui/vip/cs_links/EMNIST/",
        ),
        (
            "gzip.zip",
            "fb9bb67e33772a9cc0b895e4ecf36d2cf35be8b709693c3564cea2a019fcda8e",
            561753746,
        ),
    ),
    archive=True,
    settings=(
        "data_prefix=emnist-letters",
        "num_classes=26",
        "label_offset=1",
        "transposed=true",
    ),
    note="six data sets: data_prefix may also be emnist-byclass, -bymerge, -balanced, -digits or "
    "-mnist, with num_classes=0",
)
_QMNIST = DataSet(
    "qmnist",
    _files(
        (
            "https://raw.githubusercontent.com/facebookresearch/qmnist/master/",
            "https://github.com/facebookresearch/qmnist/raw/master/",
        ),
        ("qmnist-train-images-idx3-ubyte.gz", "ed72d4157d28c017586c42bc6afe6370", None),
        ("qmnist-train-labels-idx2-int.gz", "0058f8dd561b90ffdd0f734c6a30e5e4", 463024),
        ("qmnist-test-images-idx3-ubyte.gz", "1394631089c404de565df7b7aeaf9412", None),
        ("qmnist-test-labels-idx2-int.gz", "5b5b05890a5e13444e108efe57b788aa", 526800),
        kind=MD5,
    ),
    settings=("label_column=0",),
)
DATA_SETS = {each.name: each for each in (_MNIST, _FASHION, _KMNIST, _EMNIST, _QMNIST)}
