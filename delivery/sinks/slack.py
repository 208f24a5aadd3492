"""An incoming webhook of Slack, or of what takes the same JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from delivery.https import Poster
from delivery.secret import needed, tls
from delivery.sinks.sink import Sink, by_rule_and_agent, to_line
from delivery.words import by_rule_and_agent as grouped
from delivery.words import count, highest, line
from schemas.errors import SettingsError
from schemas.secret import secret_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence
    from datetime import datetime

    from delivery.message import Delivery, Message
    from schemas.delivery_settings import SlackSink

# Of so many states of a group the title is shown; of all the id.
SHOWN = 5
# Slack cuts a text at 40,000 characters; the ids of 300 states take 13,000.
ROOM = 20_000


class Slack(Sink):
    """Posts a message for each rule and agent."""

    most = 100
    most_limited = 300

    def __init__(self, name: str, settings: SlackSink, now: Callable[[], datetime]) -> None:
        """Read the address, which is a secret. Raises SettingsError; it does not connect yet."""
        key = f"delivery.sinks.{name}"
        url = needed(secret_of(settings.url, settings.url_file, f"{key}.url"), f"{key}.url")
        if not url.startswith("https://"):
            raise SettingsError(f"{key}.url: give an address that begins with https://")
        self._poster = Poster(url, tls(settings.ca_file, key), settings.timeout.total_seconds(), now)
        self.per_minute = settings.per_minute

    def key(self, delivery: Delivery) -> Hashable:
        """One message for each rule and agent."""
        return by_rule_and_agent(delivery)

    def send(self, message: Message) -> None:
        """Post it."""
        body = to_line({"text": text(message), "unfurl_links": False, "unfurl_media": False})
        self._poster.post(body.encode("ascii"), {"Idempotency-Key": message.id})


def text(message: Message) -> str:
    """The message in Slack's mrkdwn, where all that comes from a log stands in code, and so stays text.

    It has the id of every state, and of as many as there is room for what they are about.
    """
    states = message.states
    head = f"*{count(states)}*, highest level {highest(states)}"
    if message.limited:
        head = f"*Rate limit reached: {count(states)} in one message*, highest level {highest(states)}"
    lines, left = [head], []
    room = ROOM
    for (rule, name, agent), group in grouped(states).items():
        shown = group[:SHOWN]
        part = [f"rule {_code(f'{rule} {name}')}, agent {_code(agent or 'unnamed')}: {len(group)}"]
        part += [f"• {_code(state['title'])} {_about(state)}" for state in shown]
        room -= sum(map(len, part))
        if room < 0:
            left += group
            continue
        lines += part
        if rest := group[len(shown) :]:
            lines.append(f"• {len(rest)} more: {_ids(rest)}")
    if left:
        lines.append(f"{len(left)} more: {_ids(left)}")
    return "\n".join(lines)


def _about(state: Mapping[str, Any]) -> str:
    return f"({state['level']}, {state['status']}, finding {_id(state)})"


def _ids(states: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(_id(state) for state in states)


def _id(state: Mapping[str, Any]) -> str:
    return _code(f"{state['finding_id']}:{state['revision']}")


def _code(value: str) -> str:
    """Text as code: no emphasis, link or mention in it. A backquote would end it, & < > begin what Slack reads."""
    plain = line(value, 200).replace("`", "ˋ")
    return f"`{plain.replace('&', '&amp;').replace('<', '&lt;').replace('>', '&gt;')}`"
