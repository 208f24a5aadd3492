"""Ed25519 keys in PEM files: made, read, and known by the digest of the public one."""

from __future__ import annotations

import os
from hashlib import sha256
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from schemas.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

    from schemas.integrity_settings import IntegritySettings


def new_key(file: Path) -> Path:
    """Make a key: the private one in `file`, readable by its owner only, the public one beside it; return that.

    SettingsError when either file is there or cannot be written.
    """
    key = Ed25519PrivateKey.generate()
    public = file.with_name(file.name + ".pub")
    texts = (
        (file, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600),
        (public, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), 0o644),
    )
    for path, text, mode in texts:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(descriptor, "wb") as target:
                target.write(text)
        except FileExistsError as error:
            raise SettingsError(
                f"{path} is there already, and is not overwritten: name another file"
            ) from error
        except OSError as error:
            raise SettingsError(f"{path} cannot be written: {error.strerror}") from error
    return public


def load_key(file: Path) -> Ed25519PrivateKey:
    """The private key of a file. SettingsError when it cannot be read, is another kind, or others may read it."""
    try:
        if file.stat().st_mode & 0o077:
            raise SettingsError(f"{file} can be read by others: chmod 600 it")
        key = load_pem_private_key(file.read_bytes(), None)
    except OSError as error:
        raise SettingsError(
            f"{file} cannot be read: {error.strerror}; name the key in integrity.key_file"
        ) from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SettingsError(f"{file} holds no private key in PEM without a password") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsError(f"{file} holds no Ed25519 key: make one with counterfoil checkpoint new-key")
    return key


def load_public(file: Path) -> bytes:
    """The public key of a file, 32 bytes. SettingsError when it cannot be read or is another kind."""
    try:
        key = load_pem_public_key(file.read_bytes())
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}; name a public key in PEM") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SettingsError(f"{file} holds no public key in PEM") from error
    if not isinstance(key, Ed25519PublicKey):
        raise SettingsError(f"{file} holds no Ed25519 public key")
    return key.public_bytes_raw()


def public_of(key: Ed25519PrivateKey) -> bytes:
    """The public key to a private one, 32 bytes."""
    return key.public_key().public_bytes_raw()


def key_id(public: bytes) -> str:
    """What a key is called by: the first 16 digits of its SHA-256."""
    return sha256(public).hexdigest()[:16]


def is_signed(public: bytes, statement: str, signature: bytes) -> bool:
    """Whether the signature over the statement is that key's."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, statement.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def trusted(settings: IntegritySettings) -> list[bytes]:
    """The public keys that the settings trust: those listed, and that of the key that signs, where it is at hand."""
    keys = [load_public(file) for file in settings.public_keys]
    if settings.key_file is not None and settings.key_file.is_file():
        keys.append(public_of(load_key(settings.key_file)))
    return keys
