"""The rules as Markdown, from the metadata beside their SQL: what each fires on, its figures, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.rule import frameworks, rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from analytics.rule import Parameter, Rule

_INTRODUCTION = """# Rules

This page is written by `python -m counterfoil.contracts` from the rules' metadata (`analytics/rules/*/rule.toml`).
The SQL of a rule stands beside it, in `rule.sql`.

A rule is switched off, and its level or its figures are changed, in the settings:

```toml
[rules.07]
level = "low"
parameters = { privilege_window = "30d", unused_threshold = 0.6 }
```

For one tenant, environment or agent it is changed in entries of `where`; `*` stands for any text, `?` for any
character:

```toml
[rules.07]
minimum_confidence = 0.5

[[rules.07.where]]
environment = "staging"
enabled = false

[[rules.07.where]]
tenant = "acme"
agent = "batch-*"
level = "informational"
parameters = { unused_threshold = 0.9 }
```

`enabled`, `level`, `minimum_confidence` (from which confidence on it makes a finding) and `parameters` can be set so.
A finding belongs to an entry by its own tenant, environment and agent; one without an agent belongs to none that names
an agent. Of the entries that it belongs to, the most specific one that sets a key decides it: the one that names more
of the three, then the one with fewer patterns, then the later one. A set of parameters costs one more run of the rule.
A finding that an entry leaves out is closed by the next run, which says so; a rule that is off altogether is not run,
and leaves its findings as they are.

[Writing rules](writing-rules.md) tells how to add rules of your own.

Its status says how far it is trusted: *stable*, *test* (in use, its definition may still change), *experimental*
or *deprecated*.
"""


def rulebook() -> str:
    """The whole page: a table of all rules, then a section for each."""
    known = rules().values()
    rows = [f"| [{r.id}](#{_anchor(r)}) | {r.name} | {r.title} | {r.level} | {r.status} |" for r in known]
    table = ["| id | name | what it says | level | status |", "|---|---|---|---|---|", *rows, ""]
    return "\n".join([_INTRODUCTION, *table, *(_section(rule) for rule in known)]).rstrip("\n") + "\n"


def _section(rule: Rule) -> str:
    parts = [
        f"## {rule.id} {rule.name}\n",
        f"{rule.description}\n",
        f"*Why:* {rule.rationale}\n",
        f"*Version* {rule.version}. *Level:* {rule.level} unless its query says otherwise.",
        f"*Confidence:* {rule.confidence}. *Reads:* {', '.join(f'`{view}`' for view in rule.views)}.\n",
        *_titles(rule.titles),
        *_parameters(rule.parameters),
        *_listed("What to do", rule.runbook, numbered=True),
        *_listed("False positives", rule.false_positives),
        *_listed("Blind spots", rule.blind_spots),
        f"*Frameworks:* {'; '.join(_mapped(rule.frameworks))}.\n",
    ]
    return "\n".join(parts)


def _titles(titles: Mapping[str, str]) -> list[str]:
    rows = [f"| `{reason}` | {title.replace('|', chr(92) + '|')} |" for reason, title in titles.items()]
    return ["| reason | title of the finding |", "|---|---|", *rows, ""]


def _parameters(parameters: Mapping[str, Parameter]) -> list[str]:
    if not parameters:
        return []
    rows = [
        f"| `{name}` | {p.default} | {p.minimum} | {p.maximum} | {p.about} |"
        for name, p in parameters.items()
    ]
    return ["| parameter | default | least | most | what it is |", "|---|---|---|---|---|", *rows, ""]


def _listed(title: str, lines: Iterable[str], *, numbered: bool = False) -> list[str]:
    marks = (f"{number}." if numbered else "-" for number, _ in enumerate(lines, start=1))
    return [f"{title}:\n", *(f"{mark} {line}" for mark, line in zip(marks, lines, strict=True)), ""]


def _mapped(ids: Mapping[str, list[str]]) -> list[str]:
    known = frameworks()
    return [
        f"{known[key].name}{f' {known[key].version}' if known[key].version else ''}: {', '.join(found)}"
        for key, found in ids.items()
        if found
    ]


def _anchor(rule: Rule) -> str:
    return f"{rule.id}-{rule.name}"
