-- step: actions_in_holes
-- needs: actions, stream_holes
-- about: The actions in whose time decisions were gone before they could be read.
CREATE OR REPLACE TABLE actions_in_holes AS
SELECT DISTINCT a.action_no
FROM numbered_actions AS a
JOIN stream_holes AS h
    ON a.until_time >= coalesce(h.from_time, a.until_time) AND a.event_time <= coalesce(h.to_time, a.event_time);
