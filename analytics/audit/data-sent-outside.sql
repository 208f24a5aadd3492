-- audit: data-sent-outside
-- question: What was sent to the outside, by whom, on which decision?
-- reads: action_backing, events, catalogue_destinations
-- parameter tenant text = none: Of this tenant; of all without it.
-- parameter since time = none: From this moment on; from the beginning without it.
-- parameter until time = none: Before this moment; to the end without it.
-- answer: One row per action that ran and sends to a destination that the catalogue does not call internal, or is
--   labelled `public_sink`; with its verdict, and the approval where there was one.
-- blind: Without a catalogue every destination is outside. What was in it is not on record; `sensitive-after-untrusted`
--   and rule 06 tell what was read before.
SELECT
    b.event_time, b.tenant_id, b.agent, b.on_behalf_of, b.tool_name, b.action, b.resource_type, b.resource_id,
    e.destination, b.labels, b.verdict, b.reason, b.decision_id, b.approval_id, b.approver, b.trace_id, b.event_id
FROM action_backing AS b
LEFT JOIN events AS e
    ON e.event_id = b.event_id AND e.event_time = b.event_time
    AND coalesce(e.tenant_id, b.tenant_id, '') = coalesce(b.tenant_id, '')
WHERE b.executed
    AND (
        list_contains(b.labels, 'public_sink')
        OR (e.destination IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM catalogue_destinations AS c WHERE regexp_matches(e.destination, c.expression)
        ))
    )
    AND ($tenant IS NULL OR b.tenant_id = $tenant)
    AND ($since IS NULL OR b.event_time >= $since)
    AND ($until IS NULL OR b.event_time < $until)
ORDER BY b.event_time, b.event_id;
