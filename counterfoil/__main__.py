"""`python -m counterfoil` is the command `counterfoil`."""

from counterfoil.main import cli

cli()
