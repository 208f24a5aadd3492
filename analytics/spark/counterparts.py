"""What each construct of DuckDB's SQL is on Spark. What means the same on both stands in SAME, the rest has a function.

A function gets a node whose children are already Spark's, and returns the node for Spark. It raises ValueError, with
what to write in its place, for a form of it that has no counterpart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

if TYPE_CHECKING:
    from collections.abc import Callable

# Of one meaning on both, with ANSI mode off and the time zone UTC. sqlglot writes out where nulls sort.
# fmt: off
SAME: frozenset[str | type[exp.Expr]] = frozenset({
    exp.Select, exp.From, exp.Where, exp.Group, exp.Having, exp.Qualify, exp.Order, exp.Ordered, exp.CTE,
    exp.Subquery, exp.Table, exp.TableAlias, exp.Union, exp.Distinct, exp.Exists, exp.Create, exp.Column,
    exp.Identifier, exp.Alias, exp.Dot, exp.Paren, exp.Null, exp.Boolean, exp.Var, exp.And, exp.Or, exp.Not, exp.EQ,
    exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Is, exp.Between, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Case, exp.If,
    exp.Coalesce, exp.Nullif, exp.Greatest, exp.Least, exp.Add, exp.Sub, exp.Mul, exp.Neg, exp.Abs, exp.Floor,
    exp.Sqrt, exp.Interval, exp.DataType, exp.Struct, exp.PropertyEQ, exp.Array, exp.Lambda, exp.ArrayFilter,
    exp.ArrayAppend, exp.Count, exp.Sum, exp.LogicalAnd, exp.LogicalOr, exp.Window, exp.WindowSpec, exp.IgnoreNulls,
    exp.RowNumber, exp.Rank, exp.DenseRank, exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue, exp.Lower, exp.ConcatWs,
    exp.Contains, exp.StartsWith, exp.EndsWith, exp.SplitPart, exp.Trim, exp.RegexpExtract, exp.RegexpLike,
    exp.Explode, exp.Tuple, exp.DPipe, exp.Hour, exp.Minute, exp.Day, exp.Month, exp.Year,
})
# fmt: on
# The types that a value may be cast to, by their names in DuckDB.
_CAST_TO = {
    exp.DType.VARCHAR,
    exp.DType.TEXT,
    exp.DType.BIGINT,
    exp.DType.DOUBLE,
    exp.DType.BOOLEAN,
    exp.DType.TIMESTAMPTZ,
    exp.DType.ARRAY,
    exp.DType.LIST,
}  # fmt: skip
_UNITS = {"HOUR", "DAY", "MINUTE", "SECOND"}


def _call(name: str, *arguments: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this=name, expressions=[argument.copy() for argument in arguments])


def _number(value: str) -> exp.Expr:
    return exp.Literal.number(value)


def _double(text: str) -> exp.Expr:
    return exp.Cast(this=exp.Literal.string(text), to=exp.DataType.build("double"))


def _is_null(value: exp.Expr) -> exp.Expr:
    return exp.Is(this=exp.Paren(this=value.copy()), expression=exp.Null())


def _literal(node: exp.Expr) -> exp.Expr:
    # A fraction is a DECIMAL in both, but their rules for its places differ; what leaves a rule is a DOUBLE.
    return node if node.is_string or node.is_int else _double(node.name)


def _divide(node: exp.Expr) -> exp.Expr:
    """By zero is infinite in DuckDB, and null on Spark."""
    above, below = node.this, node.expression
    if isinstance(below, exp.Literal | exp.Cast) and below.find(exp.Literal):
        return node
    zero = exp.EQ(this=below.copy(), expression=_number("0"))
    return exp.Paren(
        this=exp.Case(
            ifs=[
                exp.If(
                    this=zero, true=exp.Mul(this=exp.Paren(this=above.copy()), expression=_double("Infinity"))
                )
            ],
            default=node.copy(),
        )
    )


def _join(node: exp.Expr) -> exp.Expr:
    if node.args.get("method"):
        raise ValueError("join on what is equal, and take the nearest with QUALIFY row_number()")
    return node


def _not_over(node: exp.Expr) -> None:
    windowed = isinstance(node.parent, exp.Window)
    if windowed:
        raise ValueError("group by it in a part of WITH: Spark has it not OVER a window")


def _cast(node: exp.Expr) -> exp.Expr:
    kind = node.args["to"].this
    if kind not in _CAST_TO:
        raise ValueError("cast to VARCHAR, BIGINT, DOUBLE, BOOLEAN, TIMESTAMPTZ or a list of these")
    # DuckDB rounds to whole numbers, where Spark cuts off.
    if kind == exp.DType.BIGINT and isinstance(node.this, exp.Paren | exp.Round | exp.Div | exp.Mul):
        return exp.Cast(this=exp.Round(this=node.this.copy()), to=node.args["to"].copy())
    return node


def _epoch(node: exp.Expr) -> exp.Expr:
    return exp.Paren(this=exp.Div(this=_call("UNIX_MICROS", node.this), expression=_double("1000000")))


def _date_diff(node: exp.Expr) -> exp.Expr:
    unit = node.args["unit"].name.upper()
    counted = {"MICROSECOND": "UNIX_MICROS", "SECOND": "UNIX_SECONDS"}.get(unit)
    if counted is None:
        raise ValueError("ask for the difference in 'microsecond' or 'second', and divide")
    return exp.Paren(this=exp.Sub(this=_call(counted, node.this), expression=_call(counted, node.expression)))


def _date_trunc(node: exp.Expr) -> exp.Expr:
    if node.args["unit"].name.upper() not in _UNITS:
        raise ValueError("truncate to 'second', 'minute', 'hour' or 'day'")
    return node


def _round(node: exp.Expr) -> exp.Expr:
    """By the power of ten, as DuckDB does: Spark goes by the decimal places, which differ where these are not exact."""
    places = node.args.get("decimals")
    if places is None:
        return node
    if not (isinstance(places, exp.Literal) and places.is_int):
        raise ValueError("give the number of places as a number")
    power = f"1e{places.name}"
    whole = exp.Round(this=exp.Mul(this=exp.Paren(this=node.this.copy()), expression=_double(power)))
    return exp.Paren(this=exp.Div(this=whole, expression=_double(power)))


def _like(node: exp.Expr) -> exp.Expr:
    pattern = node.expression
    if not (isinstance(pattern, exp.Literal) and pattern.is_string) or "\\" in pattern.name:
        raise ValueError("LIKE takes a pattern that is written out and has no backslash")
    return node


def _star(node: exp.Expr) -> exp.Expr:
    if node.args.get("replace") or node.args.get("rename"):
        raise ValueError("name the columns: Spark has no * REPLACE and no * RENAME")
    return node


def _any_value(node: exp.Expr) -> exp.Expr:
    return _call("ANY_VALUE", node.this, exp.Boolean(this=True))


def _length(node: exp.Expr) -> exp.Expr:
    return _call("ARRAY_SIZE", node.this)


def _element(node: exp.Expr) -> exp.Expr:
    (place,) = node.expressions
    if place.find(exp.Neg):
        raise ValueError("count elements from the front")
    if isinstance(place, exp.Literal):  # sqlglot counts written places from 0
        place = _number(str(int(place.name) + 1))
    return _call("TRY_ELEMENT_AT", node.this, exp.Cast(this=place.copy(), to=exp.DataType.build("int")))


def _range(node: exp.Expr) -> exp.Expr:
    if not node.args.get("is_end_exclusive") or node.args.get("step") or isinstance(node.parent, exp.Table):
        raise ValueError("write unnest(range(from, to)) in the SELECT")
    first, end = node.args["start"], node.args["end"]
    return exp.Case(
        ifs=[exp.If(this=exp.GT(this=exp.Paren(this=end.copy()), expression=exp.Paren(this=first.copy())),
                    true=_call("SEQUENCE", first, exp.Sub(this=exp.Paren(this=end.copy()), expression=_number("1"))))],
        default=exp.Array(expressions=[]),
    )  # fmt: skip


def _contains(node: exp.Expr) -> exp.Expr:
    """Without a match among nulls, and for null in an empty list, DuckDB says false, and Spark null."""
    found = exp.Coalesce(this=_call("ARRAY_CONTAINS", node.this, node.expression), expressions=[exp.false()])
    empty = exp.EQ(this=_call("ARRAY_SIZE", node.this), expression=_number("0"))
    known = exp.and_(exp.not_(_is_null(node.this)), exp.not_(_is_null(node.expression)))
    return exp.Case(ifs=[exp.If(this=empty, true=exp.false()), exp.If(this=known, true=found)])


def _distinct_elements(node: exp.Expr) -> exp.Expr:
    return _call("ARRAY_DISTINCT", _call("ARRAY_COMPACT", node.this))


def _flatten(node: exp.Expr) -> exp.Expr:
    return _call("FLATTEN", _call("ARRAY_COMPACT", node.this))


def _concatenate(node: exp.Expr) -> exp.Expr:
    """A list that is null adds nothing."""
    parts = [
        exp.Coalesce(this=part.copy(), expressions=[exp.Array(expressions=[])]) for part in _arguments(node)
    ]
    return _call("CONCAT", *parts)


def _arguments(node: exp.Expr) -> list[exp.Expr]:
    """What a function was called with; sqlglot may have put a guard of the other dialect around each."""
    return [node.this, *node.expressions]


def _reverse(node: exp.Expr) -> exp.Expr:
    return _call("REVERSE", node.expressions[0])


def _hash(node: exp.Expr) -> exp.Expr:
    """A key to join by; but what ties are broken by, which is called `tie`, must be DuckDB's own."""
    if len(node.expressions) == 1 and _breaks_ties(node):
        return _call("DUCKDB_HASH", node.expressions[0])
    # Spark's passes over nulls, which would make keys of neighbouring columns the same.
    return _call("XXHASH64", *[part for each in node.expressions for part in (_is_null(each), each)])


def _breaks_ties(node: exp.Expr) -> bool:
    """Whether it is what something is ordered by, or the column `tie` of its query, by its place in a UNION."""
    select = node.find_ancestor(exp.Select)
    if node.find_ancestor(exp.Ordered, exp.Select) is not select:
        return True
    if select is None:
        return False
    place = next((at for at, each in enumerate(select.expressions) if each.unalias() is node), None)
    first: exp.Expr = select
    while isinstance(first.parent, exp.Union) and first.arg_key == "expression":
        first = first.parent.left
    while isinstance(first, exp.Union):
        first = first.left
    names = [each.alias_or_name for each in first.expressions]
    return place is not None and place < len(names) and names[place] == "tie"


def _in(node: exp.Expr) -> exp.Expr:
    """A pair in a query of pairs: the query has a column for each."""
    query = node.args.get("query")
    if isinstance(node.this, exp.Tuple) and query is not None:
        (pair,) = query.this.expressions
        query.this.set("expressions", [part.copy() for part in pair.expressions])
    return node


def _keyed(value: exp.Expr) -> exp.Expr:
    """What a value is ordered by. DuckDB has null fields of a struct last, Spark first."""
    if not isinstance(value, exp.Struct):
        return value.copy()
    fields: list[exp.Expr] = []
    for field in value.expressions:
        missing = exp.to_identifier(f"no_{field.this.name}")
        fields += [exp.PropertyEQ(this=missing, expression=_is_null(field.expression)), field.copy()]
    return exp.Struct(expressions=fields)


def _extreme(node: exp.Expr) -> exp.Expr:
    """min and max: of a struct as by its keys."""
    if not isinstance(node.this, exp.Struct):
        return node
    return _call("MIN_BY" if isinstance(node, exp.Min) else "MAX_BY", node.this, _keyed(node.this))


def _extreme_by(node: exp.Expr) -> exp.Expr:
    """arg_min and arg_max pass over rows whose value is null, which Spark's would return."""
    _not_over(node)
    name = "MIN_BY" if isinstance(node, exp.ArgMin) else "MAX_BY"
    value = _whole_row(node.this)
    made = _call(name, value, _keyed(node.expression))
    if value is not node.this or isinstance(value, exp.Struct):
        return made
    return exp.Filter(this=made, expression=exp.Where(this=exp.not_(_is_null(value))))


def _whole_row(value: exp.Expr) -> exp.Expr:
    """A table's name in the place of a value is a struct of its columns."""
    select = value.find_ancestor(exp.Select)
    if not isinstance(value, exp.Column) or value.table or select is None:
        return value
    joined = [join.this for join in select.args.get("joins") or ()]
    sources = [select.args["from_"].this, *joined] if select.args.get("from_") else joined
    if value.name not in {source.alias_or_name for source in sources}:
        return value
    return _call("STRUCT", exp.Column(this=exp.Star(), table=exp.to_identifier(value.name)))


def _filter(node: exp.Expr) -> exp.Expr:
    _not_over(node)
    inner, where = node.this, node.expression.this
    if isinstance(inner, exp.ArrayAgg):
        return node if isinstance(node.parent, exp.ArraySort) else _collected(inner, where)
    if isinstance(inner, exp.Filter):
        both = exp.and_(exp.Paren(this=where.copy()), exp.Paren(this=inner.expression.this.copy()))
        return exp.Filter(this=inner.this.copy(), expression=exp.Where(this=both))
    return node


def _list(node: exp.Expr) -> exp.Expr:
    _not_over(node)
    return node if isinstance(node.parent, exp.Filter | exp.ArraySort) else _collected(node, None)


def _sort(node: exp.Expr) -> exp.Expr:
    """list_sort: upwards, nulls last. What is gathered at once is sorted at once, for which Spark allows subqueries."""
    upwards, nulls_first = node.args.get("asc"), node.args.get("nulls_first")
    if upwards not in (None, exp.true()) or nulls_first not in (None, exp.false()):
        raise ValueError("sort a list upwards, with nulls last")
    inner = node.this
    if isinstance(inner, exp.ArrayAgg):
        return _collected(inner, None, ordered=True)
    if isinstance(inner, exp.Filter) and isinstance(inner.this, exp.ArrayAgg):
        return _collected(inner.this, inner.expression.this, ordered=True)
    return _call("ARRAY_SORT", inner)


def _collected(node: exp.Expr, where: exp.Expr | None, *, ordered: bool = False) -> exp.Expr:
    """list(): with its nulls, which Spark's leave out; in the order that it asks for; null where no row is left."""
    value, keys, name = node.this, [], "COLLECT_LIST"
    if isinstance(value, exp.Distinct):
        (value,), name = value.expressions, "COLLECT_SET"
    if isinstance(value, exp.Order):
        keys, value = value.expressions, value.this
        if any(key.args.get("desc") or key.args.get("nulls_first") for key in keys):
            raise ValueError("order a list upwards, with nulls last")
    by = [value] if ordered else [key.this for key in keys]
    fields = [part for each in by for part in (_is_null(each), each.copy())]
    named = [
        exp.PropertyEQ(this=exp.to_identifier(f"k{place}"), expression=each)
        for place, each in enumerate(fields)
    ]
    named.append(exp.PropertyEQ(this=exp.to_identifier("v"), expression=_whole_row(value).copy()))
    rows: exp.Expr = _call(name, exp.Struct(expressions=named))
    if where is not None:
        rows = exp.Filter(this=rows, expression=exp.Where(this=where.copy()))
    kept = _call("SORT_ARRAY", rows) if by else exp.Paren(this=rows)
    some = exp.GT(this=_call("SIZE", rows), expression=_number("0"))
    values = exp.Dot(this=kept.copy(), expression=exp.to_identifier("v"))
    return exp.Case(ifs=[exp.If(this=some, true=values)])


def _recursive(node: exp.Expr) -> exp.Expr:
    """Spark repeats with UNION ALL only: each round is made distinct, and what reads the whole reads it distinct."""
    made: list[exp.Expr] = []
    for cte in node.expressions:
        union, name = cte.this, cte.alias
        itself = isinstance(union, exp.Union) and any(
            t.name == name for t in union.expression.find_all(exp.Table)
        )
        if not (node.args.get("recursive") and itself and union.args.get("distinct")):
            made.append(cte)
            continue
        rounds = exp.to_identifier(f"{name}_rounds")
        for table in union.expression.find_all(exp.Table):
            if table.name == name:
                alias = table.alias_or_name
                table.replace(
                    exp.Table(this=rounds.copy(), alias=exp.TableAlias(this=exp.to_identifier(alias)))
                )
        union.set("distinct", False)
        for side in (union.this, union.expression):
            side.set("distinct", exp.Distinct())
        cte.set("alias", exp.TableAlias(this=rounds.copy()))
        whole = exp.select("*").distinct().from_(exp.Table(this=rounds.copy()))
        made += [cte, exp.CTE(this=whole, alias=exp.TableAlias(this=exp.to_identifier(name)))]
    node.set("expressions", made)
    return node


COUNTERPARTS: dict[Any, Callable[[Any], exp.Expr]] = {
    exp.Literal: _literal,
    exp.Join: _join,
    exp.Div: _divide,
    exp.Cast: _cast,
    exp.TimeToUnix: _epoch,
    exp.DateDiff: _date_diff,
    exp.TimestampTrunc: _date_trunc,
    exp.Round: _round,
    exp.Like: _like,
    exp.Star: _star,
    exp.AnyValue: _any_value,
    exp.Length: _length,
    exp.Bracket: _element,
    exp.GenerateSeries: _range,
    exp.ArrayContains: _contains,
    exp.ArrayDistinct: _distinct_elements,
    exp.Flatten: _flatten,
    exp.ArrayConcat: _concatenate,
    "list_reverse": _reverse,
    "hash": _hash,
    exp.In: _in,
    exp.Min: _extreme,
    exp.Max: _extreme,
    exp.ArgMin: _extreme_by,
    exp.ArgMax: _extreme_by,
    exp.Filter: _filter,
    exp.ArrayAgg: _list,
    exp.ArraySort: _sort,
    exp.With: _recursive,
}
