#!/usr/bin/env python3
"""Seconds of one mHC site in eager PyTorch, for bench/compare_torch --site.

The site is the Connection of the script named by --peer, its layer the identity: forward without gradients, and forward
with backward to the streams and all parameters. Prints a line of JSON for each, as bench_site does.
"""
import argparse
import ast
import json
import os
import time
import types

import torch


def load(path):
    """The peer as a module, without the call of main() that makes it a program."""
    with open(path) as file:
        tree = ast.parse(file.read(), path)
    tree.body = [node for node in tree.body if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call))]
    module = types.ModuleType("peer")
    exec(compile(tree, path, "exec"), module.__dict__)
    return module


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", required=True)
    parser.add_argument("--tuned", action="store_true", help="in the environment of the peer's own `time --tuned`")
    parser.add_argument("--kind", default="paper")
    for key, value in dict(dim=1024, tokens=2048, streams=4, threads=2, rounds=9).items():
        parser.add_argument("--" + key, type=int, default=value)
    a = parser.parse_args()
    peer = load(a.peer)
    if a.tuned and os.environ.get("MALLOC_MMAP_MAX_") != "0":
        peer.cmd_time(a)  # starts this program again, tuned; does not return
    torch.set_num_threads(a.threads)

    generator = torch.Generator().manual_seed(1)
    site = peer.Connection(a.kind, a.streams, a.dim, 0, generator)
    x = torch.randn(a.tokens, a.streams, a.dim, generator=generator, requires_grad=True)
    d_out = torch.randn(a.tokens, a.streams, a.dim, generator=generator)
    leaves = [x, *site.parameters()]

    def forward():
        with torch.no_grad():
            site(x, lambda u: u)

    def both():
        for leaf in leaves:
            leaf.grad = None
        site(x, lambda u: u).backward(d_out)

    parts = {"forward": forward, "forward+backward": both}
    times = {name: [] for name in parts}
    for round in range(-2, a.rounds):  # two to warm up
        for name, run in parts.items():
            start = time.perf_counter()
            run()
            if round >= 0:
                times[name].append(time.perf_counter() - start)
    for name, seconds in times.items():
        seconds.sort()
        print(json.dumps({"kind": name, "torch": torch.__version__, "threads": a.threads, "tuned": a.tuned,
                          "median_s": seconds[len(seconds) // 2], "min_s": seconds[0], "max_s": seconds[-1]}))


main()
