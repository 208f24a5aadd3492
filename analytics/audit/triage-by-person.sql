-- audit: triage-by-person
-- question: Who worked on findings, how much, and how soon?
-- reads: triage, findings
-- parameter since time = none: From this moment on; from the beginning without it.
-- parameter until time = none: Before this moment; to the end without it.
-- answer: One row per person: entries, findings worked on, findings closed by their entry, with which outcomes, and the
--   median hours from a finding's first state to that closing.
-- blind: The names are as the dashboard had them: without a login, they are what people typed.
WITH entries AS (
    SELECT t.*, lag(t.status) OVER (PARTITION BY t.finding_id ORDER BY t.version) AS before_status
    FROM triage AS t
),

first_states AS (
    SELECT finding_id, min(recorded_time) AS found_time FROM findings GROUP BY finding_id
)

SELECT
    e.actor, count(*) AS entries, count(DISTINCT e.finding_id) AS findings,
    count(*) FILTER (WHERE e.status = 'closed' AND e.before_status IS DISTINCT FROM 'closed') AS closed,
    list_sort(list(DISTINCT e.disposition) FILTER (WHERE e.disposition IS NOT NULL)) AS outcomes,
    median(date_diff('second', f.found_time, e.triage_time) / 3600.0)
        FILTER (WHERE e.status = 'closed' AND e.before_status IS DISTINCT FROM 'closed') AS median_hours_to_close,
    min(e.triage_time) AS first_time, max(e.triage_time) AS last_time
FROM entries AS e
LEFT JOIN first_states AS f ON f.finding_id = e.finding_id
WHERE ($since IS NULL OR e.triage_time >= $since)
    AND ($until IS NULL OR e.triage_time < $until)
GROUP BY e.actor
ORDER BY entries DESC, e.actor;
