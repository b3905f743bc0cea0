#include "stream/emulator.h"

#include "mhc/type.h"

#include "stream/tensor_sum.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

#include <vector>

namespace {

constexpr size_t STACK = 256 * 1024;
constexpr int WARP = 32, LATE = 400;

struct block;

/* shown: the shared memory of its blocks, when they last met. */
struct cluster {
    int arrived, generation;
    std::vector<std::vector<char>> shown;
};

/* What the lanes of a warp show each other, twice over: who reads is never more than one exchange behind who writes. */
struct warp {
    int lanes, arrived, generation;
    float value[2][WARP];
    uint32_t a[2][WARP][4], b[2][WARP][2];
};

struct thread {
    block *of;
    int number, exchanges;
    bool started, done;
    jmp_buf place;
    ucontext_t first;
    char *stack;
};

struct block {
    int64_t number;
    size_t slot; /* among those under way */
    int threads, running, arrived, generation;
    std::vector<thread> thread_of;
    std::vector<warp> warp_of;
    std::vector<char> shared_memory;
};

thread *now;
jmp_buf scheduler;
void (*run_of)(void (*)(void), const void *);
void (*kernel_of)(void);
const void *params_of;
std::vector<char *> stacks;
std::vector<block> active; /* cluster by cluster */
std::vector<cluster> clusters;
int cluster_blocks;
long turns_without_progress;

[[noreturn]] void give_up(const char *why) {
    fprintf(stderr, "emulator: %s (block %lld, thread %d)\n", why, (long long)now->of->number, now->number);
    abort();
}

void yield() {
    if (_setjmp(now->place) == 0)
        _longjmp(scheduler, 1);
}

void body() {
    run_of(kernel_of, params_of);
    now->done = true;
    now->of->running--;
    turns_without_progress = 0;
    _longjmp(scheduler, 1);
}

void resume(thread *t, unsigned grid) {
    now = t;
    mhc__races_run(t->of->number, t->number, t->stack, STACK);
    threadIdx.x = (unsigned)t->number;
    blockIdx.x = (unsigned)t->of->number;
    blockDim.x = (unsigned)t->of->threads;
    gridDim.x = grid;
    if (_setjmp(scheduler) != 0)
        return;
    if (t->started)
        _longjmp(t->place, 1);
    t->started = true;
    getcontext(&t->first);
    t->first.uc_stack.ss_sp = t->stack;
    t->first.uc_stack.ss_size = STACK;
    t->first.uc_link = nullptr;
    makecontext(&t->first, body, 0);
    setcontext(&t->first);
}

/* Waits until all `expected` have come. Whether this thread is the last of them. */
bool meet(int *arrived, int *generation, int expected) {
    int mine = *generation;
    if (++*arrived == expected) {
        *arrived = 0;
        ++*generation;
        turns_without_progress = 0;
        return true;
    }
    while (*generation == mine)
        yield();
    return false;
}

char *shared_of(block &b) {
    uintptr_t at = (uintptr_t)b.shared_memory.data();
    return (char *)((at + 127) / 128 * 128);
}

block open_block(int64_t number, int threads, size_t shared, size_t slot) {
    block b;
    b.number = number;
    b.slot = slot;
    b.threads = b.running = threads;
    b.arrived = b.generation = 0;
    b.thread_of.resize((size_t)threads);
    b.warp_of.resize((size_t)(threads + WARP - 1) / WARP);
    for (size_t w = 0; w < b.warp_of.size(); w++) {
        b.warp_of[w] = warp();
        int rest = threads - (int)w * WARP;
        b.warp_of[w].lanes = rest < WARP ? rest : WARP;
    }
    b.shared_memory.assign(shared + 128, (char)0xa5); /* nobody may count on zeros */
    while (stacks.size() < (slot + 1) * (size_t)threads)
        stacks.push_back((char *)malloc(STACK));
    for (int t = 0; t < threads; t++) {
        b.thread_of[(size_t)t] = thread();
        b.thread_of[(size_t)t].number = t;
        b.thread_of[(size_t)t].stack = stacks[slot * (size_t)threads + (size_t)t];
    }
    mhc__races_open(number, shared_of(b), shared);
    return b;
}

warp &own_warp() {
    return now->of->warp_of[(size_t)now->number / WARP];
}

/* Lanes show each other registers: that says nothing of memory, as mhc__sync_warp does. */
bool meet_warp() {
    warp &w = own_warp();
    return meet(&w.arrived, &w.generation, w.lanes);
}

float bf16(uint32_t pair, int upper) {
    uint32_t bits = upper ? pair & 0xffff0000u : pair << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

int add(int *counter, int value) {
    int before = *counter;
    *counter += value;
    turns_without_progress = 0;
    return before;
}

} // namespace

mhc__place threadIdx, blockIdx, blockDim, gridDim;

namespace {

/* A block that is left behind for a while, as one may be on a GPU: others get as far ahead of it as their waits let
 * them. In an order that is the same in every run. */
struct lateness {
    uint32_t seed;
    size_t slot;
    int sweeps; /* still */
};

void next_late(lateness *late, size_t blocks) {
    if (late->sweeps-- > -LATE) /* none is late for as long as one was, at least */
        return;
    late->seed = late->seed * 1664525u + 1013904223u;
    late->slot = late->seed / 65536 % blocks;
    late->sweeps = blocks > 1 ? (int)(late->seed >> 8) % LATE : 0;
}

} // namespace

/* The places of the running thread are set when it is resumed; a thread that has yielded finds them set again. */
void mhc__emulate(const char *name, void (*run)(void (*kernel)(void), const void *params), void (*kernel)(void),
                  const void *params, int64_t blocks, int cluster, int at_a_time, int threads, size_t shared) {
    const int64_t groups = blocks / cluster;
    mhc__races_begin(name, blocks, threads);
    run_of = run;
    kernel_of = kernel;
    params_of = params;
    cluster_blocks = cluster;
    clusters.assign((size_t)(groups < at_a_time ? groups : at_a_time), ::cluster());
    active.assign(clusters.size() * (size_t)cluster, block());
    int64_t next = 0;
    auto open = [&](size_t group) {
        clusters[group] = ::cluster();
        for (size_t slot = group * (size_t)cluster; slot < (group + 1) * (size_t)cluster; slot++)
            active[slot] = open_block(next++, threads, shared, slot);
    };
    for (size_t group = 0; group < clusters.size(); group++)
        open(group);
    lateness late = {1, 0, 0};
    for (bool upwards = true, any = blocks > 0; any; upwards = !upwards) {
        any = false;
        next_late(&late, active.size());
        if (++turns_without_progress > 100000)
            give_up("no thread gets on: a barrier that not all reach, or a wait for what nobody does");
        for (block &b : active)
            for (int k = 0; k < threads && !(late.sweeps > 0 && b.slot == late.slot); k++) {
                thread &t = b.thread_of[(size_t)(upwards ? k : threads - 1 - k)];
                t.of = &b;
                if (!t.done)
                    resume(&t, (unsigned)blocks);
            }
        for (size_t group = 0; group < clusters.size(); group++) {
            int running = 0;
            for (size_t slot = group * (size_t)cluster; slot < (group + 1) * (size_t)cluster; slot++)
                running += active[slot].running;
            if (running == 0 && next < blocks) {
                open(group);
                running = threads;
            }
            any = any || running > 0;
        }
    }
    mhc__races_end();
}

char *mhc__shared(void) {
    return shared_of(*now->of);
}

void mhc__sync_block(void) {
    block *b = now->of;
    if (meet(&b->arrived, &b->generation, b->threads))
        mhc__races_sync_block();
}

/* Who comes last keeps what all of them show. */
void mhc__sync_cluster(void) {
    const size_t first = now->of->slot / (size_t)cluster_blocks * (size_t)cluster_blocks;
    cluster &c = clusters[first / (size_t)cluster_blocks];
    if (c.arrived + 1 == cluster_blocks * now->of->threads) {
        c.shown.clear();
        for (size_t k = 0; k < (size_t)cluster_blocks; k++) {
            block &b = active[first + k];
            c.shown.emplace_back(shared_of(b), b.shared_memory.data() + b.shared_memory.size());
        }
    }
    if (meet(&c.arrived, &c.generation, cluster_blocks * now->of->threads))
        mhc__races_sync_cluster(active[first].number, cluster_blocks);
}

float mhc__of_block(const float *own, int number) {
    const size_t first = now->of->slot / (size_t)cluster_blocks * (size_t)cluster_blocks;
    const cluster &c = clusters[first / (size_t)cluster_blocks];
    block &b = active[first + (size_t)number];
    const size_t at = (size_t)((const char *)own - mhc__shared());
    float value;
    if (number < 0 || number >= cluster_blocks || c.shown.empty() || at + sizeof value > c.shown[(size_t)number].size())
        give_up("a read of another block's memory before the cluster has met, or outside it");
    if (b.running < b.threads)
        give_up("a read of the memory of a block that leaves the cluster");
    mhc__races_read(shared_of(b) + at, sizeof value, __builtin_return_address(0));
    memcpy(&value, c.shown[(size_t)number].data() + at, sizeof value);
    if (memcmp(&value, shared_of(b) + at, sizeof value) != 0)
        give_up("a read of another block's memory that has changed since the cluster met");
    return value;
}

void mhc__sync_warp(void) {
    if (meet_warp())
        mhc__races_sync_warp();
}

float mhc__shuffle_xor(float value, int mask) {
    warp &w = own_warp();
    int lane = now->number % WARP, turn = now->exchanges++ % 2;
    w.value[turn][lane] = value;
    meet_warp();
    return w.value[turn][lane ^ mask];
}

/* The fragments as PTX numbers them: lane = 4 group + quad; a holds rows group and group + 8, columns 2 quad, 2 quad +
 * 1 and those 8 further; b rows 2 quad.. of column group; d rows group and group + 8, columns 2 quad and 2 quad + 1. */
void mhc__mma(float d[4], const uint32_t a[4], const uint32_t b[2]) {
    warp &w = own_warp();
    int lane = now->number % WARP, turn = now->exchanges++ % 2, group = lane / 4, quad = lane % 4;
    memcpy(w.a[turn][lane], a, sizeof w.a[turn][lane]);
    memcpy(w.b[turn][lane], b, sizeof w.b[turn][lane]);
    meet_warp();
    for (int e = 0; e < 4; e++) {
        int row = group + (e / 2) * 8, column = 2 * quad + e % 2;
        for (int far = 0; far < 2; far++) {
            float left[8], right[8];
            for (int k = 0; k < 8; k++) {
                left[k] = bf16(w.a[turn][row % 8 * 4 + k / 2][row / 8 + 2 * far], k % 2);
                right[k] = bf16(w.b[turn][column * 4 + k / 2][far], k % 2);
            }
            d[e] = mhc__tensor_sum(d[e], left, right);
        }
    }
}

uint32_t mhc__transposed(uint32_t word) {
    warp &w = own_warp();
    int lane = now->number % WARP, turn = now->exchanges++ % 2, row = lane / 4, column = lane % 4 * 2;
    w.a[turn][lane][0] = word;
    meet_warp();
    uint32_t result = 0;
    for (int e = 0; e < 2; e++) { /* entry (row, column + e) is (column + e, row) of the other */
        uint32_t from = w.a[turn][(column + e) * 4 + row / 2][0];
        result |= (row % 2 ? from >> 16 : from & 0xffffu) << (16 * e);
    }
    return result;
}

uint32_t mhc__bf16_pair(float low, float high) {
    uint32_t a = low == low ? mhc_bf16_of(low) : 0x7fff, b = high == high ? mhc_bf16_of(high) : 0x7fff;
    return b << 16 | a;
}

uint32_t mhc__fp16_pair(float low, float high) {
    uint32_t a = low == low ? mhc_fp16_of(low) : 0x7fff, b = high == high ? mhc_fp16_of(high) : 0x7fff;
    return b << 16 | a;
}

void mhc__fp16_values(uint32_t word, float *low, float *high) {
    *low = mhc_fp16_value((uint16_t)word);
    *high = mhc_fp16_value((uint16_t)(word >> 16));
}

int mhc__atomic_add(int *counter, int value) {
    int before = add(counter, value);
    mhc__races_add(counter, *counter, false);
    return before;
}

void mhc__release_add(int *counter, int value) {
    add(counter, value);
    mhc__races_add(counter, *counter, true);
}

void mhc__acquire_wait(const int *counter, int value) {
    while (*(const volatile int *)counter < value)
        yield();
    mhc__races_acquire(counter, value);
}
