-- audit: approvals-unused
-- question: Which human approvals were given and never used?
-- reads: identity_events, action_backing
-- parameter tenant text = none: Of this tenant; of all without it.
-- parameter since time = none: From this moment on; from the beginning without it.
-- parameter until time = none: Before this moment; to the end without it.
-- answer: One row per approval given in the period on which nothing ran. One that still holds (`until_time` empty or to
--   come) is a permission that is left standing.
-- blind: An action that does not name the approval it ran on makes it look unused. Uses after the period count as uses.
SELECT
    i.event_time AS approved_time, i.tenant_id, i.approval_id, i.approver,
    coalesce(i.agent_name, i.agent_id, i.principal_id) AS agent,
    i.action, i.resource_type, i.resource_id, i.max_uses, i.expires_time AS until_time, i.trace_id, i.reason
FROM identity_events AS i
WHERE i.event_type = 'approval' AND i.approval_id IS NOT NULL
    AND ($tenant IS NULL OR i.tenant_id = $tenant)
    AND ($since IS NULL OR i.event_time >= $since)
    AND ($until IS NULL OR i.event_time < $until)
    AND NOT EXISTS (
        SELECT 1 FROM action_backing AS b
        WHERE b.approval_id = i.approval_id AND b.tenant_id IS NOT DISTINCT FROM i.tenant_id AND b.executed
            AND b.reason <> 'inherited'
    )
QUALIFY row_number() OVER (PARTITION BY i.tenant_id, i.approval_id ORDER BY i.event_time, i.event_id) = 1
ORDER BY approved_time, i.approval_id;
