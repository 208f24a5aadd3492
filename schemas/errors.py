"""Every error that Counterfoil raises on purpose, in one tree.

CounterfoilError                exit 1   anything below
├── SettingsError               exit 2   a setting is wrong, unknown or missing
├── SourceError                 exit 3   a broker, topic or file cannot be read
├── LakeError                   exit 4   the lake cannot be opened, read or written
│   └── CommitConflict                   another writer was first; what was refused is not in the lake
├── RecordError                 (never leaves ingest: the record becomes a dead letter)
├── RuleError                   exit 5   a rule file is wrong
└── QueryError                  exit 6   a query was refused or failed

A message says what is wrong, where, and what to do next. It never holds a secret.
"""

from __future__ import annotations

from typing import ClassVar


class CounterfoilError(Exception):
    """The root of the tree. `exit_code` is what the command line returns."""

    exit_code: ClassVar[int] = 1


class SettingsError(CounterfoilError):
    """A setting is wrong, unknown or missing; the message names its key."""

    exit_code = 2


class SourceError(CounterfoilError):
    """A broker, topic or file cannot be read."""

    exit_code = 3


class LakeError(CounterfoilError):
    """The lake cannot be opened, read or written."""

    exit_code = 4


class CommitConflict(LakeError):
    """Another writer committed first, so nothing of this commit is in the lake: read the position again."""


class RecordError(CounterfoilError):
    """One record cannot be decoded. `reason` is the short code kept with the dead letter."""

    def __init__(self, reason: str, detail: str) -> None:
        """Keep the code and the sentence apart, so that dead letters can be counted by reason."""
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class RuleError(CounterfoilError):
    """A rule file is wrong; the message holds file and line."""

    exit_code = 5


class QueryError(CounterfoilError):
    """A query was refused or failed."""

    exit_code = 6
