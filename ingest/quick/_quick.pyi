# What `_quick.c` defines.

_Column = tuple[bytes, bytes, bytes, bytes, int]
_Told = tuple[bytes, int, bool, tuple[bytes, ...], int, int]
_Headers = tuple[tuple[str, bytes], ...]

class Spec: ...

def prepare(tables: list[list[_Told]], identity: tuple[bytes, ...], /) -> Spec: ...
def read_plain(
    spec: Spec, values: list[bytes | None], headers: list[_Headers], most_bytes: int, /
) -> tuple[list[tuple[bytes, _Column, dict[bytes, _Column]]], list[int]]: ...
def split(
    data: bytes, count: int, base_offset: int, base_time: int, /
) -> tuple[list[int], list[int | None], list[bytes | None], list[bytes | None], list[_Headers]] | None: ...
