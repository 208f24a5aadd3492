"""What a table is: named columns with a type, a nullability and a sentence each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

TIME = pa.timestamp("us", tz="UTC")
STRING = pa.string()
STRINGS = pa.list_(pa.string())
BOOL = pa.bool_()
INT = pa.int64()
FLOAT = pa.float64()
BYTES = pa.binary()
DATE = pa.date32()


@dataclass(frozen=True)
class Column:
    """One column. `required` columns are never null; elsewhere null means not known.

    `native` columns may be given by a producer in the native format; the others are filled by ingest.
    `values` lists the words that the column may hold, where they are fixed.
    """

    name: str
    type: pa.DataType
    description: str
    required: bool = False
    native: bool = True
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """One table of the lake.

    `time_column` gives the partition column `event_date` (UTC); `key` is what makes two rows the same event;
    `statistics` are the columns whose minimum and maximum the table keeps per file, few on purpose.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    time_column: str
    key: str
    statistics: tuple[str, ...]
    partition_by: tuple[str, ...] = ("event_date",)

    @cached_property
    def schema(self) -> pa.Schema:
        """The Arrow schema, in column order, with each description as field metadata."""
        return pa.schema(
            [
                pa.field(c.name, c.type, nullable=not c.required, metadata={"comment": c.description})
                for c in self.columns
            ]
        )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The column names in order."""
        return tuple(c.name for c in self.columns)

    def column(self, name: str) -> Column:
        """The column of that name; KeyError when there is none."""
        for c in self.columns:
            if c.name == name:
                return c
        raise KeyError(name)
