/* One task is one key/value head of one sequence with the query heads that share it: its keys and values are packed
 * once, and its gradients have one owner. Queries come in blocks of ROWS rows; a block's scores reach from column 0 to
 * its last row, which is all a causal row needs. */
#include "nn/attention.h"

#include <math.h>
#include <string.h>

#include "base/compiler.h"
#include "base/threads.h"
#include "nn/block_product.h"

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
static void pack(int64_t rows, int64_t width, const float *x, int64_t stride, float scale, int64_t padded, int64_t d,
                 float *out) {
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

MHC__CLONES static void scores(const task *t) {
    float *m = t->memory;
    mhc__block_product(ROWS, t->columns, t->at.d, m + t->at.q, t->at.d, 1, m + t->at.keys_across, 16 * t->at.d, 16, 0,
                       m + t->at.scores, t->at.s);
}

/* Row of scores to probabilities without their common factor: s_c = e^(s_c - shift) for c <= last, 0 up to columns. */
MHC__INLINE void exponentials(int64_t last, int64_t columns, float shift, float *s) {
#pragma omp simd
    for (int64_t c = 0; c <= last; c++)
        s[c] = mhc__expf(s[c] - shift);
    for (int64_t c = last + 1; c < columns; c++)
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

MHC__INLINE void multiply(int64_t count, const float *a, float *x) {
#pragma omp simd
    for (int64_t i = 0; i < count; i++)
        x[i] *= a[i];
}

static void drop(const task *t, int64_t row, float *keep) {
    int64_t sequence = t->attention->sequence;
    int64_t first = ((t->batch * t->attention->heads + t->head) * sequence + row) * sequence;
    mhc__dropout_mask(&t->attention->dropout, first, row + 1, keep);
    memset(keep + row + 1, 0, (size_t)(t->columns - row - 1) * sizeof *keep);
}

/* Scores to e^(s - max), dropped; lse per row and 1 / sum into `scale`. */
MHC__CLONES static void softmax_rows(const task *t, float *lse, float *scale) {
    for (int64_t r = 0; r < t->rows; r++) {
        float *s = t->memory + t->at.scores + r * t->at.s, *keep = t->memory + t->at.keep;
        int64_t row = t->row + r;
        for (int64_t c = row + 1; c < t->columns; c++)
            s[c] = -INFINITY;
        float largest = largest_of(t->columns, s);
        exponentials(row, t->columns, largest, s);
        float sum = sum_of(t->columns, s);
        lse[r] = largest + mhc__logf(sum);
        scale[r] = 1.0f / sum;
        if (t->attention->dropout.rate > 0.0f) {
            drop(t, row, keep);
            multiply(t->columns, keep, s);
        }
    }
}

MHC__CLONES static void weigh_values(const task *t, const float *scale, float *out, int64_t stride) {
    float *m = t->memory, *o = m + t->at.o;
    mhc__block_product(ROWS, t->at.d, t->columns, m + t->at.scores, t->at.s, 1, m + t->at.values, 16, t->at.d, 0, o,
                       t->at.d);
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
                scores(&t);
                softmax_rows(&t, lse + (t.batch * attention->heads + t.head) * sequence + row, scale);
                clear_rows(&t, at.scores);
                weigh_values(&t, scale, out + (t.batch * sequence + row) * out_stride + t.head * t.width, out_stride);
            }
    }
    return MHC_OK;
}

/* D_r = sum_c P_rc dP_rc = out_r . dout_r, with dropout as without. */
static void row_products(const task *t, const float *out, const float *dout, int64_t stride, float *products) {
    for (int64_t r = 0; r < t->rows; r++) {
        float sum = 0;
        for (int64_t i = 0; i < t->width; i++)
            sum = __builtin_fmaf(out[r * stride + i], dout[r * stride + i], sum);
        products[r] = sum;
    }
}

/* scores: s to P keep; dscores: dO V^T to dS = P (keep dP - D). */
MHC__CLONES static void softmax_rows_backward(const task *t, const float *lse, const float *products) {
    for (int64_t r = 0; r < t->rows; r++) {
        float *s = t->memory + t->at.scores + r * t->at.s, *ds = t->memory + t->at.dscores + r * t->at.s;
        float *keep = t->memory + t->at.keep, product = products[r];
        exponentials(t->row + r, t->columns, lse[r], s);
        if (t->attention->dropout.rate > 0.0f) {
            drop(t, t->row + r, keep);
            multiply(t->columns, keep, ds);
#pragma omp simd
            for (int64_t c = 0; c < t->columns; c++) {
                ds[c] = s[c] * (ds[c] - product);
                s[c] *= keep[c];
            }
        } else {
#pragma omp simd
            for (int64_t c = 0; c < t->columns; c++)
                ds[c] = s[c] * (ds[c] - product);
        }
    }
}

/* dS and P of a block to dV += P^T dO, dK += dS^T q / sqrt(d), dQ = dS K / sqrt(d). */
MHC__CLONES static void block_gradients(const task *t) {
    float *m = t->memory;
    int64_t d = t->at.d, s = t->at.s;
    mhc__block_product(t->columns, d, ROWS, m + t->at.scores, 1, s, m + t->at.o, 16, d, 1, m + t->at.dvalues, d);
    mhc__block_product(t->columns, d, ROWS, m + t->at.dscores, 1, s, m + t->at.q, 16, d, 1, m + t->at.dkeys, d);
    mhc__block_product(ROWS, d, t->columns, m + t->at.dscores, s, 1, m + t->at.keys, 16, d, 0, m + t->at.dq, d);
}

MHC__CLONES static void scores_backward(const task *t) {
    float *m = t->memory;
    mhc__block_product(ROWS, t->columns, t->at.d, m + t->at.o, t->at.d, 1, m + t->at.values_across, 16 * t->at.d, 16, 0,
                       m + t->at.dscores, t->at.s);
}

static void unpack(int64_t rows, int64_t width, const float *x, int64_t d, float scale, float *out, int64_t stride) {
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
                scores(&t);
                scores_backward(&t);
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
