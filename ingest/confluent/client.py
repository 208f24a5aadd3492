"""The schema registry, as far as a reader needs it: one question, which schema has this id.

A registry that does not answer, or refuses, is a SourceError: nothing of the batch at hand is committed then, and
the records are read again by the next run. Only its own word that there is no such schema is about the record.
"""

from __future__ import annotations

import base64
import json
import logging
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ingest.jsonrecord import cut, list_of, object_of, text_of
from ingest.security import NoRedirect, pem_file, read_secret
from schemas.errors import RecordError, SettingsError, SourceError

if TYPE_CHECKING:
    from schemas.settings import RegistrySettings

log = logging.getLogger(__name__)

LONGEST_ANSWER = 4 * 1024 * 1024
MOST_REFERENCES = 64
# How long to wait before asking again: a restart of the registry's node behind a balancer passes unnoticed.
PAUSES = (0.5, 2.0)
# What the registry says where it knows the question, and has no such schema, subject or version.
UNKNOWN = (40401, 40402, 40403)


@dataclass(frozen=True, slots=True)
class Reference:
    """Another schema that a schema builds on, by the name that it uses for it."""

    name: str
    subject: str
    version: int


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema as the registry keeps it. `kind` is AVRO, JSON, PROTOBUF, or what else it says."""

    kind: str
    text: str
    references: tuple[Reference, ...]


class Client:
    """Asks the registry of the settings."""

    def __init__(self, settings: RegistrySettings) -> None:
        """Read the secret and the certificate authority. Raises SettingsError; it does not connect yet."""
        self._url = str(settings.url).rstrip("/")
        self._timeout = settings.timeout.total_seconds()
        self._headers = {"Accept": "application/vnd.schemaregistry.v1+json, application/json"}
        password = read_secret(settings.password, settings.password_file, "registry.password_file")
        if (settings.username is None) != (password is None):
            raise SettingsError(
                "registry.username and its password go together: set registry.username, and registry.password_file or"
                " COUNTERFOIL_REGISTRY__PASSWORD"
            )
        if settings.username is not None:
            words = base64.b64encode(f"{settings.username}:{password}".encode()).decode("ascii")
            self._headers["Authorization"] = f"Basic {words}"
        try:
            tls = ssl.create_default_context(cafile=pem_file(settings.ca_file, "registry.ca_file"))
        except ssl.SSLError as error:
            raise SettingsError(f"registry.ca_file: there is no certificate in {settings.ca_file}") from error
        tls.minimum_version = ssl.TLSVersion.TLSv1_2
        self._opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=tls), NoRedirect())

    def by_id(self, number: int, *, serialized: bool = False) -> Schema:
        """The schema of an id. RecordError unknown_schema; SourceError.

        `serialized` asks for a protobuf schema as a descriptor in base64, in place of its source.
        """
        return self._schema(f"/schemas/ids/{number}", f"id {number}", serialized=serialized)

    def by_reference(self, reference: Reference, *, serialized: bool = False) -> Schema:
        """The schema that another refers to. RecordError unknown_schema; SourceError."""
        subject = urllib.parse.quote(reference.subject, safe="")
        path = f"/subjects/{subject}/versions/{reference.version}"
        what = cut(f"{reference.subject!r} version {reference.version}", 120)
        return self._schema(path, what, serialized=serialized)

    def all_references(self, schema: Schema, *, serialized: bool = False) -> list[tuple[str, Schema]]:
        """Each schema that this one builds on, with its name, once, behind those that it builds on itself.

        RecordError unknown_schema or unsupported_schema; SourceError.
        """
        found: dict[Reference, Schema] = {}
        path: list[Reference] = []

        def visit(of: Schema) -> None:
            for reference in of.references:
                if reference in path:
                    raise RecordError("unsupported_schema", "the schema refers to itself by its references")
                if reference in found:
                    continue
                if len(found) + len(path) >= MOST_REFERENCES:
                    raise RecordError(
                        "unsupported_schema", f"the schema has more than {MOST_REFERENCES} references"
                    )
                path.append(reference)
                inner = self.by_reference(reference, serialized=serialized)
                visit(inner)
                path.pop()
                found[reference] = inner

        visit(schema)
        return [(reference.name, inner) for reference, inner in found.items()]

    def _schema(self, path: str, what: str, *, serialized: bool) -> Schema:
        said = self._ask(path + ("?format=serialized" if serialized else ""), what)
        text = said.get("schema")
        references = []
        for each in list_of(said.get("references")):
            of = object_of(each)
            name, subject, version = of.get("name"), of.get("subject"), of.get("version")
            if not (isinstance(name, str) and isinstance(subject, str) and isinstance(version, int)):
                raise RecordError(
                    "unsupported_schema", f"a reference of the schema with {what} is no reference"
                )
            references.append(Reference(name, subject, version))
        if not isinstance(text, str):
            raise SourceError(f"{self._told} answered without a schema: check registry.url")
        return Schema(text_of(said.get("schemaType")) or "AVRO", text, tuple(references))

    def _ask(self, path: str, what: str) -> dict[str, Any]:
        for pause in (*PAUSES, None):
            try:
                return self._get(path, what)
            except _Passing as error:
                if pause is None:
                    raise SourceError(f"{self._told} {error}") from error
                log.info("%s %s: asking again in %s s", self._told, error, pause)
                time.sleep(pause)
        raise AssertionError  # the last round returns or raises

    def _get(self, path: str, what: str) -> dict[str, Any]:
        request = urllib.request.Request(self._url + path, headers=self._headers)  # noqa: S310 - http(s) only
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                body = answer.read(LONGEST_ANSWER + 1)
        except urllib.error.HTTPError as error:
            with error:  # it holds the connection
                raise self._refusal(error, what) from error
        except ssl.SSLCertVerificationError as error:
            raise SourceError(self._untrusted(error)) from error
        except urllib.error.URLError as error:
            if isinstance(error.reason, ssl.SSLCertVerificationError):
                raise SourceError(self._untrusted(error.reason)) from error
            raise _Passing(_silence(error.reason)) from error
        except (OSError, ValueError) as error:
            raise _Passing(_silence(error)) from error
        if len(body) > LONGEST_ANSWER:
            raise RecordError(
                "unsupported_schema", f"the schema with {what} is longer than {LONGEST_ANSWER} bytes"
            )
        try:
            said = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise SourceError(
                f"{self._told} does not speak as a schema registry: check registry.url"
            ) from error
        if not isinstance(said, dict):
            raise SourceError(f"{self._told} does not speak as a schema registry: check registry.url")
        return said

    def _refusal(self, error: urllib.error.HTTPError, what: str) -> Exception:
        """What a status other than success means."""
        if error.code == 404 and _code_of(error) in UNKNOWN:
            return RecordError(
                "unknown_schema", f"the registry has no schema with {what}: register it, then replay"
            )
        if error.code in (401, 403):
            return SourceError(
                f"{self._told} refused ({error.code}): check registry.username, its password and its rights to read"
            )
        if error.code == 429 or error.code >= 500:
            return _Passing(f"failed ({error.code}): start again when it works")
        return SourceError(f"{self._told} answered {error.code} to {what}: check registry.url")

    def _untrusted(self, error: ssl.SSLCertVerificationError) -> str:
        return f"{self._told} shows a certificate that is not trusted ({error.verify_message}): check registry.ca_file"

    @property
    def _told(self) -> str:
        return f"the schema registry at {self._url}"


class _Passing(Exception):
    """What may be over when it is asked again."""


def _silence(error: object) -> str:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
    return f"does not answer ({reason}): check registry.url, and start again when it does"


def _code_of(error: urllib.error.HTTPError) -> object:
    try:
        said = json.loads(error.read(64 * 1024))
    except (OSError, ValueError, RecursionError):
        return None
    return said.get("error_code") if isinstance(said, dict) else None
