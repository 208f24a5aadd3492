-- step: policies_seen
-- needs: authorization_decisions
-- about: Since when each policy version was seen at each decision point.
CREATE OR REPLACE TABLE policies_seen AS
SELECT coalesce(tenant_id, '') AS tenant, coalesce(pdp_id, '') AS pdp, policy_version, min(decision_time) AS since
FROM authorization_decisions
WHERE policy_version IS NOT NULL
GROUP BY ALL;
