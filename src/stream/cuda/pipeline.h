/* Kernels that read the streams from memory once although they need them twice: first for sums over all channels of a
 * token, then, when the sums have become coefficients, for what those are applied to. A token's streams do not fit into
 * a processor's own memory; those of a few hundred tokens fit into the L2 cache that all share.
 *
 * So one kernel does all three stages, on groups of tokens and slices of channels:
 *
 *     first(g, s)      a group's slice: reads the streams, leaves partial sums               slices of them
 *     middle(g)        a group: adds the partial sums of its slices, in order; coefficients     one
 *     last(g, s)       a group's slice: reads the streams again, from L2, and applies them   slices of them
 *
 * Blocks take these items one after the other by drawing tickets from one counter. Item numbers go up with the group,
 * `lag` groups lie between the stages, and an item waits only for items of smaller numbers, which have all been drawn:
 * so some block always gets on, however many of them the device runs. The results do not depend on who does what. */
#ifndef MHC_STREAM_CUDA_PIPELINE_H
#define MHC_STREAM_CUDA_PIPELINE_H

#include "stream/cuda/device.h"

#include "base/threads.h"

/* Where items are counted: ints in the workspace that are zero when the kernel begins. */
struct mhc__pipeline {
    int groups, slices, lag;
    bool has_last; /* or there is no last stage */
    int *counters; /* mhc__pipeline_counters(groups) */
};

/* Partial sums of so many groups have a place: a group takes that of the one MHC__RING before, whose middle is done.
 * The lag is less. */
#if defined(MHC__CUDA_EMULATED)
enum { MHC__RING = 3 }; /* tests come round with few tokens */
#else
enum { MHC__RING = 32 };
#endif

enum mhc__stage { MHC__STAGE_FIRST, MHC__STAGE_MIDDLE, MHC__STAGE_LAST, MHC__STAGE_NONE };

struct mhc__item {
    mhc__stage stage;
    int group, slice;
};

/* The next ticket; then for each group how many of its first items are done, and whether its middle is. */
MHC__SHARED_CODE static inline int64_t mhc__pipeline_counters(int64_t groups) {
    return 1 + 2 * groups;
}

/* A round has the first stage of group `round`, the middle of the one `lag` before and the last of `lag` before that.
 */
MHC__SHARED_CODE static inline int64_t mhc__pipeline_items(const mhc__pipeline *p) {
    int64_t rounds = p->groups + (p->has_last ? 2 : 1) * (int64_t)p->lag;
    return rounds * (1 + (p->has_last ? 2 : 1) * (int64_t)p->slices);
}

MHC__DEVICE mhc__item mhc__pipeline_item(const mhc__pipeline *p, int64_t ticket) {
    const int round_items = 1 + (p->has_last ? 2 : 1) * p->slices;
    int round = (int)(ticket / round_items), at = (int)(ticket % round_items);
    mhc__item item = {MHC__STAGE_MIDDLE, round - p->lag, 0};
    if (at > p->slices)
        item = {MHC__STAGE_LAST, round - 2 * p->lag, at - p->slices - 1};
    else if (at > 0)
        item = {MHC__STAGE_FIRST, round, at - 1};
    if (item.group < 0 || item.group >= p->groups)
        item.stage = MHC__STAGE_NONE; /* of the rounds at both ends */
    return item;
}

/* Draws a ticket; its item, the same in all threads, or none when all are drawn. `slot`: shared memory for one ticket.
 */
MHC__DEVICE bool mhc__pipeline_draw(const mhc__pipeline *p, int *slot, mhc__item *item) {
    mhc__sync_block(); /* the last item is done with the slot, and with all shared memory */
    if (threadIdx.x == 0)
        *slot = mhc__atomic_add(p->counters, 1);
    mhc__sync_block();
    int ticket = *slot;
    if (ticket >= mhc__pipeline_items(p))
        return false;
    *item = mhc__pipeline_item(p, ticket);
    return true;
}

/* Waits until what the item reads is there. */
MHC__DEVICE void mhc__pipeline_wait(const mhc__pipeline *p, mhc__item item) {
    const int *done = p->counters + 1 + 2 * item.group;
    if (threadIdx.x == 0 && item.stage == MHC__STAGE_FIRST && item.group >= MHC__RING)
        mhc__acquire_wait(done + 1 - 2 * MHC__RING, 1);
    if (threadIdx.x == 0 && item.stage == MHC__STAGE_MIDDLE)
        mhc__acquire_wait(done, p->slices);
    if (threadIdx.x == 0 && item.stage == MHC__STAGE_LAST)
        mhc__acquire_wait(done + 1, 1);
    mhc__sync_block();
}

/* All that the block has written for the item may be read by those that wait for it. */
MHC__DEVICE void mhc__pipeline_done(const mhc__pipeline *p, mhc__item item) {
    mhc__sync_block();
    if (threadIdx.x == 0 && item.stage != MHC__STAGE_LAST)
        mhc__release_add(p->counters + 1 + 2 * item.group + (item.stage == MHC__STAGE_MIDDLE), 1);
}

/* How many groups between the stages: about as many as the blocks that run have in their hands. */
static inline int mhc__pipeline_lag(int blocks, int slices) {
    return (int)mhc__min(MHC__RING / 2, mhc__max(1, mhc__blocks(blocks, 2 * slices + 1)));
}

#endif
