/* NEON of AArch64: four lanes. */
#ifndef MHC_SIMD_VEC_NEON_H
#define MHC_SIMD_VEC_NEON_H

#include <arm_neon.h>
#include <string.h>

#define MHC__VEC 4

typedef float32x4_t mhc__vec;
typedef uint16x4_t mhc__vec16;

MHC__INLINE mhc__vec mhc__vec_all(float x) {
    return vdupq_n_f32(x);
}
MHC__INLINE mhc__vec mhc__vec_load(const float *p) {
    return vld1q_f32(p);
}
MHC__INLINE void mhc__vec_store(float *p, mhc__vec v) {
    vst1q_f32(p, v);
}
MHC__INLINE void mhc__vec_store_around(float *p, mhc__vec v) {
    vst1q_f32(p, v);
}
MHC__INLINE void mhc__vec_around_end(void) {}
MHC__INLINE mhc__vec mhc__vec_load_some(const float *p, int count) {
    float lanes[MHC__VEC] = {0};
    memcpy(lanes, p, (size_t)count * sizeof *lanes);
    return vld1q_f32(lanes);
}
MHC__INLINE void mhc__vec_store_some(float *p, mhc__vec v, int count) {
    float lanes[MHC__VEC];
    vst1q_f32(lanes, v);
    memcpy(p, lanes, (size_t)count * sizeof *lanes);
}

MHC__INLINE mhc__vec16 mhc__vec16_load(const uint16_t *p) {
    return vld1_u16(p);
}
MHC__INLINE void mhc__vec16_store(uint16_t *p, mhc__vec16 h) {
    vst1_u16(p, h);
}
MHC__INLINE mhc__vec16 mhc__vec16_load_some(const uint16_t *p, int count) {
    uint16_t lanes[MHC__VEC] = {0};
    memcpy(lanes, p, (size_t)count * sizeof *lanes);
    return vld1_u16(lanes);
}
MHC__INLINE void mhc__vec16_store_some(uint16_t *p, mhc__vec16 h, int count) {
    uint16_t lanes[MHC__VEC];
    vst1_u16(lanes, h);
    memcpy(p, lanes, (size_t)count * sizeof *lanes);
}

MHC__INLINE mhc__vec mhc__vec_from_bf16(mhc__vec16 bf16) {
    return vreinterpretq_f32_u32(vshlq_n_u32(vmovl_u16(bf16), 16));
}
MHC__INLINE mhc__vec16 mhc__vec_to_bf16(mhc__vec v) {
    uint32x4_t bits = vreinterpretq_u32_f32(v), even = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    bits = vshrq_n_u32(vaddq_u32(bits, vaddq_u32(vdupq_n_u32(0x7fff), even)), 16);
    return vmovn_u32(vbslq_u32(vceqq_f32(v, v), bits, vdupq_n_u32(0x7fc0)));
}
MHC__INLINE mhc__vec mhc__vec_from_fp16(mhc__vec16 fp16) {
    return vcvt_f32_f16(vreinterpret_f16_u16(fp16));
}
/* A NaN would keep its payload: it becomes the one that is converted to 0x7e00. */
MHC__INLINE mhc__vec16 mhc__vec_to_fp16(mhc__vec v) {
    v = vbslq_f32(vceqq_f32(v, v), v, vdupq_n_f32(__builtin_nanf("")));
    return vreinterpret_u16_f16(vcvt_f16_f32(v));
}

MHC__INLINE mhc__vec mhc__vec_mul(mhc__vec a, mhc__vec b) {
    return vmulq_f32(a, b);
}
MHC__INLINE mhc__vec mhc__vec_add(mhc__vec a, mhc__vec b) {
    return vaddq_f32(a, b);
}
MHC__INLINE mhc__vec mhc__vec_fma(mhc__vec a, mhc__vec b, mhc__vec c) {
    return vfmaq_f32(c, a, b);
}

MHC__INLINE void mhc__tree_sums(int count, const float (*lanes)[MHC__LANES], float *sums) {
    for (int k = 0; k < count; k++) {
        const float *x = lanes[k];
        float32x4_t low = vaddq_f32(vld1q_f32(x), vld1q_f32(x + 8)),
                    high = vaddq_f32(vld1q_f32(x + 4), vld1q_f32(x + 12));
        float32x4_t four = vaddq_f32(low, high);
        float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
        sums[k] = vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
    }
}

#endif
