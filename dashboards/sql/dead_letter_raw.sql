-- The bytes of one dead letter's record, or the first of them; they stand on the record's first dead letter.
SELECT any_value(r.raw)[1:$most::BIGINT] AS raw, any_value(d.raw_size) AS raw_size, any_value(hex(d.raw_sha256)) AS sha256
FROM dead_letters AS d
JOIN dead_letters AS r
    ON r.source_topic = d.source_topic AND r.source_partition = d.source_partition AND r.source_offset = d.source_offset
WHERE d.dead_letter_id = $dead_letter_id;
