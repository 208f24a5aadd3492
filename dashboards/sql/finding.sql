-- One finding in its newest state.
-- needs: current_findings
SELECT * FROM current_findings WHERE finding_id = $finding_id;
