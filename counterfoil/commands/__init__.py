"""One file per sub-command, imported when it is called and not before."""
