#!/usr/bin/env python3
"""The program named by MHC_TORCH_PEER under PyTorch's autocast to bf16, for bench/compare_torch --bf16.

Its arguments are the peer's own. The peer may start itself again with sys.argv, so its path is no argument. Autocast is
switched on for the whole program, without its cache: that one is emptied where a region ends, and there is none; the
weights of a step are cast once in its forward pass either way.
"""
import os
import runpy

import torch

torch.set_autocast_dtype("cpu", torch.bfloat16)
torch.set_autocast_cache_enabled(False)
torch.set_autocast_enabled("cpu", True)
runpy.run_path(os.environ["MHC_TORCH_PEER"], run_name="__main__")
