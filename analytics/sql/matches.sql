-- step: matches
-- needs: cited, paired, actions, decisions
-- about: The decision that each action was matched with, by the highest rung of the join ladder, and the run that each
--        decision belongs to: its own trace, else that of the action it stands behind.
CREATE OR REPLACE TABLE matches AS
SELECT action_no, decision_no, rung, same_agent, same_action, same_resource, same_task, same_arguments, agrees
FROM cited
UNION ALL
SELECT action_no, decision_no, rung, true, true, true, same_task, same_arguments, same_task AND same_arguments
FROM paired;

CREATE OR REPLACE TABLE decision_runs AS
SELECT
    d.decision_no,
    coalesce(d.trace_id, min(a.trace_id)) AS trace_id,
    count(m.action_no) AS uses
FROM decisions AS d
LEFT JOIN matches AS m ON m.decision_no = d.decision_no
LEFT JOIN actions AS a ON a.action_no = m.action_no
GROUP BY d.decision_no, d.trace_id;
