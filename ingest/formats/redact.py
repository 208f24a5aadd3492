"""Secrets that a policy input names for what they are, hidden before the input is kept in `attributes`."""

from __future__ import annotations

import hashlib
import re
from typing import Any

_SECRET_KEYS = re.compile(
    r"(?i)(^|[_.-])(authorization|cookie|set-cookie|password|passwd|secret|client_?secret|api_?key|x-api-key"
    r"|private_?key|(access|id|refresh|session|bearer)?_?token|jwt|assertion)$"
)
_DEPTH = 12


def fingerprint(secret: str) -> str:
    """SHA-256 of a token, hexadecimal, without the scheme that a header puts before it."""
    scheme, _, token = secret.partition(" ")
    return hashlib.sha256((token.strip() if token and scheme.isalpha() else secret).encode()).hexdigest()


def without_secrets(value: Any, depth: int = _DEPTH) -> Any:
    """The value with each text under a name such as `password` or `access_token` as its fingerprint.

    What nests deeper than twelve levels is left out: it is in the record's bytes.
    """
    if isinstance(value, dict):
        if depth == 0:
            return "…"
        return {
            key: f"[masked sha256:{fingerprint(inner)[:8]}]"
            if isinstance(inner, str) and inner and _SECRET_KEYS.search(key[-64:])
            else without_secrets(inner, depth - 1)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return "…" if depth == 0 else [without_secrets(inner, depth - 1) for inner in value]
    return value
