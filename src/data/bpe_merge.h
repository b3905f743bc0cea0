/* Merging one piece: a heap of neighbouring pairs by rank over a linked list of tokens, so that n bytes take
 * n log n steps whatever they are. */
#ifndef MHC_DATA_BPE_MERGE_H
#define MHC_DATA_BPE_MERGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct mhc__pair_slot {
    int32_t left, right; /* left = -1: empty */
    int32_t rank, merged;
} mhc__pair_slot;

/* Open addressing; mask + 1 slots, a power of two, at most half full. */
typedef struct mhc__pair_table {
    mhc__pair_slot *slots;
    uint32_t mask;
} mhc__pair_table;

mhc__pair_slot *mhc__pair_find(const mhc__pair_table *table, int32_t left, int32_t right);

typedef struct mhc__merge_node {
    int32_t id, previous, next; /* places of the neighbours, -1 at the ends; id = -1: merged away */
} mhc__merge_node;

typedef struct mhc__merge_entry {
    int32_t rank, place, left, right;
} mhc__merge_entry;

/* Scratch that grows with the longest piece. Zero-initialise; release with mhc__merge_free. */
typedef struct mhc__merge {
    mhc__merge_node *nodes;
    mhc__merge_entry *heap;
    size_t capacity, entries;
} mhc__merge;

/* Merges ids[0..count) in place, returns how many are left; 0 when memory is out (count > 0). */
size_t mhc__merge_run(mhc__merge *merge, const mhc__pair_table *table, int32_t *ids, size_t count);
void mhc__merge_free(mhc__merge *merge);

#endif
