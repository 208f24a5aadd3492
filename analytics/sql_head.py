"""The head of a SQL file: comment lines `-- key: words`, each going on in lines that begin with two blanks."""

from __future__ import annotations

import re


def read_head(text: str, keys: str) -> dict[str, str]:
    """The words of each key, from the first line down to the first that is none of the head.

    `keys` is a regular expression of those that there are.
    """
    form = re.compile(rf"--\s({keys}):\s(.*)|--\s{{2,}}(\S.*)")
    head: dict[str, str] = {}
    last = ""
    for line in text.splitlines():
        match = form.fullmatch(line)
        if not match:
            break
        if match[1]:
            last = match[1]
            head[last] = match[2].strip()
        elif last:
            head[last] += f" {match[3].strip()}"
    return head
