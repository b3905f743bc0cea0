#include "base/philox.h"

#include <math.h>

void mhc__normal_fill(uint64_t key, uint64_t place, float deviation, float *out, int64_t count) {
    for (int64_t i = 0; i < count; i += 4) {
        mhc__philox r = mhc__philox_at(key, (uint64_t)i / 4, place);
        for (int pair = 0; pair < 2; pair++) {
            double u = ((double)r.v[2 * pair] + 1.0) * 0x1p-32,
                   angle = 6.283185307179586 * 0x1p-32 * (double)r.v[2 * pair + 1];
            double radius = sqrt(-2.0 * log(u));
            double value[2] = {radius * cos(angle), radius * sin(angle)};
            for (int k = 0; k < 2; k++)
                if (i + 2 * pair + k < count)
                    out[i + 2 * pair + k] = (float)(deviation * value[k]);
        }
    }
}

void mhc__uniform_fill(uint64_t key, uint64_t place, float bound, float *out, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        mhc__philox r = mhc__philox_at(key, (uint64_t)i / 4, place);
        out[i] = bound * (2.0f * mhc__uniform(r.v[i % 4]) - 1.0f);
    }
}
