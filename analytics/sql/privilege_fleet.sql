-- view: privilege_fleet
-- needs: privilege_usage, params
-- about: The fleet's excessive-privilege rate, in one row: flagged of eligible identities with its Wilson score interval at
--        95 %, the window and the threshold, and how many identities were left out as dormant, too new or scopes only.
CREATE OR REPLACE VIEW privilege_fleet AS
WITH counts AS (
    SELECT
        count(*) FILTER (WHERE eligibility = 'eligible') AS eligible,
        count(*) FILTER (WHERE eligibility = 'eligible'
            AND (unused_rate >= p.unused_threshold OR len(unused_high_risk) > 0)) AS flagged,
        count(*) FILTER (WHERE eligibility = 'dormant') AS dormant,
        count(*) FILTER (WHERE eligibility = 'too_new') AS too_new,
        count(*) FILTER (WHERE eligibility = 'scopes_only') AS scopes_only,
        min(window_start_time) AS window_start_time,
        max(window_end_time) AS window_end_time,
        (SELECT unused_threshold FROM params) AS unused_threshold,
        (SELECT high_risk FROM params) AS high_risk
    FROM privilege_usage
    CROSS JOIN params AS p
)

SELECT
    'of the agents that can be judged (granted something before the window, and active in it), those whose share of unused'
        || ' permissions reaches the threshold, or that left one of high risk unused'
        AS definition,
    * EXCLUDE (n, share),
    share AS rate,
    CASE WHEN n > 0 THEN greatest(0.0, (share + 1.9208 / n - 1.96 * sqrt(share * (1 - share) / n + 0.9604 / (n * n)))
        / (1 + 3.8416 / n)) END AS rate_low,
    CASE WHEN n > 0 THEN least(1.0, (share + 1.9208 / n + 1.96 * sqrt(share * (1 - share) / n + 0.9604 / (n * n)))
        / (1 + 3.8416 / n)) END AS rate_high
FROM (SELECT *, nullif(eligible, 0)::DOUBLE AS n, flagged / nullif(eligible, 0)::DOUBLE AS share FROM counts);
