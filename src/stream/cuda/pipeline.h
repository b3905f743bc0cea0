/* Kernels that read the streams from memory once although they need them twice: first for sums over all channels of a
 * token, then, when the sums have become coefficients, for what those are applied to. A token's streams do not fit into
 * a processor's own memory; those of a few hundred tokens fit into the L2 cache that all share.
 *
 * So one kernel does all three stages, on groups of tokens and slices of channels:
 *
 *     first(g, s)      a group's slice: reads the streams, leaves partial sums               slices of them
 *     middle(g)        a group: adds the partial sums of its slices, in order; coefficients     one
 *     last(g, s)       a group's slice: reads the streams again, from L2, and applies them   slices of them
 *     finish(g)        a group: adds partial sums that the last stage left, in order         one; some kernels have it
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
    bool has_last, has_finish; /* the first two stages there are always; no finish without last */
    int *counters;             /* mhc__pipeline_counters(groups) */
};

/* Partial sums of so many groups have a place: a group takes that of the one MHC__RING before, when those are added
 * up. Lags are less. */
#if defined(MHC__CUDA_EMULATED)
enum { MHC__RING = 3 }; /* tests come round with few tokens */
#else
enum { MHC__RING = 32 };
#endif

enum mhc__stage { MHC__STAGE_FIRST, MHC__STAGE_MIDDLE, MHC__STAGE_LAST, MHC__STAGE_FINISH, MHC__STAGE_NONE };

struct mhc__item {
    mhc__stage stage;
    int group, slice;
};

/* The next ticket; then for each group and stage how many of its items are done. */
MHC__SHARED_CODE static inline int64_t mhc__pipeline_counters(int64_t groups) {
    return 1 + MHC__STAGE_NONE * groups;
}

MHC__DEVICE int *mhc__pipeline_count(const mhc__pipeline *p, int group, mhc__stage stage) {
    return p->counters + 1 + MHC__STAGE_NONE * group + stage;
}

/* A round has one group of each stage: each `lag` groups behind the stage before. */
MHC__SHARED_CODE static inline int mhc__pipeline_round_items(const mhc__pipeline *p) {
    return 1 + p->has_finish + (p->has_last ? 2 : 1) * p->slices;
}

MHC__SHARED_CODE static inline int64_t mhc__pipeline_items(const mhc__pipeline *p) {
    int64_t rounds = p->groups + (1 + p->has_last + p->has_finish) * (int64_t)p->lag;
    return rounds * mhc__pipeline_round_items(p);
}

MHC__DEVICE mhc__item mhc__pipeline_item(const mhc__pipeline *p, int ticket) {
    int round = ticket / mhc__pipeline_round_items(p), at = ticket % mhc__pipeline_round_items(p);
    mhc__item item = {MHC__STAGE_MIDDLE, round - p->lag, 0};
    if (at > 2 * p->slices)
        item = {MHC__STAGE_FINISH, round - 3 * p->lag, 0};
    else if (at > p->slices)
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

/* Waits until what the item reads is there, and what it writes over is done with. By one thread. */
MHC__DEVICE void mhc__pipeline_wait_for(const mhc__pipeline *p, mhc__item item) {
    const int before = item.group - MHC__RING;
    switch (item.stage) {
    case MHC__STAGE_FIRST:
        if (before >= 0)
            mhc__acquire_wait(mhc__pipeline_count(p, before, MHC__STAGE_MIDDLE), 1);
        break;
    case MHC__STAGE_MIDDLE:
        mhc__acquire_wait(mhc__pipeline_count(p, item.group, MHC__STAGE_FIRST), p->slices);
        break;
    case MHC__STAGE_LAST:
        mhc__acquire_wait(mhc__pipeline_count(p, item.group, MHC__STAGE_MIDDLE), 1);
        if (p->has_finish && before >= 0)
            mhc__acquire_wait(mhc__pipeline_count(p, before, MHC__STAGE_FINISH), 1);
        break;
    case MHC__STAGE_FINISH:
        mhc__acquire_wait(mhc__pipeline_count(p, item.group, MHC__STAGE_LAST), p->slices);
        break;
    case MHC__STAGE_NONE:
        break;
    }
}

MHC__DEVICE void mhc__pipeline_wait(const mhc__pipeline *p, mhc__item item) {
    if (threadIdx.x == 0)
        mhc__pipeline_wait_for(p, item);
    mhc__sync_block();
}

/* All that the block has written for the item may be read by those that wait for it. */
MHC__DEVICE void mhc__pipeline_done(const mhc__pipeline *p, mhc__item item) {
    mhc__sync_block();
    if (threadIdx.x == 0)
        mhc__release_add(mhc__pipeline_count(p, item.group, item.stage), 1);
}

/* How many groups between the stages: about as many as the blocks that run have in their hands. */
static inline int mhc__pipeline_lag(int blocks, int slices) {
    return (int)mhc__min(MHC__RING / 2, mhc__max(1, mhc__blocks(blocks, 2 * slices + 1)));
}

#endif
