"""Write the contracts for people and producers: data dictionary, rules, JSON Schema files of the native format.

`python -m counterfoil.contracts` writes what is not current; with `--check` it writes nothing and ends with 1
when a file is not current.
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from counterfoil.dictionary import dictionary
from counterfoil.rulebook import rulebook
from schemas.json_schema import NATIVE, native_schema

ROOT = Path(__file__).resolve().parents[1]


def contract_files() -> dict[str, str]:
    """The content of every generated file, by its path in the checkout."""
    files = {"docs/data-dictionary.md": dictionary(), "docs/rules.md": rulebook()}
    for name in NATIVE:
        schema = json.dumps(native_schema(name), indent=2, ensure_ascii=False)
        files[f"schemas/json/{name}.schema.json"] = schema + "\n"
    return files


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 when a file is not current.")
def main(*, check: bool) -> None:
    """Write the generated pages and JSON Schema files into the checkout."""
    stale = {name: text for name, text in contract_files().items() if _there(name) != text}
    if check and stale:
        raise click.ClickException(f"not current: {', '.join(stale)}; run python -m counterfoil.contracts")
    for name, text in stale.items():
        (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / name).write_text(text, encoding="utf-8")
        click.echo(f"wrote {name}")
    if not stale:
        click.echo("all current")


def _there(name: str) -> str | None:
    path = ROOT / name
    return path.read_text(encoding="utf-8") if path.is_file() else None


if __name__ == "__main__":
    main()
