"""DuckDB's hash on Spark: where views break ties by it, both engines must break them the same way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NAME = "DUCKDB_HASH"


def register_hash(spark: SparkSession) -> None:
    """Make the function known to the session. Where Spark's workers run, Python must have duckdb and pyarrow.

    It answers with a BIGINT, which Spark has, in the order of the UBIGINT that DuckDB answers with.
    """
    import pyarrow as pa
    from pyspark.sql.functions import arrow_udf
    from pyspark.sql.types import LongType

    # Within this function, so that Spark sends it along: a worker need not have Counterfoil itself.
    def in_order(values: Any) -> Any:
        import duckdb
        import pyarrow as pa

        with duckdb.connect(":memory:", config={"threads": 1}) as connection:
            connection.register("given", pa.table({"v": values}))
            made = connection.sql("SELECT (hash(v)::HUGEINT - 9223372036854775808)::BIGINT AS h FROM given")
            return made.to_arrow_table()["h"].combine_chunks()

    in_order.__annotations__ = {"values": pa.Array, "return": pa.Array}
    spark.udf.register(NAME, arrow_udf(in_order, LongType()))
