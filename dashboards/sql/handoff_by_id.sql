-- One handoff with the decisions on both sides of it.
-- needs: handoff_backing, events
SELECT h.*, e.status
FROM handoff_backing AS h
LEFT JOIN events AS e ON e.event_id = h.event_id
WHERE h.event_id = $event_id AND h.trace_id = $trace_id
ORDER BY h.handoff_time
LIMIT 20;
