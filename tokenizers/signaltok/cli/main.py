"""`signaltok COMMAND …`: finds the sub-command's module, imports it alone, and turns errors into one line."""

import argparse
import importlib
import os
import sys

from signaltok.cli.console import complain

COMMANDS = {
    "list": "the experiments and the parts there are",
    "export": "make a tokenizer folder of a training run",
    "import": "make a tokenizer folder from published weights: encodec, dac, snac, mimi",
    "tokenize": "turn a folder of pictures, sounds or videos into a token store",
    "stream": "turn token stores into a data set for a language-model trainer",
    "detokenize": "turn a token store back into pictures, sounds or videos",
    "inspect": "show what a run, a tokenizer or a token store holds",
    "compare": "one table, and one page, of many runs: settings, mean and spread over seeds",
    "rerun": "repeat a run from its stored config and hold the figures against the old ones",
}
# The module of a command that is none of its name: `import` is a word of the language.
MODULES = {"import": "import_published"}


def main(arguments: list[str] | None = None) -> int:
    """Run a sub-command; the exit status: 0, 1 for an error that is named on stderr, 2 for a wrong call."""
    given = sys.argv[1:] if arguments is None else arguments
    lines = "\n".join(f"  {name:<11} {text}" for name, text in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="signaltok",
        description="Learned tokenizers: export them, use them, look at them. Training is `python train.py`.",
        epilog=f"commands:\n{lines}\n\n`signaltok COMMAND --help` says more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help="one of the commands below")
    parser.add_argument("rest", nargs=argparse.REMAINDER, metavar="…", help="what the command takes")
    chosen = parser.parse_args(given)
    module = importlib.import_module(f"signaltok.cli.{MODULES.get(chosen.command, chosen.command)}")
    own = argparse.ArgumentParser(prog=f"signaltok {chosen.command}", description=module.__doc__)
    own.add_argument("--traceback", action="store_true", help="show where in the code an error came from")
    module.add_arguments(own)
    options = own.parse_args(chosen.rest)
    try:
        status = module.run(options)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # whoever read our output has seen enough, as in `signaltok list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError) as error:
        if options.traceback:
            raise
        complain(str(error) or type(error).__name__)
        return 1
    except KeyboardInterrupt:
        complain("stopped; the same command goes on where it stopped" if chosen.command == "tokenize" else "stopped")
        return 130


if __name__ == "__main__":
    sys.exit(main())
