"""Certificates for tests, made with the `openssl` command: an authority, and what it signs, in PEM files."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """
[ca]
default_ca = here
[here]
database = {folder}/index.txt
new_certs_dir = {folder}
serial = {folder}/serial
default_md = sha256
policy = any
unique_subject = no
copy_extensions = copy
x509_extensions = leaf
[any]
commonName = supplied
[leaf]
basicConstraints = CA:false
[req]
distinguished_name = name
x509_extensions = root
[name]
[root]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
"""
KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Identity(NamedTuple):
    """A certificate and its key. `store` holds both, as a broker of Apache Kafka reads them."""

    certificate: Path
    key: Path
    store: Path


class Authority:
    """A certificate authority in a folder of its own; `certificate` is what those who trust it are given."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.certificate = folder / "authority.pem"
        (folder / "index.txt").touch()
        (folder / "serial").write_text("1000\n", encoding="ascii")
        (folder / "openssl.cnf").write_text(CONFIG.format(folder=folder), encoding="utf-8")
        self._openssl(
            "req", "-x509", *KEY, "-keyout", "authority.key", "-out", str(self.certificate), "-days", "30",
            "-subj", f"/CN=authority {folder.name}",
        )  # fmt: skip

    def sign(self, name: str, *, host: str = "localhost", expired: bool = False) -> Identity:
        """Make a key, and a certificate for `name` that is good for `host`, from a week ago on for two weeks.

        An `expired` one ended yesterday.
        """
        key, request = self.folder / f"{name}.key", self.folder / f"{name}.csr"
        certificate, store = self.folder / f"{name}.pem", self.folder / f"{name}.store.pem"
        names = f"subjectAltName=DNS:{host}" + (",IP:127.0.0.1" if host == "localhost" else "")
        self._openssl(
            "req", *KEY, "-keyout", str(key), "-out", str(request), "-subj", f"/CN={name}", "-addext", names
        )
        now = datetime.now(UTC)
        begin, end = now - timedelta(days=7), now + timedelta(days=-1 if expired else 7)
        self._openssl(
            "ca", "-batch", "-notext", "-keyfile", "authority.key", "-cert", str(self.certificate),
            "-startdate", f"{begin:%Y%m%d%H%M%SZ}", "-enddate", f"{end:%Y%m%d%H%M%SZ}",
            "-in", str(request), "-out", str(certificate),
        )  # fmt: skip
        store.write_bytes(key.read_bytes() + certificate.read_bytes())
        return Identity(certificate, key, store)

    def encrypt(self, identity: Identity, password: str) -> Path:
        """The key of an identity in another file, encrypted."""
        file = identity.key.with_suffix(".encrypted")
        secret = self.folder / "secret"
        secret.write_text(password, encoding="utf-8")
        self._openssl(
            "pkcs8", "-topk8", "-in", str(identity.key), "-out", str(file), "-passout", f"file:{secret}"
        )
        secret.unlink()
        return file

    def _openssl(self, command: str, *arguments: str) -> None:
        config = () if command == "pkcs8" else ("-config", "openssl.cnf")
        done = subprocess.run(
            ["openssl", command, *config, *arguments],
            cwd=self.folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"openssl {command}: {done.stderr}")


def have_openssl() -> bool:
    """Whether certificates can be made here."""
    return shutil.which("openssl") is not None
