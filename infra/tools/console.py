"""Words and tables for people, and the commands and clients that the tools use."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

import yaml

__all__ = ["ROOT", "Check", "configuration", "fail", "outputs", "run", "say", "table"]

ROOT: Final = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Check:
    """Something that was looked at: whether it is well, what was found, and what to do if it is not."""

    name: str
    ok: bool
    found: str
    fix: str = ""


def say(text: str) -> None:
    """A line for whoever waits."""
    print(text, flush=True)


def fail(text: str) -> NoReturn:
    """End with an error that says what to do."""
    print(text, file=sys.stderr, flush=True)
    raise SystemExit(1)


def table(checks: Sequence[Check]) -> str:
    """A line a check; below it what to do, where it is not well."""
    width = max((len(each.name) for each in checks), default=0)
    lines = []
    for each in checks:
        lines.append(f"{'ok  ' if each.ok else 'FIX '} {each.name.ljust(width)}  {each.found}")
        if not each.ok and each.fix:
            lines.append(f"     {' ' * width}  -> {each.fix}")
    return "\n".join(lines)


def configuration(stack: str, folder: Path = ROOT) -> dict[str, Any]:
    """The keys of a stack's file."""
    path = folder / f"Pulumi.{stack}.yaml"
    if not path.is_file():
        fail(f"there is no {path.name}: STACK is one of dev, staging, prod, or a copy of their files")
    found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    return dict(found.get("config") or {})


def run(*command: str, capture: bool = False, folder: Path = ROOT) -> str:
    """Run a command; it ends all where it fails."""
    if shutil.which(command[0]) is None:
        fail(f"{command[0]} is not installed; docs/DEPLOY.md says what is needed")
    out = subprocess.PIPE if capture else None
    done = subprocess.run(command, cwd=folder, check=False, text=True, stdout=out)  # noqa: S603
    if done.returncode:
        fail(f"{' '.join(command[:3])} ended with code {done.returncode}")
    return done.stdout or ""


def outputs(stack: str) -> dict[str, Any]:
    """What a stack that is there shows."""
    return dict(json.loads(run("pulumi", "stack", "output", "--json", "--stack", stack, capture=True)))
