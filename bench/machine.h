/* What this machine can do, measured: bytes per second at each level of the memory, and multiply-adds per second; and
 * from that the least time that an operation can take. */
#ifndef MHC_BENCH_MACHINE_H
#define MHC_BENCH_MACHINE_H

#include <stdint.h>
#include <stdio.h>

#include "measure.h"

typedef enum mhc__level { MHC__L1, MHC__L2, MHC__L3, MHC__DRAM, MHC__LEVELS } mhc__level;

const char *mhc__level_name(mhc__level level);

/* Bytes of a core's L1 and L2, of the L3 that all share (0: none), and 0 for DRAM. As the system tells; 32 KiB, 1 MiB
 * and 32 MiB where it does not. */
int64_t mhc__level_size(mhc__level level);

/* Bytes per second, counted as the program names them: a copy of n bytes moves 2 n. In DRAM copy and fill are the
 * faster of ordinary stores and those that go around the caches. */
typedef struct mhc__rates {
    mhc__spread read, copy, fill;
} mhc__rates;

typedef struct mhc__machine {
    int threads;
    const char *isa;
    mhc__spread flops; /* fp32 multiply-adds per second, a product and a sum each counted */
    mhc__rates rates[MHC__LEVELS];
} mhc__machine;

/* False when there is no memory for the arrays: eight times L3, 256 MiB at least. */
int mhc__machine_measure(int threads, int rounds, mhc__machine *machine);

void mhc__machine_print(FILE *file, const mhc__machine *machine);

/* An entry of mhc__measure that multiplies and adds on all the threads of *machine, and the share of its rate that it
 * reached. */
mhc__timed mhc__canary(mhc__machine *machine);
double mhc__canary_share(const mhc__machine *machine, const mhc__timed *canary);

/* What an operation has to do, however it is written. Bytes: each tensor counted once where that is possible. */
typedef struct mhc__cost {
    double read, written; /* bytes */
    double split,
        shared; /* bytes of distinct memory: of the tokens, which threads divide, and of what all of them use */
    double flops;
} mhc__cost;

typedef struct mhc__limit {
    double seconds;
    mhc__level level; /* where split and shared lie */
    int by_flops;     /* arithmetic, not traffic, sets the limit */
} mhc__limit;

/* max(traffic, flops / peak). As many bytes of reading as of writing go at the rate of a copy, what is left at that of
 * reading or of filling: a pure reader is not measured against a rate that only copies reach. */
mhc__limit mhc__limit_of(const mhc__machine *machine, mhc__cost cost, int64_t tokens);

#endif
