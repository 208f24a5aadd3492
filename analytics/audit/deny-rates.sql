-- audit: deny-rates
-- question: How often is each agent denied, and of what?
-- reads: authorization_decisions
-- parameter least number = 1: Agents with at least so many decisions.
-- parameter tenant text = none: Of this tenant; of all without it.
-- parameter since time = none: From this moment on; from the beginning without it.
-- parameter until time = none: Before this moment; to the end without it.
-- answer: One row per agent: decisions, denials, their share, and the action that is denied most. Near 1: it asks for
--   what it may not, or its policy lacks something. Exactly 0 over many: the policy may permit everything.
-- blind: A point of enforcement that does not ask leaves no decision: see `actions-without-decision`.
WITH asked AS (
    SELECT DISTINCT
        tenant_id, coalesce(agent_name, agent_id, principal_id) AS agent, decision_id, decision,
        concat_ws('.', resource_type, action) AS permission
    FROM authorization_decisions
    WHERE ($tenant IS NULL OR tenant_id = $tenant)
        AND ($since IS NULL OR decision_time >= $since)
        AND ($until IS NULL OR decision_time < $until)
)

SELECT
    tenant_id, agent, count(*) AS decisions, count(*) FILTER (WHERE decision = 'deny') AS denied,
    round(count(*) FILTER (WHERE decision = 'deny') / count(*), 4) AS deny_rate,
    mode(permission ORDER BY permission) FILTER (WHERE decision = 'deny') AS most_denied
FROM asked
GROUP BY tenant_id, agent
HAVING decisions >= $least
ORDER BY deny_rate DESC, decisions DESC, tenant_id, agent;
