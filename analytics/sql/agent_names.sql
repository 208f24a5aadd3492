-- step: agent_names
-- needs: names_told
-- about: The name under which each identity of an agent is known in its tenant: a SPIFFE id, a principal, or the name itself.
CREATE OR REPLACE TABLE agent_names AS
SELECT tenant, identity, min(agent) AS agent
FROM (
    SELECT tenant, identity, agent FROM names_told WHERE identity <> agent
    UNION ALL
    -- A name is known as itself, unless it is an identity for which another name is known.
    SELECT p.tenant, p.agent, p.agent
    FROM names_told AS p
    LEFT JOIN names_told AS n ON n.tenant = p.tenant AND n.identity = p.agent AND n.agent <> p.agent
    WHERE n.identity IS NULL
)
GROUP BY tenant, identity;
