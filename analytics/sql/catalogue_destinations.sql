-- view: catalogue_destinations
-- needs: params
-- about: The destinations that the catalogue calls internal: one row per pattern.
-- column pattern: The pattern as it stands in the catalogue.
-- column expression: The regular expression that it stands for; a destination is internal where it matches.
CREATE OR REPLACE TABLE catalogue_destinations AS
SELECT c.pattern, c.expression
FROM (SELECT unnest(catalogue.destinations) AS c FROM params);
