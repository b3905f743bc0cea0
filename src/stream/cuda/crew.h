/* Kernels that need a token's streams twice and read them once: first for sums over all channels of the token, then,
 * when the sums have become coefficients, for what those are applied to. A token's streams do not fit into a
 * processor; so its channels are cut into slices, and a crew of blocks, one to a slice, works on a tile of tokens: each
 * block keeps its slice of the streams in registers, shows its sums to the others in memory, and waits for theirs.
 *
 * Crews walk over the tiles: tile `crew`, then every `crews`-th. So a block has one slice all the time, and what the
 * tokens share of it, fn, in its own shared memory. What is summed depends on slices and tiles alone, not on who does
 * it: results are the same for any number of crews.
 *
 * The blocks of a crew wait for each other: all blocks of the kernel run at the same time (mhc__launch_together). */
#ifndef MHC_STREAM_CUDA_CREW_H
#define MHC_STREAM_CUDA_CREW_H

#include "stream/cuda/device.h"

#include "base/threads.h"

struct mhc__crews {
    int crews, slices, tiles;
    int *counters; /* MHC__CREW_COUNTERS to a crew, zero when the kernel begins */
};

enum {
    MHC__CREW_COUNTERS = 8, /* a sector of memory: crews do not disturb each other */
    MHC__CREW_BLOCKS = 512  /* of a kernel at most, so that the workspace need not know the device */
};

/* Crews that a kernel has at most, for the size of what each of them has in the workspace. */
static inline int64_t mhc__crews_most(int64_t slices, int64_t tiles) {
    return mhc__min(tiles, MHC__CREW_BLOCKS / mhc__max(1, slices));
}

/* resident: blocks that the device runs at a time. No crews where there are too few for one. */
static inline mhc__crews mhc__crews_of(int64_t resident, int64_t slices, int64_t tiles, int *counters) {
    const int64_t crews = mhc__min(resident / mhc__max(1, slices), mhc__crews_most(slices, tiles));
    return {(int)crews, (int)slices, (int)tiles, counters};
}

static inline int64_t mhc__crews_counter_bytes(int64_t slices, int64_t tiles) {
    return mhc__crews_most(slices, tiles) * MHC__CREW_COUNTERS * (int64_t)sizeof(int);
}

/* Of this block. */
MHC__DEVICE int mhc__crew_own(const mhc__crews &c) {
    return mhc__block_number() / c.slices;
}
MHC__DEVICE int mhc__crew_slice(const mhc__crews &c) {
    return mhc__block_number() % c.slices;
}

MHC__DEVICE int *mhc__crew_counter(const mhc__crews &c, int which) {
    return c.counters + mhc__crew_own(c) * MHC__CREW_COUNTERS + which;
}

/* Something that all blocks of a crew, or one of them, do for each tile, number `turn`, and others wait for. A counter
 * can't tell who has added to it: so there are `counters` of them, by turns, and a block must not show turn + counters
 * before all have shown turn. */
struct mhc__meeting {
    int first, counters; /* of the crew's */
};

/* All that the block has written is seen by who waits for it. All threads of the block. */
MHC__DEVICE void mhc__crew_show(const mhc__crews &c, mhc__meeting what, int turn) {
    mhc__sync_block();
    if (threadIdx.x == 0)
        mhc__release_add(mhc__crew_counter(c, what.first + turn % what.counters), 1);
}

/* Until `blocks` have shown it. All threads of the block. */
MHC__DEVICE void mhc__crew_wait(const mhc__crews &c, mhc__meeting what, int turn, int blocks) {
    if (threadIdx.x == 0)
        mhc__acquire_wait(mhc__crew_counter(c, what.first + turn % what.counters), (turn / what.counters + 1) * blocks);
    mhc__sync_block();
}

#endif
