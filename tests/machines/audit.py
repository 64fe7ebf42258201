"""Asks for known vulnerabilities of all that the locks pin, by pip-audit.

pip-audit itself ends with 0 and "No known vulnerabilities found" where the service knows none of
the packages, as behind a mirror: what was not answered is said, and no success.

Usage: audit.py PIP_AUDIT [--service osv ...]; 1: something is known, 5: something was not answered.
"""

import glob
import json
import os
import subprocess
import sys
import tempfile


def main(command: list[str]) -> int:
    found = {}
    # Of one call, two locks may not pin different versions.
    for lock in sorted(glob.glob("requirements*.lock")):
        for package in asked(command, lock):
            found[package["name"], package.get("version")] = package
    known = [(package, issue) for package in found.values() for issue in package.get("vulns", ())]
    for package, issue in known:
        mended = ", ".join(issue["fix_versions"]) or "no release"
        names = " ".join([issue["id"], *issue["aliases"]])
        print(f"{package['name']} {package['version']}: {names}; mended in {mended}")
    silent = sorted({package["name"] for package in found.values() if "vulns" not in package})
    if silent:
        print(f"no answer for: {', '.join(silent)}")
    print(f"answers for {len(found) - len(silent)} of {len(found)}, findings: {len(known)}")
    return 1 if known else 5 if silent else 0


def asked(command: list[str], lock: str) -> list[dict]:
    """Return what pip-audit says of each package of a lock; the names alone if it says nothing."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "found.json")
        words = ["--disable-pip", "--require-hashes", "--progress-spinner", "off"]
        words += ["--format", "json", "--output", path, "--requirement", lock]
        done = subprocess.run([*command, *words], check=False, stderr=subprocess.PIPE, text=True)
        try:
            with open(path) as stream:
                return json.load(stream)["dependencies"]
        except OSError:
            print(f"{lock}: {done.stderr.strip().rpartition(chr(10))[2]}", file=sys.stderr)
            return [{"name": name} for name in pins(lock)]


def pins(lock: str) -> list[str]:
    with open(lock) as stream:
        return [line.split()[0] for line in stream if "==" in line and line[0] not in " #"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
