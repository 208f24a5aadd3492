-- Macro: the decisions that the filters leave; null, or no answer, narrows nothing.
-- Its parameters have names of their own, so that none is taken for a column.
CREATE MACRO IF NOT EXISTS filtered_decisions(of_answers, of_tenant, of_agent, of_action, of_resource_type, of_text) AS TABLE
SELECT *
FROM decisions
WHERE (len(of_answers::VARCHAR[]) = 0 OR list_contains(of_answers::VARCHAR[], decision))
    AND (of_tenant::VARCHAR IS NULL OR tenant = of_tenant)
    AND (of_agent::VARCHAR IS NULL OR agent = of_agent)
    AND (of_action::VARCHAR IS NULL OR action = of_action)
    AND (of_resource_type::VARCHAR IS NULL OR resource_type = of_resource_type)
    AND (of_text::VARCHAR IS NULL OR contains(decision_id, of_text) OR contains(coalesce(resource_id, ''), of_text)
        OR contains(coalesce(approver, ''), of_text));
