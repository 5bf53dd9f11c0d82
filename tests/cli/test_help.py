"""Every command's help has examples, and the command line understands them."""

import shlex
from typing import Any

import pytest
import typer
from propstats_cli.main import _COMMANDS, app


def _examples(command: str) -> list[list[str]]:
    lines = (line.strip() for line in (_COMMANDS[command].__doc__ or "").splitlines())
    words = [shlex.split(line) for line in lines if "propstats " in line]
    # Behind torchrun, too: what follows the name of the command.
    return [
        line[line.index("propstats") + 2 :] for line in words if line[line.index("propstats") + 1 :][:1] == [command]
    ]


@pytest.mark.parametrize("command", sorted(_COMMANDS))
def test_examples_are_understood(command: str) -> None:
    examples = _examples(command)
    assert len(examples) >= 2
    group: Any = typer.main.get_command(app)
    for example in examples:
        group.commands[command].make_context(command, list(example))


def test_an_example_with_a_wrong_option_is_found() -> None:
    group: Any = typer.main.get_command(app)
    with pytest.raises(Exception, match="No such option"):
        group.commands["moments"].make_context("moments", ["--actt", "relu"])
