#include "stream/kernels.h"

#include <stddef.h>

extern const mhc__kernels mhc__kernels_scalar;
#if defined(MHC__HAVE_NEON)
extern const mhc__kernels mhc__kernels_neon;
#endif
#if defined(MHC__HAVE_AVX2)
extern const mhc__kernels mhc__kernels_avx2;
#endif
#if defined(MHC__HAVE_AVX512)
extern const mhc__kernels mhc__kernels_avx512;
#endif

const mhc__kernels *mhc__kernels_of(mhc__isa isa) {
    if (!mhc__isa_available(isa))
        return NULL;
    switch (isa) {
#if defined(MHC__HAVE_NEON)
    case MHC__ISA_NEON:
        return &mhc__kernels_neon;
#endif
#if defined(MHC__HAVE_AVX2)
    case MHC__ISA_AVX2:
        return &mhc__kernels_avx2;
#endif
#if defined(MHC__HAVE_AVX512)
    case MHC__ISA_AVX512:
        return &mhc__kernels_avx512;
#endif
    default:
        return &mhc__kernels_scalar;
    }
}

const mhc__kernels *mhc__kernels_chosen(void) {
    return mhc__kernels_of(mhc__isa_chosen());
}
