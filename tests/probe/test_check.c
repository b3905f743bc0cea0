/* `mhc check` on the reference dumps of PyTorch, and on copies of them that were damaged on purpose. */
#include "model/support.h"

#include <unistd.h>

#include "file/safetensors.h"
#include "probe/check.h"

static const char *const files[] = {"lm-residual", "lm-hc-static", "lm-hc",          "lm-reproducing-mhc",   "lm-paper",
                                    "lm-megatron", "lm-liger",     "lm-deepseek-v4", "lm-deepseek-v4-llama", "site"};
static char scratch[256]; /* folder of the damaged copies */

static void path_of(char *path, size_t size, const char *name) {
    const char *folder = getenv("MHC_SHARED_DIR");
    snprintf(path, size, "%s/golden/%s.safetensors", folder ? folder : "../shared", name);
    if (access(path, R_OK) != 0) {
        print_message("skipped: no reference data at %s (set MHC_SHARED_DIR)\n", path);
        skip();
    }
}

static void print_worst(const char *name, const mhc__check_report *report) {
    double gradient = 0, other[2] = {0, 0}, loss = 0, norm = 0;
    for (int i = 0; i < report->count; i++) {
        const mhc__check_row *row = &report->rows[i];
        if (strcmp(row->what, "gradient") == 0)
            gradient = fmax(gradient, row->relative);
        else if (strcmp(row->name, "losses") == 0)
            loss = row->absolute;
        else if (strcmp(row->name, "grad_norms") == 0)
            norm = row->relative;
        else
            other[strcmp(row->what, "fp32") != 0] = fmax(other[strcmp(row->what, "fp32") != 0], row->relative);
    }
    if (strcmp(report->kind, "site") == 0)
        print_message("%s: %d rows; fp32 %.2g, fp64 oracle %.2g\n", name, report->count, other[0], other[1]);
    else
        print_message("%s: %d rows; gradients %.2g, zero gradients %.2g, losses %.2g (absolute), norms %.2g\n", name,
                      report->count, gradient, other[1], loss, norm);
}

static void agrees(void **state) {
    (void)state;
    int bad = 0;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[1200];
        path_of(path, sizeof path, files[i]);
        mhc_context context = mhc_context_cpu(2);
        mhc__check_report report;
        mhc_error error = {0};
        if (mhc__check_file(path, &context, &report, &error) != MHC_OK)
            fail_msg("%s", error.message);
        assert_true(report.count > 20);
        print_worst(files[i], &report);
        for (int k = 0; k < report.count; k++)
            if (!report.rows[k].ok)
                print_error("%s: %s (%s): relative %.3g, absolute %.3g, tolerance %.3g\n", files[i],
                            report.rows[k].name, report.rows[k].what, report.rows[k].relative, report.rows[k].absolute,
                            report.rows[k].tolerance);
        bad += report.failed;
        mhc__check_report_free(&report);
    }
    assert_int_equal(bad, 0);
}

/* What a copy changes of its original. */
typedef struct damage {
    const char *tensor; /* whose first element is changed by `amount` times the largest, or which is left out when 0 */
    double amount;
    const char *key, *value; /* metadata to change */
    const char *rename;      /* the tensor's new name */
} damage;

static const char *const keys[] = {"kind",         "vocab",
                                   "dim",          "layers",
                                   "heads",        "ffn",
                                   "seq",          "batch",
                                   "streams",      "norm",
                                   "pos",          "mlp",
                                   "tied",         "lr",
                                   "weight_decay", "clip",
                                   "steps",        "beta1",
                                   "beta2",        "eps",
                                   "contract",     "sinkhorn_iterations",
                                   "iterations"};

static void nudge(mhc__tensor *tensor, double amount, void *bytes) {
    size_t size = mhc__dtype_size(tensor->dtype) * (size_t)tensor->count;
    memcpy(bytes, tensor->data, size);
    tensor->data = bytes;
    double most = 0;
    for (int64_t k = 0; k < tensor->count; k++)
        most = fmax(most, tensor->dtype == MHC__F64 ? fabs(((double *)bytes)[k]) : fabs((double)((float *)bytes)[k]));
    if (tensor->dtype == MHC__F64)
        *(double *)bytes += amount * most;
    else
        *(float *)bytes += (float)(amount * most);
}

static void copy_damaged(const char *name, const damage *harm, char *copy, size_t copy_size) {
    char path[1200];
    path_of(path, sizeof path, name);
    snprintf(copy, copy_size, "%s/damaged.safetensors", scratch);
    mhc__safetensors *file;
    assert_int_equal(mhc__safetensors_open(path, &file, NULL), MHC_OK);
    int count = mhc__safetensors_count(file), kept = 0, pairs = 0;
    mhc__tensor *tensors = calloc((size_t)count, sizeof *tensors);
    mhc__metadata metadata[sizeof keys / sizeof *keys];
    void *bytes = calloc(1, 1 << 22);
    assert_true(tensors && bytes);
    for (int i = 0; i < count; i++) {
        mhc__tensor tensor = *mhc__safetensors_at(file, i);
        if (harm->tensor && strcmp(tensor.name, harm->tensor) == 0) {
            if (harm->rename)
                tensor.name = harm->rename;
            else if (harm->amount == 0)
                continue;
            else
                nudge(&tensor, harm->amount, bytes);
        }
        tensors[kept++] = tensor;
    }
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        const char *value = mhc__safetensors_metadata(file, keys[k]);
        if (harm->key && strcmp(keys[k], harm->key) == 0)
            value = harm->value;
        if (value)
            metadata[pairs++] = (mhc__metadata){keys[k], value};
    }
    mhc_error error = {0};
    if (mhc__safetensors_write(copy, tensors, kept, metadata, pairs, &error) != MHC_OK)
        fail_msg("%s", error.message);
    mhc__safetensors_close(file);
    free(tensors);
    free(bytes);
}

/* The check runs through and reports exactly this many rows, the named one among them. */
static void disagrees(const char *name, damage harm, const char *row, int failed) {
    char copy[400];
    copy_damaged(name, &harm, copy, sizeof copy);
    mhc_context context = mhc_context_cpu(2);
    mhc__check_report report;
    mhc_error error = {0};
    if (mhc__check_file(copy, &context, &report, &error) != MHC_OK)
        fail_msg("%s", error.message);
    bool named = false;
    for (int i = 0; i < report.count; i++)
        named = named || (!report.rows[i].ok && strcmp(report.rows[i].name, row) == 0);
    if (!named)
        fail_msg("%s: damage in %s was not noticed at %s", name, harm.tensor ? harm.tensor : harm.key, row);
    if (failed)
        assert_int_equal(report.failed, failed);
    mhc__check_report_free(&report);
}

static void notices_damage(void **state) {
    (void)state;
    disagrees("lm-paper", (damage){.tensor = "grad.blocks.1.ffn.up.weight", .amount = 0.01}, "blocks.1.ffn.up.weight",
              1);
    disagrees("lm-paper", (damage){.tensor = "losses", .amount = 1e-4}, "losses", 1);
    disagrees("lm-residual", (damage){.tensor = "grad_norms", .amount = 0.02}, "grad_norms", 1);
    disagrees("lm-residual", (damage){.tensor = "blocks.0.attn.qkv.weight", .amount = 0.1}, "blocks.0.attn.qkv.weight",
              0);
    disagrees("lm-paper", (damage){.key = "beta2", .value = "0.9"}, "losses", 0);
    disagrees("lm-paper", (damage){.key = "kind", .value = "megatron"}, "blocks.0.ffn.hc.base", 0);
    disagrees("site", (damage){.tensor = "paper.calm.d_x", .amount = 1e-4}, "paper.calm.d_x", 2);
    disagrees("site", (damage){.tensor = "hc.sharp.res", .amount = 1e-9}, "hc.sharp.res", 1);
    disagrees("site", (damage){.key = "iterations", .value = "19"}, "paper.sharp.res", 0);
    disagrees("lm-paper", (damage){.tensor = "blocks.0.attn.norm.weight", .amount = NAN}, "losses", 0);
}

static void refuses(const char *name, damage harm, mhc_status expected, const char *message) {
    char copy[400];
    copy_damaged(name, &harm, copy, sizeof copy);
    mhc_context context = mhc_context_cpu(2);
    mhc__check_report report;
    mhc_error error = {0};
    mhc_status status = mhc__check_file(copy, &context, &report, &error);
    mhc__check_report_free(&report);
    if (status != expected || !strstr(error.message, message))
        fail_msg("expected %s with \"%s\", found %s: %s", mhc_status_name(expected), message, mhc_status_name(status),
                 error.message);
}

static void refuses_what_it_cannot_compare(void **state) {
    (void)state;
    refuses("lm-paper", (damage){.tensor = "norm.bias"}, MHC_MISMATCH, "norm.bias");
    refuses("lm-paper", (damage){.tensor = "grad.norm.bias"}, MHC_MISMATCH, "grad.norm.bias");
    refuses("lm-paper", (damage){.tensor = "losses"}, MHC_MISMATCH, "losses");
    refuses("lm-paper", (damage){.tensor = "batch.3.tokens"}, MHC_MISMATCH, "batch.3.tokens");
    refuses("lm-paper", (damage){.tensor = "norm.bias", .rename = "norm.extra"}, MHC_MISMATCH, "norm.extra");
    refuses("lm-paper", (damage){.key = "dim", .value = "64"}, MHC_MISMATCH, "expected shape [256, 64]");
    refuses("lm-paper", (damage){.key = "kind", .value = "no-such"}, MHC_INVALID_ARGUMENT, "no-such");
    refuses("lm-paper", (damage){.key = "vocab", .value = "many"}, MHC_INVALID_ARGUMENT, "vocab");
    refuses("lm-paper", (damage){.key = "vocab", .value = NULL}, MHC_INVALID_ARGUMENT, "vocab");
    refuses("lm-paper", (damage){.key = "streams", .value = "0"}, MHC_INVALID_ARGUMENT, "streams");
    refuses("lm-paper", (damage){.key = "batch", .value = "0"}, MHC_INVALID_ARGUMENT, "batch");
    refuses("lm-paper", (damage){.key = "mlp", .value = "relu"}, MHC_INVALID_ARGUMENT, "relu");
    refuses("site", (damage){.tensor = "liger.sharp.d_scale"}, MHC_MISMATCH, "liger.sharp.d_scale");
    refuses("site", (damage){.key = "iterations", .value = "0"}, MHC_INVALID_ARGUMENT, "iterations");
    refuses("site", (damage){.tensor = "hc.sharp.d_merged", .rename = "nobody.sharp.d_merged"}, MHC_INVALID_ARGUMENT,
            "nobody");
}

static void refuses_broken_files(void **state) {
    (void)state;
    char path[1200], copy[400];
    path_of(path, sizeof path, "lm-residual");
    copy_damaged("lm-residual", &(damage){0}, copy, sizeof copy);
    mhc_context context = mhc_context_cpu(1);
    mhc__check_report report;
    mhc_error error = {0};
    assert_int_equal(truncate(copy, 20000), 0);
    assert_int_equal(mhc__check_file(copy, &context, &report, &error), MHC_CORRUPT);
    assert_int_equal(truncate(copy, 0), 0);
    assert_int_equal(mhc__check_file(copy, &context, &report, &error), MHC_CORRUPT);
    remove(copy);
    assert_int_equal(mhc__check_file(copy, &context, &report, &error), MHC_IO);
    mhc__check_report_free(&report);
}

static int make_folder(void **state) {
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(scratch, sizeof scratch, "%s/mhc-check-XXXXXX", base ? base : P_tmpdir);
    return mkdtemp(scratch) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    char copy[400];
    snprintf(copy, sizeof copy, "%s/damaged.safetensors", scratch);
    remove(copy);
    return rmdir(scratch);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(agrees), cmocka_unit_test(notices_damage),
                                       cmocka_unit_test(refuses_what_it_cannot_compare),
                                       cmocka_unit_test(refuses_broken_files)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
