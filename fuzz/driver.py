"""Runs a fuzz target: with atheris (libFuzzer, guided by coverage), or where that is not, by plain mutation.

Flags are libFuzzer's: ``-atheris_runs=N`` stops after N inputs, ``-seed=S`` (1 unless given) makes a run
repeatable; ``--plain`` chooses plain mutation, which knows these two. Where a target has quick checks,
``--compare-every=N`` makes do with them for all but every Nth input, for long runs. An input that fails is
kept in build/fuzz/NAME and its name printed; ``python fuzz/fuzz_NAME.py FILE`` makes all checks of it again.
"""

import hashlib
import random
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
MAX_INPUT_BYTES: Final = 4096
_REPORT_S: Final = 10


def instrumented() -> AbstractContextManager[Any]:
    """What is imported inside is watched for coverage, if it is Depthcast's own Python and atheris runs."""
    atheris = _atheris()
    if atheris is None:
        return nullcontext()
    context: AbstractContextManager[Any] = atheris.instrument_imports(include=["depthcast"])
    return context


def run(
    one_input: Callable[[bytes], None], seeds: Sequence[bytes], quick: Callable[[bytes], None] | None = None
) -> None:
    """Run ``one_input`` on inputs grown from ``seeds``, as the command line says. Exceptions are findings.

    ``quick`` is the part of its checks that is made where ``--compare-every`` spares the rest.
    """
    arguments = sys.argv[1:]
    again = [argument for argument in arguments if Path(argument).is_file()]
    if again:
        for path in again:
            one_input(Path(path).read_bytes())
            print(f"{path}: passed")
        return
    if quick is not None:
        one_input = every_nth(_number(arguments, "--compare-every", 1), one_input, quick)
    folder = ROOT / "build" / "fuzz" / Path(sys.argv[0]).stem.removeprefix("fuzz_")
    atheris = _atheris()
    if atheris is None:
        _mutate(
            one_input, seeds, folder, _number(arguments, "-seed", 1), _number(arguments, "-atheris_runs", 0)
        )
    else:
        _guided(atheris, one_input, seeds, folder, arguments)


def every_nth(
    n: int, one_input: Callable[[bytes], None], quick: Callable[[bytes], None]
) -> Callable[[bytes], None]:
    """The first and every ``n``-th input after it go to ``one_input``, the others to ``quick``."""
    turns = count()

    def whose_turn_it_is(data: bytes) -> None:
        (quick if next(turns) % n else one_input)(data)

    return whose_turn_it_is


def _atheris() -> Any:
    """The atheris module; None if it is not there, not wanted, or this is a test of a fuzz program."""
    program = getattr(sys.modules["__main__"], "__file__", None) or ""
    if "--plain" in sys.argv or Path(program).resolve().parent != ROOT / "fuzz":
        return None
    try:
        return import_module("atheris")
    except ImportError:  # there is no wheel for every Python
        return None


def _guided(
    atheris: Any,
    one_input: Callable[[bytes], None],
    seeds: Sequence[bytes],
    folder: Path,
    arguments: Sequence[str],
) -> None:
    """With atheris. The corpus starts from the seeds each time, so that a run can be repeated."""
    corpus = folder / "corpus"
    shutil.rmtree(corpus, ignore_errors=True)
    corpus.mkdir(parents=True)
    for seed in seeds:
        (corpus / hashlib.sha1(seed, usedforsecurity=False).hexdigest()).write_bytes(seed)
    defaults = [
        "-seed=1",
        f"-max_len={MAX_INPUT_BYTES}",
        f"-artifact_prefix={folder}/",
        "-print_final_stats=1",
        "-keep_seed=1",  # also those whose turn it is not to be compared: only the others show coverage
    ]
    atheris.Setup([sys.argv[0], *defaults, *arguments, str(corpus)], one_input)
    atheris.Fuzz()


def _mutate(
    one_input: Callable[[bytes], None], seeds: Sequence[bytes], folder: Path, seed: int, runs: int
) -> None:
    """Without atheris: each input is a seed with a few random changes. For ever, if ``runs`` is 0."""
    draw = random.Random(seed)
    began = reported = time.monotonic()
    done = 0
    while not runs or done < runs:
        data = changed(draw, seeds)
        try:
            one_input(data)
        except BaseException:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"crash-{hashlib.sha1(data, usedforsecurity=False).hexdigest()}"
            path.write_bytes(data)
            print(f"input {done} fails; it is kept in {path}", file=sys.stderr)
            raise
        done += 1
        if time.monotonic() - reported > _REPORT_S:
            reported = time.monotonic()
            print(f"{done:,} inputs, {done / (reported - began):,.0f} a second", flush=True)
    print(f"{done:,} inputs in {time.monotonic() - began:.1f} s, nothing found")


def changed(draw: random.Random, seeds: Sequence[bytes]) -> bytes:
    """One of the seeds with a few random changes."""
    data = bytearray(draw.choice(seeds))
    for _ in range(draw.choice((1, 1, 2, 4, 16))):
        at = draw.randrange(len(data) + 1)
        match draw.randrange(5):
            case 0:
                data[at : at + 1] = draw.randbytes(1)
            case 1:
                del data[at : at + draw.choice((1, 2, 8, 56, 400))]
            case 2:
                data[at:at] = draw.randbytes(draw.choice((1, 4, 8, 56)))
            case 3:
                other = draw.choice(seeds)
                begin = draw.randrange(len(other) + 1)
                data[at:at] = other[begin : begin + draw.choice((1, 16, 56, 400))]
            case _:
                data[at : at + 1] = bytes(draw.choice((b"\x00", b"\xff", b"\x0e", b"\xa0", b"\x80")))
    return bytes(data[:MAX_INPUT_BYTES])


def _number(arguments: Sequence[str], flag: str, default: int) -> int:
    for argument in arguments:
        if argument.startswith(f"{flag}="):
            return int(argument.partition("=")[2])
    return default
