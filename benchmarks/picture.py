"""The README's picture: what the demo's second command really prints, as docs/images/demo.svg.

``python -m benchmarks.picture`` simulates, reconstructs in a terminal of its own, and draws what came.
"""

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from benchmarks.workloads import ROOT

PATH: Final = ROOT / "docs" / "images" / "demo.svg"
COLUMNS: Final = 92
COMMAND: Final = "depthcast reconstruct demo.dbn.zst -o demo.json --picture"
FONTS: Final = 'ui-monospace, SFMono-Regular, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace'


def in_terminal(command: list[str], folder: Path) -> tuple[str, str]:
    """Run a command whose output is a terminal; what it printed there, and on standard error."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.PIPE, cwd=folder, text=True) as process:
        os.close(theirs)
        printed = b""
        while True:
            try:
                piece = os.read(ours, 65_536)
            except OSError:  # the other end is closed
                break
            printed += piece
        said = process.stderr.read() if process.stderr else ""
    os.close(ours)
    if process.returncode:
        raise SystemExit(said)
    return printed.decode().replace("\r\n", "\n"), said


def svg(*parts: Text) -> str:
    """The parts, one after the other, as a drawing that needs no font from elsewhere."""
    console = Console(
        record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, legacy_windows=False
    )
    for part in parts:
        console.print(part, soft_wrap=True)
    own_fonts = re.sub(r"\s*@font-face \{\{.*?\}\}\n", "\n", CONSOLE_SVG_FORMAT, flags=re.S)
    form = own_fonts.replace("Fira Code, monospace", FONTS).replace(
        '-matrix">', '-matrix" xml:space="preserve">'
    )
    drawing = console.export_svg(title=COMMAND, code_format=form, unique_id="demo")
    return re.sub(r"[ \t]+$", "", drawing, flags=re.M).strip() + "\n"


def main() -> None:
    """Simulate, reconstruct, draw."""
    program = str(Path(sys.executable).with_name("depthcast"))
    with TemporaryDirectory(prefix="depthcast-picture-") as name:
        folder = Path(name)
        in_terminal([program, "simulate", "-o", "demo.dbn.zst"], folder)
        printed, said = in_terminal([program, *COMMAND.split()[1:]], folder)
    PATH.parent.mkdir(parents=True, exist_ok=True)
    PATH.write_text(svg(Text.from_ansi(printed.strip("\n")), Text(), Text(said.strip())), encoding="utf-8")
    print(f"wrote {PATH.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
