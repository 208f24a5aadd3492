-- The steps' tables as they would be over the whole lake: what was known and what is fresh, in one.
CREATE OR REPLACE TABLE newest_by_source AS
SELECT subject[1] AS stream, subject[2] AS source_topic, CAST(subject[3] AS BIGINT) AS source_partition,
    max(told_time) AS newest_time
FROM (FROM known UNION ALL FROM fresh)
WHERE kind = 'newest_by_source'
GROUP BY ALL;

CREATE OR REPLACE TABLE policies_seen AS
SELECT subject[1] AS tenant, subject[2] AS pdp, subject[3] AS policy_version, min(told_time) AS since
FROM (FROM known UNION ALL FROM fresh)
WHERE kind = 'policies_seen'
GROUP BY ALL;

CREATE OR REPLACE TABLE names_told AS
SELECT DISTINCT subject[1] AS tenant, subject[2] AS identity, subject[3] AS agent
FROM (FROM known UNION ALL FROM fresh)
WHERE kind = 'names_told';

CREATE OR REPLACE TABLE tools_told AS
SELECT DISTINCT subject[1] AS tool_name, subject[2] AS action, subject[3] AS resource_type
FROM (FROM known UNION ALL FROM fresh)
WHERE kind = 'tools_told';
