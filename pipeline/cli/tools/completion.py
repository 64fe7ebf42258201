"""The command `completion`: what a shell sources to complete commands, flags, stages and runs."""

import argparse

from idxpipe.pipeline.cli.command import Outcome

SHELLS = ("bash", "zsh", "fish")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the shell."""
    what = 'bash and zsh: eval "$(idxpipe completion bash)"; fish: idxpipe completion fish | source'
    parser.add_argument("shell", choices=SHELLS, metavar="{" + ",".join(SHELLS) + "}", help=what)


def run(args: argparse.Namespace) -> Outcome:
    """Print the code for a shell."""
    from argcomplete.shell_integration import shellcode

    code = shellcode(["idxpipe"], shell=args.shell)
    return Outcome({"shell": args.shell, "code": code}, code)
