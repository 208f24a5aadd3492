-- Findings that share an event, a decision, the run or the agent and rule with one, the nearest kin first.
-- needs: current_findings
WITH this AS (
    SELECT * FROM current_findings WHERE finding_id = $finding_id
),

kin AS (
    SELECT
        f.finding_id, f.level, f.title, f.rule_id, f.status, f.triage_status, f.last_seen_time,
        CASE
            WHEN list_has_any(f.anchor_event_ids, t.anchor_event_ids) THEN 'same event'
            WHEN list_has_any(f.decision_ids, t.decision_ids) THEN 'same decision'
            WHEN f.trace_id = t.trace_id THEN 'same run'
            WHEN f.agent = t.agent AND f.rule_id = t.rule_id THEN 'same agent and rule'
        END AS kinship
    FROM current_findings AS f
    CROSS JOIN this AS t
    WHERE f.finding_id <> t.finding_id AND f.tenant_id IS NOT DISTINCT FROM t.tenant_id
)

SELECT * FROM kin
WHERE kinship IS NOT NULL
ORDER BY
    list_position(['same event', 'same decision', 'same run', 'same agent and rule'], kinship),
    list_position(['critical', 'high', 'medium', 'low', 'informational'], level), last_seen_time DESC, finding_id
LIMIT 20;
