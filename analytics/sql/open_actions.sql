-- step: open_actions
-- needs: actions, cited
-- slices: numbered_actions
-- about: The actions that none of the rungs 1 to 3 matched, and that tell what they did.
CREATE OR REPLACE TABLE open_actions AS
SELECT a.action_no, a.event_id, a.tenant, a.trace_tenant, a.trace_no, a.agent, a.action, a.resource_type, a.resource_id,
    a.arguments_digest, a.task_id, a.refused, a.event_time, a.until_time
FROM numbered_actions AS a
LEFT JOIN cited AS c ON c.action_no = a.action_no
WHERE c.action_no IS NULL AND NOT a.vague;
