-- view: reused_decisions
-- needs: decision_uses, decisions
-- about: The decisions that were used more than once, or for more than they were made for, one row each.
-- column decision_id: The decision.
-- column tenant_id: Its tenant.
-- column decision_trace_id: The trace that it was made in.
-- column decision: Its answer.
-- column decision_time: When it was made.
-- column agent: The agent that it was made for.
-- column action: The action that it was made for.
-- column resource_type: The type of resource that it was made for.
-- column resource_id: The resource that it was made for, with a trailing `*` where it is a pattern; null for all of the type.
-- column max_uses: How many uses it permits; null where not limited.
-- column uses: The actions that rest on it.
-- column out_of_scope: Those of another agent, action, resource or task.
-- column other_arguments: Those with other arguments than it is bound to.
-- column out_of_time: Those for which it no longer held.
-- column over_uses: Those beyond the number that it permits.
-- column beyond: Those with any of the four.
CREATE OR REPLACE TABLE reused_decisions AS
WITH used AS (
    SELECT
        decision_no,
        count(*) AS uses,
        count(*) FILTER (WHERE NOT (same_agent AND same_action AND same_resource AND same_task)) AS out_of_scope,
        count(*) FILTER (WHERE NOT same_arguments) AS other_arguments,
        count(*) FILTER (WHERE staleness IS NOT NULL) AS out_of_time,
        count(*) FILTER (WHERE NOT within_max_uses) AS over_uses,
        count(*) FILTER (WHERE NOT (same_agent AND same_action AND same_resource AND same_task AND same_arguments
            AND staleness IS NULL AND within_max_uses)) AS beyond
    FROM numbered_uses
    GROUP BY decision_no
    HAVING count(*) > 1 OR beyond > 0
)

SELECT
    d.decision_id,
    nullif(d.tenant, '') AS tenant_id,
    d.trace_id AS decision_trace_id,
    d.decision,
    d.decision_time,
    d.agent,
    d.action,
    d.resource_type,
    coalesce(d.resource_id, nullif(d.resource_prefix, '') || '*') AS resource_id,
    d.max_uses,
    u.* EXCLUDE (decision_no)
FROM used AS u
JOIN decisions AS d ON d.decision_no = u.decision_no;
