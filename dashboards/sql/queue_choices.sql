-- What the queue can be filtered by, and the span of time that its findings cover.
-- needs: current_findings
SELECT
    coalesce(list_sort(list(DISTINCT rule_id)), []) AS rules,
    coalesce(list_sort(list(DISTINCT tenant_id) FILTER (WHERE tenant_id IS NOT NULL)), []) AS tenants,
    coalesce(list_sort(list(DISTINCT agent) FILTER (WHERE agent IS NOT NULL)), [])[:2000] AS agents,
    coalesce(list_sort(list(DISTINCT assignee) FILTER (WHERE assignee IS NOT NULL)), [])[:200] AS assignees,
    min(first_seen_time) AS first_time,
    max(last_seen_time) AS last_time,
    count(*) AS findings
FROM current_findings;
