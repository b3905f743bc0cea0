/* The coefficients of each site, from its parameters. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "inspect.h"
#include "run_folder.h"

typedef struct matrices {
    mhc__trained trained;
    const mhc_spec *spec;
    mhc_site_sizes sizes;
    float *fn; /* zeros in place of the weights */
    float *x, *coefficients, *saved;
    char *workspace;
} matrices;

static float *weights_of(matrices *m, const char *prefix, size_t length, const char *suffix) {
    char name[96];
    snprintf(name, sizeof name, "%.*s%s", (int)length, prefix, suffix);
    const mhc__parameter *parameter = mhc__model_parameter_find(m->trained.model, name);
    return parameter ? mhc__model_weights(m->trained.model) + parameter->offset : NULL;
}

static void print_row(const char *name, const float *row, int n) {
    printf("  %-5s", name);
    for (int i = 0; i < n; i++)
        printf(" %8.4f", (double)row[i]);
    printf("\n");
}

static void print_site(const char *name, int length, const float *coefficients, int n) {
    printf("\n%.*s\n", length, name);
    print_row("pre", coefficients, n);
    print_row("post", coefficients + n, n);
    double rows = 0.0, columns = 0.0;
    for (int i = 0; i < n; i++) {
        double row = 0.0, column = 0.0;
        for (int j = 0; j < n; j++) {
            row += (double)coefficients[2 * n + i * n + j];
            column += (double)coefficients[2 * n + j * n + i];
        }
        rows = fmax(rows, fabs(row - 1.0));
        columns = fmax(columns, fabs(column - 1.0));
        print_row(i ? "" : "res", coefficients + 2 * n + i * n, n);
    }
    printf("        row sums within %.2g of 1, column sums within %.2g\n", rows, columns);
}

/* One token of ones, and no fn: what remains of the logits is base. */
static mhc_status print_base(matrices *m, const char *name, size_t length, mhc_error *error) {
    mhc_context context = mhc_context_cpu(1);
    int n = m->spec->streams;
    mhc_site_params params = {weights_of(m, name, length, "hc.fn") ? m->fn : NULL,
                              weights_of(m, name, length, "hc.base"), weights_of(m, name, length, "hc.scale")};
    mhc_rows none = {NULL, 0};
    MHC__TRY(mhc_pre_forward(&context, m->spec, &params, 1, mhc_streams_of(m->x, n, m->spec->channels), NULL,
                             m->coefficients, m->saved, none, m->workspace, m->sizes.workspace, error));
    print_site(name, (int)length - 1, m->coefficients, n);
    return MHC_OK;
}

static mhc_status allocate(matrices *m, mhc_error *error) {
    m->spec = mhc__model_spec(m->trained.model);
    int64_t width = m->spec->streams * m->spec->channels;
    MHC__TRY(mhc_site_sizes_query(m->spec, 1, &m->sizes, error));
    MHC__TRY(MHC__ALLOCATE(m->fn, m->sizes.fn_rows * m->sizes.fn_columns, "fn", error));
    MHC__TRY(MHC__ALLOCATE(m->x, width, "streams", error));
    MHC__TRY(MHC__ALLOCATE(m->coefficients, m->sizes.coefficients, "coefficients", error));
    MHC__TRY(MHC__ALLOCATE(m->saved, m->sizes.saved, "coefficients", error));
    MHC__TRY(MHC__ALLOCATE(m->workspace, (int64_t)m->sizes.workspace, "workspace", error));
    for (int64_t i = 0; i < width; i++)
        m->x[i] = 1.0f;
    return MHC_OK;
}

static mhc_status print_all(matrices *m, const char *path, mhc_error *error) {
    MHC__TRY(mhc__trained_open_model(path, &m->trained, error));
    MHC__TRY(allocate(m, error));
    const char *connection = m->trained.config.model.connection;
    if (m->spec->mapping == MHC_MAPPING_NONE) {
        printf("\n%s: one stream, nothing is mixed: pre = post = res = 1\n", connection);
        return MHC_OK;
    }
    printf("\n%s, %d streams; res: row = destination stream, column = source\n", connection, m->spec->streams);
    printf(m->spec->mapping == MHC_MAPPING_STATIC
               ? "Static: these are the coefficients of every token.\n"
               : "Dynamic: each token has its own. These come from base alone, as if fn were 0.\n");
    for (int i = 0; i < mhc__model_parameter_count(m->trained.model); i++) {
        const char *name = mhc__model_parameter(m->trained.model, i)->name;
        const char *base = strstr(name, "hc.base");
        if (base && base > name && strncmp(name, "head.", 5) != 0)
            MHC__TRY(print_base(m, name, (size_t)(base - name), error));
    }
    return MHC_OK;
}

mhc_status mhc__print_matrices(const char *path, mhc_error *error) {
    matrices m = {0};
    mhc_status status = print_all(&m, path, error);
    mhc__release(m.fn);
    mhc__release(m.x);
    mhc__release(m.coefficients);
    mhc__release(m.saved);
    mhc__release(m.workspace);
    mhc__trained_close(&m.trained);
    return status;
}
