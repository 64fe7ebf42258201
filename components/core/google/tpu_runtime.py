"""The TPU of this machine, and what TensorFlow must find in the environment to use it.

Sources: https://cloud.google.com/tpu/docs/run-calculation-tensorflow (the PJRT runtime, wanted by
v5e and later) and https://cloud.google.com/compute/docs/metadata/overview (a TPU VM's attribute
`accelerator-type`). The PCI ids are those of jax/_src/hardware_utils.py (jax 0.10.2).
"""

import importlib.util
import os
import platform
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from idxpipe.components.core.errors import SetupError

# From v5e on TensorFlow reaches a TPU through a PJRT plug-in; v2 to v4 have the older runtime.
PJRT: Mapping[str, str] = {
    "PJRT_DEVICE": "TPU",
    "NEXT_PLUGGABLE_DEVICE_USE_C_API": "true",
}
_LIBRARY = "TF_PLUGGABLE_DEVICE_LIBRARY_PATH"
_PJRT_TYPES = ("v5litepod", "v5e", "v5p", "v6e", "v7x", "ct5lp", "ct5p", "ct6e")
_SKIP = "TPU_SKIP_MDS_QUERY"
_METADATA_HOST = "metadata.google.internal"
_METADATA_PATH = "/computeMetadata/v1/instance/attributes/accelerator-type"
_WAIT_SECONDS = 2.0
_PCI = "/sys/bus/pci/devices"
_GOOGLE = "0x1ae0"
_GENERATIONS = {
    "0x0027": "v2 or v3",
    "0x005e": "v4",
    "0x0062": "v5p",
    "0x0063": "v5e",
    "0x006f": "v6e",
    "0x0076": "v7x",
}


def accelerator_type() -> str:
    """Return the type of this machine's TPU, such as `v5litepod-4`; empty if nothing tells.

    `TPU_ACCELERATOR_TYPE` comes before the metadata of the machine.
    """
    given = os.environ.get("TPU_ACCELERATOR_TYPE", "")
    if given or os.environ.get(_SKIP) == "1" or not _on_google():
        return given
    # Asked directly, never through a proxy.
    import http.client

    connection = http.client.HTTPConnection(_METADATA_HOST, timeout=_WAIT_SECONDS)
    try:
        connection.request("GET", _METADATA_PATH, headers={"Metadata-Flavor": "Google"})
        answer = connection.getresponse()
        text = answer.read(100).decode("ascii", "replace").strip()
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()
    # It becomes part of a line on the terminal.
    return text if answer.status == http.HTTPStatus.OK and text.isprintable() else ""


def chips(folder: str = _PCI) -> tuple[int, str]:
    """Return how many TPU chips this machine has, and of which generation; 0 and "" if none.

    Args:
        folder: Where Linux lists the devices.
    """
    found = []
    for device in Path(folder).glob("*"):
        try:
            vendor, name = ((device / file).read_text().strip() for file in ("vendor", "device"))
        except OSError:
            continue
        # Google makes network cards, too.
        if vendor == _GOOGLE and name in _GENERATIONS:
            found.append(_GENERATIONS[name])
    return len(found), found[0] if found else ""


def is_present(folder: str = _PCI, devices: str = "/dev") -> bool:
    """Tell whether this machine has a TPU: a chip, or the file of one.

    Args:
        folder: Where Linux lists the devices.
        devices: Where their files are: accel0 and on, or vfio/0 and on.
    """
    files = [*Path(devices).glob("accel[0-9]*"), *Path(devices).glob("vfio/[0-9]*")]
    # A sandbox may hide the list of devices, but not the file that is to be opened.
    return bool(files or chips(folder)[0])


def ask_nobody(environment: MutableMapping[str, str]) -> None:
    """Keep libtpu from asking the metadata server about a TPU where there is none.

    TensorFlow for TPUs loads libtpu on any machine, as it lists devices; off a TPU, libtpu asks and
    asks again for more than ten minutes.

    Args:
        environment: Where to set it, before TensorFlow is imported; what is set already stays.
    """
    if not is_present():
        environment.setdefault(_SKIP, "1")


def check_present(folder: str = _PCI, devices: str = "/dev") -> None:
    """Refuse a machine without a TPU: there libtpu ends the whole process with a signal.

    Args:
        folder: Where Linux lists the devices.
        devices: Where their files are: accel0 and on, or vfio/0 and on.

    Raises:
        SetupError: If there is neither a chip nor the file of one.
    """
    if not is_present(folder, devices):
        raise SetupError(
            "no TPU on this machine",
            where="accelerator",
            expected="a TPU chip: a PCI device of Google's, /dev/accel0 or /dev/vfio/0",
            found="none",
            remedy="run on a TPU VM, name another machine's with --tpu, or take --accelerator cpu",
        )


def prepare(environment: MutableMapping[str, str], kind: str) -> str:
    """Set what TensorFlow needs for a TPU, before it is imported; what is set already stays.

    Args:
        environment: Where to set it.
        kind: The type of TPU, from `accelerator_type` or `chips`; empty leaves the choice of the
            runtime to the variables that are there.

    Returns:
        The runtime: `PJRT` or `TFRT`, the one of v4 and older.
    """
    if kind.startswith(_PJRT_TYPES):
        for name, value in PJRT.items():
            environment.setdefault(name, value)
    if any(environment.get(name) != value for name, value in PJRT.items()):
        return "TFRT"
    library = _libtpu()
    if library:
        environment.setdefault(_LIBRARY, library)
    return "PJRT"


def _libtpu() -> str:
    """Return the path of the installed TPU library; empty if there is none."""
    found = importlib.util.find_spec("libtpu")
    for folder in (found.submodule_search_locations or []) if found else []:
        path = os.path.join(folder, "libtpu.so")
        if os.path.exists(path):
            return path
    return ""


def _on_google() -> bool:
    """Tell whether this machine is one of Google's, by its firmware: elsewhere nobody answers."""
    if platform.system() != "Linux":
        return False
    try:
        with open("/sys/class/dmi/id/product_name", encoding="ascii", errors="replace") as stream:
            return stream.read().startswith("Google")
    except OSError:
        return False
