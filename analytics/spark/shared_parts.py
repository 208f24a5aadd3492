"""The parts of a query's WITH that are read more than once, taken out of it to be tables of their own.

Spark puts each part of a WITH into every place that reads it, and makes it, and all that it reads in turn, as often.
"""

from __future__ import annotations

from sqlglot import exp


def take_out(query: exp.Expr, name: str) -> list[tuple[str, exp.Expr]]:
    """The shared parts as (name of the table, query), in the order to make them; `query` then reads these tables.

    `name` makes the tables' names differ from those of other queries. A part that repeats itself stays where it is.
    """
    given = query.args.get("with_")
    taken: list[tuple[str, exp.Expr]] = []
    if not isinstance(given, exp.With):
        return taken
    kept: list[exp.Expr] = []
    for place, part in enumerate(given.expressions):
        readers = _readers(part.alias, [*given.expressions[place + 1 :], *_besides(query, given)])
        if len(readers) < 2 or _readers(part.alias, [part.this]):
            kept.append(part)
            continue
        table = f"{name}_{place}_{part.alias}"
        for reader in readers:
            alias = exp.TableAlias(this=exp.to_identifier(reader.alias_or_name))
            reader.replace(exp.Table(this=exp.to_identifier(table), alias=alias))
        alone = part.this.copy()
        if kept:
            before = [each.copy() for each in kept]
            alone.set("with_", exp.With(expressions=before, recursive=given.args.get("recursive")))
        taken.append((table, alone))
    if kept:
        given.set("expressions", kept)
    else:
        query.set("with_", None)
    return taken


def _readers(name: str, queries: list[exp.Expr]) -> list[exp.Table]:
    return [table for query in queries for table in query.find_all(exp.Table) if table.name == name]


def _besides(query: exp.Expr, given: exp.With) -> list[exp.Expr]:
    """The query's parts but for its WITH."""
    values = [
        each for value in query.args.values() for each in (value if isinstance(value, list) else [value])
    ]
    return [each for each in values if isinstance(each, exp.Expr) and each is not given]
