-- audit: detection-failures
-- question: When did a rule fail, and was what it missed judged later?
-- reads: runs
-- parameter since time = none: Runs from this moment on; from the beginning without it.
-- parameter until time = none: Runs before this moment; to the end without it.
-- answer: One row per failed run, and the next run of that rule that did not fail; where `made_good_time` is empty,
--   what it should have judged has not been judged.
-- blind: A scheduler that did not start a run leaves no row: `counterfoil status` has what is due.
SELECT
    f.start_time AS failed_time, f.rule_id, f.rule_version, f.error, f.window_start_time, f.window_end_time,
    min(g.start_time) AS made_good_time, f.run_id
FROM runs AS f
LEFT JOIN runs AS g ON g.rule_id = f.rule_id AND g.outcome = 'ok' AND g.start_time > f.start_time
WHERE f.outcome = 'failed'
    AND ($since IS NULL OR f.start_time >= $since)
    AND ($until IS NULL OR f.start_time < $until)
GROUP BY ALL
ORDER BY failed_time, f.rule_id, f.run_id;
