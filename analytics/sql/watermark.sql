-- view: watermark
-- needs: stream_progress, newest_by_source
-- about: One row per stream: the moment up to which it is complete. A partition that was read to its end is complete up to
--        when that was seen; one that lags, up to its newest event. Files that were read whole hold nothing back.
CREATE OR REPLACE TABLE watermark AS
WITH latest AS (
    SELECT
        stream, source_topic, source_partition, starts_with(source_topic, 'file:') AS is_file,
        arg_max(caught_up, {'at': observed_time, 'next': next_offset}) AS caught_up,
        max(observed_time) AS observed_time
    FROM stream_progress
    GROUP BY ALL
),

partitions AS (
    SELECT
        coalesce(p.stream, n.stream) AS stream,
        coalesce(p.is_file, starts_with(n.source_topic, 'file:')) AS is_file,
        CASE WHEN p.caught_up THEN greatest(p.observed_time, n.newest_time) ELSE n.newest_time END AS complete_until
    FROM latest AS p
    FULL JOIN newest_by_source AS n
        ON n.stream = p.stream AND n.source_topic = p.source_topic AND n.source_partition = p.source_partition
)

SELECT
    stream,
    CASE
        WHEN count(*) FILTER (WHERE NOT is_file) > 0 THEN min(complete_until) FILTER (WHERE NOT is_file)
        ELSE max(complete_until)
    END AS complete_until
FROM partitions
GROUP BY stream;
