-- audit: rule-versions
-- question: Which rules, in which versions, judged in the period?
-- reads: runs
-- parameter since time = none: Runs from this moment on; from the beginning without it.
-- parameter until time = none: Runs before this moment; to the end without it.
-- answer: One row per rule and version: its first and last run, how many there were, how many failed, and how many
--   states of findings they wrote. Two versions of a rule with times that overlap were run by two installations.
-- blind: Only runs that had something new to look at are on record.
SELECT
    rule_id, rule_version, min(start_time) AS first_time, max(start_time) AS last_time, count(*) AS runs,
    count(*) FILTER (WHERE outcome = 'failed') AS failed, sum(written)::BIGINT AS states_written,
    count(DISTINCT basis) AS settings
FROM runs
WHERE ($since IS NULL OR start_time >= $since)
    AND ($until IS NULL OR start_time < $until)
GROUP BY rule_id, rule_version
ORDER BY rule_id, first_time, rule_version;
