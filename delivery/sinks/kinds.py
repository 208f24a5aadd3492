"""From the settings of a sink to the sink."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas import delivery_settings as contract

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from delivery.sinks.sink import Sink, ToEvent


def open_sink(name: str, settings: contract.Sink, to_event: ToEvent, now: Callable[[], datetime]) -> Sink:
    """Make the sink of that name, importing only what its kind needs. Raises SettingsError; nothing connects yet."""
    match settings:
        case contract.KafkaSink():
            from delivery.sinks.kafka import Kafka

            return Kafka(name, settings, to_event)
        case contract.WebhookSink():
            from delivery.sinks.webhook import Webhook

            return Webhook(name, settings, to_event, now)
        case contract.SlackSink():
            from delivery.sinks.slack import Slack

            return Slack(name, settings, now)
        case contract.SyslogSink():
            from delivery.sinks.syslog import Syslog

            return Syslog(name, settings)
        case contract.EmailSink():
            from delivery.sinks.email import Email

            return Email(name, settings, now)
        case contract.FileSink():
            from delivery.sinks.file import File

            return File(settings, to_event, now)
        case contract.StdoutSink():
            from delivery.sinks.stdout import Stdout

            return Stdout(to_event)
