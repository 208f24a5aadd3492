"""The tables of proof: the segments of the digest chains, the signed checkpoints over them, and legal holds."""

from __future__ import annotations

from schemas.table import BYTES, DATE, INT, STRING, TIME, Column, Table

# records: rows of a stretch of offsets; late: rows that a replay added to sealed offsets; entries: rows of a table that
# only grows; seal: how far a sealing looked; expired and erased: tombstones.
SEGMENT_KINDS = ("records", "late", "entries", "seal", "expired", "erased")

DIGESTS = Table(
    name="digests",
    description="The digest chains: each segment covers rows and the digest of the segment before it; append-only.",
    time_column="sealed_time",
    key="segment_id",
    statistics=("sealed_time",),
    columns=(
        Column("segment_id", STRING, "chain#number.", required=True),
        Column(
            "chain",
            STRING,
            "records:topic-partition, table:name, seals or tombstones.",
            required=True,
        ),
        Column("number", INT, "0 for the first segment of the chain, then counted up.", required=True),
        Column("kind", STRING, "What the segment covers.", required=True, values=SEGMENT_KINDS),
        Column("from_offset", INT, "First offset that it covers."),
        Column("to_offset", INT, "First offset after it."),
        Column("rows", INT, "How many rows it covers.", required=True),
        Column("sealed_time", TIME, "When it was made.", required=True),
        Column("header", STRING, "All that the digest is over, as JSON in canonical form.", required=True),
        Column("digest", BYTES, "SHA-256 of the header, 32 bytes.", required=True),
        Column(
            "leaves",
            BYTES,
            "Where its rows stand, packed; what of their digests tells which one was changed.",
        ),
        Column("event_date", DATE, "UTC date of sealing; the partition of the table.", required=True),
    ),
)

CHECKPOINTS = Table(
    name="checkpoints",
    description="Signed statements over the heads of all digest chains; export them out of the lake's reach.",
    time_column="checkpoint_time",
    key="checkpoint_id",
    statistics=("checkpoint_time",),
    columns=(
        Column("checkpoint_id", STRING, "SHA-256 of the statement, hexadecimal.", required=True),
        Column("number", INT, "0 for the first, then counted up.", required=True),
        Column("checkpoint_time", TIME, "When it was signed.", required=True),
        Column(
            "key_id", STRING, "The key that signed it: SHA-256 of the public key, 16 digits.", required=True
        ),
        Column("statement", STRING, "What is signed, as JSON in canonical form.", required=True),
        Column("signature", BYTES, "Ed25519 over the statement, 64 bytes.", required=True),
        Column("event_date", DATE, "UTC date of signing; the partition of the table.", required=True),
    ),
)

HOLD_STATES = ("held", "released")

HOLDS = Table(
    name="holds",
    description="Legal holds: what neither retention nor erasure may touch until it is released; append-only.",
    time_column="hold_time",
    key="hold_id",
    statistics=("hold_time",),
    columns=(
        Column("hold_id", STRING, "Identity of the hold.", required=True),
        Column("entry", INT, "1 when it was placed, 2 when it was released.", required=True),
        Column("state", STRING, "Whether it holds from this entry on.", required=True, values=HOLD_STATES),
        Column("tenant_id", STRING, "Tenant that it is for; null for all."),
        Column("trace_id", STRING, "Trace that it is for; null for all."),
        Column("agent", STRING, "Name of the agent that it is for; null for all."),
        Column("from_time", TIME, "From which event time on; null from the beginning."),
        Column("until_time", TIME, "Up to which event time; null without end."),
        Column("owner", STRING, "Who answers for it.", required=True),
        Column("reason", STRING, "Why.", required=True),
        Column("actor", STRING, "Who made the entry.", required=True),
        Column("hold_time", TIME, "When the entry was made.", required=True),
        Column("event_date", DATE, "UTC date of the entry; the partition of the table.", required=True),
    ),
)
