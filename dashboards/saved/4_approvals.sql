-- Human approvals and what was done on them
SELECT approver, approval_id, agent, action, resource_id, verdict, reason, event_time
FROM action_backing
WHERE approval_id IS NOT NULL
ORDER BY approver, approval_id, event_time;
