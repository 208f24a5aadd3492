"""Read whole record batches from the client and split them into columns here.

The client makes an object of every record, which costs more than all else in fetching. Here it hands over the
batches as they came, and one loop finds the records in each: a small part of the time per record. It also means
that a batch that a hostile producer has spoilt (which passes the checksum, since that is the producer's too) costs
that batch and not the ingest: it becomes one dead letter.

This rests on internals of the client. `take_whole_batches` is used with the version it was tested with only; with
another one, the client's own records are read.
"""

from __future__ import annotations

import logging
import zlib
from functools import partial
from typing import TYPE_CHECKING, Any

import kafka
import pyarrow as pa
import zstandard
from kafka import errors as kafka_errors
from kafka.consumer.fetcher import Fetcher
from kafka.protocol.consumer import IsolationLevel
from lz4.frame import LZ4FrameDecompressor

from ingest.batch import Chunk
from ingest.quick import _quick
from ingest.stretch import packed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest.records import Headers

log = logging.getLogger(__name__)

TESTED = "3.0.12"
# Beyond the year 9999 a timestamp fits no calendar, and its microseconds soon no 64 bits.
END_OF_TIME_MS = 253_402_300_800_000
# A batch of a megabyte may say that it unpacks to the whole memory; honest JSON shrinks twentyfold or so.
MAX_UNPACKED = 256 * 1024 * 1024
# What parsing and the decompression libraries raise on bytes that are not what they say they are.
SPOILT = (
    ValueError,
    IndexError,
    RuntimeError,
    EOFError,
    OSError,
    OverflowError,
    zlib.error,
    zstandard.ZstdError,
)


def take_whole_batches(consumer: Any) -> bool:
    """Have a consumer's `poll` return `WholeBatch`es in place of records; False where that cannot be done."""
    if kafka.__version__ != TESTED:
        log.info("kafka-python %s: records are read one by one (batches: %s only)", kafka.__version__, TESTED)
        return False
    consumer._fetcher.PartitionRecords = _BatchRecords  # noqa: SLF001 - see above
    return True


class WholeBatch:
    """One record batch as it came, with its place in the log."""

    def __init__(self, batch: Any) -> None:
        """Keep it; nothing is decompressed yet. `offset` is that of the last record, as the client wants it."""
        self._batch = batch
        self.offset: int = batch.last_offset
        self.first: int = batch.base_offset

    def columns(self, where: object) -> Chunk:
        """Split it. A batch that cannot be split is one record, its bytes, at the batch's first offset.

        Raises UnsupportedCodecError (of the client) for a compression that no library here knows.
        """
        batch = self._batch
        raw = bytes(batch._buffer)  # noqa: SLF001
        try:
            data = _unpack(raw[batch.HEADER_STRUCT.size :], batch.compression_type)
            at_append = batch.max_timestamp if batch.timestamp_type == batch.LOG_APPEND_TIME else None
            told = (data, batch.records_count, batch.base_offset, batch.first_timestamp, at_append)
            chunk = split_quickly(*told) or split(*told)
            if len(chunk) and chunk.last > self.offset:
                raise ValueError("a record's offset lies beyond the batch")
        except SPOILT as error:
            log.warning("%s: the record batch at offset %d is spoilt: %s", where, batch.base_offset, error)
            chunk = Chunk(0, [batch.base_offset], [raw], [None], [(_spoilt(error),)], [None], len(raw))
        chunk.next_offset = self.offset + 1
        return chunk


def _unpack(data: bytes, codec: int) -> bytes:
    match codec:
        case 0:
            return data
        case 1:
            gzip = zlib.decompressobj(31)
            unpacked = gzip.decompress(data, MAX_UNPACKED)
            complete = gzip.eof
        case 2:
            return _unpack_snappy(data)
        case 3:
            unpacked, complete = _joined(_lz4_pieces(data))
        case 4:
            unpacked, complete = _joined(_zstd_pieces(data))  # what was cut off shows when it is split
        case _:
            raise kafka_errors.UnsupportedCodecError(
                f"records compressed in an unknown way ({codec}): let producers use zstd, lz4, snappy or gzip"
            )
    if not complete:
        raise ValueError(f"it unpacks to more than {MAX_UNPACKED} bytes, or is cut off")
    return bytes(unpacked)


def _room(data: bytes) -> int:
    """For how much to ask at once: what so many bytes mostly unpack to. These two libraries take all the memory that
    they may fill before they fill any, which for MAX_UNPACKED costs more than the unpacking of a batch."""
    return min(max(len(data) * 8, 64 * 1024), MAX_UNPACKED)


def _lz4_pieces(data: bytes) -> Iterator[bytes]:
    frame, room = LZ4FrameDecompressor(), _room(data)
    while not frame.eof:
        piece = frame.decompress(data, room)
        if not piece and not frame.eof:
            raise ValueError("it is cut off")
        yield piece
        data = b""


def _zstd_pieces(data: bytes) -> Iterator[bytes]:
    with zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True) as frames:
        yield from iter(partial(frames.read, _room(data)), b"")


def _joined(pieces: Iterator[bytes]) -> tuple[bytes, bool]:
    """The pieces as one, and whether they are at most MAX_UNPACKED bytes; where not, the rest is not unpacked."""
    taken, size = [], 0
    for piece in pieces:
        taken.append(piece)
        size += len(piece)
        if size > MAX_UNPACKED:
            return b"", False
    return taken[0] if len(taken) == 1 else b"".join(taken), True


def _unpack_snappy(data: bytes) -> bytes:
    """Unpack one raw block, or the framing that Java producers put around blocks. Each block tells its size first."""
    blocks = [data]
    if data.startswith(b"\x82SNAPPY\0"):
        blocks, position = [], 16
        while position < len(data):
            end = position + 4 + int.from_bytes(data[position : position + 4], "big")
            blocks.append(data[position + 4 : end])
            position = end
    sizes = [_long(block, 0)[0] for block in blocks]
    if sum(sizes) > MAX_UNPACKED:
        raise ValueError(f"it unpacks to more than {MAX_UNPACKED} bytes")
    return b"".join(
        pa.decompress(block, decompressed_size=size, codec="snappy", asbytes=True)
        for block, size in zip(blocks, sizes, strict=True)
    )


def split_quickly(
    data: bytes, count: int, base_offset: int, base_time: int, at_append: int | None
) -> Chunk | None:
    """As `split`, in C, the records left in the batch; None where that is not there, or finds anything wrong."""
    places = _quick and _quick.split(data, count, base_offset, base_time)
    if not places:
        return None
    chunk = Chunk(0, size=len(data))
    time_us = None if at_append is None else microseconds(at_append)
    chunk.take([packed(data, places, time_us, stamped=at_append is not None)])
    return chunk


def split(data: bytes, count: int, base_offset: int, base_time: int, at_append: int | None) -> Chunk:
    """Split the records of a batch, format version 2, decompressed.

    Times are in milliseconds; `at_append` holds for all records where the broker stamped them. Raises ValueError or
    IndexError when the bytes are not what they say they are.
    """
    chunk = Chunk(0)
    offset, value, key, headers, time_us = chunk.offset, chunk.value, chunk.key, chunk.headers, chunk.time_us
    numbers: list[int] = [0] * 5
    position = 0
    last = -1
    fixed = microseconds(at_append) if at_append is not None else None
    for _ in range(count):
        length, position = _varint(data, position)
        end = position + length
        position += 1  # attributes, none of which is in use
        # Time, offset and length of the key: varints, mostly of a byte or two, so they are read in place.
        for i in range(3):
            number = data[position]
            position += 1
            if number > 127:
                more = data[position]
                position += 1
                if more > 127:
                    number, position = _long(data, position - 2)
                else:
                    number = (number & 127) | (more << 7)
            numbers[i] = (number >> 1) ^ -(number & 1)
        if numbers[1] <= last:
            raise ValueError(f"record {len(offset)} has the offset of an earlier one, or a lower one")
        last = numbers[1]
        offset.append(base_offset + last)
        time_us.append(fixed if at_append is not None else microseconds(base_time + numbers[0]))
        length = numbers[2]
        if length >= 0:
            key.append(data[position : position + length])
            position += length
        else:
            key.append(None)
        length, position = _varint(data, position)
        if length >= 0:
            value.append(data[position : position + length])
            position += length
        else:
            value.append(None)
        number = data[position]
        position += 1
        if number == 0:
            headers.append(())
        else:
            found, position = _headers(data, position - 1)
            headers.append(found)
        if position != end:
            raise ValueError(f"record {len(offset) - 1} does not end where it says")
    if position != len(data):
        raise ValueError(f"{len(data) - position} bytes are left after the last record")
    chunk.size = len(data)
    return chunk


def _headers(data: bytes, position: int) -> tuple[Headers, int]:
    """Read headers. A name that is no UTF-8 is kept with its bytes written out, so that it can stop nobody."""
    count, position = _varint(data, position)
    if not 0 <= count <= len(data):
        raise ValueError(f"{count} headers")
    found: list[tuple[str, bytes]] = []
    for _ in range(count):
        length, position = _varint(data, position)
        if length < 0:
            raise ValueError("a header without a name")
        name = data[position : position + length].decode("utf-8", "backslashreplace")
        position += length
        length, position = _varint(data, position)
        content = b""
        if length >= 0:
            content = data[position : position + length]
            position += length
        found.append((name, content))
    return tuple(found), position


def _varint(data: bytes, position: int) -> tuple[int, int]:
    number = data[position]
    if number < 128:
        return (number >> 1) ^ -(number & 1), position + 1
    number, position = _long(data, position)
    return (number >> 1) ^ -(number & 1), position


def _long(data: bytes, position: int) -> tuple[int, int]:
    number = shift = 0
    while shift < 70:
        byte = data[position]
        position += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, position
        shift += 7
    raise ValueError("a number of more than ten bytes")


def microseconds(milliseconds: int) -> int | None:
    """Turn a record's timestamp into microseconds; None where it has none, or one outside the calendar."""
    return milliseconds * 1000 if 0 <= milliseconds < END_OF_TIME_MS else None


def _spoilt(error: Exception) -> tuple[str, bytes]:
    return "counterfoil.spoilt-batch", f"{type(error).__name__}: {error}"[:500].encode("utf-8", "replace")


class _BatchRecords(Fetcher.PartitionRecords):  # type: ignore[misc]
    """The client's own, but for the step that makes records of batches; aborted transactions are left out as there."""

    def _unpack_records(self, tp: Any, records: Any, *_: Any) -> Iterator[Any]:
        committed_only = self.isolation_level == IsolationLevel.READ_COMMITTED
        while (batch := records.next_batch()) is not None:
            if self.check_crcs and not batch.validate_crc():
                raise kafka_errors.CorruptRecordError(
                    f"the record batch of {tp} at {batch.base_offset} fails its CRC"
                )
            if batch.magic < 2:
                raise kafka_errors.UnsupportedVersionError(
                    f"{tp} holds records of a format from before Kafka 0.11: let the broker convert the topic"
                )
            self.leader_epoch = batch.leader_epoch
            self.next_fetch_offset = batch.next_offset
            if committed_only and batch.has_producer_id() and self._is_out(batch):
                continue
            if not batch.is_control_batch:
                self.bytes_read += batch.size_in_bytes
                self.records_read += batch.records_count
                yield WholeBatch(batch)
        self.drain()

    def _is_out(self, batch: Any) -> bool:
        """Whether a batch belongs to an aborted transaction; follows the beginnings and the markers of those."""
        self._consume_aborted_transactions_up_to(batch.last_offset)
        if self._contains_abort_marker(batch):
            self.aborted_producer_ids.discard(batch.producer_id)
            return True
        return bool(self._is_batch_aborted(batch))
