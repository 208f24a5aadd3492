"""`counterfoil.example.toml` lists every setting with its default, and what it shows is right."""

from __future__ import annotations

import re
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin

import pytest
from pydantic import BaseModel

from analytics.rule import parameters
from schemas.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EXAMPLE = Path(__file__).parents[2] / "counterfoil.example.toml"
NAMED = {
    "mapping.tools",
    "rules",
    "delivery.sinks",
    "retention.rules",
}  # tables whose keys are names of the user's


@pytest.fixture(scope="module")
def text() -> str:
    return EXAMPLE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def whole(text: str) -> str:
    """The example with its commented keys and tables switched on."""
    return re.sub(r"^#(?=[\[a-z])", "", text, flags=re.MULTILINE)


def fields(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each setting as a dotted path, with its default."""
    for name, field in model.model_fields.items():
        path = f"{prefix}{name}"
        inner = list(_models(field.annotation))
        if not inner:
            yield path, field.get_default(call_default_factory=True)
        for each in inner:  # several where the table has a kind
            named = get_origin(field.annotation) is dict
            yield from fields(each, f"{path}.*." if named else f"{path}.")


def keys(table: Any, prefix: str = "") -> Iterator[str]:
    """Yield each key of a parsed file as a dotted path."""
    for name, value in table.items():
        path = prefix + name
        named = path in NAMED
        parts = value if isinstance(value, list) and value and isinstance(value[0], dict) else [value]
        for part in parts:
            if named:
                for inner in part.values():
                    yield from keys(inner, f"{path}.*.")
            elif isinstance(part, dict) and part and not path.endswith("parameters"):
                yield from keys(part, f"{path}.")
            else:
                yield path


def _models(kind: Any) -> Iterator[type[BaseModel]]:
    """Yield the models in an annotation, however deep."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for each in get_args(kind):
        yield from _models(each)


def test_it_loads_and_its_values_are_the_defaults() -> None:
    assert load_settings(EXAMPLE) == Settings()


def test_it_has_every_setting_and_no_other(whole: str) -> None:
    assert set(keys(tomllib.loads(whole))) == {path for path, _ in fields(Settings)}


def test_every_setting_with_a_default_is_given_and_not_only_mentioned(text: str) -> None:
    given = set(keys(tomllib.loads(text)))
    with_default = {path for path, default in fields(Settings) if default is not None and "*" not in path}

    assert given == with_default


def test_every_setting_has_a_line_that_explains_it(text: str) -> None:
    lines = text.splitlines()
    bare = [
        line
        for before, line in pairwise(lines)
        if re.match(r"#?[a-z_]+ = ", line) and not before.startswith("# ")
    ]
    # The head of [[mapping.principals]] explains its only key.
    assert [line for line in bare if not line.startswith("pattern = ")] == []


def test_what_it_shows_without_a_default_is_right_too(
    whole: str, settings_file: Callable[[str], Path]
) -> None:
    settings = load_settings(settings_file(whole))

    assert settings.mapping.tools["query_database"].action == "read"
    assert parameters(settings)["unused_threshold"] == 0.6
