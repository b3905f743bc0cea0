/* One task is one key/value head of one sequence with the query heads that share it: its keys and values are packed
 * once, and its gradients have one owner. Queries come in blocks of ROWS rows; a block's scores reach from column 0 to
 * its last row, which is all a causal row needs. */
#include "nn/attention.h"

#include <math.h>
#include <string.h>

#include "base/compiler.h"
#include "base/threads.h"
#include "nn/block_product.h"
#include "nn/softmax.h"

#define ROWS 32

/* Where a task's pieces lie in its thread's scratch. s, d: sequence and width, rounded up to whole blocks. */
typedef struct layout {
    int64_t s, d;
    int64_t keys, values;               /* [s, d] */
    int64_t keys_across, values_across; /* transposed: panels of 16 columns, [s / 16, d, 16] */
    int64_t dkeys, dvalues;             /* [s, d] */
    int64_t q, o, dq, scores, dscores, keep;
    int64_t size;
} layout;

typedef struct task {
    const mhc__attention *attention;
    layout at;
    float *memory;
    int64_t batch, group;  /* of this task */
    int64_t stride, width; /* floats from one token's q | k | v to the next; of one head */
    int64_t q, k, v;       /* offsets of this group's first query head, key and value in a token */
    int64_t head, row;     /* of the current block: query head, first row */
    int64_t rows, columns; /* rows in use; columns reached, whole panels */
} task;

static int64_t round_up(int64_t value, int64_t to) {
    return mhc__blocks(value, to) * to;
}

static int64_t take(int64_t *size, int64_t count) {
    int64_t at = *size;
    *size += round_up(count, 16);
    return at;
}

static layout layout_of(const mhc__attention *attention) {
    layout at = {.s = round_up(attention->sequence, ROWS), .d = round_up(attention->width, MHC__BLOCK_COLUMNS)};
    at.keys = take(&at.size, at.s * at.d);
    at.values = take(&at.size, at.s * at.d);
    at.keys_across = take(&at.size, at.s * at.d);
    at.values_across = take(&at.size, at.s * at.d);
    at.dkeys = take(&at.size, at.s * at.d);
    at.dvalues = take(&at.size, at.s * at.d);
    at.q = take(&at.size, ROWS * at.d);
    at.o = take(&at.size, ROWS * at.d);
    at.dq = take(&at.size, ROWS * at.d);
    at.scores = take(&at.size, ROWS * at.s);
    at.dscores = take(&at.size, ROWS * at.s);
    at.keep = take(&at.size, at.s);
    return at;
}

int64_t mhc__attention_scratch(int threads, const mhc__attention *attention) {
    return layout_of(attention).size * threads;
}

static task task_of(const mhc__attention *attention, const layout *at, int64_t number, float *scratch) {
    int64_t width = attention->width, per_group = attention->heads / attention->kv_heads;
    task t = {.attention = attention, .at = *at, .width = width};
    t.memory = scratch + mhc__thread_index() * at->size;
    t.batch = number / attention->kv_heads;
    t.group = number % attention->kv_heads;
    t.stride = (attention->heads + 2 * (int64_t)attention->kv_heads) * width;
    t.q = t.group * per_group * width;
    t.k = (attention->heads + t.group) * width;
    t.v = t.k + attention->kv_heads * width;
    return t;
}

/* rows x width floats, `stride` apart, times `scale` into [padded rows, d], zeros around. */
MHC__CLONES static void pack(int64_t rows, int64_t width, const float *restrict x, int64_t stride, float scale,
                             int64_t padded, int64_t d, float *restrict out) {
    for (int64_t r = 0; r < padded; r++, out += d) {
        int64_t used = r < rows ? width : 0;
        for (int64_t i = 0; i < used; i++)
            out[i] = x[r * stride + i] * scale;
        for (int64_t i = used; i < d; i++)
            out[i] = 0.0f;
    }
}

/* [s, d] to panels of 16 rows, each transposed: [s / 16, d, 16]. */
MHC__CLONES static void turn_panels(int64_t s, int64_t d, const float *x, float *out) {
    for (int64_t first = 0; first < s; first += 16, x += 16 * d, out += 16 * d)
        for (int64_t i = 0; i < d; i++)
            for (int64_t l = 0; l < 16; l++)
                out[i * 16 + l] = x[l * d + i];
}

static void load_keys(task *t, const float *qkv, int backward) {
    int64_t sequence = t->attention->sequence, first = t->batch * sequence * t->stride;
    float *m = t->memory;
    pack(sequence, t->width, qkv + first + t->k, t->stride, 1.0f, t->at.s, t->at.d, m + t->at.keys);
    pack(sequence, t->width, qkv + first + t->v, t->stride, 1.0f, t->at.s, t->at.d, m + t->at.values);
    turn_panels(t->at.s, t->at.d, m + t->at.keys, m + t->at.keys_across);
    if (backward) {
        turn_panels(t->at.s, t->at.d, m + t->at.values, m + t->at.values_across);
        memset(m + t->at.dkeys, 0, (size_t)(t->at.s * t->at.d) * sizeof *m);
        memset(m + t->at.dvalues, 0, (size_t)(t->at.s * t->at.d) * sizeof *m);
    }
}

/* Chooses a block of rows of one query head and packs its queries, times 1 / sqrt(d). */
static void begin_block(task *t, int64_t head_in_group, int64_t row, const float *qkv) {
    int64_t sequence = t->attention->sequence;
    t->head = t->group * (t->attention->heads / t->attention->kv_heads) + head_in_group;
    t->row = row;
    t->rows = mhc__min(ROWS, sequence - row);
    t->columns = row + ROWS;
    pack(t->rows, t->width, qkv + (t->batch * sequence + row) * t->stride + t->q + head_in_group * t->width, t->stride,
         1.0f / sqrtf((float)t->width), ROWS, t->at.d, t->memory + t->at.q);
}

/* S = A B^T for a block, A [ROWS, d], B in panels; tiles above the diagonal are left as they are. */
MHC__INLINE void causal_scores(const task *t, int64_t a, int64_t panels, int64_t result) {
    float *m = t->memory;
    int64_t d = t->at.d, s = t->at.s;
    for (int64_t j = 0; j < t->columns; j += MHC__BLOCK_COLUMNS)
        for (int64_t i = mhc__max(j - t->row, 0) / MHC__BLOCK_ROWS * MHC__BLOCK_ROWS; i < ROWS; i += MHC__BLOCK_ROWS)
            mhc__block_4x16(d, m + a + i * d, d, 1, m + panels + j * d, 16, 0, m + result + i * s + j, s);
}

/* R = S B for a block, B [s, d]: a row uses the columns up to its own. */
MHC__INLINE void causal_weigh(const task *t, int64_t scores, int64_t b, int64_t result) {
    float *m = t->memory;
    int64_t d = t->at.d, s = t->at.s;
    for (int64_t j = 0; j < d; j += MHC__BLOCK_COLUMNS)
        for (int64_t i = 0; i < ROWS; i += MHC__BLOCK_ROWS)
            mhc__block_4x16(t->row + i + MHC__BLOCK_ROWS, m + scores + i * s, s, 1, m + b + j, d, 0,
                            m + result + i * d + j, d);
}

/* R += S^T B for a block, B [ROWS, d]: a column is used by the rows from its own on. */
MHC__INLINE void causal_collect(const task *t, int64_t scores, int64_t b, int64_t result) {
    float *m = t->memory;
    int64_t d = t->at.d, s = t->at.s;
    for (int64_t j = 0; j < d; j += MHC__BLOCK_COLUMNS)
        for (int64_t c = 0; c < t->columns; c += MHC__BLOCK_ROWS) {
            int64_t r = mhc__max(c - t->row, 0);
            mhc__block_4x16(ROWS - r, m + scores + r * s + c, 1, s, m + b + r * d + j, d, 1, m + result + c * d + j, d);
        }
}

MHC__CLONES static void forward_scores(const task *t) {
    causal_scores(t, t->at.q, t->at.keys_across, t->at.scores);
}

MHC__CLONES static void backward_scores(const task *t) {
    causal_scores(t, t->at.q, t->at.keys_across, t->at.scores);
    causal_scores(t, t->at.o, t->at.values_across, t->at.dscores);
}

/* Row of scores to probabilities without their common factor: s_c = e^(s_c - shift) for c < used, 0 up to columns. */
MHC__INLINE void exponentials(int64_t used, int64_t columns, float shift, float *s) {
#pragma omp simd
    for (int64_t c = 0; c < used; c++)
        s[c] = mhc__softmax_term(s[c] - shift);
    for (int64_t c = used; c < columns; c++)
        s[c] = 0.0f;
}

MHC__INLINE float largest_of(int64_t columns, const float *s) {
    mhc__v8 v = mhc__v8_load(s);
    for (int64_t c = 8; c < columns; c += 8)
        v = mhc__v8_max(v, mhc__v8_load(s + c));
    return mhc__v8_largest(v);
}

MHC__INLINE float sum_of(int64_t columns, const float *s) {
    mhc__v8 low = {0}, high = {0};
    for (int64_t c = 0; c < columns; c += 16) {
        low += mhc__v8_load(s + c);
        high += mhc__v8_load(s + c + 8);
    }
    return mhc__v8_sum(low, high);
}

static void drop(const task *t, int64_t row, float *keep) {
    int64_t sequence = t->attention->sequence;
    int64_t first = ((t->batch * t->attention->heads + t->head) * sequence + row) * sequence;
    mhc__dropout_mask(&t->attention->dropout, first, row + 1, keep);
}

/* Scores to e^(s - max), dropped; lse per row and 1 / sum into `scale`. */
MHC__CLONES static void softmax_rows(const task *t, float *lse, float *scale) {
    for (int64_t r = 0; r < t->rows; r++) {
        float *s = t->memory + t->at.scores + r * t->at.s, *keep = t->memory + t->at.keep;
        int64_t used = t->row + r + 1, whole = mhc__blocks(used, 16) * 16;
        for (int64_t c = used; c < whole; c++)
            s[c] = -INFINITY;
        float largest = largest_of(whole, s);
        exponentials(used, t->columns, largest, s);
        float sum = sum_of(whole, s);
        lse[r] = largest + mhc__logf(sum);
        scale[r] = 1.0f / sum;
        if (t->attention->dropout.rate > 0.0f) {
            drop(t, t->row + r, keep);
#pragma omp simd
            for (int64_t c = 0; c < used; c++)
                s[c] *= keep[c];
        }
    }
}

MHC__CLONES static void weigh_values(const task *t, const float *scale, float *restrict out, int64_t stride) {
    const float *restrict o = t->memory + t->at.o;
    causal_weigh(t, t->at.scores, t->at.values, t->at.o);
    for (int64_t r = 0; r < t->rows; r++)
        for (int64_t i = 0; i < t->width; i++)
            out[r * stride + i] = o[r * t->at.d + i] * scale[r];
}

/* Rows of the last block that lie beyond the sequence hold whatever was there before: their results are dropped, but
 * they must not be slow (subnormals) or raise a sanitizer. */
static void clear_rows(const task *t, int64_t part) {
    memset(t->memory + part + t->rows * t->at.s, 0, (size_t)((ROWS - t->rows) * t->at.s) * sizeof(float));
}

mhc_status mhc__attention_forward(int threads, const mhc__attention *attention, const float *qkv, float *out,
                                  float *lse, float *scratch, mhc_error *error) {
    (void)error;
    layout at = layout_of(attention);
    int64_t sequence = attention->sequence, per_group = attention->heads / attention->kv_heads;
    int64_t out_stride = (int64_t)attention->heads * attention->width;
    if (sequence == 0)
        return MHC_OK;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t number = 0; number < attention->batch * attention->kv_heads; number++) {
        task t = task_of(attention, &at, number, scratch);
        load_keys(&t, qkv, 0);
        for (int64_t head = 0; head < per_group; head++)
            for (int64_t row = 0; row < sequence; row += ROWS) {
                float scale[ROWS];
                begin_block(&t, head, row, qkv);
                forward_scores(&t);
                softmax_rows(&t, lse + (t.batch * attention->heads + t.head) * sequence + row, scale);
                clear_rows(&t, at.scores);
                weigh_values(&t, scale, out + (t.batch * sequence + row) * out_stride + t.head * t.width, out_stride);
            }
    }
    return MHC_OK;
}

/* D_r = sum_c P_rc dP_rc = out_r . dout_r, with dropout as without. */
MHC__CLONES static void row_products(const task *t, const float *out, const float *dout, int64_t stride,
                                     float *products) {
    for (int64_t r = 0; r < t->rows; r++, out += stride, dout += stride) {
        mhc__v8 low = {0}, high = {0};
        float rest = 0;
        int64_t i = 0;
        for (; i + 16 <= t->width; i += 16) {
            low = mhc__v8_fma(mhc__v8_load(out + i), mhc__v8_load(dout + i), low);
            high = mhc__v8_fma(mhc__v8_load(out + i + 8), mhc__v8_load(dout + i + 8), high);
        }
        for (; i < t->width; i++)
            rest = __builtin_fmaf(out[i], dout[i], rest);
        products[r] = mhc__v8_sum(low, high) + rest;
    }
}

/* scores: s to P keep; dscores: dO V^T to dS = P (keep dP - D). */
MHC__CLONES static void softmax_rows_backward(const task *t, const float *lse, const float *products) {
    for (int64_t r = 0; r < t->rows; r++) {
        float *s = t->memory + t->at.scores + r * t->at.s, *ds = t->memory + t->at.dscores + r * t->at.s;
        float *keep = t->memory + t->at.keep, product = products[r];
        int64_t used = t->row + r + 1;
        exponentials(used, t->columns, lse[r], s);
        if (t->attention->dropout.rate > 0.0f) {
            drop(t, t->row + r, keep);
#pragma omp simd
            for (int64_t c = 0; c < used; c++) {
                ds[c] = s[c] * (ds[c] * keep[c] - product);
                s[c] *= keep[c];
            }
        } else {
#pragma omp simd
            for (int64_t c = 0; c < used; c++)
                ds[c] = s[c] * (ds[c] - product);
        }
        for (int64_t c = used; c < t->columns; c++)
            ds[c] = 0.0f;
    }
}

/* dS and P of a block to dV += P^T dO, dK += dS^T q / sqrt(d), dQ = dS K / sqrt(d). */
MHC__CLONES static void block_gradients(const task *t) {
    causal_collect(t, t->at.scores, t->at.o, t->at.dvalues);
    causal_collect(t, t->at.dscores, t->at.q, t->at.dkeys);
    causal_weigh(t, t->at.dscores, t->at.keys, t->at.dq);
}

MHC__CLONES static void unpack(int64_t rows, int64_t width, const float *restrict x, int64_t d, float scale,
                               float *restrict out, int64_t stride) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < width; i++)
            out[r * stride + i] = x[r * d + i] * scale;
}

mhc_status mhc__attention_backward(int threads, const mhc__attention *attention, const float *qkv, const float *out,
                                   const float *lse, const float *dout, float *dqkv, float *scratch, mhc_error *error) {
    (void)error;
    layout at = layout_of(attention);
    int64_t sequence = attention->sequence, per_group = attention->heads / attention->kv_heads;
    int64_t out_stride = (int64_t)attention->heads * attention->width;
    float scale = 1.0f / sqrtf((float)attention->width);
    if (sequence == 0)
        return MHC_OK;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t number = 0; number < attention->batch * attention->kv_heads; number++) {
        task t = task_of(attention, &at, number, scratch);
        float *m = t.memory, *token = dqkv + t.batch * sequence * t.stride;
        load_keys(&t, qkv, 1);
        for (int64_t head = 0; head < per_group; head++)
            for (int64_t row = 0; row < sequence; row += ROWS) {
                float products[ROWS];
                begin_block(&t, head, row, qkv);
                int64_t from = (t.batch * sequence + row) * out_stride + t.head * t.width;
                pack(t.rows, t.width, dout + from, out_stride, 1.0f, ROWS, at.d, m + at.o);
                row_products(&t, out + from, dout + from, out_stride, products);
                backward_scores(&t);
                softmax_rows_backward(&t, lse + (t.batch * attention->heads + t.head) * sequence + row, products);
                clear_rows(&t, at.scores);
                clear_rows(&t, at.dscores);
                block_gradients(&t);
                unpack(t.rows, t.width, m + at.dq, at.d, scale, token + row * t.stride + t.q + head * t.width,
                       t.stride);
            }
        unpack(sequence, t.width, m + at.dkeys, at.d, 1.0f, token + t.k, t.stride);
        unpack(sequence, t.width, m + at.dvalues, at.d, 1.0f, token + t.v, t.stride);
    }
    return MHC_OK;
}
