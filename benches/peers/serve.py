#!/usr/bin/env python3
"""One peer in a process of its own: builds its index, then answers timed requests, one JSON object a line.

    python serve.py --list
    python serve.py glass:R=48 --data FOLDER --metric euclidean --k 10 --core 1 [--build-core 0] --ids FILE

FOLDER holds base.npy and query.npy (float32; for `angular` of unit length already). FILE takes the answers: raw
little-endian uint32, k for every query, 0xFFFFFFFF where nothing was found.

Says first one of
    {"said": "ready", "library": "glass 2.1.0", "params": ..., "codes": ..., "build_s": ..., "index_bytes": ...,
     "resident_bytes": ..., "loop": true, "grid": [{"ef": 10}, ...], "families": [0, ...], "notes": [...]}
    {"said": "absent", "reason": ...}      the library is not installed
    {"said": "refused", "reason": ...}     it cannot take these data or parameters
and then, for every request {"setting": {"ef": 64}, "how": "loop", "save": true},
    {"said": "answer", "queries": ..., "seconds": ..., "cpu_seconds": ..., "latencies_us": [...]}
    {"said": "refused", "reason": ...}     this setting is not possible; the next one may be
`how` is `loop` or `batch` (all queries in the library's own batch call) or `calls` (one Python call a query).
Everything that libraries print goes to the standard error. The end of the input ends the process.
"""

import argparse
import importlib
import importlib.metadata
import json
import os
import sys

# Before any library is loaded: each reads these once.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
    os.environ[_variable] = "1"
# An OpenBLAS older than the CPU takes it for one of twenty years ago, and so may a setting of the environment.
if os.path.exists("/proc/cpuinfo"):
    _FLAGS = open("/proc/cpuinfo").read().split()
    if "avx2" in _FLAGS:
        os.environ["OPENBLAS_CORETYPE"] = "SkylakeX" if "avx512vl" in _FLAGS else "Haswell"
        os.environ.pop("OPENBLAS_L2_SIZE", None)
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

# name: module and class of the driver, the module that must import, the package that has its version
PEERS = {
    "glass": ("graphs", "Glass", "glass", "glass"),
    "hnswlib": ("graphs", "Hnswlib", "hnswlib", "hnswlib"),
    "faiss-hnsw": ("graphs", "FaissHnsw", "faiss", "faiss-cpu"),
    "usearch-f32": ("graphs", "Usearch", "usearch", "usearch"),
    "usearch-i8": ("graphs", "UsearchI8", "usearch", "usearch"),
    "ngt-onng": ("ngt", "Onng", "ngtpy", "ngt"),
    "ngt-qg": ("ngt", "QuantizedGraph", "ngtpy", "ngt"),
    "faiss-ivfpq-fastscan": ("lists", "FaissPqFastScan", "faiss", "faiss-cpu"),
    "faiss-ivf-rabitq-fastscan": ("lists", "FaissRabitqFastScan", "faiss", "faiss-cpu"),
    "scann": ("lists", "Scann", "scann", "scann"),
    "svs": ("svs", "Vamana", "svs", "scalable-vs"),
    "rabitq-hnsw": ("rabitq", "RabitqHnsw", "rabitqlib", "rabitqlib"),
    "rabitq-ivf": ("rabitq", "RabitqIvf", "rabitqlib", "rabitqlib"),
    "symphonyqg": ("rabitq", "SymphonyQg", "rabitqlib", "rabitqlib"),
    "scipy-ckdtree": ("trees", "ScipyTree", "scipy", "scipy"),
    "sklearn-kdtree": ("trees", "SklearnKdTree", "sklearn", "scikit-learn"),
    "sklearn-balltree": ("trees", "SklearnBallTree", "sklearn", "scikit-learn"),
}
GROUPS = {
    "all": list(PEERS),
    "graphs": [name for name, peer in PEERS.items() if peer[0] not in ("lists", "trees") and name != "rabitq-ivf"],
    "usearch": ["usearch-f32", "usearch-i8"],
    "faiss": ["faiss-hnsw", "faiss-ivfpq-fastscan", "faiss-ivf-rabitq-fastscan"],
    "ngt": ["ngt-onng", "ngt-qg"],
    "rabitq": ["rabitq-hnsw", "rabitq-ivf", "symphonyqg"],
    "trees": [name for name, peer in PEERS.items() if peer[0] == "trees"],
}
# Seconds of untimed searching before every timed pass: that of our own protocol.
WARM_UP = 0.3


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("peer", nargs="?", help="name, or name:key=value:key=value")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--data")
    parser.add_argument("--metric", choices=("euclidean", "ip", "angular"))
    parser.add_argument("--k", type=int)
    parser.add_argument("--core", type=int)
    parser.add_argument("--build-core", type=int)
    parser.add_argument("--ids")
    return parser.parse_args()


def private_output():
    """The standard output for us alone; whatever libraries print on it goes to the standard error."""
    own = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return own


def pin(core):
    """Every thread that there is, and with them those to come, on this core only."""
    if core is not None and hasattr(os, "sched_setaffinity"):
        for thread in os.listdir("/proc/self/task"):
            os.sched_setaffinity(int(thread), {core})


def main():
    args = arguments()
    if args.list:
        print(json.dumps({"peers": list(PEERS), "groups": GROUPS}))
        return
    out = private_output()

    def say(said, **fields):
        out.write(json.dumps({"said": said, **fields}) + "\n")
        out.flush()

    name, *pairs = args.peer.split(":")
    if name not in PEERS:
        say("refused", reason=f"unknown peer {name}; known: {', '.join(PEERS)}")
        return
    pin(args.core if args.build_core is None else args.build_core)
    module, driver, needed, package = PEERS[name]
    try:
        importlib.import_module("numpy")
        importlib.import_module(needed)
    except Exception as error:  # a damaged library fails in many ways, and none of them is ours
        say("absent", reason=f"{needed} cannot be imported: {error}")
        return
    from drivers import base as common

    session = common.Session(getattr(importlib.import_module(f"drivers.{module}"), driver), args, WARM_UP)
    try:
        built = session.build(dict(pair.split("=", 1) for pair in pairs))
    except Exception as error:
        say("refused", reason=common.one_line(error))
        return
    pin(args.core)
    try:
        version = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        version = "of unknown version"
    say("ready", library=f"{package} {version}", **built)
    for line in sys.stdin:
        try:
            said = session.answer(json.loads(line))
        except Exception as error:
            say("refused", reason=common.one_line(error))
            continue
        say("answer", **said)


if __name__ == "__main__":
    main()
