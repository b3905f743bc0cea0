/* Finds races of the emulated kernels: two accesses to the same memory, one of them a write, by two threads of which
 * neither is made to wait for the other (races_order.h). It needs no luck: a race is found in whatever order the
 * emulator runs the threads, as long as it runs both accesses.
 *
 * The kernels are compiled with -fsanitize=thread, but linked without its runtime, which would know nothing of a GPU's
 * barriers: the compiler puts a call in front of each access to memory, and those functions are here. Of each word of
 * memory they keep the last write and the reads since then that are not ordered among each other. Nothing else is
 * needed: who comes after the last of a chain comes after all of it, and who races with any of it, races with the last
 * or has been found before.
 *
 * Two writes of the same value are a race as well. */
#include "stream/races.h"

#include "stream/races_order.h"

#include <stdio.h>
#include <stdlib.h>

#include <unordered_map>

extern "C" const char __executable_start;

namespace {

constexpr size_t WORD = 4, PAGE_WORDS = 1024, PAGE = WORD * PAGE_WORDS;
constexpr int WRITERS = 4; /* one for each byte of a word */
constexpr unsigned ALL = 0xf;

struct word {
    unsigned launch; /* nothing is known of memory that this launch has not touched */
    int writers;
    mhc__access writes[WRITERS];
    std::vector<mhc__access> reads;
};

struct shared_memory {
    const char *begin;
    size_t bytes;
};

/* Of the memory that a launch touches, found by the number of the page; the last ones once more, to be found fast. */
std::unordered_map<uintptr_t, word *> pages;
std::vector<word *> unused; /* of launches before: the program gets new memory at new addresses all the time */
constexpr size_t LAST = 1024;
struct {
    uintptr_t number;
    word *words;
} last[LAST];

std::vector<shared_memory> shared; /* of each block that has been opened */
const char *operation = "";
unsigned launch;
bool running;
const char *own_stack;
size_t own_stack_bytes;

word *page_of(uintptr_t number, bool makes) {
    auto &hit = last[number % LAST];
    if (hit.words && hit.number == number)
        return hit.words;
    const auto found = pages.find(number);
    word *words = nullptr;
    if (found != pages.end()) {
        words = found->second;
    } else if (!makes) {
        return nullptr;
    } else {
        if (unused.empty())
            unused.push_back(new word[PAGE_WORDS]());
        words = pages[number] = unused.back();
        unused.pop_back();
    }
    hit.number = number;
    hit.words = words;
    return words;
}

void say_who(const char *did, const mhc__access &a) {
    fprintf(stderr, "  %s block %d, thread %d, after %d meetings of the block, in the program at 0x%llx\n", did,
            a.block, a.thread, a.epoch, (unsigned long long)((const char *)a.from - &__executable_start));
}

/* Addresses are what addr2line takes. */
[[noreturn]] void give_up(uintptr_t address, const char *kind, const mhc__access &before, const mhc__access &now) {
    fprintf(stderr, "emulator: race in %s: %s", operation, kind);
    const shared_memory &s = shared[(size_t)before.block];
    const uintptr_t begin = (uintptr_t)s.begin;
    if (address >= begin && address < begin + s.bytes)
        fprintf(stderr, ", shared memory of block %d, byte %zu\n", before.block, (size_t)(address - begin));
    else
        fprintf(stderr, ", global memory, %p\n", (void *)address);
    say_who("first ", before);
    say_who("second", now);
    abort();
}

mhc__access now(unsigned bytes, const void *from) {
    return {from,
            mhc__races_block_number,
            mhc__races_block->epoch,
            mhc__races_thread->step,
            (int16_t)mhc__races_thread_number,
            (uint8_t)bytes,
            MHC__BY_THREAD};
}

void check_writes(const word *w, uintptr_t address, const char *kind, const mhc__access &mine) {
    for (int k = 0; k < w->writers; k++)
        if ((w->writes[k].bytes & mine.bytes) && !mhc__races_before(w->writes[k]))
            give_up(address, kind, w->writes[k], mine);
}

/* Whether a read that is kept stands for this one as well, or can be made to. */
bool takes_in(mhc__access *kept, const mhc__access &mine) {
    if (kept->block != mine.block || kept->epoch != mine.epoch || (mine.bytes & ~kept->bytes))
        return false;
    if (kept->by == MHC__BY_BLOCK)
        return true;
    if (kept->bytes != mine.bytes)
        return false;
    if (mhc__races_before(*kept)) {
        *kept = mine;
    } else if (kept->thread / MHC__RACES_WARP != mine.thread / MHC__RACES_WARP) {
        kept->by = MHC__BY_BLOCK;
    } else {
        kept->by = MHC__BY_WARP;
        kept->step = kept->step > mine.step ? kept->step : mine.step;
    }
    return true;
}

void read_word(word *w, uintptr_t address, unsigned bytes, const void *from) {
    const mhc__access mine = now(bytes, from);
    check_writes(w, address, "read after write", mine);
    std::vector<mhc__access> &reads = w->reads;
    for (size_t k = 0; k < reads.size(); k++)
        if (takes_in(&reads[k], mine)) {
            if (k > 0)
                std::swap(reads[k], reads[0]); /* the block will come back */
            return;
        }
    size_t left = 0;
    for (const mhc__access &r : reads)
        if ((r.bytes & ~bytes) || !mhc__races_before(r))
            reads[left++] = r;
    reads.resize(left);
    reads.push_back(mine);
    std::swap(reads.front(), reads.back());
}

void write_word(word *w, uintptr_t address, unsigned bytes, const void *from) {
    const mhc__access mine = now(bytes, from);
    check_writes(w, address, "two writes", mine);
    size_t left = 0;
    for (mhc__access &r : w->reads) {
        if ((r.bytes & bytes) && !mhc__races_before(r))
            give_up(address, "write after read", r, mine);
        r.bytes &= (uint8_t)~bytes;
        if (r.bytes)
            w->reads[left++] = r;
    }
    w->reads.resize(left);
    int writers = 0;
    for (int k = 0; k < w->writers; k++) {
        w->writes[k].bytes &= (uint8_t)~bytes;
        if (w->writes[k].bytes)
            w->writes[writers++] = w->writes[k];
    }
    w->writes[writers] = mine;
    w->writers = writers + 1;
}

bool is_private(const void *memory) {
    return !running || (uintptr_t)memory - (uintptr_t)own_stack < own_stack_bytes;
}

template <bool WRITES> void access(const void *memory, size_t bytes, const void *from) {
    if (is_private(memory))
        return;
    uintptr_t at = (uintptr_t)memory;
    const uintptr_t end = at + bytes;
    while (at < end) {
        const uintptr_t begin = at / WORD * WORD;
        unsigned touched = ALL << (at - begin);
        if (end < begin + WORD)
            touched &= ALL >> (begin + WORD - end);
        word *w = page_of(begin / PAGE, true) + begin % PAGE / WORD;
        if (w->launch != launch) {
            w->launch = launch;
            w->writers = 0;
            w->reads.clear();
        }
        if (WRITES)
            write_word(w, at, touched & ALL, from);
        else
            read_word(w, at, touched & ALL, from);
        at = begin + WORD;
    }
}

} // namespace

void mhc__races_begin(const char *name, int64_t blocks, int threads) {
    mhc__races_order_begin(blocks, threads);
    shared.assign((size_t)blocks, shared_memory());
    operation = name;
    launch++;
    for (const auto &page : pages)
        unused.push_back(page.second);
    pages.clear();
    for (auto &l : last)
        l.words = nullptr;
}

void mhc__races_end(void) {
    running = false;
}

void mhc__races_open(int64_t block, const char *begin, size_t bytes) {
    shared[(size_t)block] = {begin, bytes};
    for (uintptr_t at = (uintptr_t)begin / WORD * WORD; at < (uintptr_t)begin + bytes; at += WORD) {
        word *words = page_of(at / PAGE, false);
        if (words)
            words[at % PAGE / WORD].launch = 0;
    }
}

void mhc__races_run(int64_t block, int thread, const char *stack, size_t bytes) {
    running = true;
    mhc__races_block_number = (int)block;
    mhc__races_thread_number = thread;
    mhc__races_block = &mhc__races_blocks[(size_t)block];
    mhc__races_thread = &mhc__races_block->threads[(size_t)thread];
    own_stack = stack;
    own_stack_bytes = bytes;
}

void mhc__races_read(const void *memory, size_t bytes, const void *from) {
    access<false>(memory, bytes, from);
}

void mhc__races_write(const void *memory, size_t bytes, const void *from) {
    access<true>(memory, bytes, from);
}

/* What the compiler calls. */
extern "C" {
void __tsan_init(void) {}
void __tsan_func_entry(void *) {}
void __tsan_func_exit(void) {}
void __tsan_vptr_update(void **, void *) {}
void __tsan_vptr_read(void **) {}

#define MHC__RACES_OF(bytes)                                                                                           \
    void __tsan_read##bytes(void *memory) {                                                                            \
        access<false>(memory, bytes, __builtin_return_address(0));                                                     \
    }                                                                                                                  \
    void __tsan_write##bytes(void *memory) {                                                                           \
        access<true>(memory, bytes, __builtin_return_address(0));                                                      \
    }                                                                                                                  \
    void __tsan_unaligned_read##bytes(void *memory) {                                                                  \
        access<false>(memory, bytes, __builtin_return_address(0));                                                     \
    }                                                                                                                  \
    void __tsan_unaligned_write##bytes(void *memory) {                                                                 \
        access<true>(memory, bytes, __builtin_return_address(0));                                                      \
    }                                                                                                                  \
    void __tsan_volatile_read##bytes(void *memory) {                                                                   \
        access<false>(memory, bytes, __builtin_return_address(0));                                                     \
    }                                                                                                                  \
    void __tsan_volatile_write##bytes(void *memory) {                                                                  \
        access<true>(memory, bytes, __builtin_return_address(0));                                                      \
    }
MHC__RACES_OF(1)
MHC__RACES_OF(2)
MHC__RACES_OF(4)
MHC__RACES_OF(8)
MHC__RACES_OF(16)

void __tsan_read_range(void *memory, size_t bytes) {
    access<false>(memory, bytes, __builtin_return_address(0));
}
void __tsan_write_range(void *memory, size_t bytes) {
    access<true>(memory, bytes, __builtin_return_address(0));
}
}
