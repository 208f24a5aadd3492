"""From Kafka topics or files to the lake: sources, format readers, micro-batches, dead letters."""
