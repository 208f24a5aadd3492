"""The command `counterfoil`: the list of its sub-commands, and how errors end a run.

Exit codes: 0 done; 1 failed, found something amiss, or nobody reads the output any more; 2 wrong usage or settings;
3 a source cannot be read; 4 the lake cannot be used; 5 a rule failed; 6 a query was refused or failed;
10 `detect --fail-on` found something; 130 interrupted.
"""

from __future__ import annotations

import importlib
import sys

import click

from counterfoil.lean import start_lean
from counterfoil.output import visible
from schemas.errors import CounterfoilError

# The name of each sub-command with its line in the help, so that --help imports none of them.
COMMANDS = {
    "ingest": "Read events and decisions from Kafka or files into the lake.",
    "detect": "Run the detection rules and record what they find.",
    "run": "Run each rule on its schedule, and catch up what was missed.",
    "deliver": "Send findings to where they are read: Kafka, webhooks, chat, syslog, mail, files.",
    "rules": "List, show, check, test, write, explain and compare detection rules.",
    "privileges": "Show the rate of excessive privilege, and what an agent could do with.",
    "sql": "Ask the lake's tables and views a question in SQL, read-only.",
    "audit": "List, show and run audit questions: who could, who did, on whose authority.",
    "export": "Write a snapshot of the lake, or what opens it, into a file for other tools.",
    "dashboard": "Show findings, chains, privileges and health in the browser.",
    "status": "Show how ingest stands, the last and next run of each rule, and what is wrong.",
    "check": "Check settings, broker, topics, lake and machine, and say what to do.",
    "tail": "Watch decoded events as they arrive.",
    "dead-letters": "List, show, replay and export what could not be decoded.",
    "maintain": "Compact the lake's tables and delete what is past keeping.",
    "seal": "Seal what is new into the digest chains, and sign a checkpoint.",
    "verify": "Verify that the lake is what was sealed: nothing changed, missing or added.",
    "checkpoint": "Make keys; list, export and hand over signed checkpoints.",
    "hold": "Place, list and release legal holds.",
    "erase": "Redact a person's data wherever it stands in the lake.",
    "catalog": "Propose what the catalogue of tools and resources could say, and check it.",
    "generate": "Make labelled sample events, the same for the same seed.",
    "evaluate": "Measure correlation and rules against a labelled folder.",
    "demo": "Run the main job on the sample data, from events to findings.",
}


class LazyGroup(click.Group):
    """A group that imports a sub-command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The sub-commands in the order of the main job."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The sub-command of that name."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"counterfoil.commands.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list from COMMANDS, importing nothing."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="counterfoil", prog_name="counterfoil")
def group() -> None:
    """Join what agents did to the decisions behind it, and show where there is none."""


def cli() -> None:
    """Run the command line; an error of ours is one line on stderr and its exit code."""
    start_lean()
    try:
        # What a command asks to exit with, by click.exceptions.Exit, comes back as the result.
        code = group.main(standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except CounterfoilError as error:
        # An error may quote a log or a query: its control characters are made visible.
        click.echo(f"counterfoil: {visible(str(error))}", err=True)
        sys.exit(error.exit_code)
    sys.exit(code if isinstance(code, int) else 0)
