-- step: use_counts
-- needs: actions, decisions, matches
-- about: Which use of a limited decision an action is; the attempts of one tool call are one use.
CREATE OR REPLACE TABLE use_counts AS
SELECT action_no, dense_rank() OVER (PARTITION BY decision_no ORDER BY first_time, call_key) AS use_no
FROM (
    SELECT
        m.action_no, m.decision_no, coalesce(a.tool_call_id, a.event_id) AS call_key,
        min(a.event_time) OVER (PARTITION BY m.decision_no, coalesce(a.tool_call_id, a.event_id)) AS first_time
    FROM matches AS m
    JOIN numbered_decisions AS d ON d.decision_no = m.decision_no
    JOIN numbered_actions AS a ON a.action_no = m.action_no
    WHERE d.max_uses IS NOT NULL AND NOT a.refused
);
