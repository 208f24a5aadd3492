-- audit: policy-versions
-- question: Under which versions of the policy was decided, from when to when?
-- reads: authorization_decisions
-- parameter tenant text = none: Of this tenant; of all without it.
-- parameter since time = none: From this moment on; from the beginning without it.
-- parameter until time = none: Before this moment; to the end without it.
-- answer: One row per decision point and version, in order of its first decision, with how many decisions it gave and
--   how.
-- blind: A version under which nothing was decided is not here. Without a version in the record, `policy_version` is
--   empty.
SELECT
    tenant_id, pdp_id, policy_version, min(decision_time) AS first_time, max(decision_time) AS last_time,
    count(DISTINCT decision_id) AS decisions,
    count(DISTINCT decision_id) FILTER (WHERE decision = 'allow') AS allowed,
    count(DISTINCT decision_id) FILTER (WHERE decision = 'deny') AS denied,
    count(DISTINCT decision_id) FILTER (WHERE decision = 'indeterminate') AS indeterminate,
    count(DISTINCT coalesce(agent_name, agent_id, principal_id)) AS agents
FROM authorization_decisions
WHERE ($tenant IS NULL OR tenant_id = $tenant)
    AND ($since IS NULL OR decision_time >= $since)
    AND ($until IS NULL OR decision_time < $until)
GROUP BY tenant_id, pdp_id, policy_version
ORDER BY tenant_id, pdp_id, first_time, policy_version;
