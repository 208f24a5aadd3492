-- step: guessed
-- needs: actions, decisions, cited, matches, params
-- about: A match for actions whose action or resource no mapping names: the one decision of the same agent that was asked
--        while the action ran, or just before, and that no other action claims. What is known must agree; a decision about
--        a resource that the call's arguments name comes first. Looked for in slices of ten seconds, so that a busy agent
--        does not cost a product.
CREATE OR REPLACE TABLE vague_actions AS
SELECT
    a.action_no, a.event_id, a.tenant, a.trace_no, a.agent, a.action, a.resource_type, a.resource_id, a.attributes,
    a.event_time, a.until_time,
    unnest(range(
        CAST(floor(epoch(a.event_time - s.skew) / 10) AS BIGINT),
        CAST(least(floor(epoch(a.until_time) / 10), floor(epoch(a.event_time) / 10) + 60) AS BIGINT) + 1
    )) AS slice
FROM numbered_actions AS a
LEFT JOIN cited AS m ON m.action_no = a.action_no
CROSS JOIN params AS s
WHERE a.vague AND m.action_no IS NULL AND a.agent IS NOT NULL;

CREATE OR REPLACE TABLE guessed AS
WITH free AS (
    SELECT
        d.decision_no, d.decision_id, d.tenant, d.trace_no, d.agent, d.action, d.resource_type, d.resource_id,
        d.decision_time, CAST(floor(epoch(d.decision_time) / 10) AS BIGINT) AS slice
    FROM numbered_decisions AS d
    LEFT JOIN matches AS m ON m.decision_no = d.decision_no
    WHERE m.decision_no IS NULL AND d.agent IN (SELECT agent FROM vague_actions)
),

pairs AS (
    SELECT DISTINCT
        v.action_no, v.event_id, f.decision_no, f.decision_id, f.trace_no IS NULL OR v.trace_no IS NULL AS loose,
        coalesce(contains(v.attributes, f.resource_id), false) AS named,
        f.decision_time < v.event_time AS before,
        abs(date_diff('microsecond', v.event_time, f.decision_time)) AS apart
    FROM vague_actions AS v
    JOIN free AS f ON f.tenant = v.tenant AND f.agent = v.agent AND f.slice = v.slice
    CROSS JOIN params AS s
    WHERE coalesce(f.trace_no = v.trace_no, true)
        AND coalesce(f.action = v.action, true) AND coalesce(f.resource_type = v.resource_type, true)
        AND coalesce(f.resource_id = v.resource_id, true)
        AND f.decision_time BETWEEN v.event_time - s.skew AND v.until_time
),

placed AS (
    SELECT *,
        row_number() OVER (PARTITION BY action_no ORDER BY loose, named DESC, before, apart, decision_id) AS of_action,
        row_number() OVER (PARTITION BY decision_no ORDER BY loose, named DESC, before, apart, event_id) AS of_decision
    FROM pairs
)

SELECT action_no, decision_no, CASE WHEN loose THEN 5 ELSE 4 END AS rung
FROM placed
WHERE of_action = 1 AND of_decision = 1;
