#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "config/field.h"
#include "config/yaml.h"
#include "file/atomic.h"

/* A configuration is a page or two; more is another kind of file. */
enum { LARGEST_FILE = 1 << 20 };

mhc__config mhc__config_default(void) {
    mhc__config config;
    memset(&config, 0, sizeof config);
    config.model = mhc__model_config_default();
    config.train = mhc__train_config_default();
    config.data = mhc__data_config_default();
    return config;
}

/* The field of "section.name=value"; NULL with a message when it is malformed or unknown. */
static const mhc__field *assigned(const char *assignment, mhc_error *error) {
    const char *equals = strchr(assignment, '=');
    const char *dot = equals ? memchr(assignment, '.', (size_t)(equals - assignment)) : NULL;
    if (!dot) {
        mhc__fail(error, MHC_INVALID_ARGUMENT, "expected section.field=value, e.g. train.steps=100");
        return NULL;
    }
    const mhc__field *field =
        mhc__field_find(assignment, (size_t)(dot - assignment), dot + 1, (size_t)(equals - dot - 1));
    if (!field) {
        char section[64], name[64];
        snprintf(section, sizeof section, "%.*s", (int)mhc__min(dot - assignment, 60), assignment);
        snprintf(name, sizeof name, "%.*s", (int)mhc__min(equals - dot - 1, 60), dot + 1);
        mhc__field_unknown(section, name, error);
    }
    return field;
}

static mhc_status set_in(mhc_error *error, mhc_status status, const char *assignment) {
    return mhc__fail_in(error, status, "--set %.200s", assignment);
}

mhc_status mhc__config_set(mhc__config *config, const char *assignment, mhc_error *error) {
    const mhc__field *field = assigned(assignment, error);
    mhc_status status =
        field ? mhc__field_parse(field, config, strchr(assignment, '=') + 1, error) : MHC_INVALID_ARGUMENT;
    return status == MHC_OK ? MHC_OK : set_in(error, status, assignment);
}

mhc_status mhc__config_check(const mhc__config *config, mhc_error *error) {
    MHC__TRY(mhc__model_config_check(&config->model, error));
    MHC__TRY(mhc__train_config_check(&config->train, error));
    return mhc__data_config_check(&config->data, error);
}

/* Where the values of a configuration come from. */
typedef struct origins {
    const char *path;
    const mhc__places *places;
    const char *const *overrides;
    int override_count;
} origins;

/* Puts the place in front of the message if that field was set by an override or in the file. */
static bool blame(const origins *origin, const mhc__field *field, mhc_status status, mhc_error *error) {
    for (int i = origin->override_count - 1; i >= 0; i--)
        if (assigned(origin->overrides[i], NULL) == field) {
            set_in(error, status, origin->overrides[i]);
            return true;
        }
    int line = mhc__places_line(origin->places, field->section, field->name);
    if (line)
        mhc__fail_in(error, status, "%s:%d", origin->path, line);
    return line != 0;
}

/* A message of a check names fields as section.name. The first of them that somebody has set is where to look: of two
 * that don't go together, the other is a default. */
static mhc_status locate(const origins *origin, mhc_status status, mhc_error *error) {
    if (!error)
        return status;
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
    for (const char *at = error->message; *at; at++) {
        size_t section = strspn(at, letters);
        if (section && at[section] == '.') {
            size_t name = strspn(at + section + 1, letters);
            const mhc__field *field = mhc__field_find(at, section, at + section + 1, name);
            if (field && blame(origin, field, status, error))
                return status;
        }
        at += section;
        if (!*at)
            break;
    }
    return status;
}

static mhc_status load(const char *text, size_t size, origins *origin, mhc__places *places, mhc__config *config,
                       mhc_error *error) {
    if (origin->path)
        MHC__TRY(mhc__yaml_read(text, size, origin->path, config, places, error));
    for (int i = 0; i < origin->override_count; i++)
        MHC__TRY(mhc__config_set(config, origin->overrides[i], error));
    mhc_status status = mhc__config_check(config, error);
    return status == MHC_OK ? MHC_OK : locate(origin, status, error);
}

mhc_status mhc__config_load(const char *path, const char *const *overrides, int override_count, mhc__config *out,
                            mhc_error *error) {
    char *text = NULL;
    size_t size = 0;
    if (path)
        MHC__TRY(mhc__read_file_up_to(path, LARGEST_FILE, &text, &size, error));
    mhc__places places = {0};
    origins origin = {path, &places, overrides, override_count};
    mhc__config config = mhc__config_default();
    mhc_status status;
    if (path && size == 0)
        status = mhc__fail(error, MHC_INVALID_ARGUMENT,
                           "%s: the file is empty; expected a configuration such as `mhc config` prints", path);
    else
        status = load(text, size, &origin, &places, &config, error);
    mhc__places_free(&places);
    free(text);
    if (status != MHC_OK)
        return status;
    *out = config;
    return MHC_OK;
}
