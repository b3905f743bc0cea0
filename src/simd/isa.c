#include "simd/isa.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#if defined(MHC__HAVE_AVX2)
#include <cpuid.h>
#endif

const char *mhc__isa_name(mhc__isa isa) {
    static const char *const NAMES[MHC__ISA_COUNT] = {"scalar", "neon", "avx2", "avx512"};
    return (unsigned)isa < MHC__ISA_COUNT ? NAMES[isa] : "unknown";
}

#if defined(MHC__HAVE_AVX2)
/* By name clang 14 does not know it. */
static int has_f16c(void) {
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C) != 0;
}
#endif

int mhc__isa_available(mhc__isa isa) {
    switch (isa) {
    case MHC__ISA_SCALAR:
        return 1;
#if defined(MHC__HAVE_AVX2)
    case MHC__ISA_AVX2:
        __builtin_cpu_init();
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
#endif
#if defined(MHC__HAVE_AVX512)
    case MHC__ISA_AVX512:
        __builtin_cpu_init();
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("fma");
#endif
#if defined(MHC__HAVE_NEON)
    case MHC__ISA_NEON:
        return 1;
#endif
    default:
        return 0;
    }
}

static mhc__isa widest(void) {
    int isa = MHC__ISA_COUNT - 1;
    while (isa > 0 && !mhc__isa_available((mhc__isa)isa))
        isa--;
    return (mhc__isa)isa;
}

/* The instruction set that MHC_ISA names; MHC__ISA_COUNT when it names none. */
static mhc__isa named(const char *name) {
    int isa = 0;
    while (isa < MHC__ISA_COUNT && strcmp(name, mhc__isa_name((mhc__isa)isa)) != 0)
        isa++;
    return (mhc__isa)isa;
}

mhc__isa mhc__isa_chosen(void) {
    static atomic_int chosen = -1; /* every thread that finds -1 computes the same value */
    int isa = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (isa >= 0)
        return (mhc__isa)isa;
    const char *wish = getenv("MHC_ISA");
    isa = wish && !mhc__isa_complaint() ? (int)named(wish) : (int)widest();
    atomic_store_explicit(&chosen, isa, memory_order_relaxed);
    return (mhc__isa)isa;
}

const char *mhc__isa_complaint(void) {
    const char *wish = getenv("MHC_ISA");
    if (!wish)
        return NULL;
    mhc__isa isa = named(wish);
    if (isa == MHC__ISA_COUNT)
        return "MHC_ISA: expected avx512, avx2, neon or scalar";
    return mhc__isa_available(isa) ? NULL : "MHC_ISA: this build or this processor does not have that instruction set";
}
