#include "measure.h"

#include <stdlib.h>

#include "base/clock.h"

static double seconds_of(const mhc__timed *entry, int64_t calls) {
    double start = mhc__clock_seconds();
    for (int64_t call = 0; call < calls; call++)
        entry->run(entry->self);
    return mhc__clock_seconds() - start;
}

/* Doubles the calls until they last, so that the first, slow ones do not decide. */
static int64_t calls_for(const mhc__timed *entry, double least_seconds) {
    seconds_of(entry, 1);
    int64_t calls = 1;
    double seconds = seconds_of(entry, calls);
    while (seconds < least_seconds && calls < (int64_t)1 << 40) {
        double wanted = seconds > 0 ? 1.2 * least_seconds / seconds : 2;
        calls = wanted > 2 && wanted < 64 ? (int64_t)((double)calls * wanted) + 1 : calls * (wanted < 64 ? 2 : 64);
        seconds = seconds_of(entry, calls);
    }
    return calls;
}

int mhc__measure(mhc__timed *entries, int count, int rounds, double least_seconds) {
    double *samples = calloc((size_t)count * (size_t)rounds + 1, sizeof *samples);
    if (!samples)
        return 0;
    for (int i = 0; i < count; i++)
        entries[i].calls = calls_for(&entries[i], least_seconds);
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < count; i++)
            samples[i * rounds + round] = seconds_of(&entries[i], entries[i].calls) / (double)entries[i].calls;
    for (int i = 0; i < count; i++)
        entries[i].seconds = mhc__spread_of(samples + i * rounds, rounds);
    free(samples);
    return 1;
}
