#include "inspect.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "command.h"
#include "file/safetensors.h"
#include "mhc/type.h"
#include "report/table.h"
#include "run_folder.h"

/* Copied out first: data of a foreign file need not be aligned. */
#define ELEMENT(type)                                                                                                  \
    do {                                                                                                               \
        type value;                                                                                                    \
        memcpy(&value, (const char *)tensor->data + (size_t)index * sizeof value, sizeof value);                       \
        return (double)value;                                                                                          \
    } while (0)

static double element(const mhc__tensor *tensor, int64_t index) {
    uint16_t bits;
    switch (tensor->dtype) {
    case MHC__F32:
        ELEMENT(float);
    case MHC__F64:
        ELEMENT(double);
    case MHC__BF16:
    case MHC__F16:
        memcpy(&bits, (const char *)tensor->data + (size_t)index * sizeof bits, sizeof bits);
        return (double)(tensor->dtype == MHC__F16 ? mhc_fp16_value(bits) : mhc_bf16_value(bits));
    case MHC__I64:
        ELEMENT(int64_t);
    case MHC__I32:
        ELEMENT(int32_t);
    case MHC__I16:
        ELEMENT(int16_t);
    case MHC__I8:
        ELEMENT(int8_t);
    case MHC__U64:
        ELEMENT(uint64_t);
    case MHC__U32:
        ELEMENT(uint32_t);
    case MHC__U16:
        ELEMENT(uint16_t);
    case MHC__U8:
    case MHC__BOOL:
        ELEMENT(uint8_t);
    }
    return NAN;
}

static void add_row(mhc__table *table, const mhc__tensor *tensor) {
    double squares = 0.0, least = INFINITY, most = -INFINITY;
    int64_t bad = 0;
    for (int64_t i = 0; i < tensor->count; i++) {
        double value = element(tensor, i);
        bad += !isfinite(value);
        squares += value * value;
        least = value < least ? value : least;
        most = value > most ? value : most;
    }
    mhc__text shape = {0};
    for (int d = 0; d < tensor->dims; d++)
        mhc__text_format(&shape, "%s%" PRId64, d ? " x " : "", tensor->shape[d]);
    mhc__table_cell(table, "%s", tensor->name);
    mhc__table_cell(table, "%s", mhc__dtype_name(tensor->dtype));
    mhc__table_cell(table, "%s", shape.data ? shape.data : "scalar");
    mhc__text_free(&shape);
    mhc__table_number(table, sqrt(squares));
    if (least <= most) {
        mhc__table_number(table, least);
        mhc__table_number(table, most);
    } else {
        mhc__table_cell(table, "–");
        mhc__table_cell(table, "–");
    }
    mhc__table_cell(table, "%" PRId64, bad);
}

static mhc_status print_tensors(const char *path, mhc_error *error) {
    mhc__safetensors *file;
    MHC__TRY(mhc__safetensors_open(path, &file, error));
    mhc__table table = {0};
    mhc__text text = {0};
    int64_t total = 0;
    mhc__table_start(&table, "Tensor|Type|Shape|L2 norm|Smallest|Largest|NaN or Inf");
    for (int i = 0; i < mhc__safetensors_count(file); i++) {
        add_row(&table, mhc__safetensors_at(file, i));
        total += mhc__safetensors_at(file, i)->count;
    }
    mhc__table_plain(&table, &text);
    mhc_status status = MHC_OK;
    if (table.failed || text.failed)
        status = mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory for its table", path);
    else
        printf("%s: %d tensors, %" PRId64 " values\n\n%s", path, mhc__safetensors_count(file), total,
               text.data ? text.data : "");
    mhc__text_free(&text);
    mhc__table_free(&table);
    mhc__safetensors_close(file);
    return status;
}

static mhc_status inspect(const char *path, bool folder, bool matrices, mhc_error *error) {
    if (!folder)
        return print_tensors(path, error);
    char *checkpoint, *weights;
    MHC__TRY(mhc__checkpoint_find(path, &checkpoint, error));
    mhc_status status = mhc__join(checkpoint, "model.safetensors", &weights, error);
    free(checkpoint);
    MHC__TRY(status);
    status = print_tensors(weights, error);
    free(weights);
    return status == MHC_OK && matrices ? mhc__print_matrices(path, error) : status;
}

int mhc__command_inspect(const mhc__arguments *arguments) {
    static const char *const for_probes[] = {"data", "tokens", "out", "threads"};
    const char *path = mhc__operand(arguments, 0);
    bool matrices = mhc__option_given(arguments, "h"), probes = mhc__option_given(arguments, "probes");
    struct stat state;
    bool folder = stat(path, &state) == 0 && S_ISDIR(state.st_mode);
    mhc_error error = {0};
    if (!folder && (matrices || probes))
        return mhc__misused(arguments->command,
                            "--h and --probes need a run's folder or a checkpoint, which say what the model is");
    for (int i = 0; i < 4 && !probes; i++)
        if (mhc__option_given(arguments, for_probes[i]))
            return mhc__misused(arguments->command, "--data, --tokens, --out and --threads go with --probes");
    mhc_status status = probes ? mhc__print_probes(path, arguments, &error) : inspect(path, folder, matrices, &error);
    return status == MHC_OK ? MHC__EXIT_FINE : mhc__failed(&error);
}
