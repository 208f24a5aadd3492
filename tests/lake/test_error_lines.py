"""An error of the lake is one line, and that line holds the cause."""

from __future__ import annotations

import pytest

from lake.commit import first_line

# As deltalake writes it when the disk of the log is full.
FULL = (
    "Generic LocalFileSystem error\n"
    "          \x1b[31m↳\x1b[0m Unable to copy data to file\n"
    "           \x1b[31m↳\x1b[0m No space left on device (os error 28)\n"
)


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (
            FULL,
            "Generic LocalFileSystem error: Unable to copy data to file: No space left on device (os error 28)",
        ),
        ("one line", "one line"),
        ("what failed\n\nstack backtrace:\n  0: rust_begin_unwind\n", "what failed"),
        ("", "OSError"),
    ],
)
def test_the_cause_is_in_the_line(said: str, line: str) -> None:
    assert first_line(OSError(said)) == line
