#include "data/sampling.h"

#include "base/philox.h"
#include "data/permutation.h"

int64_t mhc__sample_start(mhc__sampling sampling, uint64_t seed, int64_t count, int sequence, int64_t row) {
    int64_t starts = count - sequence;
    switch (sampling) {
    case MHC__SAMPLING_WINDOWS: {
        /* 64 random bits modulo `starts`: the bias is below starts / 2^64. */
        mhc__philox r = mhc__philox_at(seed, (uint64_t)row, mhc__philox_place(0xDA7Au, 0));
        uint64_t bits = (uint64_t)r.v[0] << 32 | r.v[1];
        return (int64_t)(bits % (uint64_t)starts);
    }
    case MHC__SAMPLING_SHUFFLED:
        return (int64_t)mhc__permute(seed, (uint64_t)(row / starts), (uint64_t)starts, (uint64_t)(row % starts));
    case MHC__SAMPLING_ROWS:
        break;
    }
    int64_t wrap = starts > 1 ? starts - 1 : 1;
    return row % wrap * sequence % wrap;
}
