"""The table of replays: which dead letters have been decoded since, so that they count no longer."""

from __future__ import annotations

from schemas.table import DATE, INT, STRING, TIME, Column, Table

OUTCOMES = ("rows", "no_event")

REPLAYS = Table(
    name="replays",
    description="Dead letters that a replay has resolved; the view `open_dead_letters` has the others.",
    time_column="replay_time",
    key="dead_letter_id",
    statistics=("replay_time",),
    columns=(
        Column("dead_letter_id", STRING, "The dead letter that is resolved.", required=True),
        Column("replay_time", TIME, "When it was resolved.", required=True),
        Column(
            "outcome",
            STRING,
            "What its event is now: rows in the tables, or no event that is kept.",
            required=True,
            values=OUTCOMES,
        ),
        Column("record_rows", INT, "How many rows the whole record yields now.", required=True),
        Column("event_date", DATE, "UTC date of the replay; the partition of the table.", required=True),
    ),
)
