"""The wrapper of every command: free text in, one-sentence errors and exit codes out."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from partimento.apps.composition import register_resolvers
from partimento.apps.quoting import quoted
from partimento.config import conf_dir, redacted

DEBUG = "PARTIMENTO_DEBUG"


def command(
    config_name: str, *, free_text: Sequence[str] = ()
) -> Callable[[Callable[[Any], None]], Callable[[], None]]:
    """Make a Hydra command of a function that takes the composed config.

    Args:
        config_name: Primary config in conf/.
        free_text: Keys whose values are taken as they are written.
    """

    def decorate(function: Callable[[Any], None]) -> Callable[[], None]:
        def main() -> None:
            arguments = [quoted(argument, free_text) for argument in sys.argv[1:]]
            raise SystemExit(run_command(function, config_name, arguments))

        main.__doc__ = function.__doc__
        return main

    return decorate


def run_command(function: Callable[[Any], None], config_name: str, arguments: list[str]) -> int:
    """Run a command under Hydra and return its exit code."""
    import hydra

    from partimento.studies import sweep

    register_resolvers()
    # Hydra's parser of arguments takes no flag between two overrides.
    arguments = sorted(arguments, key=lambda argument: argument not in ("-m", "--multirun"))
    # Hydra prints and exits on its own otherwise; errors are to arrive here.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    saved, sys.argv = sys.argv, [sys.argv[0], *arguments]
    wrap = hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name=config_name)
    with sweep.recording(arguments) as record:
        try:
            held: list[BaseException] = []
            wrap(_guarded(function, held, arguments, config_name))()
            code = report(held[0], arguments, config_name) if held else 0
        except SystemExit as exit_:  # --help and the like
            code = exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
        except BaseException as error:
            code = report(error, arguments, config_name)
        finally:
            sys.argv = saved
        if record.jobs():
            sweep.print_table(record)
    return code


def _guarded(
    function: Callable[[Any], None],
    held: list[BaseException],
    arguments: list[str],
    config_name: str,
) -> Callable[[Any], None]:
    """Wrap a job: its sys.exit must not end a sweep, and a sweep's error belongs into its own log.

    The error of a single run is held for the caller, since Hydra prints a line of its own about
    one that passes through it.
    """
    import functools

    @functools.wraps(function)
    def task(config: Any) -> None:
        import logging

        from hydra.core.hydra_config import HydraConfig

        from partimento.apps.sentences import sentence_of
        from partimento.errors import Interrupted, UserError

        mode = HydraConfig.get().mode
        single = mode is None or mode.name != "MULTIRUN"
        log = logging.getLogger("partimento")
        try:
            function(config)
        except BaseException as error:
            stopped = isinstance(error, (Interrupted, KeyboardInterrupt))
            sentence = None if stopped else sentence_of(error, arguments, config_name)
            if sentence is None and not stopped:
                log.exception("The job failed")
            elif not single:
                log.error("%s", sentence or error)
            if single:
                held.append(error)
                return
            if sentence is not None:  # the sweep's table shows the words of the error that arrives
                raise UserError(sentence) from error
            if isinstance(error, Interrupted):  # the person means the sweep, not only this job
                raise KeyboardInterrupt from error
            if isinstance(error, SystemExit):
                raise RuntimeError(f"the job called sys.exit({error.code})") from error
            raise

    return task


def report(error: BaseException, arguments: list[str], config_name: str) -> int:
    """Tell a person what went wrong and return the exit code."""
    from omegaconf.errors import OmegaConfBaseException

    from partimento.apps.sentences import cause_of, origin_of, sentence_of
    from partimento.errors import Interrupted

    if os.environ.get(DEBUG) == "1":
        import traceback

        print(redacted("".join(traceback.format_exception(error))), end="", file=sys.stderr)
    if cause_of(error, (Interrupted, KeyboardInterrupt)) is not None:
        print("Interrupted. The same command goes on from the last checkpoint.", file=sys.stderr)
        return 130
    sentence = sentence_of(error, arguments, config_name)
    if sentence is None:
        # OmegaConf wraps what a resolver meets in an error of many lines.
        origin = origin_of(error) if isinstance(error, OmegaConfBaseException) else error
        text = " ".join(f"{type(origin).__name__}: {origin}".split())
        sentence = f"Unexpected {text} (PARTIMENTO_DEBUG=1 shows the traceback)"
    print(redacted(f"partimento: {sentence}"), file=sys.stderr)
    return 1
