#!/usr/bin/env python3
"""mhc-poc's model in eager PyTorch, as its authors' code computes it: the peer of `mhc study depth`.

Written from the description of github.com/softwarewrighter/mHC-poc (cf4504f) in src/study/depth.c and docs/studies.md. Around each whole
block, whose own residuals stay inside, a site with three static n x n matrices:

    m = mean_i (H_pre x)_i      f = block(m)      x' = H_res x + H_post^T [f, ..., f]

H_pre and H_post are row softmaxes, H_res is exp of its logits (mhc-poc-hc) or 20 Sinkhorn iterations of it (mhc-poc); all
logits start at 2 I - J. The products are done one after another over all n streams. Attention is the library's fused one.

  torch_mhc_poc.py time [--tuned]   seconds per training step, as a line of JSON (bench/compare_torch runs it)
  torch_mhc_poc.py golden OUT       weights, batches, losses and gradients of a few steps, for `mhc check OUT` (docs/tensors.md)
"""
import argparse
import json
import os
import resource
import struct
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

# An allocator that keeps large arrays instead of returning them to the kernel and faulting them in again.
TUNED = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "100000000000", "MALLOC_TOP_PAD_": "268435456",
         "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
WIDTHS = dict(vocab=256, dim=256, layers=24, heads=4, ffn=1024, seq=128, batch=32, streams=4, steps=4, warmup=1, threads=2)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads = c.heads
        self.norm = nn.LayerNorm(c.dim)
        self.qkv = nn.Linear(c.dim, 3 * c.dim)
        self.proj = nn.Linear(c.dim, c.dim)
        nn.init.xavier_uniform_(self.qkv.weight)
        nn.init.zeros_(self.qkv.bias)
        nn.init.zeros_(self.proj.bias)

    def forward(self, u):
        b, s, d = u.shape
        q, k, v = (t.view(b, s, self.heads, -1).transpose(1, 2) for t in self.qkv(self.norm(u)).chunk(3, -1))
        o = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.proj(o.transpose(1, 2).reshape(b, s, d))


class FeedForward(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.norm = nn.LayerNorm(c.dim)
        self.up, self.down = nn.Linear(c.dim, c.ffn), nn.Linear(c.ffn, c.dim)

    def forward(self, u):
        return self.down(F.gelu(self.up(self.norm(u))))


class Connection(nn.Module):
    def __init__(self, kind, n):
        super().__init__()
        self.kind, self.n = kind, n
        self.base = nn.Parameter((2 * torch.eye(n) - 1).flatten().repeat(3))  # pre | post | res

    def matrices(self):
        pre, post, res = self.base.view(3, self.n, self.n)
        m = torch.exp(res)
        for _ in range(20 if self.kind == "mhc-poc" else 0):
            m = m / m.sum(-1, keepdim=True).clamp(min=1e-12)
            m = m / m.sum(-2, keepdim=True).clamp(min=1e-12)
        return torch.softmax(pre, -1), torch.softmax(post, -1), m

    def forward(self, x, block):
        pre, post, res = self.matrices()
        u = torch.einsum("ij,bsjd->bsid", pre, x).mean(-2)
        f = block(u).unsqueeze(-2).expand_as(x)
        return torch.einsum("ij,bsjd->bsid", res, x) + torch.einsum("ji,bsjd->bsid", post, f)


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.attn, self.ffn = Attention(c), FeedForward(c)
        if c.kind != "residual":
            self.hc = Connection(c.kind, c.streams)

    def layers(self, x):
        x = x + self.attn(x)
        return x + self.ffn(x)

    def forward(self, x):
        return self.hc(x, self.layers) if hasattr(self, "hc") else self.layers(x)


class LM(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        self.embed = nn.Module()
        self.embed.token, self.embed.position = nn.Embedding(c.vocab, c.dim), nn.Embedding(c.seq, c.dim)
        nn.init.normal_(self.embed.position.weight, std=0.01)
        self.blocks = nn.ModuleList(Block(c) for _ in range(c.layers))
        self.norm = nn.LayerNorm(c.dim)
        self.head = nn.Linear(c.dim, c.vocab, bias=False)

    def forward(self, tokens, targets):
        x = self.embed.token(tokens) + self.embed.position.weight[:tokens.shape[1]]
        if self.c.kind != "residual":
            x = x.unsqueeze(-2).repeat(1, 1, self.c.streams, 1)
        for block in self.blocks:
            x = block(x)
        if self.c.kind != "residual":
            x = x.mean(-2)
        return F.cross_entropy(self.head(self.norm(x)).flatten(0, 1), targets.flatten())


def start(c):
    torch.manual_seed(0)
    torch.set_num_threads(c.threads)
    model = LM(c)
    return model, torch.optim.AdamW(model.parameters(), lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0)


def batch(c):
    """Rows that count upwards: inputs and targets."""
    rows = (torch.randint(c.vocab, (c.batch, 1)) + torch.arange(c.seq + 1)) % c.vocab
    return rows[:, :-1], rows[:, 1:]


def step(model, optimizer, x, y):
    optimizer.zero_grad(set_to_none=True)
    loss = model(x, y)
    loss.backward()
    return loss


def run_time(c):
    if c.tuned and os.environ.get("MALLOC_MMAP_MAX_") != "0":
        environment = dict(os.environ, OMP_NUM_THREADS=str(c.threads), **TUNED)
        for preset in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
            environment.pop(preset, None)
        os.execve(sys.executable, [sys.executable] + sys.argv, environment)
    model, optimizer = start(c)
    times = []
    for i in range(c.warmup + c.steps):
        x, y = batch(c)
        begin = time.perf_counter()
        loss = step(model, optimizer, x, y)
        optimizer.step()
        if i >= c.warmup:
            times.append(time.perf_counter() - begin)
    times.sort()
    median = (times[(len(times) - 1) // 2] + times[len(times) // 2]) / 2
    print(json.dumps({"kind": c.kind, "torch": torch.__version__, "threads": c.threads, "tuned": c.tuned,
                      "median_s": median, "min_s": times[0], "max_s": times[-1],
                      "tokens_per_s": c.batch * c.seq / median, "loss": loss.item(),
                      "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def save(path, tensors, metadata):
    names = {torch.float32: "F32", torch.float64: "F64", torch.int32: "I32"}
    header, blobs, offset = {"__metadata__": {key: str(value) for key, value in metadata.items()}}, [], 0
    for name, tensor in tensors.items():
        raw = tensor.detach().contiguous().numpy().tobytes()
        header[name] = {"dtype": names[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [offset, offset + len(raw)]}
        blobs.append(raw)
        offset += len(raw)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def run_golden(c):
    model, optimizer = start(c)
    tensors = {name: p.detach().clone() for name, p in model.named_parameters()}
    losses, norms = [], []
    for i in range(c.steps):
        x, y = batch(c)
        tensors[f"batch.{i}.tokens"] = torch.cat([x, y[:, -1:]], 1).to(torch.int32)
        losses.append(step(model, optimizer, x, y).item())
        if i == 0:
            tensors.update({"grad." + name: p.grad.clone() for name, p in model.named_parameters()})
        norms.append(float(torch.stack([p.grad.norm() for p in model.parameters()]).norm()))
        optimizer.step()
    tensors["losses"], tensors["grad_norms"] = torch.tensor(losses, dtype=torch.float64), torch.tensor(norms, dtype=torch.float64)
    widths = {key: getattr(c, key) for key in ("kind", *WIDTHS) if key not in ("warmup", "threads")}
    save(c.out, tensors, dict(widths, norm="layernorm", pos="learned", mlp="gelu", tied=False, bias=True, contract="mean",
                              wrap="sublayer" if c.kind == "residual" else "block", lr=2e-3, weight_decay=0, clip=0, beta1=0.9,
                              beta2=0.999, eps=1e-8))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, run in (("time", run_time), ("golden", run_golden)):
        command = commands.add_parser(name)
        command.set_defaults(run=run)
        command.add_argument("--kind", default="mhc-poc", choices=["residual", "mhc-poc-hc", "mhc-poc"])
        for key, value in WIDTHS.items():
            command.add_argument("--" + key, type=int, default=value)
        if name == "time":
            command.add_argument("--tuned", action="store_true", help="with an allocator that keeps its memory")
        else:
            command.add_argument("out")
    c = parser.parse_args()
    c.run(c)


main()
