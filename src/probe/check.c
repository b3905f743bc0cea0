#include "probe/check_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void shape_text(char *text, size_t size, int dims, const int64_t *shape) {
    size_t used = (size_t)snprintf(text, size, "[");
    for (int i = 0; i < dims && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%lld", i ? ", " : "", (long long)shape[i]);
    if (used < size)
        snprintf(text + used, size - used, "]");
}

mhc_status mhc__check_tensor(const mhc__check *check, const char *name, int dims, const int64_t *shape,
                             const mhc__tensor **out) {
    const mhc__tensor *tensor = mhc__safetensors_find(check->file, name);
    char expected[128], found[256];
    shape_text(expected, sizeof expected, dims, shape);
    if (!tensor)
        return mhc__fail(check->error, MHC_MISMATCH, "%s: expected a tensor %s of shape %s, found none", check->path,
                         name, expected);
    shape_text(found, sizeof found, tensor->dims, tensor->shape);
    if (tensor->dims != dims || memcmp(tensor->shape, shape, (size_t)dims * sizeof *shape) != 0)
        return mhc__fail(check->error, MHC_MISMATCH, "%s: %s: expected shape %s, found %s", check->path, name, expected,
                         found);
    if (tensor->dtype != MHC__F32 && tensor->dtype != MHC__F64)
        return mhc__fail(check->error, MHC_MISMATCH, "%s: %s: expected F32 or F64, found %s", check->path, name,
                         mhc__dtype_name(tensor->dtype));
    *out = tensor;
    return MHC_OK;
}

double mhc__check_element(const mhc__tensor *tensor, int64_t index) {
    if (tensor->dtype == MHC__F64) {
        double value;
        memcpy(&value, (const char *)tensor->data + (size_t)index * sizeof value, sizeof value);
        return value;
    }
    float value;
    memcpy(&value, (const char *)tensor->data + (size_t)index * sizeof value, sizeof value);
    return (double)value;
}

mhc_status mhc__check_doubles(const mhc__check *check, const mhc__tensor *tensor, double **out) {
    *out = malloc((size_t)(tensor->count + 1) * sizeof **out);
    if (!*out)
        return mhc__fail(check->error, MHC_OUT_OF_MEMORY, "%s: %s: no memory", check->path, tensor->name);
    for (int64_t k = 0; k < tensor->count; k++)
        (*out)[k] = mhc__check_element(tensor, k);
    return MHC_OK;
}

void mhc__difference_add(mhc__difference *difference, double found, double expected) {
    double apart = fabs(found - expected);
    difference->error = hypot(difference->error, apart);
    difference->expected = hypot(difference->expected, expected);
    if (!(apart <= difference->absolute) && !isnan(difference->absolute))
        difference->absolute = apart;
}

double mhc__difference_relative(const mhc__difference *difference) {
    return difference->expected > 0.0 ? difference->error / difference->expected : difference->error;
}

mhc__difference mhc__difference_floats(const float *found, const mhc__tensor *expected) {
    mhc__difference difference = {0};
    for (int64_t k = 0; k < expected->count; k++)
        mhc__difference_add(&difference, (double)found[k], mhc__check_element(expected, k));
    return difference;
}

mhc__difference mhc__difference_doubles(const double *found, const mhc__tensor *expected) {
    mhc__difference difference = {0};
    for (int64_t k = 0; k < expected->count; k++)
        mhc__difference_add(&difference, found[k], mhc__check_element(expected, k));
    return difference;
}

mhc_status mhc__check_add(const mhc__check *check, const mhc__check_row *row) {
    mhc__check_report *report = check->report;
    if (report->count == report->capacity) {
        int capacity = report->capacity ? 2 * report->capacity : 64;
        mhc__check_row *grown = realloc(report->rows, (size_t)capacity * sizeof *grown);
        if (!grown)
            return mhc__fail(check->error, MHC_OUT_OF_MEMORY, "%s: no memory for the report", check->path);
        report->rows = grown;
        report->capacity = capacity;
    }
    mhc__check_row *added = &report->rows[report->count++];
    *added = *row;
    added->ok = (row->by_absolute ? row->absolute : row->relative) <= row->tolerance; /* false for NaN */
    report->failed += !added->ok;
    return MHC_OK;
}

static bool has_sites(const mhc__safetensors *file) {
    for (int i = 0; i < mhc__safetensors_count(file); i++) {
        const char *name = mhc__safetensors_at(file, i)->name, *dot = strrchr(name, '.');
        if (dot && strcmp(dot, ".d_merged") == 0)
            return true;
    }
    return false;
}

mhc_status mhc__check_file(const char *path, const mhc_context *context, mhc__check_report *report, mhc_error *error) {
    memset(report, 0, sizeof *report);
    mhc__safetensors *file;
    MHC__TRY(mhc__safetensors_open(path, &file, error));
    mhc__check check = {path, file, context, report, error};
    mhc_status status;
    if (mhc__safetensors_metadata(file, "kind")) {
        report->kind = "model";
        status = mhc__check_model(&check);
    } else if (has_sites(file)) {
        report->kind = "site";
        status = mhc__check_sites(&check);
    } else {
        status = mhc__fail(error, MHC_MISMATCH,
                           "%s: expected the metadata `kind` of a model's dump or tensors CONVENTION.NAME.d_merged of "
                           "sites, found neither",
                           path);
    }
    mhc__safetensors_close(file);
    return status;
}

void mhc__check_report_free(mhc__check_report *report) {
    free(report->rows);
    memset(report, 0, sizeof *report);
}
