"""The table of deliveries: the outbox of findings, and what became of each state at each sink."""

from __future__ import annotations

from schemas.table import DATE, INT, STRING, TIME, Column, Table

# queued: to be sent; delivered: taken by the receiver; failed: to be tried again; rate_limited: the receiver asked to
# be left alone, so nothing goes to that sink until then; dead: given up, until it is resent.
OUTCOMES = ("queued", "delivered", "failed", "rate_limited", "dead")

DELIVERIES = Table(
    name="deliveries",
    description="Where each state of a finding was to go, and what came of each attempt; append-only.",
    time_column="delivery_time",
    key="delivery_id",
    statistics=("delivery_time",),
    columns=(
        Column(
            "delivery_id",
            STRING,
            "Hash of sink, finding and revision: the same on every attempt.",
            required=True,
        ),
        Column("entry", INT, "1 for the first entry of a delivery, then counted up.", required=True),
        Column("sink", STRING, "The sink, by its name in the settings.", required=True),
        Column("route", STRING, "The route that led there: its name, or its number.", required=True),
        Column("finding_id", STRING, "The finding.", required=True),
        Column("revision", INT, "Which of its states.", required=True),
        Column("attempt", INT, "How often it had been tried, this time included; 0 before.", required=True),
        Column(
            "outcome",
            STRING,
            "queued, delivered, failed (to be tried again), rate_limited (so is the whole sink) or dead (given up).",
            required=True,
            values=OUTCOMES,
        ),
        Column("message_id", STRING, "The message that carried it; several states may share one."),
        Column("message_states", INT, "How many states that message told of."),
        Column("error", STRING, "What went wrong."),
        Column("retry_time", TIME, "Not to be tried before this time."),
        Column("delivery_time", TIME, "When the entry was made.", required=True),
        Column("event_date", DATE, "UTC date of the entry; the partition of the table.", required=True),
    ),
)
