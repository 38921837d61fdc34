"""What ``pulumi up`` runs: the settings of the stack, and the system they describe."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import pulumi

from infra.program import build
from infra.settings import load

system = build(load(pulumi.Config(), pulumi.get_stack()))
for name, value in system.outputs.items():
    pulumi.export(name, value)
