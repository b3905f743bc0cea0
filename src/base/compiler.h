/* MHC__CLONES in front of a function compiles it for several instruction sets and picks one at load time. Arithmetic
 * stays the same in each: contraction is off (-ffp-contract=off), fused products are written as __builtin_fmaf, and
 * reductions use MHC__LANES fixed lanes. Off under sanitizers, whose runtime isn't up yet when the choice is made. */
#ifndef MHC_BASE_COMPILER_H
#define MHC_BASE_COMPILER_H

/* CUDA computes one token in a thread (src/stream/cuda/arithmetic.h). */
#if !defined(MHC__LANES)
#define MHC__LANES 16
#endif

#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__) && !defined(MHC_SANITIZED)
#define MHC__CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define MHC__CLONES
#endif

/* In front of a loop that CUDA's device code has as well, where nvcc unrolls what is of known length by itself. */
#define MHC__PRAGMA(text) _Pragma(#text)
#if defined(__CUDACC__)
#define MHC__CPU_UNROLL(times)
#else
#define MHC__CPU_UNROLL(times) MHC__PRAGMA(GCC unroll times)
#endif

/* In front of what CUDA's device code uses as well: functions, and tables of constants. */
#if defined(__CUDACC__)
#define MHC__SHARED_CODE __host__ __device__
#define MHC__SHARED_DATA __device__
#else
#define MHC__SHARED_CODE
#define MHC__SHARED_DATA
#endif

#endif
