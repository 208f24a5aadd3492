"""Charts as pure functions: rows in, an Altair chart out. Text from logs goes into them as values only."""
