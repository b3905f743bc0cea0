#include "data/bpe_merge.h"

#include <stdlib.h>

mhc__pair_slot *mhc__pair_find(const mhc__pair_table *table, int32_t left, int32_t right) {
    uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    uint32_t at = (uint32_t)(key * 0x9E3779B97F4A7C15u >> 32) & table->mask;
    while (table->slots[at].left >= 0 && (table->slots[at].left != left || table->slots[at].right != right))
        at = (at + 1) & table->mask;
    return &table->slots[at];
}

/* Lower rank first, then further left: the order of the reference's passes. */
static bool before(const mhc__merge_entry *a, const mhc__merge_entry *b) {
    return a->rank < b->rank || (a->rank == b->rank && a->place < b->place);
}

static void push(mhc__merge *merge, mhc__merge_entry entry) {
    size_t at = merge->entries++;
    while (at > 0 && before(&entry, &merge->heap[(at - 1) / 2])) {
        merge->heap[at] = merge->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    merge->heap[at] = entry;
}

static mhc__merge_entry pop(mhc__merge *merge) {
    mhc__merge_entry top = merge->heap[0], last = merge->heap[--merge->entries];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= merge->entries)
            break;
        if (child + 1 < merge->entries && before(&merge->heap[child + 1], &merge->heap[child]))
            child++;
        if (!before(&merge->heap[child], &last))
            break;
        merge->heap[at] = merge->heap[child];
        at = child;
    }
    merge->heap[at] = last;
    return top;
}

static void offer(mhc__merge *merge, const mhc__pair_table *table, int32_t place) {
    if (place < 0 || merge->nodes[place].next < 0)
        return;
    int32_t left = merge->nodes[place].id, right = merge->nodes[merge->nodes[place].next].id;
    const mhc__pair_slot *slot = mhc__pair_find(table, left, right);
    if (slot->left >= 0)
        push(merge, (mhc__merge_entry){.rank = slot->rank, .place = place, .left = left, .right = right});
}

/* A piece of n tokens makes at most n - 1 first entries and 2 for each of at most n - 1 merges. */
static bool reserve(mhc__merge *merge, size_t count) {
    if (count <= merge->capacity)
        return true;
    size_t capacity = count < 64 ? 64 : count + count / 2;
    mhc__merge_node *nodes = realloc(merge->nodes, capacity * sizeof *nodes);
    if (nodes)
        merge->nodes = nodes;
    mhc__merge_entry *heap = realloc(merge->heap, 3 * capacity * sizeof *heap);
    if (heap)
        merge->heap = heap;
    if (!nodes || !heap)
        return false;
    merge->capacity = capacity;
    return true;
}

size_t mhc__merge_run(mhc__merge *merge, const mhc__pair_table *table, int32_t *ids, size_t count) {
    if (count < 2)
        return count;
    if (count > INT32_MAX / 4 || !reserve(merge, count))
        return 0;
    mhc__merge_node *nodes = merge->nodes;
    for (size_t i = 0; i < count; i++)
        nodes[i] = (mhc__merge_node){ids[i], (int32_t)i - 1, i + 1 < count ? (int32_t)i + 1 : -1};
    merge->entries = 0;
    for (size_t i = 0; i < count; i++)
        offer(merge, table, (int32_t)i);
    while (merge->entries) {
        mhc__merge_entry entry = pop(merge);
        mhc__merge_node *node = &nodes[entry.place];
        /* Entries of pairs that changed since are still in the heap: they no longer fit. */
        if (node->id != entry.left || node->next < 0 || nodes[node->next].id != entry.right)
            continue;
        mhc__merge_node *right = &nodes[node->next];
        node->id = mhc__pair_find(table, entry.left, entry.right)->merged;
        right->id = -1;
        node->next = right->next;
        if (node->next >= 0)
            nodes[node->next].previous = entry.place;
        offer(merge, table, node->previous);
        offer(merge, table, entry.place);
    }
    size_t kept = 0;
    for (int32_t place = 0; place >= 0; place = nodes[place].next)
        ids[kept++] = nodes[place].id;
    return kept;
}

void mhc__merge_free(mhc__merge *merge) {
    free(merge->nodes);
    free(merge->heap);
    *merge = (mhc__merge){0};
}
