-- step: matches
-- needs: cited, paired
-- about: The decision that each action was matched with, by the highest rung of the join ladder.
CREATE OR REPLACE VIEW matches AS
SELECT action_no, decision_no, rung, same_agent, same_action, same_resource, same_task, same_arguments, agrees
FROM cited
UNION ALL
SELECT action_no, decision_no, rung, true, true, true, same_task, same_arguments, same_task AND same_arguments
FROM paired;
