"""Build of the compiled kernel. Everything else about the project is in pyproject.toml.

``DEPTHCAST_SANITIZE=address,undefined`` builds the kernel with those sanitizers (see ``make sanitize``).
"""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_py import build_py

ROOT = Path("app")
SANITIZE = os.environ.get("DEPTHCAST_SANITIZE", "")

compile_args = ["-O3", "-std=gnu11", "-fno-semantic-interposition", "-Wno-unused-function"]
compile_args += ["-Wno-array-bounds"]  # false alarms in Python's own headers, once all is inlined
# One record's whole way is to be one function: gcc's bounds cut it into calls that cost a tenth of the time.
INLINE_BOUNDS = (
    "inline-unit-growth",
    "large-function-growth",
    "large-stack-frame-growth",
    "max-inline-insns-single",
)
for bound in INLINE_BOUNDS:
    compile_args += ["--param", f"{bound}=2000"]
link_args: list[str] = []
if SANITIZE:
    compile_args = ["-O1", "-g", "-std=gnu11", f"-fsanitize={SANITIZE}", "-fno-omit-frame-pointer"]
    compile_args += ["-fno-sanitize-recover=undefined", "-DDEPTHCAST_SANITIZE=1"]
    link_args = [f"-fsanitize={SANITIZE}"]

extensions = [
    Extension(
        ".".join(source.relative_to(ROOT).with_suffix("").parts),
        [str(source)],
        extra_compile_args=compile_args,
        extra_link_args=link_args,
    )
    for source in sorted(ROOT.rglob("*.pyx"))
]


class BuildWithPage(build_py):
    """Put the page's templates and files into the package; in a checkout they are found beside it."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for path in Path("web").rglob("*"):
            if path.is_file():
                target = Path(self.build_lib, "depthcast", path)
                self.mkpath(str(target.parent))
                self.copy_file(str(path), str(target))


setup(
    cmdclass={"build_py": BuildWithPage},
    ext_modules=cythonize(
        extensions,
        include_path=[str(ROOT)],
        build_dir="build/cython",
        compiler_directives={
            "language_level": 3,
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
            "freethreading_compatible": False,
        },
    ),
)
