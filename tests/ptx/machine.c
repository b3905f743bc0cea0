/* Warps run for a while, by turns, in an order that is the same in every run. Of a warp those lanes run that are
 * furthest behind in the text, until they reach others. */
#include "ptx/ptx.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AT_A_TIME = 3, CLUSTERS_AT_A_TIME = 2, STUCK = 200000 };

static const ptx_launch *running;
static long quiet; /* sweeps since something was written */
static uint32_t seed = 1;

void ptx_progress(void) {
    quiet = 0;
}

static uint32_t draw(void) {
    seed = seed * 1664525u + 1013904223u;
    return seed >> 8;
}

static void say(const char *format, va_list values) {
    fputs("ptx: ", stderr);
    vfprintf(stderr, format, values);
}

void ptx_give_up(const char *format, ...) {
    va_list values;
    va_start(values, format);
    say(format, values);
    va_end(values);
    fputc('\n', stderr);
    abort();
}

void ptx_wrong(const ptx_warp *w, int lane, const char *format, ...) {
    const char *text = w->frame.function->code[w->pc].text;
    va_list values;
    va_start(values, format);
    say(format, values);
    va_end(values);
    fprintf(stderr, "\n%.*s, block %d, warp %d, lane %d: %.*s\n", w->frame.function->name_length,
            w->frame.function->name, w->block->number, w->number, lane, (int)strcspn(text, "\n"), text);
    abort();
}

/* ----------------------------------------------------------------------------------------------------------- warps */

static void put_back(ptx_warp *w, uint32_t lanes, int place) {
    for (int l = 0; l < PTX_LANES; l++)
        if (lanes >> l & 1)
            w->place[l] = place;
}

void ptx_branch(ptx_warp *w, const ptx_code *c) {
    uint32_t taken = w->mask;
    if (c->guard >= 0) {
        const uint32_t p = *(const uint32_t *)ptx_at(w, c->guard);
        taken &= c->inverted ? ~p : p;
    }
    const uint32_t others = w->mask & ~taken;
    if (others == 0) {
        w->next = c->target;
    } else if (taken != 0) {
        put_back(w, taken, c->target);
        put_back(w, others, w->pc + 1);
        w->mask = 0;
        w->changed = true;
    }
}

void ptx_leave(ptx_warp *w, const ptx_code *c) {
    (void)c;
    w->live &= ~w->mask;
    w->mask = 0;
    w->changed = true;
    ptx_progress();
}

/* Lanes that are furthest behind; limit: where the next ones are. */
static bool choose(ptx_warp *w, int *limit) {
    const uint32_t ready = w->live & ~(w->at_warp | w->at_block | w->at_cluster);
    w->pc = INT_MAX;
    *limit = INT_MAX;
    w->mask = 0;
    for (int l = 0; l < PTX_LANES; l++)
        if (ready >> l & 1 && w->place[l] < w->pc)
            w->pc = w->place[l];
    for (int l = 0; l < PTX_LANES; l++)
        if (ready >> l & 1) {
            if (w->place[l] == w->pc)
                w->mask |= (uint32_t)1 << l;
            else if (w->place[l] < *limit)
                *limit = w->place[l];
        }
    return ready != 0;
}

static void run_guarded(ptx_warp *w, const ptx_code *c) {
    const uint32_t all = w->mask, p = *(const uint32_t *)ptx_at(w, c->guard);
    w->mask &= c->inverted ? ~p : p;
    if (w->mask == 0) {
        w->mask = all;
        return;
    }
    const uint32_t others = all & ~w->mask;
    c->run(w, c);
    if (!w->changed)
        w->mask |= others;
    else
        put_back(w, others, w->pc + 1);
}

/* Runs until no lane can or the budget is spent. */
static void run_warp(ptx_warp *w) {
    int limit;
    while (w->budget > 0 && choose(w, &limit)) {
        w->changed = false;
        do {
            const ptx_code *c = &w->frame.function->code[w->pc];
            w->next = w->pc + 1;
            w->budget--;
            if (c->guard >= 0 && !c->branches)
                run_guarded(w, c);
            else
                c->run(w, c);
            if (!w->changed)
                w->pc = w->next;
        } while (!w->changed && w->pc < limit && w->budget > 0);
        put_back(w, w->mask, w->pc);
    }
}

static void open_frame(ptx_warp *w, const ptx_function *f, char *registers) {
    const ptx_launch *l = running;
    memcpy(registers, f->image, f->frame);
    w->frame.function = f;
    w->frame.registers = registers;
    for (int k = 0; k < PTX_LANES; k++) {
        const uint32_t special[4] = {(uint32_t)(w->number * PTX_LANES + k), (uint32_t)l->threads,
                                     (uint32_t)w->block->number, (uint32_t)l->blocks};
        const uint64_t local = (uint64_t)w->frame.local;
        for (int s = 0; s < 4; s++)
            memcpy(registers + f->special[s] + 4 * k, &special[s], 4);
        memcpy(registers + f->special[PTX_LOCAL_BASE] + 8 * k, &local, 8);
    }
}

/* The function runs to its end for these lanes: none of those here waits for anybody. */
void ptx_call(ptx_warp *w, const ptx_code *c) {
    const ptx_function *f = c->callee;
    const ptx_warp saved = *w;
    const int stride = f->param_bytes;
    char *params = calloc(PTX_LANES, (size_t)stride + 1), *registers = aligned_alloc(64, (f->frame + 63) / 64 * 64);
    if (!params || !registers)
        ptx_give_up("no memory for a call");
    for (int k = 0; k < f->params; k++) {
        const int bytes = f->param[k].bytes;
        for (int l = 0; l < PTX_LANES; l++)
            memcpy(params + l * stride + f->param[k].offset,
                   (const char *)ptx_at(w, c->from[k]) + (bytes == 8 ? 8 : 4) * l, (size_t)bytes);
    }
    w->frame.local += saved.frame.function->local_bytes;
    w->frame.params = params;
    w->frame.param_stride = stride;
    open_frame(w, f, registers);
    w->live = saved.mask;
    w->at_warp = w->at_block = w->at_cluster = 0;
    put_back(w, w->mask, 0);
    while (w->live != 0) {
        w->budget = INT_MAX;
        run_warp(w);
        if (w->live != 0 && (w->at_warp | w->at_block | w->at_cluster) != 0)
            ptx_wrong(w, -1, "a function that waits");
    }
    const int budget = saved.budget;
    *w = saved;
    w->budget = budget;
    free(params);
    free(registers);
}

/* ---------------------------------------------------------------------------------------------------------- blocks */

static int threads_of(const ptx_block *b, bool waiting) {
    int count = 0;
    for (int k = 0; k < b->warps; k++)
        count += __builtin_popcount(waiting ? b->warp[k].at_block : b->warp[k].live);
    return count;
}

static void go_on(ptx_warp *w, uint32_t lanes) {
    for (int l = 0; l < PTX_LANES; l++)
        if (lanes >> l & 1)
            w->place[l]++;
}

static void end_barrier(ptx_block *b) {
    const int live = threads_of(b, false);
    if (live == 0 || threads_of(b, true) != live)
        return;
    for (int k = 0; k < b->warps; k++) {
        go_on(&b->warp[k], b->warp[k].at_block);
        b->warp[k].at_block = 0;
    }
    ptx_progress();
}

static void end_cluster_barrier(ptx_cluster *its, int threads) {
    if (its->arrived == its->blocks * threads) {
        its->arrived = 0;
        its->generation++;
        ptx_progress();
    }
    for (int n = 0; n < its->blocks; n++)
        for (int k = 0; k < its->block[n]->warps; k++) {
            ptx_warp *w = &its->block[n]->warp[k];
            uint32_t done = 0;
            for (int l = 0; l < PTX_LANES; l++)
                if (w->at_cluster >> l & 1 && w->generation[l] < its->generation)
                    done |= (uint32_t)1 << l;
            go_on(w, done);
            w->at_cluster &= ~done;
        }
}

static void open_block(ptx_block *b, int number) {
    const ptx_launch *l = running;
    b->number = number;
    memset(b->shared, 0xa5, (size_t)b->shared_bytes);
    for (int k = 0; k < b->warps; k++) {
        ptx_warp *w = &b->warp[k];
        char *registers = w->frame.registers, *local = w->local;
        const int rest = l->threads - k * PTX_LANES;
        *w = (ptx_warp){.block = b, .number = k, .local = local};
        w->live = rest >= PTX_LANES ? ~0u : ((uint32_t)1 << rest) - 1;
        w->frame.params = l->params;
        open_frame(w, l->function, registers);
    }
}

static void make_block(ptx_block *b, ptx_cluster *cluster) {
    const ptx_launch *l = running;
    *b = (ptx_block){.threads = l->threads, .warps = (l->threads + PTX_LANES - 1) / PTX_LANES, .cluster = cluster};
    b->shared_bytes = (int64_t)l->shared;
    b->params = l->params;
    b->param_bytes = l->function->param_bytes;
    b->shared = aligned_alloc(128, (l->shared + 128) / 128 * 128);
    b->warp = calloc((size_t)b->warps, sizeof *b->warp);
    if (!b->shared || !b->warp)
        ptx_give_up("no memory for a block");
    for (int k = 0; k < b->warps; k++) {
        b->warp[k].frame.registers = aligned_alloc(64, (l->function->frame + 63) / 64 * 64);
        b->warp[k].local = aligned_alloc(64, (size_t)PTX_LANES * PTX_LOCAL_BYTES);
        if (!b->warp[k].frame.registers || !b->warp[k].local)
            ptx_give_up("no memory for a warp");
    }
}

static void free_block(ptx_block *b) {
    for (int k = 0; k < b->warps; k++) {
        free(b->warp[k].frame.registers);
        free(b->warp[k].local);
    }
    free(b->warp);
    free(b->shared);
}

static void open_cluster(ptx_cluster *its, int *next) {
    its->arrived = its->generation = 0;
    for (int n = 0; n < its->blocks; n++)
        open_block(its->block[n], (*next)++);
}

static bool run_cluster(ptx_cluster *its) {
    int live = 0;
    for (int n = 0; n < its->blocks; n++) {
        ptx_block *b = its->block[n];
        const uint32_t first = draw();
        for (int k = 0; k < b->warps; k++) {
            ptx_warp *w = &b->warp[(first + (uint32_t)k) % (uint32_t)b->warps];
            w->budget = 200 + (int)(draw() % 2000);
            run_warp(w);
        }
        end_barrier(b);
        live += threads_of(b, false);
    }
    end_cluster_barrier(its, its->block[0]->threads);
    return live > 0;
}

void ptx_launch_run(const ptx_launch *l) {
    const int all = l->blocks / l->cluster;
    const int most = l->together ? all : l->cluster > 1 ? CLUSTERS_AT_A_TIME : AT_A_TIME;
    const int clusters = all < most ? all : most;
    ptx_cluster *cluster = calloc((size_t)clusters, sizeof *cluster);
    ptx_block *block = calloc((size_t)clusters * (size_t)l->cluster, sizeof *block);
    int next = 0, left = clusters;
    if (!cluster || !block)
        ptx_give_up("no memory for a launch");
    running = l;
    quiet = 0;
    for (int k = 0; k < clusters; k++) {
        cluster[k].blocks = l->cluster;
        for (int n = 0; n < l->cluster; n++) {
            cluster[k].block[n] = &block[k * l->cluster + n];
            make_block(cluster[k].block[n], &cluster[k]);
        }
        open_cluster(&cluster[k], &next);
    }
    while (left > 0) {
        if (++quiet > STUCK)
            ptx_give_up("%.*s: no thread gets on", l->function->name_length, l->function->name);
        for (int k = 0; k < clusters; k++) {
            if (cluster[k].blocks == 0 || run_cluster(&cluster[k]))
                continue;
            if (next < l->blocks) {
                open_cluster(&cluster[k], &next);
                continue;
            }
            cluster[k].blocks = 0;
            left--;
        }
    }
    for (int k = 0; k < clusters * l->cluster; k++)
        free_block(&block[k]);
    free(cluster);
    free(block);
}
