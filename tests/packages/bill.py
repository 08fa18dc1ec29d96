"""Checks the bill of materials beside a package: SPDX 2.3, as JSON."""
import hashlib
import io
import json
import re
import subprocess
import tarfile

from host.commands import must
from host.files import read, read_bytes
from host.tap import tap

# The members that SPDX 2.3 demands.
DOCUMENT = {"spdxVersion", "dataLicense", "SPDXID", "name", "documentNamespace", "creationInfo"}
PACKAGE = {"SPDXID", "name", "downloadLocation"}
FILE = {"SPDXID", "fileName", "checksums"}


def files_in(package):
    """The SHA256 of each regular file in a .deb or .rpm, by its name."""
    if package.endswith(".deb"):
        archive = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], check=True,
                                 stdout=subprocess.PIPE).stdout
    else:
        with open(package, "rb") as file:
            archive = subprocess.run(["rpm2archive", "-"], stdin=file, check=True,
                                     stdout=subprocess.PIPE).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {"./" + one.name.lstrip("./"): hashlib.sha256(tar.extractfile(one).read()).hexdigest()
                for one in tar if one.isfile()}


def checksum(element, algorithm):
    return next(one["checksumValue"] for one in element["checksums"] if one["algorithm"] == algorithm)


def check_bill(package, needed):
    """Compares a package's bill with the package. needed: what is among its dependencies."""
    bill = json.loads(read(package + ".spdx.json"))
    name = package.rsplit("/", 1)[-1]
    elements = bill["packages"] + bill["files"]
    lacking = [one for required, listed in ((DOCUMENT, [bill]), (PACKAGE, bill["packages"]),
                                            (FILE, bill["files"]))
               for one in listed if not required <= set(one)]
    tap.equal(lacking, [], f"{name}: each element has what SPDX demands")
    ids = [bill["SPDXID"], *(one["SPDXID"] for one in elements)]
    tap.ok(len(set(ids)) == len(ids) and all(re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", one) for one in ids),
           f"{name}: identifiers are valid, and each is used once")
    related = [(one["spdxElementId"], one["relationshipType"], one["relatedSpdxElement"])
               for one in bill["relationships"]]
    tap.equal({end for one, _, other in related for end in (one, other)} - set(ids), set(),
              f"{name}: what is related exists")
    tap.ok(("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-Package") in related, f"{name}: it is described")
    own = next(one for one in bill["packages"] if one["SPDXID"] == "SPDXRef-Package")
    tap.equal(checksum(own, "SHA256"), hashlib.sha256(read_bytes(package)).hexdigest(),
              f"{name}: it is this package")
    tap.equal({one["fileName"]: checksum(one, "SHA256") for one in bill["files"]}, files_in(package),
              f"{name}: its files, and their checksums")
    sums = "".join(sorted(checksum(one, "SHA1") for one in bill["files"]))
    tap.equal(own["packageVerificationCode"]["packageVerificationCodeValue"],
              hashlib.sha1(sums.encode()).hexdigest(), f"{name}: the code over all files")
    named = {one["SPDXID"]: one["name"] for one in bill["packages"]}
    depends = {named[other] for _, kind, other in related if kind == "DEPENDS_ON"}
    tap.equal(set(needed) - depends, set(), f"{name}: its dependencies")
    again = must("packaging/sbom", package, "0")
    tap.equal({**json.loads(again), "creationInfo": None}, {**bill, "creationInfo": None},
              f"{name}: made again, it is the same")
