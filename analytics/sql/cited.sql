-- step: cited
-- needs: actions, decisions, judged_pairs
-- frees: judged_pairs
-- about: The decision of each action on rungs 1 to 3 of the join ladder. What the pair disagrees about is kept: a decision
--        that was named but made for something else is a finding.
-- Names differ seldom, and only then the identities are compared, which are long.
CREATE OR REPLACE TABLE same_identities AS
SELECT DISTINCT p.action_no, p.decision_no
FROM judged_pairs AS p
JOIN numbered_actions AS a ON a.action_no = p.action_no
JOIN numbered_decisions AS d ON d.decision_no = p.decision_no
WHERE NOT p.same_name AND a.agent_id = d.agent_id;

CREATE OR REPLACE TABLE cited AS
WITH judged AS (
    SELECT p.action_no, p.decision_no, p.rung, p.derived, p.same_action, p.same_resource, p.same_task, p.same_arguments,
        p.same_name OR i.action_no IS NOT NULL AS same_agent
    FROM judged_pairs AS p
    LEFT JOIN same_identities AS i ON i.action_no = p.action_no AND i.decision_no = p.decision_no
    WHERE NOT p.too_late AND p.same_tenant
),

able AS (
    SELECT * EXCLUDE (derived)
    FROM (
        SELECT *, same_agent AND same_action AND same_resource AND same_task AND same_arguments AS agrees
        FROM judged
    )
    WHERE agrees OR NOT derived
),

-- Most actions have one decision only, and need no order.
contested AS (
    SELECT action_no FROM able GROUP BY action_no HAVING count(*) > 1
)

SELECT a.*
FROM able AS a
LEFT JOIN contested AS c ON c.action_no = a.action_no
WHERE c.action_no IS NULL
UNION ALL
SELECT a.*
FROM able AS a
JOIN contested AS c ON c.action_no = a.action_no
JOIN numbered_decisions AS d ON d.decision_no = a.decision_no
QUALIFY row_number() OVER (
    PARTITION BY a.action_no
    ORDER BY (a.rung = 1) DESC, a.agrees DESC, a.rung, d.decision_time DESC, d.decision_id
) = 1;
