-- audit: findings-closed-without-reason
-- question: Which findings did people close without saying why?
-- reads: current_triage, current_findings
-- parameter tenant text = none: Of this tenant; of all without it.
-- parameter since time = none: From this moment on; from the beginning without it.
-- parameter until time = none: Before this moment; to the end without it.
-- answer: One row per finding that is closed with no comment, no outcome, or the outcome `not_determined`: `lacks` says
--   which. The period is that of closing.
-- blind: Whether a comment is a reason, a reader must judge.
SELECT
    t.triage_time AS closed_time, t.actor, t.disposition, t.comment,
    list_filter([
        CASE WHEN trim(coalesce(t.comment, '')) = '' THEN 'comment' END,
        CASE WHEN coalesce(t.disposition, 'not_determined') = 'not_determined' THEN 'outcome' END
    ], lambda x: x IS NOT NULL) AS lacks,
    f.level, f.rule_id, f.rule_name, f.title, f.tenant_id, f.agent, f.status AS finding_status, t.finding_id
FROM current_triage AS t
LEFT JOIN current_findings AS f ON f.finding_id = t.finding_id
WHERE t.status = 'closed'
    AND (trim(coalesce(t.comment, '')) = '' OR coalesce(t.disposition, 'not_determined') = 'not_determined')
    AND ($tenant IS NULL OR f.tenant_id = $tenant)
    AND ($since IS NULL OR t.triage_time >= $since)
    AND ($until IS NULL OR t.triage_time < $until)
ORDER BY closed_time, t.finding_id;
