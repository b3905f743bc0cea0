/* Which accesses to memory come before which, by what a GPU promises and not by the order in which the emulator happens
 * to run threads:
 *
 *     mhc__sync_block      all that the block has done before what any thread of it does afterwards
 *     mhc__sync_warp       the same of a warp. Not shuffles and products: they exchange registers, not memory
 *     mhc__sync_cluster    the same of the blocks of a cluster
 *     mhc__release_add     what the thread has done, or knows to be done, before what follows an mhc__acquire_wait that
 *                          needs this add, in the thread that waits. Other threads learn of it when they meet that one
 *
 * An access is known by its block and thread; by its epoch, the number of times that the block had met before; and
 * within an epoch by its step, which grows with each meeting of the warp and each release of the thread. */
#ifndef MHC_TESTS_CUDA_RACES_ORDER_H
#define MHC_TESTS_CUDA_RACES_ORDER_H

#include <stdint.h>

#include <vector>

enum { MHC__RACES_WARP = 32 };

/* Who has done it: one thread, or several of a warp or of a block in one epoch, of which `thread` is one. */
enum mhc__races_by : uint8_t { MHC__BY_THREAD, MHC__BY_WARP, MHC__BY_BLOCK };

struct mhc__access {
    const void *from; /* place in the program */
    int block, epoch, step;
    int16_t thread;
    uint8_t bytes; /* of a word of memory: a bit for each */
    mhc__races_by by;
};

/* What somebody knows to be done. */
struct mhc__known {
    /* In the epoch of a release only some of the block's is done: all of the thread up to a step, and what its warp had
     * done when it last met. */
    struct part {
        int block, epoch, thread, step, warp_before;
    };
    std::vector<int> epochs; /* of each block: those before this one. May be empty */
    std::vector<part> parts;
};

struct mhc__thread_order {
    int step, warp_before; /* steps of the warp before this one were before it last met */
    mhc__known learnt;     /* since the block last met */
};

struct mhc__block_order {
    int epoch;
    mhc__known known;
    std::vector<mhc__thread_order> threads;
};

/* Of the launch, by number of block; the running thread's; the number of the block and of the thread. */
extern std::vector<mhc__block_order> mhc__races_blocks;
extern mhc__block_order *mhc__races_block;
extern mhc__thread_order *mhc__races_thread;
extern int mhc__races_block_number, mhc__races_thread_number;

/* A launch begins: nothing is ordered. */
void mhc__races_order_begin(int64_t blocks, int threads);
bool mhc__known_done(const mhc__known &known, const mhc__access &a);

/* Whether `a` comes before what the running thread does next. */
static inline bool mhc__races_before(const mhc__access &a) {
    if (a.block == mhc__races_block_number) {
        if (a.epoch < mhc__races_block->epoch)
            return true;
        if (a.by == MHC__BY_THREAD && a.thread == mhc__races_thread_number)
            return true;
        if (a.by != MHC__BY_BLOCK && a.thread / MHC__RACES_WARP == mhc__races_thread_number / MHC__RACES_WARP &&
            a.step < mhc__races_thread->warp_before)
            return true;
    }
    return mhc__known_done(mhc__races_block->known, a) || mhc__known_done(mhc__races_thread->learnt, a);
}

#endif
