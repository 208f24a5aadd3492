"""How far a run reaches: from what is new to all rows that its findings can depend on, and no further."""
