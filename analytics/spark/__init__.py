"""The same views and rules on Apache Spark: their SQL is translated, and the lake's files are read where they lie."""
