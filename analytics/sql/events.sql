-- view: events
-- needs: orchestration_events
-- about: Orchestration events, each once: of the copies of an event the one with the smallest digest and position stays,
--        so that neither order of arrival nor repeats change what is found.
CREATE OR REPLACE TABLE repeated_events AS
SELECT
    coalesce(tenant_id, '') AS tenant,
    event_id,
    min({'sha': raw_sha256, 'topic': source_topic, 'part': source_partition, 'off': source_offset, 'ix': source_index})
        AS kept
FROM orchestration_events
WHERE hash(event_id) IN (SELECT hash(event_id) FROM orchestration_events GROUP BY ALL HAVING count(*) > 1)
GROUP BY ALL
HAVING count(*) > 1;

CREATE OR REPLACE VIEW events AS
SELECT
    e.*,
    coalesce(e.native_span_id, e.span_id) AS span_key,
    coalesce(e.native_parent_id, e.parent_span_id) AS parent_key
FROM orchestration_events AS e
LEFT JOIN repeated_events AS r
    ON r.event_id = e.event_id AND r.tenant = coalesce(e.tenant_id, '')
WHERE r.event_id IS NULL
    OR r.kept = {'sha': e.raw_sha256, 'topic': e.source_topic, 'part': e.source_partition, 'off': e.source_offset,
        'ix': e.source_index};
