#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "config/field.h"

static json_t *value_of(const mhc__field *field, const mhc__config *config) {
    mhc__text text = {0};
    mhc__field_print(field, config, &text);
    const char *bytes = text.data ? text.data : "";
    json_t *value = NULL;
    switch (field->kind) {
    case MHC__FIELD_INT:
    case MHC__FIELD_INT64:
    case MHC__FIELD_UINT64:
        value = json_integer(strtoll(bytes, NULL, 10));
        break;
    case MHC__FIELD_FLOAT:
        value = json_real(strtod(bytes, NULL));
        break;
    case MHC__FIELD_BOOL:
        value = json_boolean(*bytes == 't');
        break;
    case MHC__FIELD_ENUM:
    case MHC__FIELD_STRING:
        value = json_stringn(bytes, text.length);
        break;
    }
    mhc__text_free(&text);
    return value;
}

static mhc_status fill(json_t *root, const mhc__config *config, mhc_error *error) {
    for (int s = 0; s < MHC__MAX_SECTIONS; s++)
        if (json_object_set_new(root, mhc__sections[s].name, json_object()) != 0)
            return mhc__fail(error, MHC_OUT_OF_MEMORY, "no memory to write the configuration");
    for (int i = 0; i < mhc__field_count; i++) {
        const mhc__field *field = &mhc__fields[i];
        json_t *section = json_object_get(root, field->section);
        if (json_object_set_new(section, field->name, value_of(field, config)) != 0)
            return mhc__fail(error, MHC_INVALID_ARGUMENT, "%s.%s: can't be written as JSON (not finite or not UTF-8)",
                             field->section, field->name);
    }
    return MHC_OK;
}

mhc_status mhc__config_json(const mhc__config *config, mhc__text *text, mhc_error *error) {
    json_t *root = json_object();
    if (!root)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "no memory to write the configuration");
    mhc_status status = fill(root, config, error);
    if (status == MHC_OK) {
        /* 9 digits bring every float back. */
        char *dump = json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
        if (dump)
            mhc__text_format(text, "%s\n", dump);
        if (!dump || text->failed)
            status = mhc__fail(error, MHC_OUT_OF_MEMORY, "no memory to write the configuration");
        free(dump);
    }
    json_decref(root);
    return status;
}

/* The JSON value as text, if it is of a type that fits the field; NULL otherwise. malloc'd. */
static char *text_of(const mhc__field *field, const json_t *value) {
    switch (field->kind) {
    case MHC__FIELD_INT:
    case MHC__FIELD_INT64:
    case MHC__FIELD_UINT64:
        return json_is_integer(value) ? mhc__format("%lld", (long long)json_integer_value(value)) : NULL;
    case MHC__FIELD_FLOAT:
        return json_is_number(value) ? mhc__format("%.17g", json_number_value(value)) : NULL;
    case MHC__FIELD_BOOL:
        return json_is_boolean(value) ? mhc__format("%s", json_is_true(value) ? "true" : "false") : NULL;
    case MHC__FIELD_ENUM:
    case MHC__FIELD_STRING:
        if (json_is_string(value) && strlen(json_string_value(value)) == json_string_length(value))
            return mhc__format("%s", json_string_value(value));
        return NULL;
    }
    return NULL;
}

static mhc_status read_field(const char *section, const char *name, const json_t *value, mhc__config *config,
                             mhc_error *error) {
    const mhc__field *field = mhc__field_find(section, strlen(section), name, strlen(name));
    if (!field)
        return mhc__field_unknown(section, name, error);
    char *text = text_of(field, value);
    if (!text)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "%s.%s: the JSON value is of the wrong type", section, name);
    mhc_status status = mhc__field_parse(field, config, text, error);
    free(text);
    return status;
}

static mhc_status read_root(json_t *root, mhc__config *config, mhc_error *error) {
    if (!json_is_object(root))
        return mhc__fail(error, MHC_CORRUPT, "expected a JSON object");
    const char *section, *name;
    json_t *fields, *value;
    json_object_foreach(root, section, fields) {
        bool known = false;
        for (int s = 0; s < MHC__MAX_SECTIONS; s++)
            known = known || strcmp(section, mhc__sections[s].name) == 0;
        if (!known || !json_is_object(fields))
            return mhc__fail(error, MHC_INVALID_ARGUMENT, "%.60s: expected the objects model, train and data", section);
        json_object_foreach(fields, name, value) MHC__TRY(read_field(section, name, value, config, error));
    }
    return mhc__config_check(config, error);
}

mhc_status mhc__config_from_json(const char *json, size_t size, const char *name, mhc__config *out, mhc_error *error) {
    json_error_t problem;
    json_t *root = json_loadb(json, size, JSON_REJECT_DUPLICATES, &problem);
    if (!root)
        return mhc__fail(error, MHC_CORRUPT, "%s:%d: not JSON: %s", name, problem.line, problem.text);
    mhc__config config = mhc__config_default();
    mhc_status status = read_root(root, &config, error);
    json_decref(root);
    if (status != MHC_OK)
        return mhc__fail_in(error, status, "%s", name);
    *out = config;
    return MHC_OK;
}
