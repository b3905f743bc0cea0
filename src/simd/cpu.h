/* Which vector instructions this machine has, for people (`mhc doctor`). Code chooses by MHC__CLONES instead. */
#ifndef MHC_SIMD_CPU_H
#define MHC_SIMD_CPU_H

/* "AVX-512", "AVX2 + FMA", "NEON" or "scalar". Static storage. */
const char *mhc__cpu_features(void);

#endif
