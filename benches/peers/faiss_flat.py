#!/usr/bin/env python3
"""The exact scan beside faiss IndexFlat: same data, same queries, one thread, in turn.

    python3 -m venv .venv && .venv/bin/pip install faiss-cpu==1.15.1 numpy==2.4.6
    .venv/bin/python benches/peers/faiss_flat.py FOLDER [--rounds 5] [--dtype f32,u8] [--queries N] [--k 10]

FOLDER holds base and query files (bvecs, fvecs or npy) and is passed to `cargo xtask bench` as it is. Each round
times one batch search of faiss, then one of ours for every dtype. faiss stores float32 whatever the data; ours
stores what --dtype says. Ids are compared by the distances they stand for, so that ties may be broken differently.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
# An OpenBLAS older than the CPU takes it for one of twenty years ago, and so may a setting of the environment.
if os.path.exists("/proc/cpuinfo"):
    FLAGS = open("/proc/cpuinfo").read().split()
    if "avx2" in FLAGS:
        os.environ["OPENBLAS_CORETYPE"] = "SkylakeX" if "avx512vl" in FLAGS else "Haswell"
        os.environ.pop("OPENBLAS_L2_SIZE", None)
import faiss  # noqa: E402  (the thread count must be set first)
import numpy as np  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[2]


def read(folder, stem):
    """The vectors of a folder as float32."""
    for suffix, item in ((".bvecs", np.uint8), (".fvecs", np.float32)):
        path = folder / (stem + suffix)
        if path.exists():
            raw = np.fromfile(path, dtype=np.uint8)
            dim = int(raw[:4].view(np.int32)[0])
            rows = raw.reshape(-1, 4 + dim * np.dtype(item).itemsize)[:, 4:]
            return np.ascontiguousarray(rows).view(item).astype(np.float32)
    return np.load(folder / (stem + ".npy")).astype(np.float32)


def ours(folder, dtype, queries, k, out):
    """Queries per second of one run of our batch scan."""
    command = ["cargo", "xtask", "bench", "--suite", "exact", "--dataset", str(folder), "--dtype", dtype,
               "--mode", "batch", "--runs", "1", "--threads", "1", "--k", str(k), "--out", out]
    if queries:
        command += ["--limit-queries", str(queries)]
    subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    records = [json.loads(line) for line in open(Path(out) / "results.jsonl")]
    record = [r for r in records if r["suite"] == "exact" and r["dtype"] == dtype][-1]
    return record["qps"], record["recall_id"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dtype", default="f32")
    parser.add_argument("--queries", type=int)
    parser.add_argument("--k", type=int, default=10)
    args = parser.parse_args()
    faiss.omp_set_num_threads(1)
    folder = args.folder.resolve()
    base, queries = read(folder, "base"), read(folder, "query")[: args.queries]
    angular = folder.name.endswith("-angular")
    if angular:
        faiss.normalize_L2(base)
        faiss.normalize_L2(queries)
    index = (faiss.IndexFlatIP if angular else faiss.IndexFlatL2)(base.shape[1])
    index.add(base)
    index.search(queries[:64], args.k)
    print(f"{folder.name}: {len(base)} x {base.shape[1]}, {len(queries)} queries, k {args.k}; "
          f"faiss {faiss.__version__} ({faiss.get_compile_options().strip()}), one thread")
    dtypes = args.dtype.split(",")
    theirs, mine, recall = [], {d: [] for d in dtypes}, {}
    with tempfile.TemporaryDirectory() as out:
        for _ in range(args.rounds):
            start = time.perf_counter()
            index.search(queries, args.k)
            theirs.append(len(queries) / (time.perf_counter() - start))
            for dtype in dtypes:
                qps, recall[dtype] = ours(folder, dtype, args.queries, args.k, out)
                mine[dtype].append(qps)
    print(f"faiss IndexFlat f32 batch: median {statistics.median(theirs):.0f} QPS "
          f"({min(theirs):.0f} to {max(theirs):.0f})")
    for dtype in dtypes:
        ratios = sorted(m / t for m, t in zip(mine[dtype], theirs))
        print(f"ours {dtype} batch: median {statistics.median(mine[dtype]):.0f} QPS ({min(mine[dtype]):.0f} to "
              f"{max(mine[dtype]):.0f}), recall by id {recall[dtype]:.4f}; "
              f"ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    sys.exit(main())
