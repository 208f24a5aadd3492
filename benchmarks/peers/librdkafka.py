"""librdkafka by confluent-kafka: consume() that counts records and looks at none."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition, libversion

MOST = 10_000


def main(bootstrap: str, folder: str, events: int, topics: list[str]) -> None:
    """Run it to the end."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": Path(folder).name,
            "enable.auto.commit": False,
            "fetch.max.bytes": 50 << 20,
            "max.partition.fetch.bytes": 8 << 20,
        }
    )
    parts = [
        TopicPartition(topic, number, 0)
        for topic in topics
        for number in consumer.list_topics(topic).topics[topic].partitions
    ]
    consumer.assign(parts)
    seen = 0
    while seen < events:
        seen += sum(message.error() is None for message in consumer.consume(MOST, 1.0))
    print(json.dumps({"events": seen, "version": libversion()[0]}))
    consumer.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:])
