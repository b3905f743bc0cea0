#include "machine.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "machine_kernels.h"

const char *mhc__level_name(mhc__level level) {
    static const char *const NAMES[MHC__LEVELS] = {"L1", "L2", "L3", "DRAM"};
    return NAMES[level];
}

/* A line of what Linux tells about cache number `index` of the first processor; empty where it tells nothing. */
static void cache_line(int index, const char *name, char text[16]) {
    char path[96];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/%s", index, name);
    text[0] = 0;
    FILE *file = fopen(path, "r");
    if (file) {
        if (!fgets(text, 16, file))
            text[0] = 0;
        fclose(file);
    }
}

/* Bytes of the data or unified cache of that level; -1 where there is none. Not from sysconf, which on some processors
 * counts the caches of a whole socket together. */
static int64_t told_size(int level) {
    char text[16];
    for (int index = 0; index < 8; index++) {
        cache_line(index, "level", text);
        if (strtol(text, NULL, 10) != level)
            continue;
        cache_line(index, "type", text);
        if (text[0] == 'I') /* Instruction */
            continue;
        cache_line(index, "size", text);
        return strtol(text, NULL, 10) * (strchr(text, 'K') ? 1 << 10 : strchr(text, 'M') ? 1 << 20 : 1);
    }
    return -1;
}

int64_t mhc__level_size(mhc__level level) {
    static const int64_t USUAL[MHC__LEVELS] = {32 << 10, 1 << 20, 32 << 20, 0};
    static int64_t known[MHC__LEVELS] = {-1, -1, -1, 0};
    if (known[level] < 0) {
        known[level] = told_size((int)level + 1);
        if (known[level] < 0) /* no such cache, or a system that does not say */
            known[level] = told_size(1) > 0 ? 0 : USUAL[level];
    }
    return known[level];
}

typedef enum movement { READ, COPY, FILL, COPY_AROUND, FILL_AROUND, MOVES } movement;

/* One move over `lines` lines of each thread's own part, `passes` times. Parts are `part` bytes apart. */
typedef struct job {
    int threads;
    movement move;
    int64_t lines, passes;
    char *from, *to;
    int64_t part;
    uint64_t sink; /* so that reading is not for nothing */
} job;

static uint64_t move_once(movement move, const void *from, void *to, int64_t lines) {
    const mhc__machine_kernels *k = mhc__machine_kernels_best();
    switch (move) {
    case READ:
        return k->read(from, lines);
    case COPY:
        return k->copy(from, to, lines);
    case COPY_AROUND:
        return k->copy_around(from, to, lines);
    case FILL:
        return k->fill(to, lines);
    default:
        return k->fill_around(to, lines);
    }
}

static void run_job(void *self) {
    job *j = self;
    uint64_t sink = 0;
#pragma omp parallel for num_threads(j->threads) schedule(static, 1) reduction(^ : sink)
    for (int thread = 0; thread < j->threads; thread++)
        for (int64_t pass = 0; pass < j->passes; pass++)
            sink ^= move_once(j->move, j->from + thread * j->part, j->to + thread * j->part, j->lines);
    j->sink ^= sink;
}

/* Bytes that a thread's arrays take together: half of a cache of its own; of L3 its share of a quarter, but beyond L2.
 */
static int64_t bytes_at(mhc__level level, int threads, int64_t dram_part) {
    if (level < MHC__L3)
        return mhc__level_size(level) / 2;
    if (level == MHC__DRAM)
        return dram_part;
    return mhc__max(mhc__level_size(MHC__L3) / 4 / threads, 2 * mhc__level_size(MHC__L2));
}

/* A pass through a cache is too short to start threads for. */
enum { LEAST_BYTES = 64 << 20 };

static job job_of(mhc__level level, movement move, int threads, char *from, char *to, int64_t part) {
    int64_t bytes = bytes_at(level, threads, part) / (move == COPY || move == COPY_AROUND ? 2 : 1);
    job j = {threads, move, bytes / 64 / 4 * 4, 1, from, to, part, 0};
    if (level != MHC__DRAM)
        j.passes = mhc__max(1, LEAST_BYTES / mhc__max(bytes, 1));
    return j;
}

static mhc__spread rate_of(double amount, mhc__spread seconds) {
    mhc__spread rate = {amount / seconds.median, amount / seconds.most, amount / seconds.least};
    return rate;
}

static mhc__spread faster(mhc__spread a, mhc__spread b) {
    return a.median > b.median ? a : b;
}

static int has(mhc__level level, movement move) {
    int around = move == COPY_AROUND || move == FILL_AROUND;
    if (level == MHC__L3 && mhc__level_size(level) == 0)
        return 0;
    return !around || (level == MHC__DRAM && mhc__machine_kernels_best()->copy_around);
}

enum { FMA_STEPS = 20000 };

static void run_fma(void *self) {
    const mhc__machine *machine = self;
    float sink = 0;
#pragma omp parallel for num_threads(machine->threads) schedule(static, 1) reduction(+ : sink)
    for (int thread = 0; thread < machine->threads; thread++)
        sink += mhc__machine_kernels_best()->fma(FMA_STEPS);
    volatile float kept = sink;
    (void)kept;
}

static double fma_flops(const mhc__machine *machine) {
    return (double)FMA_STEPS * mhc__machine_kernels_best()->fma_flops * machine->threads;
}

mhc__timed mhc__canary(mhc__machine *machine) {
    mhc__timed canary = {.run = run_fma, .self = machine};
    return canary;
}

double mhc__canary_share(const mhc__machine *machine, const mhc__timed *canary) {
    return fma_flops(machine) / canary->seconds.median / machine->flops.median;
}

/* What a sample lasts. After a stretch of waiting for memory a core takes milliseconds until it multiplies at full
 * speed: with samples of 1 ms the peak came out at 0.6 to 0.75 of what it is. */
#define SAMPLE_SECONDS 1e-2

/* All moves at all levels, and multiply-adds, in turns. */
static int measure_with(mhc__machine *machine, int rounds, char *from, char *to, int64_t part) {
    job jobs[MHC__LEVELS * MOVES];
    mhc__timed entries[MHC__LEVELS * MOVES + 1];
    int count = 0;
    for (int level = 0; level < MHC__LEVELS; level++)
        for (int move = 0; move < MOVES; move++)
            if (has((mhc__level)level, (movement)move)) {
                jobs[count] = job_of((mhc__level)level, (movement)move, machine->threads, from, to, part);
                entries[count] = (mhc__timed){.run = run_job, .self = &jobs[count]};
                count++;
            }
    entries[count] = mhc__canary(machine);
    if (!mhc__measure(entries, count + 1, rounds, SAMPLE_SECONDS))
        return 0;
    machine->flops = rate_of(fma_flops(machine), entries[count].seconds);
    int next = 0;
    for (int level = 0; level < MHC__LEVELS; level++) {
        mhc__spread rates[MOVES] = {{0}};
        for (int move = 0; move < MOVES; move++)
            if (has((mhc__level)level, (movement)move)) {
                const job *j = &jobs[next];
                int arrays = move == COPY || move == COPY_AROUND ? 2 : 1;
                rates[move] =
                    rate_of(64.0 * (double)(j->lines * j->passes) * arrays * j->threads, entries[next].seconds);
                next++;
            }
        machine->rates[level] =
            (mhc__rates){rates[READ], faster(rates[COPY], rates[COPY_AROUND]), faster(rates[FILL], rates[FILL_AROUND])};
    }
    return 1;
}

int mhc__machine_measure(int threads, int rounds, mhc__machine *machine) {
    memset(machine, 0, sizeof *machine);
    machine->threads = threads;
    machine->isa = mhc__machine_kernels_best()->name;
    /* A quarter line of pages apart, so that a copy's two streams do not fall on the same sets of a cache. */
    enum { PAGE = 4096, SHIFT = 1024 };
    int64_t whole = mhc__max(256 << 20, 8 * mhc__level_size(MHC__L3)) / 2;
    int64_t part = mhc__max(whole / threads, 2 * mhc__level_size(MHC__L2)) / PAGE * PAGE;
    char *from = NULL, *to = NULL;
    mhc_error error;
    int done = 0;
    if (MHC__ALLOCATE(from, part * threads, "bandwidth", &error) == MHC_OK &&
        MHC__ALLOCATE(to, part * threads + SHIFT, "bandwidth", &error) == MHC_OK) {
        memset(from, 1, (size_t)(part * threads)); /* untouched pages would all be the same one */
        memset(to, 1, (size_t)(part * threads + SHIFT));
        done = measure_with(machine, rounds, from, to + SHIFT, part);
    }
    mhc__release(from);
    mhc__release(to);
    return done;
}

static void print_rate(FILE *file, mhc__spread rate) {
    fprintf(file, "  %6.1f (%6.1f ..%6.1f)", rate.median / 1e9, rate.least / 1e9, rate.most / 1e9);
}

void mhc__machine_print(FILE *file, const mhc__machine *machine) {
    const char *plural = machine->threads > 1 ? "s" : "";
    fprintf(file, "machine, %d thread%s: %s multiply-adds", machine->threads, plural, machine->isa);
    print_rate(file, machine->flops);
    fprintf(file, " GFLOP/s\n      GB/s   %-23s  %-23s  %-23s\n", "read", "copy", "fill");
    for (int level = 0; level < MHC__LEVELS; level++) {
        const mhc__rates *rates = &machine->rates[level];
        if (!has((mhc__level)level, READ))
            continue;
        fprintf(file, "      %-4s", mhc__level_name((mhc__level)level));
        print_rate(file, rates->read);
        print_rate(file, rates->copy);
        print_rate(file, rates->fill);
        if (level < MHC__DRAM)
            fprintf(file, "   %lld KiB%s\n", (long long)mhc__level_size((mhc__level)level) >> 10,
                    level == MHC__L3 ? " for all" : " for each core");
        else
            fprintf(file, "\n");
    }
}

mhc__limit mhc__limit_of(const mhc__machine *machine, mhc__cost cost, int64_t tokens) {
    mhc__limit limit = {0, MHC__L1, 0};
    double workers = (double)mhc__max(1, mhc__min(machine->threads, tokens));
    double own = cost.split / workers + cost.shared, all = cost.split + cost.shared;
    while (limit.level < MHC__DRAM && (limit.level == MHC__L3 ? all : own) > (double)mhc__level_size(limit.level))
        limit.level++;
    const mhc__rates *rates = &machine->rates[limit.level];
    double both = cost.read < cost.written ? cost.read : cost.written;
    double traffic = 2 * both / rates->copy.median + (cost.read - both) / rates->read.median +
                     (cost.written - both) / rates->fill.median;
    double arithmetic = cost.flops / machine->flops.median;
    limit.by_flops = arithmetic > traffic;
    limit.seconds = limit.by_flops ? arithmetic : traffic;
    return limit;
}
