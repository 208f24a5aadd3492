-- Whose run it is.
-- needs: traces
SELECT * FROM traces WHERE trace_id = $trace_id;
