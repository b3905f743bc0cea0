#include "stream/races_order.h"

#include "stream/races.h"

#include <unordered_map>

std::vector<mhc__block_order> mhc__races_blocks;
mhc__block_order *mhc__races_block;
mhc__thread_order *mhc__races_thread;
int mhc__races_block_number, mhc__races_thread_number;

namespace {

/* What was released with a counter when it got a value. A wait for a value may end with the first add that reaches it,
 * so later ones promise nothing. */
struct release {
    int value;
    mhc__known known;
};
std::unordered_map<const int *, std::vector<release>> counters;

void know_before(mhc__known *known, int block, int epoch) {
    if (known->epochs.empty())
        known->epochs.assign(mhc__races_blocks.size(), 0);
    if (known->epochs[(size_t)block] < epoch)
        known->epochs[(size_t)block] = epoch;
}

void know_part(mhc__known *known, const mhc__known::part &its) {
    for (mhc__known::part &p : known->parts)
        if (p.block == its.block && p.thread == its.thread) {
            if (p.epoch < its.epoch || (p.epoch == its.epoch && p.step < its.step))
                p = its;
            return;
        }
    known->parts.push_back(its);
}

void join(mhc__known *known, const mhc__known &other) {
    for (size_t block = 0; block < other.epochs.size(); block++)
        if (other.epochs[block] > 0)
            know_before(known, (int)block, other.epochs[block]);
    for (const mhc__known::part &p : other.parts)
        if (known->epochs.empty() || known->epochs[(size_t)p.block] <= p.epoch)
            know_part(known, p);
}

void forget(mhc__known *known) {
    known->epochs.clear();
    known->parts.clear();
}

/* What threads have learnt is from now on known to the block. */
void gather(mhc__block_order *block, mhc__known *known) {
    for (mhc__thread_order &t : block->threads) {
        join(known, t.learnt);
        forget(&t.learnt);
    }
}

} // namespace

bool mhc__known_done(const mhc__known &known, const mhc__access &a) {
    if (!known.epochs.empty() && a.epoch < known.epochs[(size_t)a.block])
        return true;
    for (const mhc__known::part &p : known.parts) {
        if (p.block != a.block || p.epoch != a.epoch || a.by == MHC__BY_BLOCK)
            continue;
        if (a.by == MHC__BY_THREAD && a.thread == p.thread && a.step <= p.step)
            return true;
        if (a.thread / MHC__RACES_WARP == p.thread / MHC__RACES_WARP && a.step < p.warp_before)
            return true;
    }
    return false;
}

void mhc__races_sync_block(void) {
    gather(mhc__races_block, &mhc__races_block->known);
    mhc__races_block->epoch++;
}

void mhc__races_sync_cluster(int64_t first, int blocks) {
    mhc__known all;
    for (int64_t b = first; b < first + blocks; b++) {
        mhc__block_order *block = &mhc__races_blocks[(size_t)b];
        gather(block, &all);
        join(&all, block->known);
        know_before(&all, (int)b, ++block->epoch);
    }
    for (int64_t b = first; b < first + blocks; b++)
        mhc__races_blocks[(size_t)b].known = all;
}

void mhc__races_sync_warp(void) {
    std::vector<mhc__thread_order> &threads = mhc__races_block->threads;
    const size_t first = (size_t)mhc__races_thread_number / MHC__RACES_WARP * MHC__RACES_WARP;
    const size_t end = first + MHC__RACES_WARP < threads.size() ? first + MHC__RACES_WARP : threads.size();
    mhc__known all;
    int step = 0;
    for (size_t t = first; t < end; t++) {
        step = threads[t].step > step ? threads[t].step : step;
        join(&all, threads[t].learnt);
    }
    for (size_t t = first; t < end; t++) {
        threads[t].step = threads[t].warp_before = step + 1;
        threads[t].learnt = all;
    }
}

void mhc__races_add(const int *counter, int value, bool released) {
    std::vector<release> &its = counters[counter];
    release now = {value, {}};
    if (!its.empty())
        now.known = its.back().known;
    if (released) {
        join(&now.known, mhc__races_block->known);
        join(&now.known, mhc__races_thread->learnt);
        know_before(&now.known, mhc__races_block_number, mhc__races_block->epoch);
        know_part(&now.known, {mhc__races_block_number, mhc__races_block->epoch, mhc__races_thread_number,
                               mhc__races_thread->step, mhc__races_thread->warp_before});
        mhc__races_thread->step++;
    }
    its.push_back(now);
}

void mhc__races_acquire(const int *counter, int value) {
    for (const release &r : counters[counter])
        if (r.value >= value) {
            join(&mhc__races_thread->learnt, r.known);
            return;
        }
}

void mhc__races_order_begin(int64_t blocks, int threads) {
    counters.clear();
    mhc__races_blocks.assign((size_t)blocks, mhc__block_order());
    for (mhc__block_order &b : mhc__races_blocks)
        b.threads.resize((size_t)threads);
}
