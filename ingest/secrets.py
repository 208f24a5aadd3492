"""Secrets that sources write into free text are masked before the text is stored outside the raw record."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Sequence

# Only what is a secret by its very form: a wrong mask would hide evidence.
_FORMS = (
    r"[Bb]earer\s+[A-Za-z0-9._~+/-]{16,}=*",
    r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",  # a JSON Web Token
    r"(?:sk|rk|pk)[-_][A-Za-z0-9_-]{20,}",
    r"(?:AKIA|ASIA)[0-9A-Z]{16}",
    r"gh[pousr]_[A-Za-z0-9]{30,}",
    r"glpat-[A-Za-z0-9_-]{20,}",
    r"xox[abeprs]-[A-Za-z0-9-]{10,}",
    r"AIza[0-9A-Za-z_-]{35}",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^\"]*",
)
_PATTERN = "|".join(_FORMS)
# A secret starts where a word does, or after a line's end as JSON writes it. Without that start, a hostile
# text such as `eyJeyJeyJ…` would cost the square of its length in Python; RE2, which finds the rows, is
# linear anyway.
_SECRET = re.compile(rf"(?:(?<![A-Za-z0-9_-])|(?<=\\[nrt]))(?:{_PATTERN})")


def mask(text: str) -> str:
    """Replace each secret by the head of its SHA-256, so that two uses of one can still be told to be one."""
    return _SECRET.sub(lambda match: f"[masked sha256:{_head(match[0])}]", text)


def mask_column(column: pa.Array) -> pa.Array:
    """Mask the secrets in a column of texts; the column itself when it holds none."""
    if column.null_count == len(column):
        return column
    # Reasons and the like are mostly of a few words, and looking for secrets costs more than telling them apart.
    if not pc.any(pc.match_substring_regex(column.unique(), pattern=_PATTERN)).as_py():
        return column
    hits = pc.match_substring_regex(column, pattern=_PATTERN)
    texts: Sequence[str | None] = column.to_pylist()
    masked = [
        mask(text) if hit and text is not None else text
        for text, hit in zip(texts, hits.to_pylist(), strict=True)
    ]
    return pa.array(masked, column.type)


def _head(secret: str) -> str:
    token = secret.split(maxsplit=1)[1] if secret[:6].lower() == "bearer" else secret
    return hashlib.sha256(token.encode()).hexdigest()[:8]
