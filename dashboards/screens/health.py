"""Whether the figures can be trusted: what was read and how far, what could not be, what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboards import data
from dashboards.charts.coverage import STATUSES, calendar
from dashboards.frame import is_dark
from dashboards.words import clock, from_bytes, inert, one_line
from schemas.catalogue import TABLES

if TYPE_CHECKING:
    import pyarrow as pa

DAYS, MOST_BYTES, MOST_ROWS_HIGH = 14, 20_000, 8
STREAMS = ("orchestration", "authorization")


def main() -> None:
    """Draw the page."""
    lag = data.ask("lag", most=200)
    reasons = data.ask("dead_reasons")
    holes = data.ask("holes")
    _figures(lag, reasons, holes.num_rows)
    _coverage()
    left, right = st.columns(2, gap="medium")
    with left:
        st.subheader("Sources", anchor=False)
        _sources(lag)
        st.subheader("Tables", anchor=False)
        _tables()
    with right:
        st.subheader("Dead letters", anchor=False)
        _dead_letters(reasons)
        st.subheader("Detection runs", anchor=False)
        _runs()
        st.subheader("Integrity", anchor=False)
        _integrity()
    if holes.num_rows:
        st.subheader("Holes", anchor=False)
        st.caption(
            "Records that were gone from the source before they could be read: absence is not judged there."
        )
        config = {
            "source_topic": "topic",
            "source_partition": "partition",
            "hole_from": "first offset gone",
            "hole_to": "read again from",
            "from_time": _time("decisions until"),
            "to_time": _time("and again from"),
        }
        _grid(holes, config)


def _time(label: str, width: int = 112) -> Any:
    return st.column_config.DatetimeColumn(label, format="MM-DD HH:mm:ss", timezone="UTC", width=width)


def _number(label: str, width: int) -> Any:
    return st.column_config.NumberColumn(label, format="localized", width=width)


def _text(label: str, width: int) -> Any:
    return st.column_config.TextColumn(label, width=width)


def _grid(table: pa.Table, config: dict[str, Any], order: tuple[str, ...] | None = None) -> None:
    """A table of data: text made inert, as high as its rows up to a few, then scrolled."""
    high: Any = "content" if table.num_rows <= MOST_ROWS_HIGH else 300
    st.dataframe(
        inert(table), hide_index=True, placeholder="–", height=high, column_order=order, column_config=config
    )


def _figures(lag: pa.Table, reasons: pa.Table, holes: int) -> None:
    shown = data.shown()
    behind = sum(each or 0 for each in lag["lag"].to_pylist())
    figures = {
        "orchestration events": shown.count("orchestration_events"),
        "decisions": shown.count("authorization_decisions"),
        "records behind": behind,
        "dead letters": sum(reasons["records"].to_pylist()),
        "holes": holes,
    }
    for column, (name, value) in zip(st.columns(len(figures)), figures.items(), strict=True):
        column.metric(name, f"{value:,}", border=True)


def _coverage() -> None:
    st.subheader("Coverage by hour of event time", anchor=False)
    hours = data.rows_of("coverage", days=DAYS)
    if not hours:
        st.caption("No events yet.")
        return
    complete = {row["stream"]: row["complete_until"] for row in data.rows_of("watermarks")}
    for column, stream in zip(st.columns(2, gap="medium"), STREAMS, strict=True):
        until = complete.get(stream)
        column.caption(
            f"{stream} · {f'complete until {clock(until)[:-4]} UTC' if until else 'never complete'}"
        )
        chart = calendar([hour for hour in hours if hour["stream"] == stream], dark=is_dark())
        column.altair_chart(chart, alt=f"Coverage of the {stream} stream: a row per day, a column per hour.")
    letters = " · ".join(
        f"{letter or 'no letter'}: {means.split(': ')[0]}" for letter, means in STATUSES.values()
    )
    st.caption(f"{letters} · empty: no events in either stream. The newest {DAYS} days that have events.")


def _sources(lag: pa.Table) -> None:
    if not lag.num_rows:
        st.caption("No source has been read yet.")
        return
    config = {
        "source_topic": _text("topic or file", 140),
        "source_partition": _number("part", 45),
        "lag": _number("behind", 60),
        "caught_up": st.column_config.CheckboxColumn("at its end", width=70),
        "observed_time": _time("observed (UTC)"),
        "next_offset": _number("next offset", 90),
        "end_offset": _number("end offset", 90),
    }
    _grid(lag, config, tuple(config))


def _tables() -> None:
    newest = {row["name"]: row for row in data.rows_of("newest_rows")}
    rows = [
        {
            "table": name,
            "rows": data.shown().count(name),
            "newest_time": newest.get(name, {}).get("newest_time"),
            "ingest_time": newest.get(name, {}).get("ingest_time"),
        }
        for name in TABLES
    ]
    st.dataframe(
        rows,
        hide_index=True,
        placeholder="–",
        height="content",
        column_config={
            "table": _text("table", 150),
            "rows": _number("rows", 62),
            "newest_time": _time("newest (UTC)", 108),
            "ingest_time": _time("written (UTC)", 108),
        },
    )


def _dead_letters(reasons: pa.Table) -> None:
    if not reasons.num_rows:
        st.caption("None: everything that was read could be decoded.")
        return
    config = {
        "reason": _text("reason", 105),
        "records": _number("records", 62),
        "newest_time": _time("newest (UTC)"),
        "newest_detail": _text("the newest, in words", 300),
        "stream": _text("stream", 100),
    }
    _grid(reasons, config, tuple(config))
    examples = {row["dead_letter_id"]: row for row in data.rows_of("dead_letters", most=50)}
    chosen = st.selectbox(
        "Look at one of the newest",
        list(examples),
        index=None,
        placeholder="choose a record to see its bytes",
        key="dead_letter",
        format_func=lambda each: " · ".join(
            (
                clock(examples[each]["ingest_time"])[:-4],
                one_line(examples[each]["reason"]),
                one_line(each, cut=80),
            )
        ),
    )
    if chosen:
        _dead_letter(chosen, examples[chosen])


def _dead_letter(dead_letter_id: str, example: dict[str, Any]) -> None:
    record = data.rows_of("dead_letter_raw", dead_letter_id=dead_letter_id, most=MOST_BYTES)[0]
    tried = one_line(example["source_format"]) if example["source_format"] else "none was recognised"
    facts = f"format: {tried} · {record['raw_size']:,} bytes · SHA-256 {record['sha256'].lower()}"
    st.text(f"{one_line(example['detail'])}\n{facts}")
    if record["raw"] is None:
        st.caption("The record has no value.")
        return
    as_text, as_bytes = st.tabs(["As text", "As bytes"])
    as_text.code(from_bytes(record["raw"], MOST_BYTES), language=None, wrap_lines=True, height=240)
    as_bytes.code(record["raw"][:2048].hex(" "), language=None, wrap_lines=True, height=240)
    if record["raw_size"] > len(record["raw"]):
        st.caption(f"The first {len(record['raw']):,} bytes.")


def _runs() -> None:
    runs = data.ask("detection_runs", most=50)
    if not runs.num_rows:
        st.caption("No rule has run yet, or none had anything to write: run 'counterfoil detect'.")
        return
    config = {
        "start_time": _time("started (UTC)"),
        "rule_id": _text("rule", 42),
        "outcome": _text("outcome", 66),
        "findings": _number("hold", 48),
        "written": _number("written", 60),
        "duration_ms": st.column_config.NumberColumn("took (ms)", format="%.0f", width=72),
        "error": _text("error", 300),
        "rule_version": _text("version", 60),
    }
    _grid(runs, config, tuple(config))


def _integrity() -> None:
    chains = data.ask("chains", most=500)
    if not chains.num_rows:
        st.caption("Nothing is sealed: run 'counterfoil seal', and the record can be proved from then on.")
        return
    signed = data.rows_of("newest_checkpoint")
    st.caption(
        f"Checkpoint {signed[0]['number']} was signed at {clock(signed[0]['checkpoint_time'])[:-4]} UTC. "
        "Whether the rows are still those that were sealed, `counterfoil verify` tells."
        if signed
        else "Sealed and not signed: give `integrity.key_file` a key (`counterfoil checkpoint new-key`)."
    )
    config = {
        "chain": _text("chain", 190),
        "rows": _number("rows sealed", 82),
        "below_offset": _number("below offset", 86),
        "sealed_time": _time("sealed (UTC)"),
        "segments": _number("segments", 70),
    }
    _grid(chains, config, tuple(config))


main()
