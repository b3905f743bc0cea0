/* The middle of some measurements, and how far they reach. */
#ifndef MHC_BASE_SPREAD_H
#define MHC_BASE_SPREAD_H

typedef struct mhc__spread {
    double median, least, most;
} mhc__spread;

/* Sorts values [count], count >= 1. */
mhc__spread mhc__spread_of(double *values, int count);

#endif
