#include "data/permutation.h"

#include "base/philox.h"

#define ROUNDS 6

uint64_t mhc__permute(uint64_t key, uint64_t epoch, uint64_t count, uint64_t index) {
    int half = 1;
    while (half < 32 && (uint64_t)1 << 2 * half < count)
        half++;
    uint64_t mask = ((uint64_t)1 << half) - 1;
    do {
        uint64_t left = index >> half, right = index & mask;
        for (int round = 0; round < ROUNDS; round++) {
            mhc__philox r = mhc__philox_at(key, right, epoch * ROUNDS + (uint64_t)round);
            uint64_t next = left ^ (r.v[0] & mask);
            left = right;
            right = next;
        }
        index = left << half | right;
    } while (index >= count);
    return index;
}
