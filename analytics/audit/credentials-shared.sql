-- audit: credentials-shared
-- question: Which credentials were used by more than one agent, or in more than one tenant or environment?
-- reads: events, authorization_decisions
-- parameter tenant text = none: Of this tenant; of all without it.
-- parameter since time = none: From this moment on; from the beginning without it.
-- parameter until time = none: Before this moment; to the end without it.
-- answer: One row per credential, told apart by its fingerprint where there is one and else by its id, with who used
--   it. Replicas of one agent share its name and are one.
-- blind: A broker that acts for others looks like sharing: the catalogue declares brokers for rule 09, and this
--   question does not read them. Without fingerprints, one secret under two ids is not seen.
WITH used AS (
    SELECT
        credential_fingerprint, credential_id, credential_type, tenant_id, environment,
        coalesce(agent_name, agent_id) AS agent,
        event_time AS used_time
    FROM events
    UNION ALL
    SELECT
        credential_fingerprint, credential_id, credential_type, tenant_id, environment,
        coalesce(agent_name, agent_id, principal_id), decision_time
    FROM authorization_decisions
)

SELECT
    CASE WHEN credential_fingerprint IS NULL THEN 'id' ELSE 'fingerprint' END AS told_by,
    coalesce(credential_fingerprint, credential_id) AS credential,
    list_sort(list(DISTINCT credential_type)) AS credential_types,
    count(DISTINCT {'t': tenant_id, 'a': agent}) AS users,
    list_sort(list(DISTINCT agent)) AS agents,
    list_sort(list(DISTINCT tenant_id)) AS tenants,
    list_sort(list(DISTINCT environment)) AS environments,
    count(*) AS uses, min(used_time) AS first_time, max(used_time) AS last_time
FROM used
WHERE coalesce(credential_fingerprint, credential_id) IS NOT NULL AND agent IS NOT NULL
    AND ($since IS NULL OR used_time >= $since)
    AND ($until IS NULL OR used_time < $until)
GROUP BY told_by, credential
HAVING (users > 1 OR len(environments) > 1) AND ($tenant IS NULL OR list_contains(tenants, $tenant))
ORDER BY users DESC, credential;
