-- What the steps have just told, of whatever rows they stood over.
INSERT INTO fresh
SELECT 'newest_by_source', [stream, source_topic, CAST(source_partition AS VARCHAR)], newest_time
FROM newest_by_source
UNION ALL
SELECT 'policies_seen', [tenant, pdp, policy_version], since
FROM policies_seen
UNION ALL
SELECT 'names_told', [tenant, identity, agent], NULL
FROM names_told;
