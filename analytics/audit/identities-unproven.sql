-- audit: identities-unproven
-- question: Who was permitted something without a proof of identity?
-- reads: authorization_decisions
-- parameter tenant text = none: Of this tenant; of all without it.
-- parameter since time = none: From this moment on; from the beginning without it.
-- parameter until time = none: Before this moment; to the end without it.
-- answer: One row per agent and state of its proof (`absent`, `expired`, `untrusted`, or empty where the record says
--   nothing), with how many allows it was given so.
-- blind: A proof that the decision point took for good and should not have is not seen.
SELECT
    tenant_id, coalesce(agent_name, agent_id, principal_id) AS agent, attestation, attestation_issuer,
    count(DISTINCT decision_id) AS allowed, max(sensitivity) AS highest_sensitivity,
    list_sort(list(DISTINCT action)) AS actions,
    min(decision_time) AS first_time, max(decision_time) AS last_time
FROM authorization_decisions
WHERE decision = 'allow' AND attestation IS DISTINCT FROM 'verified'
    AND ($tenant IS NULL OR tenant_id = $tenant)
    AND ($since IS NULL OR decision_time >= $since)
    AND ($until IS NULL OR decision_time < $until)
GROUP BY ALL
ORDER BY allowed DESC, tenant_id, agent, attestation, attestation_issuer;
