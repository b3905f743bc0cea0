/* Threads are OpenMP's. Work is cut into blocks whose size never depends on the thread count, so that results don't
 * either: a parallel for over 0 .. mhc__blocks(rows, ROWS) - 1. */
#ifndef MHC_BASE_THREADS_H
#define MHC_BASE_THREADS_H

#include <stdint.h>

#include "base/compiler.h"

MHC__SHARED_CODE static inline int64_t mhc__blocks(int64_t count, int64_t size) {
    return (count + size - 1) / size;
}

MHC__SHARED_CODE static inline int64_t mhc__min(int64_t a, int64_t b) {
    return a < b ? a : b;
}

MHC__SHARED_CODE static inline int64_t mhc__max(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* The OpenMP default thread count (OMP_NUM_THREADS, else cores); 1 without OpenMP. */
int mhc__default_threads(void);
/* Number of the calling thread in its team, 0 outside one. For scratch that each thread owns; never for results. */
int mhc__thread_index(void);

#endif
