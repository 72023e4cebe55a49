"""Native filtered search for libraries whose Python interface has none (usearch) or calls Python for every candidate
(hnswlib): a small library, compiled here, over the index that the Python package saved."""

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from .base import MISSING, Unsuitable


class Native:
    """An opened index. Headers lie in `include/hnswlib` and `include/usearch` of the environment, or where the variable
    NIGH_PEERS_INCLUDE says."""

    def __init__(self, library, saved, dim, euclidean, folder):
        include = Path(os.environ.get("NIGH_PEERS_INCLUDE") or Path(sys.prefix) / "include")
        if not (include / library).is_dir():
            raise Unsuitable(f"filters need the headers of {library} in {include}, see benches/peers/README.md")
        compiler = next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))), None)
        if compiler is None:
            raise Unsuitable("filters need a C++ compiler")
        target = Path(folder) / f"{library}.so"
        source = Path(__file__).with_name("filtered.cpp")
        command = [compiler, "-std=c++17", "-Ofast", "-march=native", "-shared", "-fPIC", f"-D{library.upper()}"]
        done = subprocess.run([*command, "-I", include, source, "-o", target], capture_output=True, text=True)
        if done.returncode != 0:
            lines = [line for line in done.stderr.splitlines() if "error" in line]
            raise Unsuitable(f"filters do not compile: {(lines or ['no message'])[0]}")
        self.library = ctypes.CDLL(str(target))
        self.library.open_index.restype = ctypes.c_void_p
        self.index = self.library.open_index(os.fsencode(saved), ctypes.c_size_t(dim), ctypes.c_int(euclidean))
        if not self.index:
            raise Unsuitable(f"{library} does not open what it saved")

    def search(self, queries, k, ef, allowed):
        """Ids, one row a query."""
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        ids = np.full((len(queries), k), MISSING, dtype=np.uint32)
        size = ctypes.c_size_t
        failed = self.library.search(
            ctypes.c_void_p(self.index), queries.ctypes.data_as(ctypes.c_void_p), size(len(queries)), size(k),
            size(ef), allowed.ctypes.data_as(ctypes.c_void_p), ids.ctypes.data_as(ctypes.c_void_p),
        )
        if failed:
            raise Unsuitable("a filtered search failed")
        return ids.astype(np.int64)
