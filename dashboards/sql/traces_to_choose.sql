-- Runs to choose from: those with open findings first, severest first, then the newest.
-- needs: action_backing, current_findings, traces
WITH acted AS (
    SELECT
        trace_id, min(event_time) AS start_time, count(*) AS actions, count(DISTINCT agent) AS agents,
        count(*) FILTER (WHERE executed AND verdict IN ('after_deny', 'approval_reused', 'reused', 'unbacked')) AS doubtful,
        any_value(tenant_id) AS tenant_id
    FROM action_backing
    WHERE trace_id IS NOT NULL
    GROUP BY trace_id
),

found AS (
    SELECT
        trace_id, count(*) AS findings,
        min(list_position(['critical', 'high', 'medium', 'low', 'informational'], level)) AS worst
    FROM current_findings
    WHERE trace_id IS NOT NULL AND status IN ('open', 'updated')
    GROUP BY trace_id
)

SELECT
    coalesce(a.trace_id, f.trace_id) AS trace_id, coalesce(a.tenant_id, t.tenant_id) AS tenant_id,
    coalesce(a.start_time, t.start_time) AS start_time, coalesce(a.actions, 0) AS actions, coalesce(a.agents, 0) AS agents,
    coalesce(f.findings, 0) AS findings, coalesce(a.doubtful, 0) AS doubtful,
    ['critical', 'high', 'medium', 'low', 'informational'][f.worst] AS level
FROM acted AS a
FULL JOIN found AS f ON f.trace_id = a.trace_id
LEFT JOIN traces AS t ON t.trace_id = coalesce(a.trace_id, f.trace_id)
ORDER BY f.worst NULLS LAST, f.findings DESC NULLS LAST, start_time DESC NULLS LAST, 1
LIMIT $most;
