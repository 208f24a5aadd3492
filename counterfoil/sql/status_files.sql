-- How many files were read, how many of them not to their end, and when the last was.
WITH latest AS (
    SELECT
        source_topic, arg_max(caught_up, {'at': observed_time, 'next': next_offset}) AS caught_up,
        max(observed_time) AS observed_time
    FROM stream_progress
    WHERE starts_with(source_topic, 'file:')
    GROUP BY source_topic
)

SELECT count(*) AS files, count(*) FILTER (WHERE NOT caught_up) AS unfinished, max(observed_time) AS observed_time
FROM latest;
