/* Timing on a machine that is never quite still. What is compared is run in turns: round 1 of everything, round 2 of
 * everything, …, so that a machine that changes its speed changes it for all; the result is a median with its spread.
 * A canary, work whose speed is known, is one more entry among them. */
#ifndef MHC_BENCH_MEASURE_H
#define MHC_BENCH_MEASURE_H

#include <stdint.h>

#include "base/spread.h"

enum { MHC__MOST_ROUNDS = 101 };

typedef struct mhc__timed {
    void (*run)(void *self);
    void *self;
    int64_t calls;       /* written: calls of run in one sample */
    mhc__spread seconds; /* written: of one call */
} mhc__timed;

/* Runs each entry to warm up, then `rounds` samples of each in turns. A sample is as many calls as last
 * `least_seconds`. 1 <= rounds <= MHC__MOST_ROUNDS. False when there is no memory for the samples. */
int mhc__measure(mhc__timed *entries, int count, int rounds, double least_seconds);

#endif
