#!/usr/bin/env python3
"""Times of one site on a GPU in PyTorch, eager and compiled, and of Liger-Kernel's where it can be imported.

The site is that of bench_gpu's `site` and `site` with `site-back`: the conventions of deepseek-v4, four streams, the layer
the identity. Median of events, caches overwritten before each sample.
"""
import argparse
import statistics

import torch

N, ITERATIONS, EPS = 4, 20, 1e-6


class Site(torch.nn.Module):
    """Coefficients in fp32; streams keep their type."""

    def __init__(self, channels):
        super().__init__()
        self.fn = torch.nn.Parameter(0.02 * torch.randn(N * (N + 2), N * channels))
        self.base = torch.nn.Parameter(0.5 * torch.randn(N * (N + 2)))
        self.scale = torch.nn.Parameter(torch.ones(3))

    def forward(self, x):
        flat = x.flatten(1).float()
        mix = (flat @ self.fn.T) * torch.rsqrt(flat.square().mean(-1, keepdim=True) + EPS)
        pre, post, res = mix.split([N, N, N * N], -1)
        pre = torch.sigmoid(pre * self.scale[0] + self.base[:N]) + EPS
        post = 2 * torch.sigmoid(post * self.scale[1] + self.base[N:2 * N])
        comb = (res * self.scale[2] + self.base[2 * N:]).view(-1, N, N)  # [source, destination]
        comb = torch.softmax(comb, -1) + EPS
        comb = comb / (comb.sum(-2, keepdim=True) + EPS)
        for _ in range(ITERATIONS - 1):
            comb = comb / (comb.sum(-1, keepdim=True) + EPS)
            comb = comb / (comb.sum(-2, keepdim=True) + EPS)
        z = torch.einsum("ti,tic->tc", pre, x.float()).to(x.dtype)
        mixed = torch.einsum("tij,tic->tjc", comb, x.float()) + post[:, :, None] * z[:, None, :].float()
        return mixed.to(x.dtype)


def sites(channels, dtype):
    torch.manual_seed(1)
    site = Site(channels).cuda()
    yield "torch eager", site
    yield "torch compile", torch.compile(site, dynamic=False)
    try:
        from liger_kernel.transformers.mhc import LigerMHC
    except ImportError:
        return
    yield "liger", LigerMHC(torch.nn.Identity(), hc=N, c=channels, allow_fp32=dtype == torch.float32).cuda()


def median_us(run, rounds, flush):
    """After two rounds to warm up."""
    times = []
    for round in range(-2, rounds):
        flush.zero_()
        before, after = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        before.record()
        run()
        after.record()
        after.synchronize()
        if round >= 0:
            times.append(before.elapsed_time(after) * 1e3)
    return statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    numbers = lambda text: [int(word) for word in text.split(",")]  # noqa: E731
    parser.add_argument("--channels", type=numbers, default=[1280, 2560, 4096, 7168])
    parser.add_argument("--tokens", type=numbers, default=[1, 128, 4096, 16384])
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--csv", action="store_true")
    a = parser.parse_args()
    properties = torch.cuda.get_device_properties(0)
    flush = torch.empty(2 * getattr(properties, "L2_cache_size", 64 << 20) + (64 << 20), dtype=torch.uint8, device="cuda")
    form = "{},{},{},{},{:.2f},{:.2f}" if a.csv else "{:<14} {:<5} {:>6} {:>6} {:>14.2f} {:>18.2f}"
    head = form.replace(":>14.2f", ":>14").replace(":>18.2f", ":>18").replace(":.2f", "")
    print(head.format("version", "type", "C", "T", "forward_us", "forward_back_us"))
    for dtype, name in ((torch.bfloat16, "bf16"), (torch.float32, "fp32")):
        for channels in a.channels:
            for tokens in a.tokens:
                for version, site in sites(channels, dtype):
                    x = torch.randn(tokens, N, channels, device="cuda", dtype=dtype, requires_grad=True)
                    d_out = torch.randn_like(x)

                    def forward():
                        with torch.no_grad():
                            site(x)

                    def both():
                        x.grad = None
                        site.zero_grad(set_to_none=True)
                        site(x).backward(d_out)

                    try:
                        print(form.format(version, name, channels, tokens, median_us(forward, a.rounds, flush),
                                          median_us(both, a.rounds, flush)), flush=True)
                    except RuntimeError as error:  # out of memory, or what a version does not take
                        print("# {} {} {} {}: {}".format(version, name, channels, tokens, str(error).splitlines()[0]))


main()
