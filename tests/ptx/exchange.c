/* Instructions for which the lanes of a warp meet, or its threads and those of other warps. */
#include "ptx/ptx.h"

#include <string.h>

#include "stream/tensor_sum.h"

static void wait_here(ptx_warp *w, uint32_t *who) {
    *who |= w->mask;
    for (int l = 0; l < PTX_LANES; l++)
        if (w->mask >> l & 1)
            w->place[l] = w->pc;
    w->mask = 0;
    w->changed = true;
}

bool ptx_gathered(ptx_warp *w, uint32_t need) {
    uint32_t here = w->mask;
    if (need & ~w->live)
        ptx_wrong(w, -1, "lanes %#x have left, where all of %#x have to be", need & ~w->live, need);
    for (int l = 0; l < PTX_LANES; l++)
        if (w->at_warp >> l & 1 && w->place[l] == w->pc)
            here |= (uint32_t)1 << l;
    if ((here & need) != need) {
        wait_here(w, &w->at_warp);
        return false;
    }
    w->at_warp &= ~here;
    w->mask = here;
    return true;
}

static void sync_warp(ptx_warp *w, const ptx_code *c) {
    const uint32_t *need = ptx_at(w, c->from[0]);
    ptx_gathered(w, need[__builtin_ctz(w->mask)]);
}

/* shfl.sync.bfly.b32 d, a, b, c, mask: d = a of the lane whose number differs by b; c: over the whole warp. */
static void shuffle(ptx_warp *w, const ptx_code *c) {
    uint32_t *d = ptx_at(w, c->to[0]), a[PTX_LANES];
    const uint32_t *by = ptx_at(w, c->from[1]), *width = ptx_at(w, c->from[2]), *need = ptx_at(w, c->from[3]);
    const int first = __builtin_ctz(w->mask);
    if (width[first] != 31)
        ptx_wrong(w, first, "a shuffle of other lanes than all");
    if (!ptx_gathered(w, need[first]))
        return;
    memcpy(a, ptx_at(w, c->from[0]), sizeof a);
    for (int l = 0; l < PTX_LANES; l++)
        if (w->mask >> l & 1) {
            if (!(w->mask >> (l ^ (int)by[l]) & 1))
                ptx_wrong(w, l, "a shuffle from lane %d, which is not here", l ^ (int)by[l]);
            d[l] = a[l ^ (int)by[l]];
        }
}

/* movmatrix.m8n8.trans.b16: lane l has row l / 4, columns 2 (l % 4) and the one after, the first in the lower half. */
static void transpose(ptx_warp *w, const ptx_code *c) {
    uint16_t matrix[8][8];
    if (!ptx_gathered(w, ~0u))
        return;
    uint32_t *d = ptx_at(w, c->to[0]);
    const uint32_t *a = ptx_at(w, c->from[0]);
    for (int l = 0; l < PTX_LANES; l++) {
        matrix[l / 4][l % 4 * 2] = (uint16_t)a[l];
        matrix[l / 4][l % 4 * 2 + 1] = (uint16_t)(a[l] >> 16);
    }
    for (int l = 0; l < PTX_LANES; l++)
        d[l] = matrix[l % 4 * 2][l / 4] | (uint32_t)matrix[l % 4 * 2 + 1][l / 4] << 16;
}

/* ---------------------------------------------------------------------------------------------------- tensor cores */

static float bf16_value(uint32_t word, int upper) {
    const uint32_t bits = upper ? word & 0xffff0000u : word << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* mma.m16n8k8 and k16, row by column: a is 16 x k, b k x 8, d 16 x 8. Word w of a in lane l: row l / 4 + 8 (w % 2),
 * columns 2 (l % 4) + 8 (w / 2) and the one after; of b: column l / 4, rows 2 (l % 4) + 8 w and the one after; of d:
 * row l / 4 + 8 (w / 2), column 2 (l % 4) + w % 2. */
static void multiply(ptx_warp *w, const ptx_code *c, int depth) {
    float a[16][16], b[16][8], d[16][8];
    const int words = depth / 8;
    if (!ptx_gathered(w, ~0u))
        return;
    for (int l = 0; l < PTX_LANES; l++) {
        for (int k = 0; k < 2 * words; k++) {
            const uint32_t word = ((const uint32_t *)ptx_at(w, c->from[k]))[l];
            for (int e = 0; e < 2; e++)
                a[l / 4 + k % 2 * 8][l % 4 * 2 + k / 2 * 8 + e] = bf16_value(word, e);
        }
        for (int k = 0; k < words; k++) {
            const uint32_t word = ((const uint32_t *)ptx_at(w, c->from[2 * words + k]))[l];
            for (int e = 0; e < 2; e++)
                b[l % 4 * 2 + k * 8 + e][l / 4] = bf16_value(word, e);
        }
        for (int k = 0; k < 4; k++)
            d[l / 4 + k / 2 * 8][l % 4 * 2 + k % 2] = ((const float *)ptx_at(w, c->from[3 * words + k]))[l];
    }
    for (int row = 0; row < 16; row++)
        for (int column = 0; column < 8; column++)
            for (int first = 0; first < depth; first += 8) {
                float right[8];
                for (int k = 0; k < 8; k++)
                    right[k] = b[first + k][column];
                d[row][column] = mhc__tensor_sum(d[row][column], a[row] + first, right);
            }
    for (int l = 0; l < PTX_LANES; l++)
        for (int k = 0; k < 4; k++)
            ((float *)ptx_at(w, c->to[k]))[l] = d[l / 4 + k / 2 * 8][l % 4 * 2 + k % 2];
}

static void multiply8(ptx_warp *w, const ptx_code *c) {
    multiply(w, c, 8);
}
static void multiply16(ptx_warp *w, const ptx_code *c) {
    multiply(w, c, 16);
}

/* -------------------------------------------------------------------------------------------- blocks and clusters */

/* machine.c lets them go on, behind the barrier, when all of the block are here. */
static void sync_block(ptx_warp *w, const ptx_code *c) {
    (void)c;
    wait_here(w, &w->at_block);
}

static void arrive(ptx_warp *w, const ptx_code *c) {
    ptx_cluster *its = w->block->cluster;
    (void)c;
    for (int l = 0; l < PTX_LANES; l++)
        if (w->mask >> l & 1) {
            w->generation[l] = its->generation;
            its->arrived++;
        }
    ptx_progress();
}

static void wait_cluster(ptx_warp *w, const ptx_code *c) {
    (void)c;
    wait_here(w, &w->at_cluster);
}

static void fence(ptx_warp *w, const ptx_code *c) {
    (void)w;
    (void)c;
}

const ptx_operation *ptx_exchange(const char *name, size_t length) {
    static const ptx_operation all[] = {
        {"mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32", "4444=4444444444", multiply16},
        {"mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32", "4444=4444444", multiply8},
        {"movmatrix.sync.aligned.m8n8.trans.b16", "4=4", transpose},
        {"shfl.sync.bfly.b32", "4=4444", shuffle},
        {"bar.warp.sync", "=4", sync_warp},
        {"bar.sync", "=4", sync_block},
        {"barrier.cluster.arrive.release", "", arrive},
        {"barrier.cluster.wait.acquire", "", wait_cluster},
        {"fence.acq_rel.gpu", "", fence},
    };
    return ptx_find(all, sizeof all / sizeof *all, name, length);
}
