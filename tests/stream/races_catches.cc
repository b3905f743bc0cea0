/* The checker of races finds what it is there to find, and nothing else: small kernels that are wrong in one way each,
 * and right ones that do the same. */
#include "stream/cuda/device.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

enum { THREADS = 64, BLOCKS = 3 };

/* wrong: leaves out what makes it right. */
struct params {
    float *memory;
    int *counter;
    bool wrong;
};

int neighbour() {
    return (mhc__thread() + 1) % THREADS;
}

float *own_block() {
    return (float *)mhc__shared();
}

MHC__KERNEL read_after_write(MHC__GIVEN params p) {
    own_block()[mhc__thread()] = 1.0f;
    if (!p.wrong)
        mhc__sync_block();
    p.memory[mhc__block_number() * THREADS + mhc__thread()] = own_block()[neighbour()];
}

MHC__KERNEL write_after_read(MHC__GIVEN params p) {
    own_block()[mhc__thread()] = 1.0f;
    mhc__sync_block();
    p.memory[mhc__block_number() * THREADS + mhc__thread()] = own_block()[neighbour()];
    if (!p.wrong)
        mhc__sync_block();
    own_block()[mhc__thread()] = 2.0f;
}

/* One word is read by all, and written by one. */
MHC__KERNEL write_after_all_read(MHC__GIVEN params p) {
    if (mhc__thread() == 0)
        own_block()[0] = 1.0f;
    mhc__sync_block();
    p.memory[mhc__block_number() * THREADS + mhc__thread()] = own_block()[0];
    if (!p.wrong)
        mhc__sync_block();
    if (mhc__thread() == 5)
        own_block()[0] = 2.0f;
}

/* The same value, even. */
MHC__KERNEL two_writes(MHC__GIVEN params p) {
    if (p.wrong || mhc__thread() == 0)
        own_block()[0] = 1.0f;
}

/* Halves of a word are nobody's business but their owner's. */
MHC__KERNEL halves(MHC__GIVEN params p) {
    volatile uint16_t *its = (uint16_t *)own_block();
    its[mhc__thread()] = 1;
    its[p.wrong ? mhc__thread() ^ 1 : mhc__thread()] = 2;
}

/* The compiler sees no access in these. */
MHC__KERNEL packs(MHC__GIVEN params p) {
    mhc__store(own_block() + 4 * mhc__thread(), make_uint4(1, 2, 3, 4));
    if (!p.wrong)
        mhc__sync_block();
    p.memory[mhc__block_number() * THREADS + mhc__thread()] = (float)mhc__load(own_block() + 4 * neighbour()).w;
}

MHC__KERNEL a_word_of_a_pack(MHC__GIVEN params p) {
    mhc__store(own_block() + 4 * mhc__thread(), make_uint4(1, 2, 3, 4));
    if (!p.wrong)
        mhc__sync_block();
    p.memory[mhc__block_number() * THREADS + mhc__thread()] = own_block()[4 * neighbour() + 3];
}

/* Within a warp; an exchange of registers does not do. */
MHC__KERNEL warps(MHC__GIVEN params p) {
    own_block()[mhc__thread()] = mhc__shuffle_xor(1.0f, 1);
    if (!p.wrong)
        mhc__sync_warp();
    const float v = own_block()[mhc__thread() ^ 1];
    p.memory[mhc__block_number() * THREADS + mhc__thread()] = mhc__shuffle_xor(v, 2);
    if (!p.wrong)
        mhc__sync_warp();
    own_block()[mhc__thread()] = 2.0f;
}

/* The warp is not the block. */
MHC__KERNEL warp_for_block(MHC__GIVEN params p) {
    own_block()[mhc__thread()] = 1.0f;
    if (p.wrong)
        mhc__sync_warp();
    else
        mhc__sync_block();
    p.memory[mhc__block_number() * THREADS + mhc__thread()] = own_block()[neighbour()];
}

MHC__KERNEL between_blocks(MHC__GIVEN params p) {
    p.memory[(p.wrong ? 0 : mhc__block_number() * THREADS) + mhc__thread()] = (float)mhc__block_number();
}

/* Each block shows what it has, and takes what all have shown. */
enum leaves_out { NOTHING, BEFORE_RELEASE, RELEASE, WAIT, AFTER_WAIT };

template <leaves_out WITHOUT> MHC__KERNEL counters(MHC__GIVEN params p) {
    float sum = 0.0f;
    p.memory[mhc__block_number() * THREADS + mhc__thread()] = 1.0f;
    if (WITHOUT != BEFORE_RELEASE)
        mhc__sync_block();
    if (mhc__thread() == 0 && WITHOUT == RELEASE)
        mhc__atomic_add(p.counter, 1);
    else if (mhc__thread() == 0)
        mhc__release_add(p.counter, 1);
    if (mhc__thread() == 0)
        mhc__acquire_wait(p.counter, WITHOUT == WAIT ? BLOCKS - 1 : BLOCKS);
    if (WITHOUT != AFTER_WAIT)
        mhc__sync_block();
    for (int block = 0; block < BLOCKS; block++)
        sum += p.memory[block * THREADS + neighbour()];
    own_block()[mhc__thread()] = sum;
}

/* What a block knows of another one it passes on; what a thread has done itself needs no barrier. */
MHC__KERNEL passed_on(MHC__GIVEN params p) {
    if (mhc__thread() == 0) {
        mhc__acquire_wait(p.counter, p.wrong && mhc__block_number() > 0 ? 1 : mhc__block_number());
        *p.memory += 1.0f;
        mhc__release_add(p.counter, 1);
    }
}

/* Afterwards is not before. */
MHC__KERNEL after_release(MHC__GIVEN params p) {
    if (mhc__block_number() == 0 && mhc__thread() == 0) {
        if (!p.wrong)
            *p.memory = 1.0f;
        mhc__release_add(p.counter, 1);
        if (p.wrong)
            *p.memory = 1.0f;
    } else if (mhc__thread() == 0 && mhc__block_number() == 1) {
        mhc__acquire_wait(p.counter, 1);
        p.memory[1] = *p.memory;
    }
}

/* The blocks of a cluster read each other's shared memory: they have to meet again before they write there. */
MHC__KERNEL clusters(MHC__GIVEN params p) {
    own_block()[mhc__thread()] = 1.0f;
    p.memory[mhc__block_number() * THREADS + mhc__thread()] = 1.0f;
    mhc__sync_cluster();
    const int next = (mhc__block_number() + 1) % BLOCKS;
    float v = mhc__of_block(own_block() + neighbour(), next) + p.memory[next * THREADS + neighbour()];
    if (p.wrong)
        mhc__sync_block();
    else
        mhc__sync_cluster();
    own_block()[mhc__thread()] = v;
    mhc__sync_cluster();
}

enum way { ALONE, TOGETHER, CLUSTER };

void launch(void (*kernel)(params), way way, bool wrong) {
    alignas(16) static float memory[BLOCKS * THREADS];
    static int counter;
    const params p = {memory, &counter, wrong};
    const size_t shared = 4 * THREADS * sizeof(float);
    for (int time = 0; time < 2; time++) { /* one launch is not another */
        counter = 0;
        if (way == ALONE)
            mhc__launch(kernel, BLOCKS, THREADS, shared, NULL, p, "races_catches", NULL);
        else if (way == TOGETHER)
            mhc__launch_together(kernel, BLOCKS, THREADS, shared, NULL, p, "races_catches", NULL);
        else
            mhc__launch_clusters(kernel, 1, BLOCKS, THREADS, shared, NULL, p, "races_catches", NULL);
    }
}

/* In a process of its own, which ends with a race. */
int expect(const char *name, void (*kernel)(params), way way, bool wrong) {
    int its[2], status = 0;
    char said[512];
    if (pipe(its) != 0)
        return 1;
    const pid_t child = fork();
    if (child == 0) {
        dup2(its[1], STDERR_FILENO);
        launch(kernel, way, wrong);
        _exit(0);
    }
    close(its[1]);
    size_t count = 0;
    for (ssize_t got; count < sizeof said - 1 && (got = read(its[0], said + count, sizeof said - 1 - count)) > 0;)
        count += (size_t)got;
    said[count] = '\0';
    close(its[0]);
    if (child < 0 || waitpid(child, &status, 0) != child)
        return 1;
    const bool found = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && strstr(said, "race in races_catches");
    if (wrong ? found : WIFEXITED(status) && WEXITSTATUS(status) == 0 && count == 0)
        return 0;
    printf("%s: %s\n%s", name, wrong ? "the race is not found" : "found one where none is", said);
    return 1;
}

} // namespace

int main(void) {
    int failed = 0;
#define BOTH(kernel, way) failed += expect(#kernel, kernel, way, true) + expect(#kernel, kernel, way, false)
    BOTH(read_after_write, ALONE);
    BOTH(write_after_read, ALONE);
    BOTH(write_after_all_read, ALONE);
    BOTH(two_writes, ALONE);
    BOTH(halves, ALONE);
    BOTH(packs, ALONE);
    BOTH(a_word_of_a_pack, ALONE);
    BOTH(warps, ALONE);
    BOTH(warp_for_block, ALONE);
    BOTH(between_blocks, ALONE);
    BOTH(passed_on, TOGETHER);
    BOTH(after_release, TOGETHER);
    BOTH(clusters, CLUSTER);
#undef BOTH
    failed += expect("counters", counters<NOTHING>, TOGETHER, false);
    failed += expect("counters before release", counters<BEFORE_RELEASE>, TOGETHER, true);
    failed += expect("counters release", counters<RELEASE>, TOGETHER, true);
    failed += expect("counters wait", counters<WAIT>, TOGETHER, true);
    failed += expect("counters after wait", counters<AFTER_WAIT>, TOGETHER, true);
    printf("%d of 31 cases are not as expected\n", failed);
    return failed > 0;
}
