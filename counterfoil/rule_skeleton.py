"""The beginning of a rule: three files that load and can be tested, with TODO where its author has to say something."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.errors import SettingsError

if TYPE_CHECKING:
    from analytics.rule import RuleSet
    from schemas.settings import Settings

_FILES = Path(__file__).parent / "skeleton"


def write_skeleton(rule_id: str, name: str, place: Path, known: RuleSet) -> Path:
    """Write the files into a folder of their own in `place` and return it.

    SettingsError for an id or name that will not do, or one that is taken, and where the folder cannot be made.
    """
    for what, given, pattern in (
        ("id", rule_id, r"[a-z][a-z0-9_-]{2,40}"),
        ("name", name, r"[a-z][a-z0-9-]{2,60}"),
    ):
        if not re.fullmatch(pattern, given):
            raise SettingsError(
                f"{what} {given!r}: give small letters, digits and -, a letter first, three or more"
            )
    if rule_id in known.rules or rule_id in known.broken:
        raise SettingsError(f"id {rule_id!r} is taken; `counterfoil rules list` has the ids")
    folder = place / f"{rule_id}_{name}".replace("-", "_")
    try:
        folder.mkdir(parents=True)
        for file in sorted(_FILES.iterdir()):
            text = file.read_text(encoding="utf-8").replace("RULE-ID", rule_id).replace("RULE-NAME", name)
            (folder / file.name).write_text(text, encoding="utf-8")
    except FileExistsError as error:
        raise SettingsError(f"{folder} is there already: choose another id or name, or remove it") from error
    except OSError as error:
        raise SettingsError(f"{folder} cannot be written: {error.strerror}") from error
    return folder


def next_steps(made: Path, place: Path, settings: Settings) -> list[str]:
    """What was written, and what to do with it."""
    shown = shlex.quote(str(made))
    steps = [
        f"Say what it is about in {made}/rule.toml, when it fires in rule.sql, and try it in cases.toml.",
        f"counterfoil rules lint {shown}",
        f"counterfoil rules test {shown}",
    ]
    if place.resolve() not in {folder.resolve() for folder in settings.rules_folder}:
        steps.append(
            f'Put rules_folder = ["{place}"] at the head of counterfoil.toml, so that detect runs it.'
        )
    return [f"wrote {made}", *(f"{number}. {step}" for number, step in enumerate(steps, start=1))]
