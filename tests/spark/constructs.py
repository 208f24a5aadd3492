"""Queries of one construct each, over `t`, with the nulls and edges at which DuckDB and Spark differ by themselves."""

from __future__ import annotations

# x is a whole number, y a text, z a moment, l a list of texts, d a fraction, g a group of two rows or three.
TABLE = """
SELECT * FROM (VALUES
    (1, 10, 'a', TIMESTAMPTZ '2026-01-01 00:00:00.123456+00', ['b', NULL, 'a'], 0.5, true),
    (1, NULL, 'B', TIMESTAMPTZ '2026-01-01 23:59:59.999999+00', NULL, 2.5, false),
    (2, 7, NULL, NULL, [], -0.5, NULL),
    (2, 8, 'é:c', TIMESTAMPTZ '1969-12-31 23:59:58.5+00', ['b', 'b'], 1e300, true),
    (2, 8, '', TIMESTAMPTZ '9999-12-31 00:00:00+00', ['z'], 0.00005, NULL)
) AS t(g, x, y, z, l, d, b)
"""

CONSTRUCTS = (
    # Nulls: where they sort, and what passes over them.
    "SELECT g, x, row_number() OVER (ORDER BY x, y) AS place FROM t",
    "SELECT g, x, row_number() OVER (ORDER BY x DESC, y DESC) AS place FROM t",
    "SELECT g, arg_min(y, {'x': x, 'd': d}) AS a, arg_max(y, {'x': x, 'y': y}) AS b FROM t GROUP BY g",
    "SELECT g, arg_min(y, d) FILTER (WHERE x > 7) AS a FROM t GROUP BY g",
    "SELECT g, min({'x': x, 'y': y}) AS a, max({'x': x, 'y': y}).y AS b FROM t GROUP BY g",
    "SELECT g, arg_max(t, {'x': x, 'y': y}).y AS a FROM t GROUP BY g",
    "SELECT g, list_sort(list(y)) AS a, list_sort(list(DISTINCT x)) AS b FROM t GROUP BY ALL",
    "SELECT g, list(x ORDER BY y) AS a, list(y ORDER BY x, y) FILTER (WHERE x = 8) AS b FROM t GROUP BY g",
    "SELECT g, list_sort(list(y) FILTER (WHERE x > (SELECT min(x) FROM t))) AS a FROM t GROUP BY g",
    "SELECT g, any_value(x) AS a, count(y) AS b, count(DISTINCT x) AS c, sum(x) AS d FROM t WHERE g = 2 GROUP BY g",
    "SELECT g, bool_or(b) AS a, bool_and(b) AS c FROM t GROUP BY g",
    "SELECT greatest(x, NULL, 8) AS a, least(y, 'b') AS b, coalesce(x, g) AS c, nullif(y, '') AS d FROM t",
    "SELECT hour(z) AS a, minute(z) AS b, day(z) AS c, month(z) AS d, year(z) AS e FROM t",
    "SELECT x IS DISTINCT FROM 8 AS a, y IS NOT DISTINCT FROM NULL AS b FROM t",
    "SELECT x FROM t WHERE y NOT IN (SELECT y FROM t WHERE x = 10)",
    "SELECT {'x': x, 'y': y} = {'x': 7, 'y': NULL} AS a FROM t",
    "SELECT last_value(x IGNORE NULLS) OVER (ORDER BY d ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS a FROM t",
    "SELECT first_value({'x': x}) OVER (PARTITION BY g ORDER BY d) AS a, lag(y) OVER (ORDER BY d) AS b FROM t",
    # Lists.
    "SELECT list_sort(l) AS a, list_sort(list_distinct(l)) AS b, len(l) AS c, list_reverse(l) AS d FROM t",
    "SELECT list_contains(l, 'b') AS a, list_contains(l, y) AS b, list_concat(l, ['q']) AS c FROM t",
    "SELECT list_append(l, y) AS a, list_filter(l, lambda e: e IS DISTINCT FROM y) AS b FROM t",
    "SELECT [''] || list_filter(l, lambda e: e <> 'b') AS a FROM t",
    "SELECT l[1] AS a, l[x] AS b, l[9] AS c FROM t",
    "SELECT list_sort(flatten(list(l))) AS a FROM t",
    "SELECT x, unnest(range(x, 10)) AS a FROM t",
    "SELECT unnest(l) AS a FROM t",
    "SELECT coalesce(l, []) AS a, CASE WHEN x > 7 THEN [y] ELSE []::VARCHAR[] END AS b FROM t",
    # Numbers.
    "SELECT x / g AS a, 1 / (x - 8) AS b, -1.5 / (x - 8) AS c FROM t",
    "SELECT round(d, 4) AS a, round(d) AS b, floor(d) AS c, abs(d) AS d, sqrt(x) AS e FROM t WHERE d < 100",
    "SELECT 0.1 + 0.2 AS a, CASE WHEN x > 7 THEN 0.9 ELSE 0.6 END * d AS b, 7 / 2 AS c FROM t",
    "SELECT sum(x) / 3600.0 AS a, sum(d) AS b, max(d) AS c FROM t WHERE d < 100",
    "SELECT CAST(floor(d) AS BIGINT) AS a, CAST(x AS VARCHAR) AS b, x::DOUBLE AS c FROM t WHERE d < 100",
    # Time.
    "SELECT epoch(z) AS a, CAST(epoch(date_trunc('hour', z)) AS BIGINT) AS b FROM t",
    "SELECT date_diff('microsecond', z, TIMESTAMPTZ '2026-01-01 00:00:00+00') AS a FROM t",
    "SELECT date_diff('second', TIMESTAMPTZ '2026-01-01 00:00:00.9+00', z) AS a, date_trunc('day', z) AS b FROM t",
    "SELECT z - INTERVAL 1 HOUR AS a, z + INTERVAL 5 SECOND > TIMESTAMPTZ '2026-01-01 00:00:05+00' AS b FROM t",
    "SELECT u.z - v.z > INTERVAL 1 HOUR AS a FROM t AS u CROSS JOIN t AS v",
    # Text.
    "SELECT lower(y) AS a, y || 'x' AS b, concat_ws(' ', y, x::VARCHAR) AS c, split_part(y, ':', 2) AS d FROM t",
    "SELECT contains(y, 'c') AS a, starts_with(y, '') AS b, ends_with(y, 'c') AS c, rtrim(y || '**', '*') AS d FROM t",
    "SELECT regexp_extract(y, '(x)?:(.)', 2) AS a, regexp_extract(y, '(x)?:', 1) AS b FROM t",
    "SELECT regexp_matches(y, '^.:') AS a FROM t",
    "SELECT y LIKE '%c' AS a, y < 'b' AS b, y IN ('a', 'B') AS c FROM t",
    r"SELECT '\a''b' || y AS a, regexp_matches(y, '\w') AS b FROM t",
    "SELECT y, row_number() OVER (ORDER BY hash(y)) AS b FROM t",
    "SELECT count(DISTINCT hash(x, y)) AS a FROM t",
    # Queries.
    "SELECT g, x FROM t QUALIFY row_number() OVER (PARTITION BY g ORDER BY x DESC, y) = 1",
    "SELECT g, rank() OVER (ORDER BY x) AS a, dense_rank() OVER (ORDER BY x) AS b FROM t",
    "SELECT * EXCLUDE (z, l) FROM t",
    "SELECT x FROM t WHERE (g, x) IN (SELECT (g, x) FROM t WHERE x = 8)",
    "SELECT EXISTS (SELECT 1 FROM t AS u WHERE u.x > t.x AND u.g = t.g) AS a, x FROM t",
    "SELECT u.x, v.x AS w FROM t AS u FULL JOIN t AS v ON v.x = u.x + 1",
    "SELECT x FROM t UNION SELECT x + 1 FROM t",
    "WITH a AS (SELECT g, x FROM t), b AS (SELECT g FROM a WHERE x = 8) SELECT a.x FROM a JOIN b ON b.g = a.g",
    """WITH RECURSIVE w AS (
        SELECT g, 1 AS n FROM t UNION SELECT w.g, n + 1 FROM w JOIN t ON t.g = w.g WHERE n < 4
    ) SELECT g, n, count(*) AS c FROM w GROUP BY ALL""",
    """WITH RECURSIVE w AS (
        SELECT x, [y] AS p FROM t
        UNION ALL
        SELECT w.x, list_concat([t.y], w.p) FROM w JOIN t ON t.x = w.x WHERE len(w.p) < 3
    ) SELECT x, p FROM w""",
)
