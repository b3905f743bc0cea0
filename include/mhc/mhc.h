/* libmhc: manifold-constrained hyper-connections, forward and backward, behind a plain C interface.
 *
 * A residual network carries one stream: x' = x + F(x). A hyper-connection carries n of them and lets the network
 * choose how a layer reads them (pre), writes them (post) and how they mix (res); mHC keeps res doubly stochastic, so
 * that the path around the layers neither amplifies nor damps, at any depth. libmhc does everything around your layer
 * F; F itself stays yours.
 *
 *     tokens -> embed -> expand -> ( pre -> F -> merge ) x sites -> contract -> norm -> logits
 *
 * One site, forward and backward (error handling left out; examples/wrap_layer.c is complete):
 *
 *     mhc_context context = mhc_context_cpu(0);                        // all threads
 *     mhc_spec spec;
 *     mhc_spec_preset(&spec, "paper", 4, C, &error);                   // 4 streams of C channels
 *     mhc_site_sizes sizes;
 *     mhc_site_sizes_query(&spec, T, &sizes, &error);                  // T tokens; allocate what it says
 *     mhc_site_init(&spec, site, seed, &params, &error);               // fn, base, scale
 *
 *     mhc_pre_forward(&context, &spec, &params, T, X, NULL, coefficients, saved, u,
 *                     workspace, sizes.workspace, &error);
 *     your_layer_forward(u, z);
 *     mhc_merge_forward(&context, &spec, T, X, z, coefficients, X_next, &error);
 *
 *     mhc_merge_backward(&context, &spec, T, X, z, coefficients, dX_next, none, dz, d_coefficients,
 *                        workspace, sizes.workspace, &error);
 *     your_layer_backward(dz, du);
 *     mhc_pre_backward(&context, &spec, &params, T, X, NULL, coefficients, saved, du, d_coefficients, NULL,
 *                      dX_next, dX, &gradients, workspace, sizes.workspace, &error);
 *
 * X is an mhc_streams view, u and z are mhc_rows views: pointers with strides, see mhc_streams_of and mhc_rows_of; none
 * is (mhc_streams){0}. For the backward pass keep X, z, coefficients and saved of every site; the workspace is scratch:
 * one serves all sites. Between two sites, mhc_seam_forward and mhc_seam_backward do merge and pre in one pass. Where
 * X of every site is too much to keep, mhc_recompute makes it again from the z.
 *
 * Elements of streams and rows are floats, or, with spec.type = MHC_BF16 or MHC_FP16, bf16 or fp16: half the bytes to
 * keep and to move. Everything else, arithmetic included, is fp32 whatever they are; mhc/type.h says how values are
 * rounded, and what becomes infinity in fp16.
 *
 * On a GPU the same calls take mhc_context_cuda, arrays of the device's and sizes.cuda_workspace bytes of workspace,
 * and return before their kernels have run. Sums over channels and tokens have another fixed order there: the same bits
 * in every run, not those of the CPU. (Tested on an emulator; no GPU has run them yet.)
 *
 * Rules that hold everywhere. Memory is the caller's and nothing is allocated (the oracle excepted). Calls return a
 * status and leave one line in the error. There is no global state: calls on different data may run at the same time.
 * T = 0 is fine. Results are the same bits for any number of threads and on any CPU.
 *
 * Include this file for everything; read the others in this order, they are the manual:
 *   mhc/status.h    status codes and messages          mhc/site.h       pre and merge, forward and backward: the heart
 *   mhc/context.h   device and threads                 mhc/seam.h       merge and the next pre in one pass
 *   mhc/spec.h      conventions, presets               mhc/rmsnorm.h    pre and the seam with the next layer's norm
 *   mhc/type.h      bf16, fp16, how values are rounded mhc/ends.h       expand and contract
 *   mhc/recompute.h   streams again in backward, to save memory
 *   mhc/constraint.h  the ladder of constraints on res, by itself
 *   mhc/oracle.h    all of it in fp64, as definition and test */
#ifndef MHC_MHC_H
#define MHC_MHC_H

#include "mhc/constraint.h"
#include "mhc/context.h"
#include "mhc/ends.h"
#include "mhc/oracle.h"
#include "mhc/recompute.h"
#include "mhc/rmsnorm.h"
#include "mhc/seam.h"
#include "mhc/site.h"
#include "mhc/spec.h"
#include "mhc/status.h"
#include "mhc/type.h"
#include "mhc/version.h"

#endif
