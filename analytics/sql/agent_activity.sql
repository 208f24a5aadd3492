-- view: agent_activity
-- needs: action_backing
-- about: What each agent did, one row per agent, action, type of resource and verdict: how often, and when first and last.
-- column tenant_id: Its tenant.
-- column agent: The agent that acted.
-- column action: The action.
-- column resource_type: Type of the resource acted on.
-- column executed: False for those that were refused and did not run.
-- column verdict: The verdict, as in `action_backing`.
-- column actions: How many actions.
-- column first_time: When the first of them began.
-- column last_time: When the last of them began.
CREATE OR REPLACE TABLE agent_activity AS
SELECT
    tenant_id, agent, action, resource_type, executed, verdict,
    count(*) AS actions, min(event_time) AS first_time, max(event_time) AS last_time
FROM action_backing
GROUP BY ALL;
