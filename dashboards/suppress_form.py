"""Suppressing what a finding stands for: scope, reason and expiry, with what it would hide before it hides it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import streamlit as st
from pydantic import ValidationError

from analytics.suppressions import Suppression
from dashboards import data
from dashboards.suppressing import SCOPE, add_to_file, as_toml, preview_values
from dashboards.words import counted, inert, one_line, visible
from schemas.errors import CounterfoilError

if TYPE_CHECKING:
    from collections.abc import Mapping

_COLUMNS = {"tenant": "tenant_id", "resource": "resource_id", "trace": "trace_id", "finding": "finding_id"}
USUAL = ("tenant", "agent", "action", "reason")
MOST_PREVIEWED = 200


def show_suppress(finding: Mapping[str, Any]) -> None:
    """The form, folded; nothing is written before the button is pressed."""
    if not data.actor().may("suppress"):
        return
    folded = st.expander("Suppress …", icon=":material/visibility_off:", key="suppress", on_change="rerun")
    if not folded.open:
        return
    with folded:
        given = {key: finding[_COLUMNS.get(key, key)] for key in SCOPE}
        there = [key for key in SCOPE if given[key]]
        keys = st.pills(
            "Scope: findings of this rule with the same", there, selection_mode="multi", wrap=True,
            default=[key for key in USUAL if key in there], key="suppress-keys",
        )  # fmt: skip
        scope = {
            key: st.text_input(
                f"{key}, in which * stands for anything",
                value=given[key],
                key=f"suppress-{finding['finding_id']}-{key}",
            )
            for key in keys
        }
        name = st.text_input("Name", max_chars=80, key="suppress-name", placeholder="break-glass")
        owner = data.actor().who
        if not data.settings().dashboard.login.on:
            owner = st.text_input(
                "Owner", max_chars=200, key="suppress-owner", placeholder="who answers for it"
            )
        reason = st.text_area("Reason", max_chars=1000, height=80, key="suppress-reason")
        tomorrow = datetime.now(UTC).date() + timedelta(days=1)
        until = st.date_input(
            "Until the end of (UTC)", value=tomorrow + timedelta(days=29), min_value=tomorrow - timedelta(days=1),
            key="suppress-until",
        )  # fmt: skip
        _preview(finding["rule_id"], scope)
        _offer(finding["rule_id"], scope, name, owner, reason, until)


def _preview(rule_id: str, scope: Mapping[str, str | None]) -> None:
    """What it would hide of what holds now."""
    if not any((value or "*").strip("*") for value in scope.values()):
        st.caption("It would hide all that the rule finds: name a tenant, agent, resource or other key.")
        return
    rows = data.ask("suppression_preview", rule=rule_id, most=MOST_PREVIEWED, **preview_values(scope))
    total = rows["total"][0].as_py() if rows.num_rows else 0
    st.caption(f"It would hide {counted(total, 'finding')} of those that hold now, and those to come")
    if total:
        st.dataframe(
            inert(rows.select(["level", "title", "agent"])),
            hide_index=True,
            height=min(38 + 35 * rows.num_rows, 220),
        )


def _offer(
    rule_id: str, scope: Mapping[str, str | None], name: str, owner: str, reason: str, until: Any
) -> None:
    """The entry as TOML, and the button that writes it where the settings name a file."""
    try:
        one = Suppression(
            name=name.strip(), rule=rule_id, owner=owner.strip(), reason=reason.strip(),
            expires=datetime(until.year, until.month, until.day, 23, 59, 59, tzinfo=UTC),
            scope={key: value for key, value in scope.items() if value},
        )  # fmt: skip
    except (ValidationError, AttributeError) as error:
        missing = (
            [str(each["loc"][0]) for each in error.errors() if each["loc"]]
            if isinstance(error, ValidationError)
            else ["until"]
        )
        st.caption(f"Still to fill in: {', '.join(dict.fromkeys(missing)) or 'scope'}")
        return
    files = data.settings().suppressions
    if not files:
        st.caption("The settings name no file of suppressions (`suppressions`). Copy this into yours:")
        st.code(as_toml(one), language="toml", wrap_lines=True)
        return
    st.code(as_toml(one), language="toml", wrap_lines=True)
    if st.button("Write it", key="suppress-write", icon=":material/save:"):
        try:
            path = add_to_file(one, files, data.known_rules(), data.actor(owner))
        except CounterfoilError as error:
            st.text(visible(str(error)))
            return
        st.success("Written. The next detection run hides what it covers.", icon=":material/check:")
        st.text(one_line(path.name))
