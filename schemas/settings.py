"""The settings: one TOML file, overridden by the environment.

`COUNTERFOIL_KAFKA__GROUP_ID=soc` sets `group_id` of `[kafka]`. Secrets are read from the environment or from files
that the settings name, and are never printed. A wrong or unknown key is a SettingsError that names it.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings import SettingsError as SourceValueError

from schemas.dashboard_settings import DashboardSettings
from schemas.delivery_settings import DeliverySettings
from schemas.duration import Duration as Duration  # noqa: PLC0414, TC001 - others take it from here
from schemas.errors import SettingsError
from schemas.integrity_settings import IntegritySettings, RetentionSettings
from schemas.orchestration_mapping import A2AMapping, LangSmithMapping, OtlpMapping
from schemas.policy_mapping import CloudTrailMapping, EnvoyMapping, OpaMapping
from schemas.rule_settings import RuleOverride  # noqa: TC001 - pydantic reads it
from schemas.schedule_settings import ScheduleSettings
from schemas.size import Size  # noqa: TC001 - pydantic reads it
from schemas.spark_settings import SparkSettings
from schemas.sql_settings import SqlSettings

DEFAULT_FILE = "counterfoil.toml"


def _start(value: object) -> object:
    """Read a time with a zone, where it is not one of the two words."""
    if value in ("earliest", "latest"):
        return value
    with suppress(ValueError):
        found = datetime.fromisoformat(value) if isinstance(value, str) else value
        if isinstance(found, datetime) and found.tzinfo is not None:
            return found
    raise ValueError("give 'earliest', 'latest', or a time with its zone such as '2026-11-24T10:00:00Z'")


def _compiled(value: list[str]) -> list[str]:
    """Refuse a topic that begins with ^ and is no regular expression."""
    for name in value:
        try:
            re.compile(name if name.startswith("^") else "")
        except re.error as error:
            raise ValueError(f"{name!r} is not a regular expression: {error}") from error
    return value


Start = Annotated[Literal["earliest", "latest"] | datetime, BeforeValidator(_start)]


class Section(BaseModel):
    """A table of the settings file; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LakeSettings(Section):
    """Where the tables are."""

    url: str = "lake-data"
    storage_options: dict[str, str] = Field({}, repr=False)  # may hold a secret
    log_retention: Duration = timedelta(days=400)
    file_retention: Duration = timedelta(days=30)


class KafkaSettings(Section):
    """The broker and what to read from it."""

    bootstrap_servers: list[str] = ["localhost:9092"]
    group_id: str = "counterfoil"
    group_instance_id: str | None = Field(None, pattern=r"^[A-Za-z0-9._-]{1,249}$")
    client_id: str = "counterfoil"
    orchestration_topics: list[str] = ["agent.orchestration"]
    authorization_topics: list[str] = ["agent.authorization"]
    start: Start = "earliest"
    session_timeout: Duration = timedelta(seconds=45)
    metadata_refresh: Duration = Field(timedelta(seconds=60), ge=timedelta(seconds=1))
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None = None
    username: str | None = None
    password: SecretStr | None = None
    password_file: Path | None = None
    oauth_token_file: Path | None = None
    oauth_token_url: str | None = Field(None, pattern=r"^https?://")
    oauth_scope: str | None = None
    oauth_ca_file: Path | None = None
    ca_file: Path | None = None
    check_hostname: bool = True
    certificate_file: Path | None = None
    key_file: Path | None = None
    key_password: SecretStr | None = None
    key_password_file: Path | None = None

    _patterns_compile = field_validator("orchestration_topics", "authorization_topics")(_compiled)


class IngestSettings(Section):
    """How records become commits."""

    batch_rows: int = Field(50_000, ge=1, le=1_000_000)
    batch_bytes: Size = ByteSize(64 * 1024 * 1024)
    batch_time: Duration = timedelta(seconds=2)
    max_record_bytes: Size = ByteSize(10 * 1024 * 1024)
    keep_raw: bool = True
    max_future: Duration = timedelta(days=1)
    oldest: str = "2000-01-01"
    formats: dict[str, str] = {}
    formats_by_type: dict[str, str] = {}
    metrics_address: str = "127.0.0.1"
    metrics_port: int | None = Field(None, ge=0, le=65535)


class RegistrySettings(Section):
    """The schema registry, for values in the Confluent wire format."""

    url: str | None = Field(None, pattern=r"^https?://[^@\s?#]+$")  # a password in it would be printed
    username: str | None = None
    password: SecretStr | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    topics: list[str] = []
    cache: int = Field(1000, ge=1, le=100_000)
    timeout: Duration = Field(timedelta(seconds=5), gt=timedelta(0), le=timedelta(seconds=60))

    _patterns_compile = field_validator("topics")(_compiled)


class PrincipalPattern(Section):
    """How to read tenant and agent from a principal id: a regular expression with groups `tenant` and `agent`."""

    pattern: str

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            groups = re.compile(value).groupindex
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        if "agent" not in groups:
            raise ValueError("the expression needs a group named agent: (?P<agent>...)")
        return value


class ToolMapping(Section):
    """What a tool does: its action, on which resource, and how much that matters."""

    action: str | None = None
    resource_type: str | None = None
    resource_id: str | None = Field(None, description="name of the argument that holds the resource's id")
    destination: str | None = Field(None, description="name of the argument that says where data goes")
    sensitivity: int | None = Field(None, ge=0, le=4)
    trust_zone: str | None = None
    labels: list[Literal["untrusted_content", "private_data", "public_sink", "destructive"]] = []


class RunMapping(Section):
    """Which keys of a run's metadata say whose run it is."""

    tenant: str | None = "tenant"
    on_behalf_of: str | None = "user"
    on_behalf_of_prefix: str = "user:"
    environment: str | None = "environment"


class AttributeMapping(Section):
    """Which attributes of a policy request hold what, where the format leaves it to the user."""

    tenant: str | None = "tenant"
    environment: str | None = "env"
    on_behalf_of: str | None = "on_behalf_of"
    delegation_chain: str | None = "delegation_chain"
    scopes: str | None = "scopes"
    credential_id: str | None = "credential_id"
    credential_ttl_seconds: str | None = "credential_ttl_s"
    credential_age_seconds: str | None = "credential_age_s"
    approver: str | None = "approved_by"
    approval_id: str | None = "approval_id"
    tool_call_id: str | None = "tool_call_id"
    task_id: str | None = "task_id"
    agent: str | None = "agent"
    traceparent: str | None = "traceparent"


class MappingSettings(Section):
    """How the words of the sources become ours."""

    principals: list[PrincipalPattern] = [
        PrincipalPattern(pattern=r"^spiffe://(?P<tenant>[^./]+)[^/]*/(?:.*/)?agent/(?P<agent>[^/]+)"),
    ]
    refused_outputs: list[str] = [r"^\s*(DENIED|FORBIDDEN|REFUSED|Permission denied|Access denied)\b"]
    run: RunMapping = RunMapping()
    attributes: AttributeMapping = AttributeMapping()
    agent_types: list[str] = ["agent"]
    opa: OpaMapping = OpaMapping()
    envoy: EnvoyMapping = EnvoyMapping()
    cloudtrail: CloudTrailMapping = CloudTrailMapping()
    otlp: OtlpMapping = OtlpMapping()
    langsmith: LangSmithMapping = LangSmithMapping()
    a2a: A2AMapping = A2AMapping()
    tools: dict[str, ToolMapping] = {}

    @field_validator("refused_outputs")
    @classmethod
    def _compile(cls, value: list[str]) -> list[str]:
        for pattern in value:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"not a regular expression: {pattern!r}: {error}") from error
        return value


class CorrelateSettings(Section):
    """What makes a decision cover an action."""

    skew: Duration = timedelta(seconds=5)
    settle: Duration = timedelta(minutes=10)
    max_age: Duration = timedelta(minutes=15)
    complete_until: datetime | None = None
    lookback: Duration = timedelta(days=1)
    hops: int = Field(6, ge=1, le=50)
    memory_limit: str = "4GB"
    threads: int | None = Field(None, ge=1)


class Settings(BaseSettings):
    """All settings. `load_settings` reads them."""

    model_config = SettingsConfigDict(
        env_prefix="COUNTERFOIL_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    rules_folder: list[Path] = []
    suppressions: list[Path] = []
    catalogue: Path | None = None
    lake: LakeSettings = LakeSettings()
    kafka: KafkaSettings = KafkaSettings()
    ingest: IngestSettings = IngestSettings()
    registry: RegistrySettings = RegistrySettings()
    mapping: MappingSettings = MappingSettings()
    correlate: CorrelateSettings = CorrelateSettings()
    rules: dict[str, RuleOverride] = {}
    schedule: ScheduleSettings = ScheduleSettings()
    delivery: DeliverySettings = DeliverySettings()
    sql: SqlSettings = SqlSettings()
    spark: SparkSettings = SparkSettings()
    integrity: IntegritySettings = IntegritySettings()
    retention: RetentionSettings = RetentionSettings()
    dashboard: DashboardSettings = DashboardSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file, and arguments over both."""
        file = init_settings.init_kwargs.pop("_file", None) if hasattr(init_settings, "init_kwargs") else None
        sources: tuple[PydanticBaseSettingsSource, ...] = (init_settings, env_settings)
        if file is not None:
            sources += (TomlConfigSettingsSource(settings_cls, toml_file=file),)
        return sources


def load_settings(file: Path | str | None = None, **overrides: Any) -> Settings:
    """Read the settings from `file`, `$COUNTERFOIL_CONFIG` or ./counterfoil.toml, then the environment.

    Without any file the defaults hold. Raises SettingsError with the key's name for whatever is wrong.
    """
    named = file or os.environ.get("COUNTERFOIL_CONFIG")
    path = Path(named) if named else Path(DEFAULT_FILE)
    if named and not path.is_file():
        raise SettingsError(f"there is no settings file {path}: check --config or COUNTERFOIL_CONFIG")
    _check_environment()
    try:
        file_argument: dict[str, Any] = {"_file": path if path.is_file() else None}
        read = Settings(**file_argument, **overrides)
    except ValidationError as error:
        raise SettingsError(_explain(error, path)) from error
    except SourceValueError as error:  # a section in the environment that is not JSON
        raise SettingsError(f"COUNTERFOIL_* in the environment: {error}; give a section as JSON") from error
    except ValueError as error:  # TOML that does not parse
        raise SettingsError(f"{path}: {error}") from error
    # They stand beside the settings that name them, wherever the command is started.
    beside: dict[str, Any] = {
        key: [path.parent / each for each in of]
        for key, of in {"rules_folder": read.rules_folder, "suppressions": read.suppressions}.items()
        if of
    }
    if read.catalogue is not None:
        beside["catalogue"] = path.parent / read.catalogue
    if read.dashboard.login.on:
        login = read.dashboard.login
        login = login.model_copy(update={"access_file": path.parent / login.access_file})
        beside["dashboard"] = read.dashboard.model_copy(update={"login": login})
    return read.model_copy(update=beside)


def _check_environment() -> None:
    """Refuse variables of ours that name no section: a slip must not be passed over in silence."""
    sections = set(Settings.model_fields)
    for name in sorted(os.environ):
        if name.startswith("COUNTERFOIL_") and not name.startswith(
            ("COUNTERFOIL_CONFIG", "COUNTERFOIL_CI", "COUNTERFOIL_TEST_")
        ):
            section = name.removeprefix("COUNTERFOIL_").split("__")[0].lower()
            if section not in sections:
                known = ", ".join(f"COUNTERFOIL_{one.upper()}__…" for one in sorted(sections))
                raise SettingsError(f"{name}: there is no section {section!r}; variables are {known}")


def _explain(error: ValidationError, path: Path) -> str:
    """One line per wrong key. Values are left out: one of them may be a secret."""
    lines = []
    for item in error.errors(include_input=False, include_url=False):
        key = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            lines.append(f"{key}: there is no such setting; counterfoil.example.toml lists them all")
        else:
            message = item["msg"].removeprefix("Value error, ")
            lines.append(f"{key}: {message[0].lower()}{message[1:]}")
    return f"wrong settings ({path} or COUNTERFOIL_* in the environment): " + "; ".join(lines)
