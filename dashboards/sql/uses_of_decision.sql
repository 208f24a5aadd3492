-- Every use of one decision, in order.
-- needs: decision_uses
SELECT use_no, event_time, agent, action, resource_type, resource_id, in_scope, same_arguments, in_time, within_max_uses,
    verdict, reason, event_id, trace_id
FROM decision_uses
WHERE decision_id = $decision_id AND used
ORDER BY event_time, event_id
LIMIT 200;
