-- audit: approval-uses
-- question: What was done on this human approval?
-- reads: action_backing, identity_events
-- parameter approval text = none: The approval, by its id; every approval without it.
-- parameter tenant text = none: Of this tenant; of all without it.
-- parameter since time = none: From this moment on; from the beginning without it.
-- parameter until time = none: Before this moment; to the end without it.
-- answer: One row per action on it, in order, with what the approval on record was for. The verdict `approval_reused`
--   says that the use goes beyond it, and the reason in what: another action, resource or arguments, or too many uses.
-- blind: An action that names no approval, and whose decision names none, is not here. Empty `approved_*` columns: the
--   approval itself is not on record.
WITH given AS (
    SELECT
        tenant_id, approval_id, min(event_time) AS approved_time, any_value(approver) AS approver,
        any_value(action) AS action,
        any_value(resource_id) AS resource_id, any_value(max_uses) AS max_uses, min(expires_time) AS expires_time
    FROM identity_events
    WHERE event_type = 'approval' AND approval_id IS NOT NULL
    GROUP BY ALL
)

SELECT
    b.approval_id, coalesce(g.approver, b.approver) AS approver, g.approved_time, g.action AS approved_action,
    g.resource_id AS approved_resource_id, g.max_uses AS approved_uses, g.expires_time AS approved_until_time,
    row_number() OVER (PARTITION BY b.tenant_id, b.approval_id ORDER BY b.event_time, b.event_id) AS use_no,
    b.event_time, b.tenant_id, b.agent, b.on_behalf_of, b.action, b.resource_type, b.resource_id, b.executed,
    b.verdict, b.reason,
    b.decision_id, b.trace_id, b.event_id
FROM action_backing AS b
LEFT JOIN given AS g ON g.approval_id = b.approval_id AND g.tenant_id IS NOT DISTINCT FROM b.tenant_id
-- An inherited decision explains an action and was not used by it, and neither was its approval.
WHERE b.approval_id IS NOT NULL AND b.reason <> 'inherited'
    AND ($approval IS NULL OR b.approval_id = $approval)
    AND ($tenant IS NULL OR b.tenant_id = $tenant)
    AND ($since IS NULL OR b.event_time >= $since)
    AND ($until IS NULL OR b.event_time < $until)
ORDER BY b.tenant_id, b.approval_id, use_no;
