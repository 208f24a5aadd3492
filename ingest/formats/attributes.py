"""What of a record has no column, as the JSON text of the column `attributes`."""

from __future__ import annotations

from typing import Any

from ingest.jsonrecord import cut, json_text
from ingest.secrets import mask

KEPT_CHARACTERS = 4096


def attributes_text(values: dict[str, Any]) -> str | None:
    """The values that are there, each within 4 KiB, as a JSON object; None when there are none.

    Of a longer value the head of its text is kept, masked first, so that no secret is cut in half and then
    not recognised. The whole is in the record's bytes.
    """
    kept = {name: _small(value) for name, value in values.items() if value is not None}
    return json_text(kept) if kept else None


def _small(value: Any) -> Any:
    text = value if isinstance(value, str) else json_text(value)
    return value if len(text) <= KEPT_CHARACTERS else cut(mask(text), KEPT_CHARACTERS)
