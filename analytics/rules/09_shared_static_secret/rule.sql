-- Fingerprints of secrets that were seen with more than one logical agent, or in more than one environment. An agent is known
-- by its identity where that has a name, else by its name, so that replicas and a renamed agent are one.
WITH sightings AS (
    SELECT
        coalesce(tenant_id, '') AS tenant, environment, coalesce(agent_name, agent_id) AS agent, agent_id AS identity,
        credential_fingerprint, credential_type, event_time AS seen_time
    FROM events
    WHERE credential_fingerprint IS NOT NULL
    UNION ALL
    SELECT tenant, environment, agent, identity, credential_fingerprint, credential_type, decision_time
    FROM decision_identities
    WHERE credential_fingerprint IS NOT NULL
    UNION ALL
    SELECT
        coalesce(tenant_id, ''), environment, coalesce(agent_name, agent_id, principal_id), coalesce(agent_id, principal_id),
        credential_fingerprint, credential_type, event_time
    FROM identity_events
    WHERE credential_fingerprint IS NOT NULL
),

holders AS (
    SELECT
        s.credential_fingerprint, s.tenant, s.environment, s.credential_type, coalesce(n.agent, m.agent, s.agent) AS agent,
        min(s.seen_time) AS first_time, max(s.seen_time) AS last_time
    FROM sightings AS s
    LEFT JOIN agent_names AS n ON n.tenant = s.tenant AND n.identity = s.identity
    LEFT JOIN agent_names AS m ON m.tenant = s.tenant AND m.identity = s.agent
    GROUP BY ALL
),

-- Fingerprints that nobody but a declared broker and those it acts for was seen with; the broker itself among them, unless
-- it is declared with this very credential.
brokered AS (
    SELECT h.credential_fingerprint, c.broker_no
    FROM (SELECT DISTINCT credential_fingerprint, agent FROM holders) AS h
    CROSS JOIN (SELECT DISTINCT broker_no, broker, credential_fingerprint FROM catalogue_brokers) AS c
    LEFT JOIN catalogue_brokers AS m ON m.broker_no = c.broker_no AND m.agent = h.agent
    WHERE coalesce(c.credential_fingerprint = h.credential_fingerprint, true)
    GROUP BY h.credential_fingerprint, c.broker_no
    HAVING count(*) = count(m.agent) AND (bool_or(h.agent = c.broker) OR max(c.credential_fingerprint) IS NOT NULL)
),

shared AS (
    SELECT
        credential_fingerprint,
        count(DISTINCT agent) AS agent_count,
        count(DISTINCT nullif(tenant, '')) AS tenant_count,
        count(DISTINCT environment) AS environment_count,
        -- Only where every sighting says that it is no lasting secret.
        coalesce(bool_and(credential_type IN ('short_lived', 'session', 'delegated', 'workload')), false) AS passing,
        CASE WHEN min(tenant) = max(tenant) THEN min(tenant) END AS tenant,
        CASE WHEN min(environment) = max(environment) THEN min(environment) END AS environment,
        min(agent) AS agent,
        list_sort(list(DISTINCT agent)) AS agents,
        list_sort(list(DISTINCT environment)) AS environments,
        min(first_time) AS first_time,
        max(last_time) AS last_time
    FROM holders
    GROUP BY credential_fingerprint
)

SELECT
    nullif(tenant, '') AS tenant_id,
    environment,
    agent,
    NULL::VARCHAR AS trace_id,
    NULL::VARCHAR AS tool_name,
    NULL::VARCHAR AS action,
    NULL::VARCHAR AS resource_type,
    NULL::VARCHAR AS resource_id,
    NULL::VARCHAR AS verdict,
    CASE WHEN tenant_count > 1 THEN 'tenants' WHEN agent_count > 1 THEN 'agents' ELSE 'environments' END AS reason,
    CASE WHEN passing THEN 'medium' ELSE 'high' END AS level,
    0.95 AS confidence,
    [credential_fingerprint] AS entity_keys,
    []::VARCHAR[] AS anchor_event_ids,
    []::VARCHAR[] AS decision_ids,
    {
        'credential_fingerprint': credential_fingerprint, 'agents': agents, 'agent_count': agent_count,
        'environments': environments, 'tenant_count': tenant_count
    } AS evidence,
    first_time AS first_seen_time,
    last_time AS last_seen_time
FROM shared
WHERE (agent_count > 1 AND credential_fingerprint NOT IN (SELECT credential_fingerprint FROM brokered))
    OR environment_count > 1 OR tenant_count > 1;
