"""
Compiles with Cython every module that has a .pxd beside it. All else stands in pyproject.toml.

A .pxd whose first line is ``# inline`` is no module of its own: its functions become part of every module that
cimports it, as C, and the .py beside it is their plain twin. A first line ``# classes: no_gc=True`` (or ``freelist=N``)
is a directive for all classes of the module: decorators in a .pxd are not heeded for these.

The environment variable COLO_COMPILE says what then: ``required``, what can't be compiled is an error;
``off``, nothing is compiled; unset, what can't be compiled is said in one line, and all of it
runs as plain Python. An editable install is never compiled: Python would load a module's .so, however
old, before the source that somebody edits.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CCompilerError

WANTED = os.environ.get("COLO_COMPILE", "")
JOBS = 2
CLASSES = "# classes: "
CLASS_DEFAULTS = {"no_gc": False, "freelist": 0}
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
}


class Compile(build_ext):
    """All of them or none: compiled modules call each other by C."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or JOBS

    def run(self) -> None:
        self._remove_compiled()  # of an earlier build: a module may have gone, or have no .pxd any more
        if self.inplace or self.editable_mode:
            self._leave_plain("an editable install runs the sources as they stand")
            return
        try:
            self._cythonize()
            super().run()
        except (BaseError, CCompilerError, ImportError, OSError) as error:
            if WANTED == "required":
                raise
            self._remove_compiled()
            self._leave_plain(" ".join(str(error).split()))

    def _cythonize(self) -> None:
        from Cython.Build import cythonize
        from Cython.Compiler import Options
        from Cython.Compiler.Errors import CompileError

        to = str(Path(self.build_temp, "cython"))
        made = []
        try:
            for extension in self.extensions:
                Options.get_directive_defaults().update(CLASS_DEFAULTS | class_directives(extension))
                made += cythonize([extension], build_dir=to, force=True, quiet=True, compiler_directives=DIRECTIVES)
        except CompileError as error:
            raise CCompilerError(f"Cython: {error}") from None
        sources = {extension.name: extension.sources for extension in made}
        for extension in self.extensions:
            extension.sources = sources[extension.name]

    def _remove_compiled(self) -> None:
        for compiled in Path(self.build_lib, "colo_twisted").rglob("*.so"):
            compiled.unlink()

    def _leave_plain(self, why: str) -> None:
        self.extensions = []
        print(f"colo_twisted: packets/ is not compiled and will run slower: {why}", file=sys.stderr)


def class_directives(extension: Extension) -> dict[str, bool | int]:
    """What the first line of its .pxd says of its classes."""
    first = Path(extension.sources[0]).with_suffix(".pxd").read_text().partition("\n")[0]
    if not first.startswith(CLASSES):
        return {}
    named = (each.split("=") for each in first.removeprefix(CLASSES).split(","))
    return {name.strip(): value == "True" or int(value) for name, value in named}


def extensions() -> list[Extension]:
    """One for each .pxd that isn't inline; nothing is listed by hand."""
    return [
        Extension(".".join(pxd.with_suffix("").parts), [str(pxd.with_suffix(".py"))], extra_compile_args=["-O3"])
        for pxd in sorted(Path("colo_twisted").rglob("*.pxd"))
        if not pxd.read_text().startswith("# inline\n")
    ]


if WANTED not in ("", "required", "off"):
    sys.exit(f"COLO_COMPILE: '{WANTED}' (allowed: required, off, or not set)")
setup(ext_modules=[] if WANTED == "off" else extensions(), cmdclass={"build_ext": Compile})
