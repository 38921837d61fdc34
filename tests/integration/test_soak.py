"""A run of churn whose memory must not grow; `make soak` is the same with 100 M records."""

import subprocess
import sys


def test_three_million_records_of_churn_do_not_grow_the_process() -> None:
    command = [sys.executable, "-m", "benchmarks.soak", "3000000"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
