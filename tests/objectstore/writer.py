"""A writer such as an ingesting process is: it reads on from where the lake says, and commits rows with the position.

`python -m tests.objectstore.writer URL HOST SEED` runs until it is killed, and prints a line for each commit.
"""

from __future__ import annotations

import random
import sys
from datetime import timedelta
from itertools import count

import pyarrow as pa

from lake.store import NEVER, open_lake
from schemas.errors import CommitConflict
from schemas.events import ORCHESTRATION_EVENTS as EVENTS
from tests.lake.rows import make_events

PARTITIONS = 2


def write(url: str, host: str, seed: int) -> None:
    """Go on with one partition or another, as after each new assignment, against whoever else does."""
    chance = random.Random(seed)
    lake = open_lake(url, create=True)
    for turn in count(1):
        partition = chance.randrange(PARTITIONS)
        source = f"agents-{partition}"
        position = lake.position(EVENTS, source) or 0
        rows = make_events(chance.randint(1, 20), position, timedelta(seconds=30))
        rows = rows.set_column(
            rows.column_names.index("source_partition"),
            "source_partition",
            pa.array([partition] * rows.num_rows, pa.int64()),
        )
        rows = rows.append_column("agent_name", pa.array([host] * rows.num_rows))
        try:
            lake.append(
                EVENTS, rows, positions={source: (position or NEVER, position + rows.num_rows)}, message=host
            )
        except CommitConflict:
            continue
        print(position, flush=True)
        if turn % 10 == 0:
            lake.compact(EVENTS)


if __name__ == "__main__":
    write(sys.argv[1], sys.argv[2], int(sys.argv[3]))
