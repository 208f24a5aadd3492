"""Whether an object store keeps what all writers rely on: that an object which is there is not written again.

A version is written with the condition that there is none of its number yet (`If-None-Match: *`), and the store itself
decides a race between writers on any number of hosts. A store that takes no notice of the condition would let the
second writer replace the first one's version, and nobody would see it. So it is tried out before anything is written:
a few writers race for the versions of a table of no rows, each of which may have one winner.
"""

from __future__ import annotations

import contextlib
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.exceptions import DeltaError
from deltalake.transaction import AddAction

from lake.commit import NO_HOOKS, first_line
from lake.log import read_entry
from lake.objects import filesystem, gone, write_whole
from lake.place import MARK
from schemas.errors import LakeError

if TYPE_CHECKING:
    from lake.place import Place

PREFIX = "_conditions-"  # beside the tables, and gone when it was tried
# deltalake looks which versions there are just before it writes one, and what it sees then is no test of the store.
# Of four that set out together, two or more get past that look nearly always.
WRITERS, ROUNDS = 4, 2
_known: set[str] = set()
_lock = threading.Lock()


def ensure(place: Place, *, create: bool) -> None:
    """Try the condition out, once for each lake in a process; `create` makes the lake where there is none.

    LakeError where the store cannot be written, or takes no notice of it.
    """
    with _lock:
        if place.url in _known:
            return
        name = f"{PREFIX}{uuid.uuid4().hex}"
        try:
            _try(place, name)
            if create and gone(filesystem(place, ""), [MARK]):
                write_whole(
                    filesystem(place, ""), MARK, b"A lake of Counterfoil. Its tables are beside this.\n"
                )
        except (DeltaError, OSError) as error:
            raise LakeError(f"cannot write to {place.url}: {first_line(error)}") from error
        finally:
            with contextlib.suppress(OSError):
                filesystem(place, "").delete_dir(name)
        _known.add(place.url)


def _try(place: Place, name: str) -> None:
    DeltaTable.create(
        place.table_url(name), schema=Schema.from_arrow(pa.schema([("nothing", pa.int64())])), mode="ignore",
        storage_options=place.options(), post_commithook_properties=NO_HOOKS,
    )  # fmt: skip
    with ThreadPoolExecutor(WRITERS) as writers:
        for version in range(1, ROUNDS + 1):
            together = threading.Barrier(WRITERS, timeout=60)
            refused = list(writers.map(lambda _: _write(place, name, together), range(WRITERS)))  # noqa: B023 - used up here
            if refused.count(None) > 1:
                raise LakeError(
                    f"the object store of {place.url} writes over what is there although it was asked not to "
                    "(If-None-Match), so writers would lose one another's rows: use a store with conditional writes"
                )
            if None not in refused and read_entry(place, name, version) is None and refused[0] is not None:
                raise refused[0]


def _write(place: Place, name: str, together: threading.Barrier) -> Exception | None:
    """Write the next version when all are ready to; how that was refused."""
    try:
        handle = DeltaTable(place.table_url(name), storage_options=place.options())
    finally:
        together.wait()
    try:
        handle.create_write_transaction(
            [AddAction(uuid.uuid4().hex, 0, {}, 0, False, '{"numRecords":0}')], "append", handle.schema(), [],
            commit_properties=CommitProperties(max_commit_retries=0), post_commithook_properties=NO_HOOKS,
        )  # fmt: skip
    except (DeltaError, OSError) as error:
        return error
    return None
