#include "stream/kernels.h"

/* The tables of one instruction set: over logits, and over streams of each type. */
typedef struct tables {
    const mhc__logit_kernels *logits;
    const mhc__stream_kernels *streams[MHC_FP16 + 1];
} tables;

#define DECLARE(isa)                                                                                                   \
    extern const mhc__logit_kernels mhc__logit_kernels_##isa;                                                          \
    extern const mhc__stream_kernels mhc__stream_kernels_##isa##_fp32, mhc__stream_kernels_##isa##_bf16,               \
        mhc__stream_kernels_##isa##_fp16;
#define TABLES(isa)                                                                                                    \
    {                                                                                                                  \
        &mhc__logit_kernels_##isa, {                                                                                   \
            [MHC_FP32] = &mhc__stream_kernels_##isa##_fp32, [MHC_BF16] = &mhc__stream_kernels_##isa##_bf16,            \
            [MHC_FP16] = &mhc__stream_kernels_##isa##_fp16                                                             \
        }                                                                                                              \
    }

DECLARE(scalar)
#if defined(MHC__HAVE_NEON)
DECLARE(neon)
#endif
#if defined(MHC__HAVE_AVX2)
DECLARE(avx2)
#endif
#if defined(MHC__HAVE_AVX512)
DECLARE(avx512)
#endif

static const tables TABLES_OF[MHC__ISA_COUNT] = {
    [MHC__ISA_SCALAR] = TABLES(scalar),
#if defined(MHC__HAVE_NEON)
    [MHC__ISA_NEON] = TABLES(neon),
#endif
#if defined(MHC__HAVE_AVX2)
    [MHC__ISA_AVX2] = TABLES(avx2),
#endif
#if defined(MHC__HAVE_AVX512)
    [MHC__ISA_AVX512] = TABLES(avx512),
#endif
};

const mhc__logit_kernels *mhc__logit_kernels_chosen(void) {
    return TABLES_OF[mhc__isa_chosen()].logits;
}

const mhc__stream_kernels *mhc__stream_kernels_chosen(mhc_type type) {
    return TABLES_OF[mhc__isa_chosen()].streams[type];
}
