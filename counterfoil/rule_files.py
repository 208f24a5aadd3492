"""The rules that a command is asked about: by id, or by the folder that holds one or several."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from analytics.lint import with_rule
from analytics.rule import RuleSet, check_reads_only, load_rules, read_rule, rule_folders
from schemas.errors import RuleError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from analytics.rule import Rule
    from schemas.settings import Settings


def known_rules(settings: Settings) -> RuleSet:
    """The rules that ship and the user's own."""
    return load_rules(settings.rules_folder)


def folders_of(names: Iterable[str], settings: Settings, known: RuleSet) -> list[Path]:
    """The folders of the rules named by id or folder; without any name those of all, broken ones too.

    SettingsError for a name that is neither.
    """
    wanted = list(names)
    if not wanted:
        own = [folder for place in settings.rules_folder for folder in rule_folders(place)]
        return list(dict.fromkeys([*known.folders.values(), *own]))
    found: list[Path] = []
    for name in wanted:
        place = Path(name)
        if name in known.folders:
            found.append(known.folders[name])
        elif place.is_dir() and (inside := rule_folders(place)):
            found += inside
        elif name in known.broken:
            raise RuleError(known.broken[name])
        else:
            what = "holds no rule" if place.is_dir() else "is neither the id of a rule nor a folder"
            raise SettingsError(f"{name!r} {what}; `counterfoil rules list` has the ids")
    return list(dict.fromkeys(found))


def rule_in(folder: Path, known: RuleSet) -> tuple[Rule, RuleSet]:
    """The rule in a folder, with the rules that stand beside it: the one that it replaces is left out.

    RuleError, with file and line, when it cannot be read.
    """
    rule = read_rule(folder)
    check_reads_only(folder / "rule.sql", rule.sql)
    return rule, with_rule(known, folder, rule)


def one_rule(name: str, settings: Settings, known: RuleSet) -> tuple[Rule, RuleSet]:
    """The one rule of that id or folder. SettingsError when it is none, or several."""
    folders = folders_of([name], settings, known)
    if len(folders) != 1:
        raise SettingsError(f"{name!r} holds {len(folders)} rules: name the folder of one")
    return rule_in(folders[0], known)
