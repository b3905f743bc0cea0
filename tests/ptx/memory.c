/* Memory: what of it there is, and loads and stores. Global memory is the host's, shared and local memory begin at 0.
 */
#include "ptx/ptx.h"

#include <stdlib.h>
#include <string.h>

typedef struct allocation {
    char *begin;
    size_t bytes;
} allocation;

static allocation *all; /* in the order of their addresses */
static size_t count, room, last;

void *ptx_allocate(size_t bytes) {
    enum { ALIGN = 256 };
    char *memory = aligned_alloc(ALIGN, (bytes + 2 * ALIGN) / ALIGN * ALIGN); /* no neighbour directly behind */
    if (count == room) {
        room = room * 2 + 64;
        all = realloc(all, room * sizeof *all);
    }
    if (!memory || !all)
        return NULL;
    memset(memory, 0xa5, bytes);
    size_t at = count++;
    for (; at > 0 && all[at - 1].begin > memory; at--)
        all[at] = all[at - 1];
    all[at] = (allocation){memory, bytes};
    return memory;
}

/* Which one begins at or below; count: none. */
static size_t find(const char *memory) {
    size_t low = 0, high = count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (all[middle].begin <= memory)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? low - 1 : count;
}

bool ptx_is_allocated(const void *memory, size_t bytes) {
    const char *at = memory;
    if (last >= count || at < all[last].begin || at >= all[last].begin + all[last].bytes)
        last = find(at);
    return last < count && at >= all[last].begin && at + bytes <= all[last].begin + all[last].bytes;
}

bool ptx_free(void *memory) {
    const size_t at = find(memory);
    if (at == count || all[at].begin != memory)
        return false;
    free(memory);
    memmove(all + at, all + at + 1, (--count - at) * sizeof *all);
    return true;
}

static char *shared_at(ptx_warp *w, int lane, uint64_t address, size_t bytes) {
    const uint64_t rank = address >> PTX_SHARED_BITS, offset = address & (((uint64_t)1 << PTX_SHARED_BITS) - 1);
    const ptx_block *block = w->block;
    if (rank > 0) {
        if (rank > (uint64_t)block->cluster->blocks)
            ptx_wrong(w, lane, "shared memory of block %d of a cluster of %d", (int)rank - 1, block->cluster->blocks);
        block = block->cluster->block[rank - 1];
    }
    if (offset + bytes > (uint64_t)block->shared_bytes)
        ptx_wrong(w, lane, "%zu bytes at %llu of %lld bytes of shared memory", bytes, (unsigned long long)offset,
                  (long long)block->shared_bytes);
    return block->shared + offset;
}

static char *local_at(ptx_warp *w, int lane, uint64_t address, size_t bytes) {
    if (address + bytes > PTX_LOCAL_BYTES)
        ptx_wrong(w, lane, "%zu bytes at %llu of local memory", bytes, (unsigned long long)address);
    return w->local + (size_t)lane * PTX_LOCAL_BYTES + address;
}

static char *param_at(ptx_warp *w, int lane, uint64_t address, size_t bytes) {
    if (address + bytes > (uint64_t)w->frame.function->param_bytes)
        ptx_wrong(w, lane, "%zu bytes at %llu of %d bytes of parameters", bytes, (unsigned long long)address,
                  w->frame.function->param_bytes);
    return (char *)w->frame.params + lane * w->frame.param_stride + address;
}

/* Of the kernel, whatever function runs: what cvta.param has made of an address. */
static char *kernel_param_at(ptx_warp *w, int lane, uint64_t address, size_t bytes) {
    if (address + bytes > (uint64_t)w->block->param_bytes)
        ptx_wrong(w, lane, "%zu bytes at %llu of %d bytes of the kernel's parameters", bytes,
                  (unsigned long long)address, w->block->param_bytes);
    return w->block->params + address;
}

static char *place_of(ptx_warp *w, int lane, ptx_space space, uint64_t address, size_t bytes) {
    if (address % bytes != 0)
        ptx_wrong(w, lane, "%zu bytes at %#llx, which is not aligned", bytes, (unsigned long long)address);
    if (space == PTX_GENERIC) {
        const uint64_t window = address >> 56 << 56;
        address -= window;
        if (window == PTX_WINDOW_PARAM)
            return kernel_param_at(w, lane, address, bytes);
        space = window == PTX_WINDOW_SHARED ? PTX_SHARED : window == PTX_WINDOW_LOCAL ? PTX_LOCAL : PTX_GLOBAL;
    }
    if (space == PTX_SHARED)
        return shared_at(w, lane, address, bytes);
    if (space == PTX_LOCAL)
        return local_at(w, lane, address, bytes);
    if (space == PTX_PARAM)
        return param_at(w, lane, address, bytes);
    if (!ptx_is_allocated((const void *)(uintptr_t)address, bytes)) {
        const size_t at = find((const char *)(uintptr_t)address);
        const long long into = at < count ? (long long)(address - (uint64_t)(uintptr_t)all[at].begin) : -1;
        ptx_wrong(w, lane, "%zu bytes at %lld of an allocation of %zu bytes, the last one below %#llx", bytes, into,
                  at < count ? all[at].bytes : 0, (unsigned long long)address);
    }
    return (char *)(uintptr_t)address;
}

static char *address_of(ptx_warp *w, int lane, const ptx_code *c, size_t bytes) {
    uint64_t address = (uint64_t)c->offset;
    if (c->narrow)
        address = (uint32_t)(address + ((const uint32_t *)ptx_at(w, c->from[0]))[lane]);
    else if (c->from[0] >= 0)
        address += ((const uint64_t *)ptx_at(w, c->from[0]))[lane];
    return place_of(w, lane, c->space, address, bytes);
}

void ptx_load(ptx_warp *w, const ptx_code *c) {
    for (int l = 0; l < PTX_LANES; l++) {
        if (!(w->mask >> l & 1))
            continue;
        const char *from = address_of(w, l, c, (size_t)(c->bytes * c->count));
        for (int k = 0; k < c->count; k++) {
            uint64_t value = 0;
            memcpy(&value, from + c->bytes * k, (size_t)c->bytes);
            if (c->sign && c->bytes < 8 && value >> (8 * c->bytes - 1) & 1)
                value |= ~(uint64_t)0 << (8 * c->bytes);
            if (c->wide)
                ((uint64_t *)ptx_at(w, c->to[k]))[l] = value;
            else
                ((uint32_t *)ptx_at(w, c->to[k]))[l] = (uint32_t)value;
        }
    }
    if (c->lets_run)
        w->budget = 0;
}

void ptx_store(ptx_warp *w, const ptx_code *c) {
    for (int l = 0; l < PTX_LANES; l++) {
        if (!(w->mask >> l & 1))
            continue;
        char *to = address_of(w, l, c, (size_t)(c->bytes * c->count));
        for (int k = 0; k < c->count; k++) {
            const char *value = ptx_at(w, c->from[1 + k]);
            memcpy(to + c->bytes * k, value + (c->wide ? 8 : 4) * l, (size_t)c->bytes);
        }
    }
    ptx_progress();
}

void ptx_release_add(ptx_warp *w, const ptx_code *c) {
    for (int l = 0; l < PTX_LANES; l++)
        if (w->mask >> l & 1)
            *(int32_t *)(void *)address_of(w, l, c, 4) += ((const int32_t *)ptx_at(w, c->from[1]))[l];
    ptx_progress();
}

void ptx_prefetch(ptx_warp *w, const ptx_code *c) {
    for (int l = 0; l < PTX_LANES; l++)
        if (w->mask >> l & 1)
            address_of(w, l, c, 1);
}
