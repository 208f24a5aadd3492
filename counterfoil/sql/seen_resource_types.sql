-- Types of resources as they were seen, where events do not say how much they matter. Most used first.
SELECT
    b.resource_type AS name,
    count(*) AS calls,
    count(DISTINCT b.agent) AS agent_count,
    coalesce(list_sort(list(DISTINCT b.agent) FILTER (WHERE b.agent IS NOT NULL))[1:3], []) AS agents,
    coalesce(list_sort(list(DISTINCT b.action) FILTER (WHERE b.action IS NOT NULL))[1:20], []) AS actions,
    count(*) FILTER (WHERE b.decision_id IS NOT NULL) AS decided,
    count(*) FILTER (WHERE b.approval_id IS NOT NULL) AS approved
FROM numbered_backing AS b
JOIN actions AS a ON a.action_no = b.action_no
WHERE b.resource_type IS NOT NULL
GROUP BY b.resource_type
HAVING bool_or(a.labels IS NULL)
ORDER BY calls DESC, name;
