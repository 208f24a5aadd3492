-- view: catalogue_tools
-- needs: params
-- about: What the catalogue says about tools: one row per tool.
-- column tool_name: The tool, exactly as events name it.
-- column sensitivity: 0 (public) to 4 (critical).
-- column trust_zone: Zone of trust that the tool is in.
-- column labels: Of untrusted_content, private_data, public_sink and destructive.
CREATE OR REPLACE TABLE catalogue_tools AS
SELECT c.tool_name, c.sensitivity, c.trust_zone, c.labels
FROM (SELECT unnest(catalogue.tools) AS c FROM params);
