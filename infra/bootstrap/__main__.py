"""What ``pulumi up`` runs in infra/bootstrap."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import pulumi

from infra.bootstrap.account import build
from infra.bootstrap.settings import load

for name, value in build(load(pulumi.Config())).items():
    pulumi.export(name, value)
