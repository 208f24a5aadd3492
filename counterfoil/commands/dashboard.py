"""`counterfoil dashboard`: the pages in the browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from counterfoil.options import with_settings

if TYPE_CHECKING:
    from schemas.settings import Settings


@click.command("dashboard")
@click.option("--address", help="Address to listen on; default of the settings: 127.0.0.1.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 takes a free one.")
@with_settings
def command(*, address: str | None, port: int | None, settings: Settings) -> None:
    """Show findings, chains, privileges and health in the browser.

    Listens on this machine only unless told otherwise; where others can reach it, it needs a login (dashboard.login).
    """
    from dashboards.serve import serve

    serve(
        settings,
        address=address,
        port=port,
        announce=lambda url: click.echo(f"The dashboard is at {url} (Ctrl-C ends it)"),
    )
