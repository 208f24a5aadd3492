INSERT INTO fresh
SELECT 'tools_told', [tool_name, action, resource_type], NULL
FROM tools_told;
