/* Instructions that each lane carries out on its own numbers. Of 16 bits: in places of 32, zeros above. */
#include "ptx/ptx.h"

#include <math.h>
#include <string.h>

#include "mhc/type.h"

#define EACH_LANE(statement)                                                                                           \
    if (warp->mask == ~0u) {                                                                                           \
        for (int l = 0; l < PTX_LANES; l++)                                                                            \
            statement;                                                                                                 \
    } else {                                                                                                           \
        for (int l = 0; l < PTX_LANES; l++)                                                                            \
            if (warp->mask >> l & 1)                                                                                   \
                statement;                                                                                             \
    }
#define OF_ONE(name, result, given, expression)                                                                        \
    static void name(ptx_warp *warp, const ptx_code *code) {                                                           \
        result *d = ptx_at(warp, code->to[0]);                                                                         \
        const given *a = ptx_at(warp, code->from[0]);                                                                  \
        EACH_LANE(d[l] = (result)(expression))                                                                         \
    }
#define OF_TWO(name, result, given, expression)                                                                        \
    static void name(ptx_warp *warp, const ptx_code *code) {                                                           \
        result *d = ptx_at(warp, code->to[0]);                                                                         \
        const given *a = ptx_at(warp, code->from[0]), *b = ptx_at(warp, code->from[1]);                                \
        EACH_LANE(d[l] = (result)(expression))                                                                         \
    }
#define OF_THREE(name, result, given, expression)                                                                      \
    static void name(ptx_warp *warp, const ptx_code *code) {                                                           \
        result *d = ptx_at(warp, code->to[0]);                                                                         \
        const given *a = ptx_at(warp, code->from[0]), *b = ptx_at(warp, code->from[1]),                                \
                    *c = ptx_at(warp, code->from[2]);                                                                  \
        EACH_LANE(d[l] = (result)(expression))                                                                         \
    }
#define SHIFT(name, type, expression)                                                                                  \
    static void name(ptx_warp *warp, const ptx_code *code) {                                                           \
        type *d = ptx_at(warp, code->to[0]);                                                                           \
        const type *a = ptx_at(warp, code->from[0]);                                                                   \
        const uint32_t *by = ptx_at(warp, code->from[1]);                                                              \
        EACH_LANE(d[l] = (type)(expression))                                                                           \
    }
#define COMPARE(name, type, condition)                                                                                 \
    static void name(ptx_warp *warp, const ptx_code *code) {                                                           \
        uint32_t *p = ptx_at(warp, code->to[0]), is = 0;                                                               \
        const type *a = ptx_at(warp, code->from[0]), *b = ptx_at(warp, code->from[1]);                                 \
        for (int l = 0; l < PTX_LANES; l++)                                                                            \
            is |= (uint32_t)(condition) << l;                                                                          \
        *p = (*p & ~warp->mask) | (is & warp->mask);                                                                   \
    }
#define SELECT(name, type)                                                                                             \
    static void name(ptx_warp *warp, const ptx_code *code) {                                                           \
        type *d = ptx_at(warp, code->to[0]);                                                                           \
        const type *a = ptx_at(warp, code->from[0]), *b = ptx_at(warp, code->from[1]);                                 \
        const uint32_t p = *(const uint32_t *)ptx_at(warp, code->from[2]);                                             \
        EACH_LANE(d[l] = p >> l & 1 ? a[l] : b[l])                                                                     \
    }
#define LOGIC(name, expression)                                                                                        \
    static void name(ptx_warp *warp, const ptx_code *code) {                                                           \
        uint32_t *p = ptx_at(warp, code->to[0]);                                                                       \
        const uint32_t a = *(const uint32_t *)ptx_at(warp, code->from[0]);                                             \
        const uint32_t b = code->from[1] < 0 ? 0 : *(const uint32_t *)ptx_at(warp, code->from[1]);                     \
        (void)b;                                                                                                       \
        *p = (*p & ~warp->mask) | ((expression)&warp->mask);                                                           \
    }

typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;

OF_ONE(mov4, u32, u32, a[l])
OF_ONE(mov8, u64, u64, a[l])
LOGIC(mov_pred, a)
OF_TWO(add4, u32, u32, a[l] + b[l])
OF_TWO(add8, u64, u64, a[l] + b[l])
OF_TWO(sub4, u32, u32, a[l] - b[l])
OF_TWO(sub8, u64, u64, a[l] - b[l])
OF_TWO(mul4, u32, u32, a[l] * b[l])
OF_TWO(mul8, u64, u64, a[l] * b[l])
OF_TWO(mul_wide_s32, s64, s32, (s64)a[l] * b[l])
OF_TWO(mul_wide_u32, u64, u32, (u64)a[l] * b[l])
OF_TWO(mul_hi_s32, s32, s32, ((s64)a[l] * b[l]) >> 32)
OF_THREE(mad4, u32, u32, a[l] * b[l] + c[l])
OF_TWO(div_s32, s32, s32, b[l] == 0 ? -1 : b[l] == -1 ? (s32)(0u - (u32)a[l]) : a[l] / b[l])
OF_TWO(div_u32, u32, u32, b[l] == 0 ? ~0u : a[l] / b[l])
OF_TWO(div_s64, s64, s64, b[l] == 0 ? -1 : b[l] == -1 ? (s64)((u64)0 - (u64)a[l]) : a[l] / b[l])
OF_TWO(div_u64, u64, u64, b[l] == 0 ? ~(u64)0 : a[l] / b[l])
OF_TWO(rem_s32, s32, s32, b[l] == 0 || b[l] == -1 ? 0 : a[l] % b[l])
OF_TWO(rem_u32, u32, u32, b[l] == 0 ? a[l] : a[l] % b[l])
OF_TWO(rem_s64, s64, s64, b[l] == 0 || b[l] == -1 ? 0 : a[l] % b[l])
OF_ONE(neg4, u32, u32, 0u - a[l])
OF_ONE(neg8, u64, u64, (u64)0 - a[l])
OF_TWO(min_s32, s32, s32, a[l] < b[l] ? a[l] : b[l])
OF_TWO(max_s32, s32, s32, a[l] > b[l] ? a[l] : b[l])
OF_TWO(max_u32, u32, u32, a[l] > b[l] ? a[l] : b[l])
OF_TWO(min_u32, u32, u32, a[l] < b[l] ? a[l] : b[l])
OF_TWO(min_s64, s64, s64, a[l] < b[l] ? a[l] : b[l])
OF_TWO(max_s64, s64, s64, a[l] > b[l] ? a[l] : b[l])
OF_TWO(and4, u32, u32, a[l] & b[l])
OF_TWO(and8, u64, u64, a[l] & b[l])
OF_TWO(or4, u32, u32, a[l] | b[l])
OF_TWO(or8, u64, u64, a[l] | b[l])
OF_TWO(xor4, u32, u32, a[l] ^ b[l])
OF_TWO(xor8, u64, u64, a[l] ^ b[l])
OF_ONE(not4, u32, u32, ~a[l])
OF_ONE(not8, u64, u64, ~a[l])
LOGIC(and_pred, a &b)
LOGIC(or_pred, a | b)
LOGIC(xor_pred, a ^ b)
LOGIC(not_pred, ~a)
SHIFT(shl4, u32, by[l] > 31 ? 0 : a[l] << by[l])
SHIFT(shl8, u64, by[l] > 63 ? 0 : a[l] << by[l])
SHIFT(shr_u32, u32, by[l] > 31 ? 0 : a[l] >> by[l])
SHIFT(shr_u64, u64, by[l] > 63 ? 0 : a[l] >> by[l])
SHIFT(shr_s32, s32, a[l] >> (by[l] > 31 ? 31 : by[l]))
SHIFT(shr_s64, s64, a[l] >> (by[l] > 63 ? 63 : by[l]))

/* bits of a, c of them from 0 on, into b at bit number c: bfi d, a, b, position, length */
static void bfi4(ptx_warp *warp, const ptx_code *code) {
    u32 *d = ptx_at(warp, code->to[0]);
    const u32 *a = ptx_at(warp, code->from[0]), *b = ptx_at(warp, code->from[1]);
    const u32 *position = ptx_at(warp, code->from[2]), *length = ptx_at(warp, code->from[3]);
    for (int l = 0; l < PTX_LANES; l++)
        if (warp->mask >> l & 1) {
            const u64 bits = (((u64)1 << length[l]) - 1) << position[l];
            d[l] = (u32)((b[l] & ~bits) | (((u64)a[l] << position[l]) & bits));
        }
}

OF_TWO(add_f32, float, float, a[l] + b[l])
OF_TWO(sub_f32, float, float, a[l] - b[l])
OF_TWO(mul_f32, float, float, a[l] * b[l])
OF_TWO(div_f32, float, float, a[l] / b[l])
OF_THREE(fma_f32, float, float, fmaf(a[l], b[l], c[l]))
OF_ONE(rcp_f32, float, float, 1.0f / a[l])
OF_ONE(neg_f32, float, float, -a[l])
OF_ONE(abs_f32, float, float, fabsf(a[l]))
OF_ONE(sqrt_f32, float, float, sqrtf(a[l]))
OF_TWO(add_f64, double, double, a[l] + b[l])
OF_TWO(sub_f64, double, double, a[l] - b[l])
OF_TWO(mul_f64, double, double, a[l] * b[l])
OF_TWO(div_f64, double, double, a[l] / b[l])
OF_THREE(fma_f64, double, double, fma(a[l], b[l], c[l]))
OF_ONE(rcp_f64, double, double, 1.0 / a[l])
OF_ONE(neg_f64, double, double, -a[l])
OF_ONE(abs_f64, double, double, fabs(a[l]))
OF_ONE(sqrt_f64, double, double, sqrt(a[l]))
OF_TWO(min_f64, double, double, fmin(a[l], b[l]))
OF_TWO(max_f64, double, double, fmax(a[l], b[l]))
OF_TWO(min_f32, float, float, fminf(a[l], b[l]))
OF_TWO(max_f32, float, float, fmaxf(a[l], b[l]))

OF_ONE(f64_of_f32, double, float, a[l])
OF_ONE(f32_of_f64, float, double, a[l])
OF_ONE(f32_of_s32, float, s32, a[l])
OF_ONE(f64_of_s32, double, s32, a[l])
OF_ONE(f64_of_s64, double, s64, a[l])
OF_ONE(s64_of_s32, s64, s32, a[l])
OF_ONE(u64_of_u32, u64, u32, a[l])
OF_ONE(u32_of_u64, u32, u64, a[l])
OF_ONE(u16_of_u32, u32, u32, a[l] & 0xffff)

/* Here NaN is 0x7fff. */
static u32 bf16_bits(float value) {
    return value != value ? 0x7fff : mhc_bf16_of(value);
}
static u32 fp16_bits(float value) {
    return value != value ? 0x7fff : mhc_fp16_of(value);
}
OF_TWO(bf16x2_of_f32, u32, float, bf16_bits(a[l]) << 16 | bf16_bits(b[l]))
OF_TWO(f16x2_of_f32, u32, float, fp16_bits(a[l]) << 16 | fp16_bits(b[l]))
OF_ONE(f32_of_f16, float, u32, mhc_fp16_value((uint16_t)a[l]))

OF_TWO(pack_b32, u32, u32, (a[l] & 0xffff) | b[l] << 16)
OF_TWO(pack_b64, u64, u32, a[l] | (u64)b[l] << 32)
static void unpack_b32(ptx_warp *warp, const ptx_code *code) {
    u32 *low = ptx_at(warp, code->to[0]), *high = ptx_at(warp, code->to[1]);
    const u32 *a = ptx_at(warp, code->from[0]);
    EACH_LANE((low[l] = a[l] & 0xffff, high[l] = a[l] >> 16))
}
static void unpack_b64(ptx_warp *warp, const ptx_code *code) {
    u32 *low = ptx_at(warp, code->to[0]), *high = ptx_at(warp, code->to[1]);
    const u64 *a = ptx_at(warp, code->from[0]);
    EACH_LANE((low[l] = (u32)a[l], high[l] = (u32)(a[l] >> 32)))
}

COMPARE(eq4, u32, a[l] == b[l])
COMPARE(ne4, u32, a[l] != b[l])
COMPARE(eq8, u64, a[l] == b[l])
COMPARE(ne8, u64, a[l] != b[l])
#define COMPARE_INTEGERS(type)                                                                                         \
    COMPARE(lt_##type, type, a[l] < b[l])                                                                              \
    COMPARE(le_##type, type, a[l] <= b[l])                                                                             \
    COMPARE(gt_##type, type, a[l] > b[l])                                                                              \
    COMPARE(ge_##type, type, a[l] >= b[l])
COMPARE_INTEGERS(s32)
COMPARE_INTEGERS(u32)
COMPARE_INTEGERS(s64)
COMPARE_INTEGERS(u64)
#define COMPARE_FLOATS(type, suffix)                                                                                   \
    COMPARE(eq_##suffix, type, a[l] == b[l])                                                                           \
    COMPARE(ne_##suffix, type, a[l]<b[l] || a[l]> b[l])                                                                \
    COMPARE(neu_##suffix, type, a[l] != b[l])                                                                          \
    COMPARE(lt_##suffix, type, a[l] < b[l])                                                                            \
    COMPARE(le_##suffix, type, a[l] <= b[l])                                                                           \
    COMPARE(gt_##suffix, type, a[l] > b[l])                                                                            \
    COMPARE(ge_##suffix, type, a[l] >= b[l])                                                                           \
    COMPARE(ltu_##suffix, type, !(a[l] >= b[l]))                                                                       \
    COMPARE(leu_##suffix, type, !(a[l] > b[l]))                                                                        \
    COMPARE(gtu_##suffix, type, !(a[l] <= b[l]))                                                                       \
    COMPARE(geu_##suffix, type, !(a[l] < b[l]))                                                                        \
    COMPARE(num_##suffix, type, a[l] == a[l] && b[l] == b[l])                                                          \
    COMPARE(nan_##suffix, type, a[l] != a[l] || b[l] != b[l])
COMPARE_FLOATS(float, f32)
COMPARE_FLOATS(double, f64)
SELECT(select4, u32)
SELECT(select8, u64)

/* Addresses of a space as generic ones, and back. */
OF_ONE(generic_of_shared, u64, u64, a[l] | PTX_WINDOW_SHARED)
OF_ONE(shared_of_generic, u64, u64, a[l] & ~PTX_WINDOW_SHARED)
OF_ONE(generic_of_local, u64, u64, a[l] | PTX_WINDOW_LOCAL)
OF_ONE(local_of_generic, u64, u64, a[l] & ~PTX_WINDOW_LOCAL)
OF_ONE(generic_of_param, u64, u64, a[l] | PTX_WINDOW_PARAM)
/* mapa.shared::cluster.u32 d, a, b: where block b of the cluster has what this one has at a */
OF_TWO(mapa, u32, u32, (a[l] & (((u32)1 << PTX_SHARED_BITS) - 1)) | (b[l] + 1) << PTX_SHARED_BITS)

#define ORDER(type, w)                                                                                                 \
    {"setp.lt." #type, "p=" w, lt_##type}, {"setp.le." #type, "p=" w, le_##type},                                      \
        {"setp.gt." #type, "p=" w, gt_##type}, {                                                                       \
        "setp.ge." #type, "p=" w, ge_##type                                                                            \
    }
#define FLOATS(suffix, w, bytes)                                                                                       \
    {"add.rn." #suffix, w "=" w w, add_##suffix}, {"sub.rn." #suffix, w "=" w w, sub_##suffix},                        \
        {"mul.rn." #suffix, w "=" w w, mul_##suffix}, {"div.rn." #suffix, w "=" w w, div_##suffix},                    \
        {"fma.rn." #suffix, w "=" w w w, fma_##suffix}, {"rcp.rn." #suffix, w "=" w, rcp_##suffix},                    \
        {"neg." #suffix, w "=" w, neg_##suffix}, {"abs." #suffix, w "=" w, abs_##suffix},                              \
        {"sqrt.rn." #suffix, w "=" w, sqrt_##suffix}, {"min." #suffix, w "=" w w, min_##suffix},                       \
        {"max." #suffix, w "=" w w, max_##suffix}, {"setp.eq." #suffix, "p=" w w, eq_##suffix},                        \
        {"setp.ne." #suffix, "p=" w w, ne_##suffix}, {"setp.neu." #suffix, "p=" w w, neu_##suffix},                    \
        {"setp.lt." #suffix, "p=" w w, lt_##suffix}, {"setp.le." #suffix, "p=" w w, le_##suffix},                      \
        {"setp.gt." #suffix, "p=" w w, gt_##suffix}, {"setp.ge." #suffix, "p=" w w, ge_##suffix},                      \
        {"setp.ltu." #suffix, "p=" w w, ltu_##suffix}, {"setp.leu." #suffix, "p=" w w, leu_##suffix},                  \
        {"setp.gtu." #suffix, "p=" w w, gtu_##suffix}, {"setp.geu." #suffix, "p=" w w, geu_##suffix},                  \
        {"setp.num." #suffix, "p=" w w, num_##suffix}, {"setp.nan." #suffix, "p=" w w, nan_##suffix},                  \
        {"selp." #suffix, w "=" w w "p", select##bytes}, {                                                             \
        "mov." #suffix, w "=" w, mov##bytes                                                                            \
    }

const ptx_operation *ptx_find(const ptx_operation *all, size_t count, const char *name, size_t length) {
    for (size_t k = 0; k < count; k++)
        if (strlen(all[k].name) == length && memcmp(all[k].name, name, length) == 0)
            return &all[k];
    return NULL;
}

const ptx_operation *ptx_arithmetic(const char *name, size_t length) {
    static const ptx_operation all[] = {
        {"mov.b32", "4=4", mov4},
        {"mov.u32", "4=4", mov4},
        {"mov.b64", "8=8", mov8},
        {"mov.u64", "8=8", mov8},
        {"mov.u16", "2=2", mov4},
        {"mov.b16", "2=2", mov4},
        {"mov.pred", "p=p", mov_pred},
        {"pack.b32", "4=22", pack_b32},
        {"pack.b64", "8=44", pack_b64},
        {"unpack.b32", "22=4", unpack_b32},
        {"unpack.b64", "44=8", unpack_b64},
        {"add.s32", "4=44", add4},
        {"add.u32", "4=44", add4},
        {"add.s64", "8=88", add8},
        {"add.u64", "8=88", add8},
        {"sub.s32", "4=44", sub4},
        {"sub.s64", "8=88", sub8},
        {"mul.lo.s32", "4=44", mul4},
        {"mul.lo.s64", "8=88", mul8},
        {"mul.wide.s32", "8=44", mul_wide_s32},
        {"mul.wide.u32", "8=44", mul_wide_u32},
        {"mul.hi.s32", "4=44", mul_hi_s32},
        {"mad.lo.s32", "4=444", mad4},
        {"div.s32", "4=44", div_s32},
        {"div.u32", "4=44", div_u32},
        {"div.s64", "8=88", div_s64},
        {"div.u64", "8=88", div_u64},
        {"rem.s32", "4=44", rem_s32},
        {"rem.u32", "4=44", rem_u32},
        {"rem.s64", "8=88", rem_s64},
        {"neg.s32", "4=4", neg4},
        {"neg.s64", "8=8", neg8},
        {"min.s32", "4=44", min_s32},
        {"max.s32", "4=44", max_s32},
        {"min.u32", "4=44", min_u32},
        {"max.u32", "4=44", max_u32},
        {"min.s64", "8=88", min_s64},
        {"max.s64", "8=88", max_s64},
        {"and.b32", "4=44", and4},
        {"and.b16", "2=22", and4},
        {"and.b64", "8=88", and8},
        {"and.pred", "p=pp", and_pred},
        {"or.b32", "4=44", or4},
        {"or.b64", "8=88", or8},
        {"or.pred", "p=pp", or_pred},
        {"xor.b32", "4=44", xor4},
        {"xor.b64", "8=88", xor8},
        {"xor.pred", "p=pp", xor_pred},
        {"not.b32", "4=4", not4},
        {"not.b64", "8=8", not8},
        {"not.pred", "p=p", not_pred},
        {"shl.b32", "4=44", shl4},
        {"shl.b64", "8=84", shl8},
        {"shr.u32", "4=44", shr_u32},
        {"shr.u64", "8=84", shr_u64},
        {"shr.s32", "4=44", shr_s32},
        {"shr.s64", "8=84", shr_s64},
        {"bfi.b32", "4=4444", bfi4},
        {"selp.b32", "4=44p", select4},
        {"selp.u32", "4=44p", select4},
        {"selp.s32", "4=44p", select4},
        {"selp.u16", "2=22p", select4},
        {"selp.b16", "2=22p", select4},
        {"selp.b64", "8=88p", select8},
        {"setp.eq.s16", "p=22", eq4},
        {"setp.ne.s16", "p=22", ne4},
        {"setp.eq.b32", "p=44", eq4},
        {"setp.eq.s32", "p=44", eq4},
        {"setp.ne.s32", "p=44", ne4},
        {"setp.eq.s64", "p=88", eq8},
        {"setp.ne.s64", "p=88", ne8},
        {"cvt.f64.f32", "8=4", f64_of_f32},
        {"cvt.rn.f32.f64", "4=8", f32_of_f64},
        {"cvt.rn.f32.s32", "4=4", f32_of_s32},
        {"cvt.rn.f64.s32", "8=4", f64_of_s32},
        {"cvt.rn.f64.s64", "8=8", f64_of_s64},
        {"cvt.s64.s32", "8=4", s64_of_s32},
        {"cvt.u64.u32", "8=4", u64_of_u32},
        {"cvt.u32.u64", "4=8", u32_of_u64},
        {"cvt.u16.u32", "2=4", u16_of_u32},
        {"cvt.u32.u16", "4=2", mov4},
        {"cvt.rn.bf16x2.f32", "4=44", bf16x2_of_f32},
        {"cvt.rn.f16x2.f32", "4=44", f16x2_of_f32},
        {"cvt.f32.f16", "4=2", f32_of_f16},
        {"rcp.approx.ftz.f32", "4=4", rcp_f32},
        {"cvta.to.global.u64", "8=8", mov8},
        {"cvta.shared.u64", "8=8", generic_of_shared},
        {"cvta.to.shared.u64", "8=8", shared_of_generic},
        {"cvta.local.u64", "8=8", generic_of_local},
        {"cvta.to.local.u64", "8=8", local_of_generic},
        {"cvta.param.u64", "8=8", generic_of_param},
        {"mapa.shared::cluster.u32", "4=44", mapa},
        ORDER(s32, "44"),
        ORDER(u32, "44"),
        ORDER(s64, "88"),
        ORDER(u64, "88"),
        FLOATS(f32, "4", 4),
        FLOATS(f64, "8", 8),
    };
    return ptx_find(all, sizeof all / sizeof *all, name, length);
}
