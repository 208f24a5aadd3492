"""The table of what runs have gathered from the whole lake, so that the next one need not read all of it again."""

from __future__ import annotations

from schemas.table import DATE, INT, STRING, STRINGS, TIME, Column, Table

KINDS = ("covered", "newest_by_source", "policies_seen", "names_told", "tools_told")

GATHERED = Table(
    name="gathered",
    description="What detection runs know of the whole lake, kept from run to run; without it gathered again.",
    time_column="recorded_time",
    key="gathered_id",
    statistics=("recorded_time",),
    columns=(
        Column("gathered_id", STRING, "Identity of the row.", required=True),
        Column(
            "set_id", STRING, "Rows of one set belong together; a day begins with a new one.", required=True
        ),
        Column(
            "kind",
            STRING,
            "The step of that name that it is a row of; covered: all rows up to these versions have been read.",
            required=True,
            values=KINDS,
        ),
        Column(
            "orchestration_version",
            INT,
            "Version of `orchestration_events` that was read; -1: none.",
            required=True,
        ),
        Column(
            "authorization_version",
            INT,
            "Version of `authorization_decisions` that was read; -1: none.",
            required=True,
        ),
        Column(
            "identity_version",
            INT,
            "Version of `identity_events` that was read; -1: none.",
            required=True,
        ),
        Column("subject", STRINGS, "The columns of the row, in their order, but for a time."),
        Column("told_time", TIME, "The time of the row, for a kind that has one."),
        Column("recorded_time", TIME, "When the row was written.", required=True),
        Column("event_date", DATE, "UTC date of writing; the partition of the table.", required=True),
    ),
)
