"""The version of the contracts: of the tables, and of the native format that producers send.

A new column or word raises the second number, and older lakes and producers stay good. The first number is
raised when a column goes, changes its type or becomes required.
"""

from __future__ import annotations

from typing import Final

CONTRACT_VERSION: Final = "1.0.0"
