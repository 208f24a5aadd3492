-- How many states of findings there are.
SELECT count(*) AS findings FROM findings;
