-- step: policy_epochs
-- needs: policies_seen
-- about: Per decision point, since when each policy version was seen, when the next one was, and whether it was a change:
--        the first version that a decision point is known by is none.
CREATE OR REPLACE TABLE policy_epochs AS
SELECT
    tenant, pdp, policy_version, since,
    lead(since) OVER (PARTITION BY tenant, pdp ORDER BY since, policy_version) AS changed_time,
    row_number() OVER (PARTITION BY tenant, pdp ORDER BY since, policy_version) > 1 AS is_change
FROM policies_seen;
