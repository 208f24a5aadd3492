"""The command line: one command, sub-commands, each importing only what it needs."""
