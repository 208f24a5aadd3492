"""Sizes in the settings: `512KiB`, `64MiB`, `2GB`."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, ByteSize


def _size(value: object) -> object:
    """Refuse what the size's own reader would cut off, such as `64MB!`."""
    if isinstance(value, str) and not re.fullmatch(
        r"\s*\d+(\.\d+)?\s*([kmgt]i?)?b?\s*", value, re.IGNORECASE
    ):
        raise ValueError("give a size such as '512KiB' or '64MiB'")
    return value


Size = Annotated[ByteSize, BeforeValidator(_size)]
