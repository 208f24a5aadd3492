-- What each agent held and used in the window, those with most unused first.
-- needs: privilege_usage
SELECT
    u.* REPLACE (u.permitted_actions::BIGINT AS permitted_actions), len(unused_high_risk) AS unused_high,
    eligibility = 'eligible' AND (unused_rate >= p.unused_threshold OR len(unused_high_risk) > 0) AS flagged
FROM privilege_usage AS u
CROSS JOIN params AS p
ORDER BY flagged DESC, unused_rate DESC NULLS LAST, granted DESC, agent, tenant_id
LIMIT $most;
