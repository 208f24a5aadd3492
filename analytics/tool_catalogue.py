"""The catalogue: what a deployment knows about its tools and resources, in a file that the setting `catalogue` names.

[tools.send_email]
labels = ["public_sink"]

It is read when events are correlated and not when they are ingested, so a change holds for what is already in the lake.
docs/catalogue.md tells what each table does.
"""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from analytics.toml_lines import line_of, line_of_error
from schemas.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

Label = Literal["untrusted_content", "private_data", "public_sink", "destructive"]
Words = Annotated[str, Field(min_length=1)]

# The types of `params.catalogue`, from which the views catalogue_* are made.
STRUCT = (
    "STRUCT("
    "tools STRUCT(tool_name VARCHAR, sensitivity BIGINT, trust_zone VARCHAR, labels VARCHAR[])[], "
    "resource_types STRUCT(resource_type VARCHAR, sensitivity BIGINT, trust_zone VARCHAR, labels VARCHAR[])[], "
    "destinations STRUCT(pattern VARCHAR, expression VARCHAR)[], "
    "brokers STRUCT(broker_no BIGINT, broker VARCHAR, agent VARCHAR, credential_fingerprint VARCHAR)[], "
    "chains STRUCT(chain_no BIGINT, from_tool VARCHAR, to_tool VARCHAR, until_time TIMESTAMPTZ)[])"
)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Entry(_Part):
    """What is known about a tool, or about a type of resource."""

    sensitivity: int | None = Field(None, ge=0, le=4, strict=True)
    trust_zone: Words | None = None
    labels: list[Label] = []


class Destination(_Part):
    """Where data may go and yet stay inside: one address, or all of a mail domain, of a domain, or below a URL."""

    pattern: Words
    owner: Words
    reason: Words

    @field_validator("pattern")
    @classmethod
    def _is_narrow(cls, value: str) -> str:
        expression(value)
        return value


class Broker(_Part):
    """An agent that acts for others with one credential: rule 09 does not count them as sharing a secret."""

    agent: Words
    acts_for: list[Words] = Field(min_length=1)
    credential_fingerprint: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    owner: Words
    reason: Words


class Chain(_Part):
    """Tools of which the last may follow on any of the others: rules 05 and 06 do not fire on that."""

    tools: list[Words] = Field(min_length=2)
    until: date | None = None
    owner: Words
    reason: Words


class ToolCatalogue(_Part):
    """The whole file. An empty one says nothing, and nothing is then taken for known."""

    tools: dict[Words, Entry] = {}
    resource_types: dict[Words, Entry] = {}
    internal_destinations: list[Destination] = []
    brokers: list[Broker] = []
    approved_chains: list[Chain] = []

    def values(self) -> dict[str, list[dict[str, Any]]]:
        """The value of `params.catalogue`: a list of rows for each of its parts."""
        return {
            "tools": [{"tool_name": name, **entry.model_dump()} for name, entry in self.tools.items()],
            "resource_types": [
                {"resource_type": name, **entry.model_dump()} for name, entry in self.resource_types.items()
            ],
            "destinations": [
                {"pattern": one.pattern, "expression": expression(one.pattern)}
                for one in self.internal_destinations
            ],
            "brokers": [
                {
                    "broker_no": number,
                    "broker": one.agent,
                    "agent": agent,
                    "credential_fingerprint": one.credential_fingerprint,
                }
                for number, one in enumerate(self.brokers)
                for agent in sorted({one.agent, *one.acts_for})
            ],
            "chains": [
                {
                    "chain_no": number,
                    "from_tool": tool,
                    "to_tool": one.tools[-1],
                    "until_time": one.until and datetime.combine(one.until, time(), UTC),
                }
                for number, one in enumerate(self.approved_chains)
                for tool in sorted(set(one.tools[:-1]))
            ],
        }


def expression(pattern: str) -> str:
    """The regular expression of a destination's pattern, which both engines read alike. ValueError for one too wide.

    What comes from an event cannot widen it: a list of addresses, or a URL that ends in the domain, does not match.
    """
    if match := re.fullmatch(r"\*@([\w.-]+)", pattern, re.ASCII):
        return rf"(?i)^[^@\s,;<>]+@{re.escape(match[1])}\z"
    if match := re.fullmatch(r"\*\.([\w-]+(?:\.[\w-]+)*)", pattern, re.ASCII):
        return rf"(?i)^[a-z0-9.-]+\.{re.escape(match[1])}\z"
    if match := re.fullmatch(r"([a-z][a-z0-9+.-]*://[^*\s/@?#]+/(?:[^*\s]*/)?)\*", pattern, re.ASCII):
        return rf"^{re.escape(match[1])}\S*\z"
    if "*" in pattern or not pattern.isprintable():
        raise ValueError(
            "give one destination, '*@example.com', '*.example.com' or 'https://example.com/*', with no other *"
        )
    return rf"^{re.escape(pattern)}\z"


def read_catalogue(path: Path | None) -> ToolCatalogue:
    """The catalogue in that file; an empty one without a file. SettingsError, with file and line, for what is wrong."""
    return ToolCatalogue() if path is None else parse_catalogue(read_text(path), str(path))


def read_text(path: Path) -> str:
    """The text of a catalogue. SettingsError where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise SettingsError(f"catalogue: there is no file {path}: make it, or correct the setting") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"catalogue: {path} cannot be read: {error}") from error


def parse_catalogue(text: str, name: str) -> ToolCatalogue:
    """As `read_catalogue`, of a text that stands in the file `name`."""
    wrong = problems(text, name)
    if wrong:
        raise SettingsError("; ".join(wrong))
    return ToolCatalogue.model_validate(tomllib.loads(text))


def problems(text: str, name: str) -> list[str]:
    """What is wrong with a catalogue that stands in the file `name`, each with file and line; or nothing."""
    try:
        ToolCatalogue.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        return [f"{name}:{line_of_error(error)}: {error}"]
    except ValidationError as error:
        return [_explain(item, text, name) for item in error.errors(include_input=False, include_url=False)]
    return []


def _explain(item: Any, text: str, name: str) -> str:
    place = [part for part in item["loc"] if part != "[key]"]
    key = ".".join(map(str, place))
    message = item["msg"].removeprefix("Value error, ")
    if item["type"] == "extra_forbidden":
        message = "there is no such key; docs/catalogue.md lists them all"
    return f"{name}:{line_of(text, place)}: {key}: {message[0].lower()}{message[1:]}"
