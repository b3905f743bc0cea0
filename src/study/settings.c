#include "study/settings.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char PREFIX[] = "study.";
enum { PREFIX_LENGTH = sizeof PREFIX - 1 };

void mhc__study_note(const mhc__study_options *options, const char *format, ...) {
    if (!options->log)
        return;
    va_list arguments;
    va_start(arguments, format);
    vfprintf(options->log, format, arguments);
    va_end(arguments);
    fputc('\n', options->log);
    fflush(options->log);
}

mhc_status mhc__study_stopped(const mhc__study_options *options, mhc_error *error) {
    if (options->stop && *options->stop)
        return mhc__fail(error, MHC_INTERRUPTED, "stopped on request; run the same command again to go on");
    return MHC_OK;
}

const char *mhc__study_setting(const mhc__study_options *options, const char *name, const char *otherwise) {
    const char *value = otherwise;
    size_t length = strlen(name);
    for (int i = 0; i < options->set_count; i++) {
        const char *set = options->set[i];
        if (!strncmp(set, PREFIX, PREFIX_LENGTH) && !strncmp(set + PREFIX_LENGTH, name, length) &&
            set[PREFIX_LENGTH + length] == '=')
            value = set + PREFIX_LENGTH + length + 1;
    }
    return value;
}

mhc_status mhc__study_settings_check(const mhc__study_options *options, const char *const *names, mhc_error *error) {
    for (int i = 0; i < options->set_count; i++) {
        const char *set = options->set[i];
        if (strncmp(set, PREFIX, PREFIX_LENGTH) != 0)
            continue;
        const char *equals = strchr(set, '=');
        size_t length = equals ? (size_t)(equals - set) - PREFIX_LENGTH : 0;
        bool known = false;
        mhc__text list = {0};
        for (const char *const *name = names; *name; name++) {
            known |= equals && strlen(*name) == length && !strncmp(*name, set + PREFIX_LENGTH, length);
            mhc__text_format(&list, "%sstudy.%s", name == names ? "" : ", ", *name);
        }
        if (!known)
            mhc__fail(error, MHC_INVALID_ARGUMENT, "--set %s: expected FIELD=VALUE; this study's own fields are %s",
                      set, list.data ? list.data : "none");
        mhc__text_free(&list);
        if (!known)
            return MHC_INVALID_ARGUMENT;
    }
    return MHC_OK;
}

bool mhc__study_next_piece(const char **list, char *piece, size_t size) {
    if (!*list)
        return false;
    const char *comma = strchr(*list, ',');
    size_t length = comma ? (size_t)(comma - *list) : strlen(*list);
    snprintf(piece, size, "%.*s", (int)(length < size ? length : size - 1), *list);
    *list = comma ? comma + 1 : NULL;
    return true;
}

mhc_status mhc__study_integers(const char *list, const char *name, int *values, int *count, mhc_error *error) {
    *count = 0;
    char piece[32];
    while (mhc__study_next_piece(&list, piece, sizeof piece)) {
        char *end;
        errno = 0;
        long value = strtol(piece, &end, 10);
        if (errno || end == piece || *end || value < 1 || value > 1000)
            return mhc__fail(error, MHC_INVALID_ARGUMENT, "study.%s: \"%s\" is not an integer in 1..1000", name, piece);
        for (int i = 0; i < *count; i++)
            if (values[i] == (int)value)
                return mhc__fail(error, MHC_INVALID_ARGUMENT, "study.%s: %ld is there twice", name, value);
        if (*count == MHC__STUDY_MAX_CHOICES)
            return mhc__fail(error, MHC_INVALID_ARGUMENT, "study.%s: more than %d values", name,
                             MHC__STUDY_MAX_CHOICES);
        values[(*count)++] = (int)value;
    }
    return MHC_OK;
}

/* Fields that every study sets itself, and the option that chooses them. */
static const char *const OWN[][2] = {
    {"model.connection", "--set study.connections=A,B,…"}, {"train.seed", "--seed N"}, {NULL, NULL}};

static mhc_status refuse(const char *set, const char *const (*own)[2], mhc_error *error) {
    for (; own && (*own)[0]; own++) {
        size_t length = strlen((*own)[0]);
        if (!strncmp(set, (*own)[0], length) && set[length] == '=')
            return mhc__fail(error, MHC_INVALID_ARGUMENT, "--set %s: the study sets %s itself; choose with %s", set,
                             (*own)[0], (*own)[1]);
    }
    return MHC_OK;
}

static mhc_status apply_sets(const mhc__study_options *options, const char *const (*own)[2], mhc__config *config,
                             mhc_error *error) {
    for (int i = 0; i < options->set_count; i++) {
        if (!strncmp(options->set[i], PREFIX, PREFIX_LENGTH))
            continue;
        MHC__TRY(refuse(options->set[i], OWN, error));
        MHC__TRY(refuse(options->set[i], own, error));
        MHC__TRY(mhc__config_set(config, options->set[i], error));
        if (config->train.on_nan == MHC__NAN_ROLLBACK)
            return mhc__fail(error, MHC_INVALID_ARGUMENT,
                             "--set %s: not in studies, where a run that is not finite ends and is reported",
                             options->set[i]);
    }
    return MHC_OK;
}

mhc_status mhc__study_configure(const mhc__study_options *options, double warmup_share, const char *const (*own)[2],
                                mhc__config *config, mhc_error *error) {
    if (options->steps < 0)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "--steps: %lld is not positive", (long long)options->steps);
    if (options->steps)
        config->train.steps = options->steps;
    if (options->data) {
        if (strlen(options->data) >= sizeof config->data.path)
            return mhc__fail(error, MHC_INVALID_ARGUMENT, "--data: the path is longer than %zu bytes",
                             sizeof config->data.path - 1);
        memcpy(config->data.path, options->data, strlen(options->data) + 1);
    }
    config->train.seed = options->seed;
    config->train.threads = options->threads;
    /* Twice: the warm-up follows from the steps, which a setting may change, and may itself be set. */
    mhc__config probe = *config;
    MHC__TRY(apply_sets(options, own, &probe, error));
    config->train.warmup = (int64_t)(warmup_share * (double)probe.train.steps);
    return apply_sets(options, own, config, error);
}

bool mhc__study_is_set(const mhc__study_options *options, const char *field) {
    size_t length = strlen(field);
    for (int i = 0; i < options->set_count; i++)
        if (!strncmp(options->set[i], field, length) && options->set[i][length] == '=')
            return true;
    return false;
}

mhc_status mhc__study_seeds(const mhc__study_options *options, int *seeds, mhc_error *error) {
    if (options->seeds < 0 || options->seeds > MHC__STUDY_MAX_SEEDS)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "--seeds: %d is not in 1..%d", options->seeds,
                         MHC__STUDY_MAX_SEEDS);
    *seeds = options->seeds ? options->seeds : 1;
    return MHC_OK;
}

mhc_status mhc__study_folders(const mhc__study_options *options, const char *name, mhc__study_folder *folder,
                              mhc_error *error) {
    int length = options->out ? snprintf(folder->out, sizeof folder->out, "%s", options->out)
                              : snprintf(folder->out, sizeof folder->out, "runs/%s", name);
    if (length < 0 || (size_t)length >= sizeof folder->out)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "--out: the path is longer than %zu bytes",
                         sizeof folder->out - 1);
    snprintf(folder->report, sizeof folder->report, "%s/report", folder->out);
    return MHC_OK;
}
