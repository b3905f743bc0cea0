/* One lane at a time: what the vectors mean. */
#ifndef MHC_SIMD_VEC_SCALAR_H
#define MHC_SIMD_VEC_SCALAR_H

#define MHC__VEC 1

typedef float mhc__vec;
typedef uint16_t mhc__vec16;

MHC__INLINE mhc__vec mhc__vec_all(float x) {
    return x;
}
MHC__INLINE mhc__vec mhc__vec_load(const float *p) {
    return *p;
}
MHC__INLINE void mhc__vec_store(float *p, mhc__vec v) {
    *p = v;
}
MHC__INLINE void mhc__vec_store_around(float *p, mhc__vec v) {
    *p = v;
}
MHC__INLINE void mhc__vec_around_end(void) {}
MHC__INLINE mhc__vec mhc__vec_load_some(const float *p, int count) {
    return count > 0 ? *p : 0.0f;
}
MHC__INLINE void mhc__vec_store_some(float *p, mhc__vec v, int count) {
    if (count > 0)
        *p = v;
}

MHC__INLINE mhc__vec16 mhc__vec16_load(const uint16_t *p) {
    return *p;
}
MHC__INLINE void mhc__vec16_store(uint16_t *p, mhc__vec16 h) {
    *p = h;
}
MHC__INLINE mhc__vec16 mhc__vec16_load_some(const uint16_t *p, int count) {
    return count > 0 ? *p : 0;
}
MHC__INLINE void mhc__vec16_store_some(uint16_t *p, mhc__vec16 h, int count) {
    if (count > 0)
        *p = h;
}

MHC__INLINE mhc__vec mhc__vec_from_bf16(mhc__vec16 bf16) {
    return mhc_bf16_value(bf16);
}
MHC__INLINE mhc__vec16 mhc__vec_to_bf16(mhc__vec v) {
    return mhc_bf16_of(v);
}
/* Out of line: inlined wherever an element is, they make the table of kernels almost twice as long. */
static __attribute__((noinline, unused)) mhc__vec mhc__vec_from_fp16(mhc__vec16 fp16) {
    return mhc_fp16_value(fp16);
}
static __attribute__((noinline, unused)) mhc__vec16 mhc__vec_to_fp16(mhc__vec v) {
    return mhc_fp16_of(v);
}

MHC__INLINE mhc__vec mhc__vec_mul(mhc__vec a, mhc__vec b) {
    return a * b;
}
MHC__INLINE mhc__vec mhc__vec_add(mhc__vec a, mhc__vec b) {
    return a + b;
}
MHC__INLINE mhc__vec mhc__vec_fma(mhc__vec a, mhc__vec b, mhc__vec c) {
    return __builtin_fmaf(a, b, c);
}

MHC__INLINE void mhc__tree_sums(int count, const float (*lanes)[MHC__LANES], float *sums) {
    for (int k = 0; k < count; k++) {
        float s[MHC__LANES];
        for (int l = 0; l < MHC__LANES; l++)
            s[l] = lanes[k][l];
        for (int width = MHC__LANES / 2; width > 0; width /= 2)
            for (int l = 0; l < width; l++)
                s[l] += s[l + width];
        sums[k] = s[0];
    }
}

#endif
