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


def test_of_what_a_store_answers_in_xml_only_the_code_is_told() -> None:
    said = (
        "Generic S3 error\n  ↳ Error performing GET http://store/bucket\n  ↳ 403 Forbidden\n"
        '  ↳ <?xml version="1.0" encoding="UTF-8"?>\n'
        "<Error><Code>SignatureDoesNotMatch</Code><AWSAccessKeyId>AKIA1</AWSAccessKeyId></Error>\n"
    )
    assert first_line(OSError(said)) == (
        "Generic S3 error: Error performing GET http://store/bucket: 403 Forbidden: SignatureDoesNotMatch"
    )
    one_line = "Generic S3 error: 403: <Error><Code>AccessDenied</Code><AWSAccessKeyId>AKIA1</AWSAccessKeyId></Error>"
    assert first_line(OSError(one_line)) == "Generic S3 error: 403: AccessDenied"
