#!/usr/bin/env python3
"""Euclidean nearest neighbours beside scipy, scikit-learn and mlpack: same data, same queries, one thread, in turns.

    python3 -m venv .venv && .venv/bin/pip install -r benches/peers/covertree/requirements.txt
    .venv/bin/python benches/peers/covertree/trees.py FOLDER [--rounds 3] [--k 30] [--queries N]

FOLDER holds coords.npy or xyz.npy (float64), gt_base_rows.npy and gt_query_rows.npy, such as geo-modis-lst-148k; a
name such as `uniform-10d-32k` or `clustered-10d-32k` makes points instead. Ours runs as the program of
benches/peers/kiddo does, but from a file, by `cargo xtask bench --suite covertree`; here the peers' speeds are
measured, in turns with that command, one run of each a round. Both sides count the time that their one thread had
a core. Recall is the share of distances that equal the exact
ones. Speeds of Python libraries include their own conversion of arguments, as their users see it.
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

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
# An OpenBLAS older than the CPU takes it for one of twenty years ago, and so may a setting of the environment.
if os.path.exists("/proc/cpuinfo"):
    FLAGS = open("/proc/cpuinfo").read().split()
    if "avx2" in FLAGS:
        os.environ["OPENBLAS_CORETYPE"] = "SkylakeX" if "avx512vl" in FLAGS else "Haswell"
        os.environ.pop("OPENBLAS_L2_SIZE", None)
import numpy as np  # noqa: E402  (the thread count must be set first)
from scipy.spatial import cKDTree  # noqa: E402
from sklearn.neighbors import BallTree, KDTree  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[3]


def read(folder, queries):
    file = folder / "xyz.npy" if (folder / "xyz.npy").exists() else folder / "coords.npy"
    data = np.load(file)
    base = data[np.load(folder / "gt_base_rows.npy")]
    return np.ascontiguousarray(base), np.ascontiguousarray(data[np.load(folder / "gt_query_rows.npy")][:queries])


def ours(name, data, k, out):
    """Queries per second of one run of ours on the suite's case of that name."""
    command = ["cargo", "xtask", "bench", "--suite", "covertree", "--case", name, "--runs", "1", "--out", out]
    env = dict(os.environ, NIGH_DATA=str(data))
    subprocess.run(command, cwd=REPOSITORY, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    records = [json.loads(line) for line in open(Path(out) / "results.jsonl")]
    record = [r for r in records if r["index"] == "tree" and r["dataset"] == name][-1]
    return record["qps"], record["recall_eps"]


def peers(base, k):
    """Name, seconds to build, and the search of every peer that is installed."""
    found = []

    def add(name, make, search):
        start = time.process_time()
        index = make()
        found.append((name, time.process_time() - start, lambda q: search(index, q)))

    add("scipy cKDTree", lambda: cKDTree(base), lambda t, q: t.query(q, k, workers=1)[0])
    add("sklearn KDTree", lambda: KDTree(base), lambda t, q: t.query(q, k)[0])
    add("sklearn BallTree", lambda: BallTree(base), lambda t, q: t.query(q, k)[0])
    try:
        import mlpack
    except ImportError:
        print("mlpack is not installed: left out")
        return found
    for tree in ("kd", "cover"):
        made = {}

        def make(tree=tree, made=made):
            # The first call builds the tree; the model is searched from then on. Without copies it reorders what it is given.
            return mlpack.knn(reference=base, query=base[:1], k=k, tree_type=tree, algorithm="single_tree",
                              copy_all_inputs=True, verbose=False)["output_model"]

        def search(model, queries):
            return mlpack.knn(input_model=model, query=queries, k=k, algorithm="single_tree",
                              copy_all_inputs=True, verbose=False)["distances"]

        add(f"mlpack {tree} tree", make, search)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--k", type=int, default=30)
    parser.add_argument("--queries", type=int)
    parser.add_argument("--only-peers", action="store_true", help="do not run ours")
    args = parser.parse_args()
    if (args.folder / "gt_base_rows.npy").exists():
        base, queries = read(args.folder, args.queries)
        args.k = 30
    else:
        kind, dim, n = args.folder.name.split("-")
        dim, n, rng = int(dim[:-1]), 1000 * int(n[:-1]), np.random.default_rng(42)
        centers = 20 * rng.random((64, dim))

        def draw(count):
            if kind == "uniform":
                return rng.random((count, dim))
            return centers[rng.integers(0, 64, count)] + 0.5 * rng.normal(size=(count, dim))

        base, queries, args.k = draw(n), draw(args.queries or 5000), 10
    sample = queries[:: max(1, len(queries) // 100)]
    exact = np.sqrt(np.sort(((sample[:, None, :] - base[None, :, :]) ** 2).sum(-1), axis=1)[:, : args.k]) \
        if base.shape[0] * len(sample) * base.shape[1] < 2e8 else None
    if exact is None:
        exact = np.stack([np.sqrt(np.sort(((q - base) ** 2).sum(-1))[: args.k]) for q in sample])
    print(f"{args.folder.name}: {len(base)} x {base.shape[1]}, {len(queries)} queries, k {args.k}, one thread")
    contenders = peers(base, args.k)
    speeds, recall = {name: [] for name, _, _ in contenders}, {}
    for name, _, search in contenders:
        got = np.sort(np.asarray(search(sample)), axis=1)
        recall[name] = float(np.mean(np.isclose(got, exact, rtol=1e-9, atol=1e-12)))
    mine, our_recall = [], None
    with tempfile.TemporaryDirectory() as out:
        for _ in range(args.rounds):
            for name, _, search in contenders:
                part = queries if speeds[name] == [] or speeds[name][-1] > 500 else queries[:500]
                start = time.process_time()
                search(part)
                speeds[name].append(len(part) / (time.process_time() - start))
            if not args.only_peers:
                qps, our_recall = ours(args.folder.name, args.folder.resolve().parent, args.k, out)
                mine.append(qps)
    for name, build, _ in contenders:
        line = f"  {name:18} {statistics.median(speeds[name]):10.0f} queries/s " \
               f"({min(speeds[name]):.0f} to {max(speeds[name]):.0f}), recall {recall[name]:.4f}, build {build:.3f} s"
        if mine:
            ratios = sorted(m / t for m, t in zip(mine, speeds[name]))
            line += f"; ours over it {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        print(line)
    if mine:
        print(f"  {'ours':18} {statistics.median(mine):10.0f} queries/s ({min(mine):.0f} to {max(mine):.0f}), "
              f"recall {our_recall:.4f}")


if __name__ == "__main__":
    sys.exit(main())
