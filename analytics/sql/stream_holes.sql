-- view: stream_holes
-- needs: stream_progress, authorization_decisions
-- about: Stretches of decisions that were gone from their topic before they could be read, with the time that each spans.
CREATE OR REPLACE TABLE stream_holes AS
SELECT
    h.stream, h.source_topic, h.source_partition, h.hole_from, h.hole_to,
    -- By the neighbours of the hole, not by the extremes: what comes late or again lies beyond it and spans nothing. A
    -- record may hold several decisions.
    arg_max(d.decision_time, {'off': d.source_offset, 'ix': d.source_index, 'at': d.decision_time})
        FILTER (WHERE d.source_offset < h.hole_from) AS from_time,
    arg_min(d.decision_time, {'off': d.source_offset, 'ix': d.source_index, 'at': d.decision_time})
        FILTER (WHERE d.source_offset >= h.hole_to) AS to_time
FROM (SELECT DISTINCT stream, source_topic, source_partition, hole_from, hole_to FROM stream_progress
    WHERE hole_from IS NOT NULL AND stream = 'authorization') AS h
LEFT JOIN authorization_decisions AS d
    ON d.source_topic = h.source_topic AND d.source_partition = h.source_partition
GROUP BY ALL;
