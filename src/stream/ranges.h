/* How the tokens of a backward call are cut: into ranges, which threads share out and whose sums are added in order at
 * the end, and ranges into chunks, whose streams stay in the cache from one pass to the next. Both depend on the shape
 * of the call alone, never on the number of threads. */
#ifndef MHC_STREAM_RANGES_H
#define MHC_STREAM_RANGES_H

#include "base/threads.h"

/* Tokens of a chunk at most; ranges are multiples of it. */
#define MHC__CHUNK 32

enum { MHC__RANGES_MOST = 16, MHC__RANGE_TOKENS = 128 };

static inline int64_t mhc__range_tokens(int64_t tokens) {
    int64_t ranges = mhc__max(1, mhc__min(MHC__RANGES_MOST, mhc__blocks(tokens, MHC__RANGE_TOKENS)));
    return mhc__blocks(mhc__blocks(tokens, ranges), MHC__CHUNK) * MHC__CHUNK;
}

static inline int mhc__ranges(int64_t tokens) {
    return tokens == 0 ? 0 : (int)mhc__blocks(tokens, mhc__range_tokens(tokens));
}

/* First token of a range, or of the one past the last. */
static inline int64_t mhc__range_first(int64_t tokens, int range) {
    return mhc__min(tokens, range * mhc__range_tokens(tokens));
}

#endif
