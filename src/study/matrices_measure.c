#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "mhc/context.h"
#include "probe/look.h"
#include "probe/matrix.h"
#include "study/matrices.h"

enum { MATRIX = MHC_MAX_STREAMS * MHC_MAX_STREAMS };

/* ---- windows ---- */

static mhc_status add_window(const char *field, const char *text, int first, int last, int count,
                             mhc__matrices_model *model, mhc_error *error) {
    if (first < 1 || last < first || last > count)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "study.%s: \"%s\": expected sites in 1..%d, those of %s", field,
                         text, count, model->label);
    if (model->panel_count == MHC__MATRICES_PANELS)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "study.%s: more than %d matrices", field, MHC__MATRICES_PANELS);
    model->windows[model->panel_count++] = (mhc__matrices_window){first, last};
    return MHC_OK;
}

static bool number(const char **text, int *value) {
    char *end;
    long read = strtol(*text, &end, 10);
    bool fine = end != *text && read >= 1 && read <= 1000000;
    *value = fine ? (int)read : 0;
    *text = end;
    return fine;
}

static mhc_status read_list(const char *field, const char *list, bool ranges, int count, mhc__matrices_model *model,
                            mhc_error *error) {
    char piece[32];
    while (mhc__study_next_piece(&list, piece, sizeof piece)) {
        const char *at = piece;
        int first, last;
        bool fine = number(&at, &first);
        last = first;
        if (fine && ranges)
            fine = *at++ == '-' && number(&at, &last);
        if (!fine || *at)
            return mhc__fail(error, MHC_INVALID_ARGUMENT, "study.%s: \"%s\": expected %s", field, piece,
                             ranges ? "two numbers of sites, like 1-30" : "the number of a site");
        MHC__TRY(add_window(field, piece, first, last, count, model, error));
    }
    return MHC_OK;
}

mhc_status mhc__matrices_windows(const char *sites, const char *ranges, int count, mhc__matrices_model *model,
                                 mhc_error *error) {
    char singles[64], products[96];
    int half = count / 2;
    if (count == 1)
        snprintf(singles, sizeof singles, "1");
    else if (count == 2)
        snprintf(singles, sizeof singles, "1,2");
    else
        snprintf(singles, sizeof singles, "1,%d,%d", half > 1 ? half : 2, count);
    if (half > 1)
        snprintf(products, sizeof products, "1-%d,%d-%d,1-%d", half, half + 1, count, count);
    else
        snprintf(products, sizeof products, "1-%d", count);
    model->panel_count = 0;
    MHC__TRY(read_list("sites", sites ? sites : singles, false, count, model, error));
    return read_list("ranges", ranges ? ranges : products, true, count, model, error);
}

/* ---- sums over tokens ---- */

typedef struct work {
    const mhc__model *model;
    mhc__matrices_model *out;
    int n, sites;
    int64_t rows;                             /* 1: one matrix for all tokens */
    double *all;                              /* [sites][n, n] of one token */
    double *single, *prefix, *suffix, *whole; /* means: [sites][n, n] each; whole: product of the single ones */
} work;

static void identity(double *p, int n) {
    for (int i = 0; i < n * n; i++)
        p[i] = i / n == i % n;
}

/* product = product h */
static void multiply_right(double *product, int n, const double *h) {
    double row[MHC_MAX_STREAMS];
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
            row[j] = 0.0;
            for (int k = 0; k < n; k++)
                row[j] += product[i * n + k] * h[k * n + j];
        }
        memcpy(product + i * n, row, (size_t)n * sizeof *row);
    }
}

static void add(const work *w, double *mean, const double *value) {
    for (int i = 0; i < w->n * w->n; i++)
        mean[i] += value[i] / (double)w->rows;
}

static void add_gain(const work *w, mhc__matrices_curve curve, int site, double gain) {
    w->out->of_token[curve * w->sites + site] += gain / (double)w->rows;
}

static void take_token(const work *w, int64_t t) {
    int n = w->n, size = n * n;
    double product[MATRIX];
    for (int s = 0; s < w->sites; s++) {
        mhc__res_at(mhc__model_coefficients(w->model, s), n, t, w->all + s * size);
        add(w, w->single + s * size, w->all + s * size);
        add_gain(w, MHC__SINGLE_FORWARD, s, mhc__gain_forward(w->all + s * size, n));
        add_gain(w, MHC__SINGLE_BACKWARD, s, mhc__gain_backward(w->all + s * size, n));
    }
    identity(product, n);
    for (int s = 0; s < w->sites; s++) {
        mhc__multiply_left(w->all + s * size, n, product);
        add(w, w->prefix + s * size, product);
        add_gain(w, MHC__COMPOSITE_FORWARD, s, mhc__gain_forward(product, n));
    }
    identity(product, n);
    for (int s = w->sites - 1; s >= 0; s--) {
        multiply_right(product, n, w->all + s * size);
        add(w, w->suffix + s * size, product);
        add_gain(w, MHC__COMPOSITE_BACKWARD, s, mhc__gain_backward(product, n));
    }
    for (int p = 0; p < w->out->panel_count; p++) {
        identity(product, n);
        for (int s = w->out->windows[p].first - 1; s < w->out->windows[p].last; s++)
            mhc__multiply_left(w->all + s * size, n, product);
        add(w, w->out->panels + p * size, product);
    }
}

static void sum_up(const work *w) {
    mhc__matrices_model *out = w->out;
    int n = w->n, size = n * n;
    const double *last = w->prefix + (w->sites - 1) * size;
    for (int s = 0; s < w->sites; s++) {
        double *at = out->of_mean + s;
        at[MHC__SINGLE_FORWARD * w->sites] = mhc__gain_forward(w->single + s * size, n);
        at[MHC__SINGLE_BACKWARD * w->sites] = mhc__gain_backward(w->single + s * size, n);
        at[MHC__COMPOSITE_FORWARD * w->sites] = mhc__gain_forward(w->prefix + s * size, n);
        at[MHC__COMPOSITE_BACKWARD * w->sites] = mhc__gain_backward(w->suffix + s * size, n);
    }
    identity(w->whole, n);
    for (int s = 0; s < w->sites; s++)
        mhc__multiply_left(w->single + s * size, n, w->whole);
    out->column_min = mhc__column_min(last, n);
    out->row_min = INFINITY;
    for (int i = 0; i < n; i++)
        out->row_min = fmin(out->row_min, mhc__row_sum(last, n, i));
    for (int i = 0; i < size; i++)
        out->means_off = mhc__max_abs(out->means_off, w->whole[i] - last[i]);
    out->means_off /= mhc__entry_max(last, n);
}

static mhc_status allocate(work *w, mhc_error *error) {
    const char *what = "mean matrices";
    int64_t size = (int64_t)w->n * w->n, all = w->sites * size;
    MHC__TRY(MHC__ALLOCATE(w->out->panels, w->out->panel_count * size, what, error));
    MHC__TRY(MHC__ALLOCATE(w->out->of_token, (int64_t)MHC__MATRICES_CURVES * w->sites, what, error));
    MHC__TRY(MHC__ALLOCATE(w->out->of_mean, (int64_t)MHC__MATRICES_CURVES * w->sites, what, error));
    MHC__TRY(MHC__ALLOCATE(w->all, all, what, error));
    MHC__TRY(MHC__ALLOCATE(w->single, all, what, error));
    MHC__TRY(MHC__ALLOCATE(w->prefix, all, what, error));
    MHC__TRY(MHC__ALLOCATE(w->suffix, all, what, error));
    return MHC__ALLOCATE(w->whole, size, what, error);
}

static mhc_status measure_pass(const mhc__matrices *study, const mhc__model *model, mhc__matrices_model *out,
                               mhc_error *error) {
    const mhc_spec *spec = mhc__model_spec(model);
    work w = {.model = model, .out = out, .n = spec->streams, .sites = mhc__model_sites(model)};
    w.rows = spec->mapping == MHC_MAPPING_DYNAMIC ? mhc__model_tokens(model) : 1;
    out->sites = w.sites;
    out->streams = w.n;
    out->tokens = mhc__model_tokens(model);
    MHC__TRY(mhc__matrices_windows(study->sites, study->ranges, w.sites, out, error));
    mhc_status status = allocate(&w, error);
    for (int64_t t = 0; status == MHC_OK && t < w.rows; t++)
        take_token(&w, t);
    if (status == MHC_OK)
        sum_up(&w);
    mhc__release(w.all);
    mhc__release(w.single);
    mhc__release(w.prefix);
    mhc__release(w.suffix);
    mhc__release(w.whole);
    return status;
}

mhc_status mhc__matrices_measure(const mhc__matrices *study, mhc__matrices_model *model, mhc_error *error) {
    mhc_context context = mhc_context_cpu(study->options->threads);
    mhc__look look;
    MHC__TRY(mhc__look_open(model->path, study->own ? NULL : study->options->data, &look, error));
    model->step = look.trained.state.step;
    memcpy(model->connection, look.trained.config.model.connection, sizeof model->connection);
    model->altered = look.trained.config.model.constraint != 0 || look.trained.config.model.leaky > 0;
    mhc_status status = MHC_OK;
    if (mhc__model_spec(look.trained.model)->mapping == MHC_MAPPING_NONE)
        status = mhc__fail(error, MHC_INVALID_ARGUMENT, "%s: one stream, so that nothing is mixed", model->path);
    if (status == MHC_OK)
        status = mhc__model_forward(look.trained.model, &context, &look.pass, &model->loss, error);
    if (status == MHC_OK)
        status = measure_pass(study, look.trained.model, model, error);
    mhc__look_close(&look);
    return status;
}

void mhc__matrices_model_free(mhc__matrices_model *model) {
    mhc__release(model->panels);
    mhc__release(model->of_token);
    mhc__release(model->of_mean);
}

double mhc__matrices_most(const mhc__matrices_model *model, const double *curves, mhc__matrices_curve curve) {
    double most = 0.0;
    for (int s = 0; s < model->sites; s++)
        most = mhc__max_abs(most, curves[curve * model->sites + s]);
    return most;
}
