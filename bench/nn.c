/* Times of the matrix products and layers of one training step: bench_nn [threads [repeats]]. Median milliseconds of
 * `repeats` runs after one to warm up. Shapes: T = 32 x 128 tokens of 256 channels, and 16 x 256 of 768. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/philox.h"
#include "base/threads.h"
#include "gemm/gemm.h"
#include "measure.h"
#include "nn/activation.h"
#include "nn/attention.h"
#include "nn/embedding.h"
#include "nn/loss.h"
#include "nn/norm.h"
#include "nn/rope.h"

enum { VOCABULARY = 1522 };

typedef struct size {
    int64_t batch, sequence, channels, heads, inner;
} size;

typedef struct bench {
    int threads, repeats;
    size size;
    int64_t tokens;
    float *a, *b, *c, *d, *e, *rows; /* each tokens x 4 channels floats at least; rows: tokens x heads */
    float *weight, *scratch;
    int32_t *ids;
    int64_t *order;
    float rate;
} bench;

static double median_of(bench *b, void (*run)(bench *)) {
    double seconds[MHC__MOST_ROUNDS];
    run(b);
    for (int r = 0; r < b->repeats; r++) {
        double start = mhc__clock_seconds();
        run(b);
        seconds[r] = mhc__clock_seconds() - start;
    }
    return mhc__spread_of(seconds, b->repeats).median;
}

typedef struct product {
    int64_t m, n, k;
    bool transpose_a, transpose_b;
} product;

static product current;

static void run_product(bench *b) {
    const product *p = &current;
    mhc__gemm(mhc__gemm_fp32(b->threads), p->transpose_a, p->transpose_b, p->m, p->n, p->k, 1, b->a,
              p->transpose_a ? p->m : p->k, b->b, p->transpose_b ? p->k : p->n, p->transpose_a ? 1 : 0, b->c, p->n,
              NULL);
}

static double print_product(bench *b, const char *name, product p) {
    current = p;
    double seconds = median_of(b, run_product);
    printf("  %-22s %5lld x %5lld x %5lld  %8.3f ms  %6.1f GFLOP/s\n", name, (long long)p.m, (long long)p.n,
           (long long)p.k, seconds * 1e3, 2e-9 * (double)p.m * (double)p.n * (double)p.k / seconds);
    return seconds;
}

static void products_of(bench *b, const char *name, int64_t out, int64_t in) {
    char label[64];
    const char *parts[] = {"forward", "dx", "dW"};
    product p[] = {
        {b->tokens, out, in, false, true}, {b->tokens, in, out, false, false}, {out, in, b->tokens, true, false}};
    for (int i = 0; i < 3; i++) {
        snprintf(label, sizeof label, "%s %s", name, parts[i]);
        print_product(b, label, p[i]);
    }
}

static mhc__attention attention_of(const bench *b) {
    mhc__attention attention = {.batch = b->size.batch,
                                .sequence = b->size.sequence,
                                .heads = (int)b->size.heads,
                                .kv_heads = (int)b->size.heads,
                                .width = (int)(b->size.channels / b->size.heads),
                                .dropout = {.rate = b->rate, .seed = 1}};
    return attention;
}

static void attention_forward(bench *b) {
    mhc__attention attention = attention_of(b);
    mhc__attention_forward(b->threads, &attention, b->a, b->b, b->rows, b->scratch, NULL);
}
static void attention_backward(bench *b) {
    mhc__attention attention = attention_of(b);
    mhc__attention_backward(b->threads, &attention, b->a, b->b, b->rows, b->c, b->d, b->scratch, NULL);
}
static void norm_forward(bench *b) {
    mhc__norm_forward(b->threads, MHC__LAYERNORM, 1e-5f, b->tokens, b->size.channels, b->a, b->weight, b->weight, b->b,
                      b->rows, b->rows + b->tokens);
}
static void norm_backward(bench *b) {
    mhc__norm_backward(b->threads, MHC__LAYERNORM, b->tokens, b->size.channels, b->a, b->weight, b->rows,
                       b->rows + b->tokens, b->c, b->d, b->e, b->e + b->size.channels, b->scratch);
}
static void gelu_forward(bench *b) {
    mhc__gelu_forward(b->threads, b->tokens * b->size.inner, b->a, b->b);
}
static void gelu_backward(bench *b) {
    mhc__gelu_backward(b->threads, b->tokens * b->size.inner, b->a, b->c, b->d);
}
static void swiglu_forward(bench *b) {
    mhc__swiglu_forward(b->threads, b->tokens * b->size.inner, b->a, b->c, b->b);
}
static void swiglu_backward(bench *b) {
    mhc__swiglu_backward(b->threads, b->tokens * b->size.inner, b->a, b->b, b->c, b->d, b->e);
}
static void rope(bench *b) {
    mhc__rope(b->threads, b->tokens, b->size.sequence, 2 * (int)b->size.heads, (int)(b->size.channels / b->size.heads),
              10000.0f, false, b->a, 3 * b->size.channels);
}
static void dropout(bench *b) {
    mhc__dropout d = {.rate = 0.1f, .seed = 1};
    mhc__dropout_apply(b->threads, &d, 0, b->tokens * b->size.channels, b->b);
}
static void embedding_forward(bench *b) {
    mhc__embedding_forward(b->threads, b->tokens, b->size.sequence, b->size.channels, b->ids, b->weight, b->weight,
                           b->b);
}
static void embedding_backward(bench *b) {
    mhc__embedding_backward(b->threads, b->tokens, b->size.sequence, b->size.channels, VOCABULARY, b->ids, b->c, b->d,
                            b->d + VOCABULARY * b->size.channels, b->order);
}
static void evaluation(bench *b) {
    double loss;
    mhc__head_loss(mhc__gemm_fp32(b->threads), b->tokens, b->size.channels, VOCABULARY, b->c, b->weight, b->ids, 1,
                   &loss, NULL, NULL, b->scratch, NULL);
}
static void loss(bench *b) {
    double value;
    mhc__head_loss(mhc__gemm_fp32(b->threads), b->tokens, b->size.channels, VOCABULARY, b->c, b->weight, b->ids, 1,
                   &value, b->d, b->e, b->scratch, NULL);
}

static void print_layer(bench *b, const char *name, void (*run)(bench *)) {
    printf("  %-32s %8.3f ms\n", name, median_of(b, run) * 1e3);
}

static void run_size(bench *b) {
    const size *s = &b->size;
    printf("B %lld, S %lld, C %lld, heads %lld, inner %lld, V %d; %d threads\n", (long long)s->batch,
           (long long)s->sequence, (long long)s->channels, (long long)s->heads, (long long)s->inner, VOCABULARY,
           b->threads);
    products_of(b, "qkv", 3 * s->channels, s->channels);
    products_of(b, "projection", s->channels, s->channels);
    products_of(b, "up", s->inner, s->channels);
    products_of(b, "down", s->channels, s->inner);
    products_of(b, "head", VOCABULARY, s->channels);
    b->rate = 0;
    print_layer(b, "attention forward", attention_forward);
    print_layer(b, "attention backward", attention_backward);
    b->rate = 0.1f;
    print_layer(b, "attention forward, dropout", attention_forward);
    print_layer(b, "attention backward, dropout", attention_backward);
    print_layer(b, "layernorm forward", norm_forward);
    print_layer(b, "layernorm backward", norm_backward);
    print_layer(b, "gelu forward", gelu_forward);
    print_layer(b, "gelu backward", gelu_backward);
    print_layer(b, "swiglu forward", swiglu_forward);
    print_layer(b, "swiglu backward", swiglu_backward);
    print_layer(b, "rope, q and k", rope);
    print_layer(b, "dropout of T x C", dropout);
    print_layer(b, "embedding forward", embedding_forward);
    print_layer(b, "embedding backward", embedding_backward);
    print_layer(b, "head and loss, evaluation", evaluation);
    print_layer(b, "head and loss, training", loss);
}

static float *random_floats(int64_t count, float deviation, uint64_t key) {
    float *x = aligned_alloc(64, (size_t)(count + 15) / 16 * 64);
    if (!x) {
        fprintf(stderr, "bench_nn: out of memory\n");
        exit(1);
    }
    mhc__normal_fill(key, 0, deviation, x, count);
    return x;
}

int main(int argc, char **argv) {
    bench b = {.threads = argc > 1 ? atoi(argv[1]) : mhc__default_threads(), .repeats = argc > 2 ? atoi(argv[2]) : 5};
    const size sizes[] = {{32, 128, 256, 8, 1024}, {16, 256, 768, 12, 3072}};
    if (b.threads < 1 || b.repeats < 1 || b.repeats > MHC__MOST_ROUNDS) {
        fprintf(stderr, "usage: bench_nn [threads [repeats up to %d]]\n", MHC__MOST_ROUNDS);
        return 2;
    }
    printf("%s\n", mhc__gemm_provider());
    for (int i = 0; i < 2; i++) {
        b.size = sizes[i];
        b.tokens = b.size.batch * b.size.sequence;
        int64_t count = b.tokens * mhc__max(b.size.inner, VOCABULARY);
        mhc__attention attention = attention_of(&b);
        int64_t scratch = mhc__max(mhc__attention_scratch(b.threads, &attention),
                                   mhc__max(mhc__head_loss_scratch(b.tokens, VOCABULARY),
                                            mhc__norm_backward_scratch(b.tokens, b.size.channels)));
        b.a = random_floats(count, 1, 1);
        b.b = random_floats(count, 1, 2);
        b.c = random_floats(count, 1, 3);
        b.d = random_floats(count, 0.1f, 4);
        b.e = random_floats(count, 0.1f, 5);
        b.rows = random_floats(b.tokens * (b.size.heads + 2), 1, 6);
        b.weight = random_floats(VOCABULARY * b.size.channels, 0.02f, 7);
        b.scratch = random_floats(scratch, 1, 8);
        b.order = calloc((size_t)mhc__embedding_scratch(b.tokens, VOCABULARY), sizeof *b.order);
        b.ids = calloc((size_t)b.tokens, sizeof *b.ids);
        if (!b.order || !b.ids)
            return 1;
        for (int64_t t = 0; t < b.tokens; t++)
            b.ids[t] = (int32_t)(mhc__philox_at(9, (uint64_t)t, 0).v[0] % VOCABULARY);
        run_size(&b);
        void *all[] = {b.a, b.b, b.c, b.d, b.e, b.rows, b.weight, b.scratch, b.order, b.ids};
        for (size_t j = 0; j < sizeof all / sizeof *all; j++)
            free(all[j]);
    }
    return 0;
}
