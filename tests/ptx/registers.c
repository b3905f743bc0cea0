/* Registers of PTX are as many as nvcc likes, each written once or twice; a frame with a place for each would not fit
 * into a cache. So a place is used again when what was there is wanted no more: liveness over the basic blocks, then
 * intervals from the first to the last instruction where a register is alive, in the order of their beginnings. Lanes
 * have numbers of their own, so that what diverging lanes do in another order does not matter. */
#include "ptx/ptx.h"

#include <stdlib.h>
#include <string.h>

typedef struct interval {
    int first, last;
} interval;

typedef struct blocks {
    int *first, *of; /* of a block, of an instruction */
    int count, words;
    uint64_t *in, *uses, *kills;
} blocks;

static bool has(const uint64_t *set, int k) {
    return set[k / 64] >> (k % 64) & 1;
}
static void put(uint64_t *set, int k) {
    set[k / 64] |= (uint64_t)1 << (k % 64);
}

static void split(const ptx_function *f, blocks *b) {
    char *begins = calloc((size_t)f->count + 1, 1);
    b->first = malloc(((size_t)f->count + 1) * sizeof *b->first);
    b->of = malloc(((size_t)f->count + 1) * sizeof *b->of);
    if (!begins || !b->first || !b->of)
        ptx_give_up("no memory for basic blocks");
    begins[0] = 1;
    for (int k = 0; k < f->count; k++)
        if (f->code[k].branches || f->code[k].leaves) {
            begins[k + 1] = 1;
            if (f->code[k].branches)
                begins[f->code[k].target] = 1;
        }
    for (int k = 0; k < f->count; k++) {
        if (begins[k])
            b->first[b->count++] = k;
        b->of[k] = b->count - 1;
    }
    b->first[b->count] = f->count;
    free(begins);
}

static void uses_and_kills(const ptx_function *f, blocks *b) {
    for (int n = 0; n < b->count; n++) {
        uint64_t *uses = b->uses + (size_t)n * (size_t)b->words, *kills = b->kills + (size_t)n * (size_t)b->words;
        for (int k = b->first[n]; k < b->first[n + 1]; k++) {
            const ptx_code *c = &f->code[k];
            for (int j = 0; j < PTX_FROM; j++)
                if (c->from[j] >= 0 && !has(kills, c->from[j]))
                    put(uses, c->from[j]);
            if (c->guard >= 0 && !has(kills, c->guard))
                put(uses, c->guard);
            for (int j = 0; j < PTX_TO; j++)
                if (c->to[j] >= 0 && c->guard >= 0) { /* where it does not run, what was there stays */
                    if (!has(kills, c->to[j]))
                        put(uses, c->to[j]);
                } else if (c->to[j] >= 0) {
                    put(kills, c->to[j]);
                }
        }
    }
}

/* Blocks that may follow: the one behind, the branch's. */
static int successors(const ptx_function *f, const blocks *b, int n, int next[2]) {
    const ptx_code *last = &f->code[b->first[n + 1] - 1];
    int count = 0;
    if (last->branches)
        next[count++] = b->of[last->target];
    if (!((last->branches || last->leaves) && last->guard < 0) && n + 1 < b->count)
        next[count++] = n + 1;
    return count;
}

static void live_in(const ptx_function *f, blocks *b) {
    for (bool again = true; again;) {
        again = false;
        for (int n = b->count - 1; n >= 0; n--) {
            int next[2], count = successors(f, b, n, next);
            uint64_t *in = b->in + (size_t)n * (size_t)b->words;
            for (int w = 0; w < b->words; w++) {
                uint64_t alive = 0;
                for (int s = 0; s < count; s++)
                    alive |= b->in[(size_t)next[s] * (size_t)b->words + (size_t)w];
                const size_t at = (size_t)n * (size_t)b->words + (size_t)w;
                alive = b->uses[at] | (alive & ~b->kills[at]);
                again = again || alive != in[w];
                in[w] = alive;
            }
        }
    }
}

static void reach(interval *i, int at) {
    i->first = i->first < 0 || at < i->first ? at : i->first;
    i->last = at > i->last ? at : i->last;
}

static void intervals(const ptx_function *f, const blocks *b, int registers, interval *of) {
    for (int k = 0; k < registers; k++)
        of[k] = (interval){-1, -1};
    for (int n = 0; n < b->count; n++) {
        int next[2], count = successors(f, b, n, next);
        for (int k = 0; k < registers; k++) {
            if (has(b->in + (size_t)n * (size_t)b->words, k))
                reach(&of[k], b->first[n]);
            for (int s = 0; s < count; s++)
                if (has(b->in + (size_t)next[s] * (size_t)b->words, k))
                    reach(&of[k], b->first[n + 1] - 1);
        }
    }
    for (int k = 0; k < f->count; k++) {
        const ptx_code *c = &f->code[k];
        for (int j = 0; j < PTX_FROM; j++)
            if (c->from[j] >= 0)
                reach(&of[c->from[j]], k);
        for (int j = 0; j < PTX_TO; j++)
            if (c->to[j] >= 0)
                reach(&of[c->to[j]], k);
        if (c->guard >= 0)
            reach(&of[c->guard], k);
    }
}

/* Free places of a size; and, by the instruction where they end, registers. */
typedef struct pool {
    int *place, count;
} pool;

static size_t hand_out(const ptx_function *f, const int8_t *width, int registers, const int *fixed, const interval *of,
                       int *place, size_t used) {
    int *begins = malloc(((size_t)f->count + 1) * sizeof(int)), *ends = malloc(((size_t)f->count + 1) * sizeof(int));
    int *next_begin = malloc((size_t)registers * sizeof(int)), *next_end = malloc((size_t)registers * sizeof(int));
    pool free_of[9] = {{NULL, 0}};
    for (int w = 1; w <= 8; w++)
        free_of[w].place = malloc((size_t)registers * sizeof(int));
    if (!begins || !ends || !next_begin || !next_end || !free_of[1].place || !free_of[4].place || !free_of[8].place)
        ptx_give_up("no memory for intervals");
    for (int k = 0; k <= f->count; k++)
        begins[k] = ends[k] = -1;
    for (int r = 0; r < registers; r++) {
        place[r] = fixed[r];
        if (fixed[r] >= 0 || of[r].first < 0)
            continue;
        next_begin[r] = begins[of[r].first];
        begins[of[r].first] = r;
        next_end[r] = ends[of[r].last];
        ends[of[r].last] = r;
    }
    for (int k = 0; k < f->count; k++) {
        for (int r = begins[k]; r >= 0; r = next_begin[r]) {
            const int size = width[r] == 2 ? 4 : width[r];
            pool *from = &free_of[size];
            if (from->count > 0) {
                place[r] = from->place[--from->count];
                continue;
            }
            const size_t bytes = size == 1 ? 8 : PTX_LANES * (size_t)size;
            place[r] = (int)used;
            used += bytes;
        }
        for (int r = ends[k]; r >= 0; r = next_end[r]) {
            const int size = width[r] == 2 ? 4 : width[r];
            free_of[size].place[free_of[size].count++] = place[r];
        }
    }
    free(begins);
    free(ends);
    free(next_begin);
    free(next_end);
    for (int w = 1; w <= 8; w++)
        free(free_of[w].place);
    return used;
}

size_t ptx_place_registers(ptx_function *f, const int8_t *width, int registers, const int *fixed, size_t used) {
    blocks b = {.words = (registers + 63) / 64};
    split(f, &b);
    const size_t words = (size_t)b.count * (size_t)b.words;
    b.in = calloc(words, 8);
    b.uses = calloc(words, 8);
    b.kills = calloc(words, 8);
    interval *of = malloc((size_t)registers * sizeof *of);
    int *place = malloc((size_t)registers * sizeof *place);
    if (!b.in || !b.uses || !b.kills || !of || !place)
        ptx_give_up("no memory for liveness");
    uses_and_kills(f, &b);
    live_in(f, &b);
    intervals(f, &b, registers, of);
    used = hand_out(f, width, registers, fixed, of, place, (used + 63) / 64 * 64);
    for (int k = 0; k < f->count; k++) {
        ptx_code *c = &f->code[k];
        for (int j = 0; j < PTX_TO; j++)
            c->to[j] = c->to[j] < 0 ? -1 : place[c->to[j]];
        for (int j = 0; j < PTX_FROM; j++)
            c->from[j] = c->from[j] < 0 ? -1 : place[c->from[j]];
        c->guard = c->guard < 0 ? -1 : place[c->guard];
    }
    free(b.first);
    free(b.of);
    free(b.in);
    free(b.uses);
    free(b.kills);
    free(of);
    free(place);
    return used;
}
