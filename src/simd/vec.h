/* The vocabulary of the kernels: mhc__vec, one register of MHC__VEC fp32 lanes, for the instruction set that this file
 * is compiled for (-DMHC__ISA_IS_AVX512, _AVX2, _NEON; scalar otherwise).
 *
 * Sums are shaped alike everywhere: 16 partial sums, element c in lane c % 16, added by one tree (mhc__tree_sums). A
 * register holds one part of those 16 lanes; MHC__PARTS registers hold them all. Lanes never meet before the tree, and
 * every operation is IEEE's, rounded once. So results are the same bits for any width. */
#ifndef MHC_SIMD_VEC_H
#define MHC_SIMD_VEC_H

#include <stdint.h>

#include "base/compiler.h"
#include "mhc/type.h"
#include "simd/math.h"

#if defined(MHC__ISA_IS_AVX512)
#include "simd/vec_avx512.h"
#elif defined(MHC__ISA_IS_AVX2)
#include "simd/vec_avx2.h"
#elif defined(MHC__ISA_IS_NEON)
#include "simd/vec_neon.h"
#else
#include "simd/vec_scalar.h"
#endif

#define MHC__PARTS (MHC__LANES / MHC__VEC)

/* Each of those files defines, with v an mhc__vec, p a float pointer of any alignment and 0 < count < MHC__VEC:
 *
 *     mhc__vec_all(x)                 x in every lane
 *     mhc__vec_load(p), mhc__vec_store(p, v)
 *     mhc__vec_store_around(p, v)     the same store, past the caches where there is a way; p a multiple of a register
 *     mhc__vec_around_end()           after such stores: what was stored is there for other threads
 *     mhc__vec_load_some(p, count)    lanes from count on are 0, and nothing past them is read
 *     mhc__vec_store_some(p, v, count)
 *     mhc__vec16_load(p), _store(p, h), _load_some(p, count), _store_some(p, h, count)
 *                                     the same for an mhc__vec16, as many elements of 16 bits, p a uint16_t pointer
 *     mhc__vec_from_bf16(h), mhc__vec_from_fp16(h)    widened, which is exact
 *     mhc__vec_to_bf16(v), mhc__vec_to_fp16(v)        an mhc__vec16, rounded as mhc_bf16_of and mhc_fp16_of do
 *     mhc__vec_mul(a, b), mhc__vec_add(a, b), mhc__vec_fma(a, b, c)    a b + c, rounded once
 *     mhc__tree_sums(count, lanes, sums)
 *                                     sums[k] = tree over lanes[k][0..15]: halves are added until one is left; for any
 *                                     count, k by k */

#endif
