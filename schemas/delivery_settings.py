"""Where findings go: sinks by name, and the routes that lead to them."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path  # noqa: TC003 - pydantic reads it
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from schemas.duration import Duration
from schemas.rule_settings import Level  # noqa: TC001 - pydantic reads it

SINK_NAME = r"[a-z][a-z0-9]*(_[a-z0-9]+)*"  # what a variable of the environment can name
Status = Literal["open", "updated", "closed", "suppressed"]


def _one_line(value: object) -> object:
    """Refuse line breaks and other controls, with which a header could be made longer than it is."""
    if isinstance(value, str) and re.search(r"[\x00-\x1f\x7f]", value):
        raise ValueError("holds a line break or another control character: take it out")
    return value


Line = Annotated[str, BeforeValidator(_one_line), Field(min_length=1, max_length=250)]
Address = Annotated[Line, Field(pattern=r"^[^\s@<>,;:\"()\[\]\\]+@[A-Za-z0-9.-]+$")]
Timeout = Annotated[Duration, Field(gt=timedelta(0), le=timedelta(seconds=60))]


class Section(BaseModel):
    """A table of the settings file; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Route(Section):
    """Which states of findings go to which sinks. What is left out does not narrow it."""

    name: Line | None = None
    sinks: list[str] | None = None
    rules: list[str] | None = None
    level: Level | None = None
    tenants: list[str] | None = None
    statuses: list[Status] | None = None


class AnySink(Section):
    """What every sink has."""

    start: Literal["earliest", "latest"] = "earliest"
    give_up: Duration = Field(timedelta(days=7), ge=timedelta(minutes=1))


class KafkaSink(AnySink):
    """A Kafka topic: an OCSF event for each state, under the finding's id as its key."""

    kind: Literal["kafka"]
    bootstrap_servers: list[str] = Field(min_length=1)
    topic: str = Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    username: str | None = None
    password: SecretStr | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    timeout: Timeout = timedelta(seconds=30)


class WebhookSink(AnySink):
    """An HTTPS address that takes OCSF events as JSON, signed."""

    kind: Literal["webhook"]
    url: str = Field(pattern=r"^https://[^@\s#/?]+(/[^\s#]*)?$", repr=False)  # its path may be a secret
    secret: SecretStr | None = None
    secret_file: Path | None = None
    authorization: SecretStr | None = None
    authorization_file: Path | None = None
    ca_file: Path | None = None
    timeout: Timeout = timedelta(seconds=10)
    batch: int = Field(1, ge=1, le=500)
    per_minute: int | None = Field(None, ge=1)


class SlackSink(AnySink):
    """An incoming webhook of Slack, or of what takes the same."""

    kind: Literal["slack"]
    url: SecretStr | None = None
    url_file: Path | None = None
    ca_file: Path | None = None
    timeout: Timeout = timedelta(seconds=10)
    per_minute: int | None = Field(20, ge=1)


class SyslogSink(AnySink):
    """A syslog receiver that speaks RFC 5424 over TLS."""

    kind: Literal["syslog"]
    host: str = Field(min_length=1)
    port: int = Field(6514, ge=1, le=65535)
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    timeout: Timeout = timedelta(seconds=10)
    facility: int = Field(13, ge=0, le=23)
    # 32473 is the number that documentation may use.
    structured_data_id: str = Field("counterfoil@32473", pattern=r'^[^\s="\]@\x00-\x20\x7f]{1,20}@\d{1,11}$')


class EmailSink(AnySink):
    """A digest by e-mail."""

    kind: Literal["email"]
    host: str = Field(min_length=1)
    port: int = Field(587, ge=1, le=65535)
    tls: Literal["starttls", "tls"] = "starttls"
    sender: Address
    recipients: list[Address] = Field(min_length=1, max_length=50)
    username: str | None = None
    password: SecretStr | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    timeout: Timeout = timedelta(seconds=20)
    per_minute: int | None = Field(2, ge=1)


class FileSink(AnySink):
    """A folder with a file of JSON Lines for each day."""

    kind: Literal["file"]
    folder: Path


class StdoutSink(AnySink):
    """The standard output of `counterfoil deliver`, as JSON Lines."""

    kind: Literal["stdout"]


Sink = Annotated[
    KafkaSink | WebhookSink | SlackSink | SyslogSink | EmailSink | FileSink | StdoutSink,
    Field(discriminator="kind"),
]


class DeliverySettings(Section):
    """Routes and sinks."""

    routes: list[Route] = []
    sinks: dict[str, Sink] = {}

    @model_validator(mode="after")
    def _routes_lead_somewhere(self) -> DeliverySettings:
        for name in self.sinks:
            if not re.fullmatch(SINK_NAME, name) or len(name) > 60:
                raise ValueError(f"sinks: {name!r} is no name: use small letters, digits and single _")
        for number, route in enumerate(self.routes, start=1):
            for name in route.sinks or ():
                if name not in self.sinks:
                    known = ", ".join(self.sinks) or "none"
                    raise ValueError(f"routes: number {number} names the sink {name!r}; known are: {known}")
        return self
