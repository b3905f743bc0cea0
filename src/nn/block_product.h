/* Products of small packed blocks, for attention: no tails, no calls, sums held in registers. */
#ifndef MHC_NN_BLOCK_PRODUCT_H
#define MHC_NN_BLOCK_PRODUCT_H

#include <stdint.h>

#include "simd/vector.h"

#define MHC__BLOCK_ROWS    4
#define MHC__BLOCK_COLUMNS 16

/* C [4, 16] (rows ldc apart) = A [4, k] B [k, 16] (rows ldb apart) + add C. Element (i, p) of A is a[i * row + p *
 * column]. Each element of C is one chain of fused multiply-adds over p. */
MHC__INLINE void mhc__block_4x16(int64_t k, const float *a, int64_t row, int64_t column, const float *b, int64_t ldb,
                                 int add, float *c, int64_t ldc) {
    mhc__v8 c00, c01, c10, c11, c20, c21, c30, c31;
    if (add) {
        c00 = mhc__v8_load(c);
        c01 = mhc__v8_load(c + 8);
        c10 = mhc__v8_load(c + ldc);
        c11 = mhc__v8_load(c + ldc + 8);
        c20 = mhc__v8_load(c + 2 * ldc);
        c21 = mhc__v8_load(c + 2 * ldc + 8);
        c30 = mhc__v8_load(c + 3 * ldc);
        c31 = mhc__v8_load(c + 3 * ldc + 8);
    } else {
        c00 = c01 = c10 = c11 = c20 = c21 = c30 = c31 = mhc__v8_all(0.0f);
    }
    for (int64_t p = 0; p < k; p++, a += column, b += ldb) {
        mhc__v8 b0 = mhc__v8_load(b), b1 = mhc__v8_load(b + 8), x = mhc__v8_all(a[0]);
        c00 = mhc__v8_fma(x, b0, c00);
        c01 = mhc__v8_fma(x, b1, c01);
        x = mhc__v8_all(a[row]);
        c10 = mhc__v8_fma(x, b0, c10);
        c11 = mhc__v8_fma(x, b1, c11);
        x = mhc__v8_all(a[2 * row]);
        c20 = mhc__v8_fma(x, b0, c20);
        c21 = mhc__v8_fma(x, b1, c21);
        x = mhc__v8_all(a[3 * row]);
        c30 = mhc__v8_fma(x, b0, c30);
        c31 = mhc__v8_fma(x, b1, c31);
    }
    mhc__v8_store(c, c00);
    mhc__v8_store(c + 8, c01);
    mhc__v8_store(c + ldc, c10);
    mhc__v8_store(c + ldc + 8, c11);
    mhc__v8_store(c + 2 * ldc, c20);
    mhc__v8_store(c + 2 * ldc + 8, c21);
    mhc__v8_store(c + 3 * ldc, c30);
    mhc__v8_store(c + 3 * ldc + 8, c31);
}

#endif
