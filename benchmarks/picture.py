"""The README's picture: what the demo really shows after some seconds, as docs/images/demo.svg.

``python -m benchmarks.picture`` runs it in a terminal of its own, and draws what is on the screen at its end.
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
COMMAND: Final = "depthcast demo --seconds 20"
REDRAWN: Final = "\x1b[1A\x1b[2K"
"""What comes before each line that is drawn over."""
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


def screen(printed: str) -> str:
    """What is on the screen at the end: what came before the first drawing, and the last drawing."""
    head, _, drawn = printed.partition("\x1b[?25l")  # the cursor is hidden while it is drawn
    last = drawn.rpartition(REDRAWN)[2]
    return re.sub(r"\x1b\[(\?25[hl]|2K|1A)|\r", "", head + last)


def main() -> None:
    """Run it, draw it."""
    program = str(Path(sys.executable).with_name("depthcast"))
    with TemporaryDirectory(prefix="depthcast-picture-") as name:
        printed, _ = in_terminal([program, *COMMAND.split()[1:]], Path(name))
    PATH.parent.mkdir(parents=True, exist_ok=True)
    PATH.write_text(svg(Text.from_ansi(screen(printed).strip("\n"))), encoding="utf-8")
    print(f"wrote {PATH.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
