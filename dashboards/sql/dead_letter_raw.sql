-- The bytes of one dead letter, or the first of them.
SELECT raw[1:$most::BIGINT] AS raw, raw_size, hex(raw_sha256) AS sha256
FROM dead_letters
WHERE dead_letter_id = $dead_letter_id
LIMIT 1;
