-- step: learned_tools
-- needs: tools_told
-- about: What a tool without a mapping does, where all decisions that an id ties to its calls say the same.
CREATE OR REPLACE TABLE learned_tools AS
SELECT tool_name, min(action) AS action, min(resource_type) AS resource_type
FROM tools_told
GROUP BY tool_name
HAVING min(action) = max(action) AND min(resource_type) = max(resource_type);
