#include "config/field.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/nearest.h"
#include "data/utf8.h"

const mhc__field *mhc__field_find(const char *section, size_t section_length, const char *name, size_t name_length) {
    for (int i = 0; i < mhc__field_count; i++) {
        const mhc__field *field = &mhc__fields[i];
        if (strlen(field->section) == section_length && strlen(field->name) == name_length &&
            memcmp(field->section, section, section_length) == 0 && memcmp(field->name, name, name_length) == 0)
            return field;
    }
    return NULL;
}

static mhc_status expected(const mhc__field *field, const char *what, const char *text, mhc_error *error) {
    return mhc__fail(error, MHC_INVALID_ARGUMENT, "%s.%s: expected %s, found %s%.60s%s", field->section, field->name,
                     what, *text ? "\"" : "nothing", text, *text ? "\"" : "");
}

static mhc_status parse_integer(const mhc__field *field, void *at, const char *text, mhc_error *error) {
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    /* strtoll skips space in front; a value has none. */
    bool whole = *text && *end == '\0' && (*text == '-' || *text == '+' || (*text >= '0' && *text <= '9'));
    if (!whole)
        return expected(field, "an integer", text, error);
    if (errno == ERANGE)
        return expected(field, "an integer of at most 63 bits", text, error);
    if (field->kind == MHC__FIELD_INT64) {
        *(int64_t *)at = value;
    } else if (field->kind == MHC__FIELD_UINT64) {
        if (value < 0)
            return expected(field, "an integer of 0 or more", text, error);
        *(uint64_t *)at = (uint64_t)value;
    } else {
        if (value < INT32_MIN || value > INT32_MAX)
            return expected(field, "an integer of at most 31 bits", text, error);
        *(int *)at = (int)value;
    }
    return MHC_OK;
}

static mhc_status parse_float(const mhc__field *field, float *at, const char *text, mhc_error *error) {
    /* strtof also reads hexadecimal, "nan" and "infinity": none of them is a sensible setting. */
    char *end;
    float value = strtof(text, &end);
    if (!*text || *end || strspn(text, "0123456789+-.eE") != strlen(text))
        return expected(field, "a number", text, error);
    if (!isfinite(value))
        return expected(field, "a number that fits in a float", text, error);
    *at = value;
    return MHC_OK;
}

static mhc_status parse_enum(const mhc__field *field, void *at, const char *text, mhc_error *error) {
    char names[200] = "";
    size_t used = 0;
    for (int i = 0; field->names[i]; i++) {
        if (strcmp(field->names[i], text) == 0) {
            memcpy(at, &i, sizeof i);
            return MHC_OK;
        }
        const char *join = i == 0 ? "" : field->names[i + 1] ? ", " : " or ";
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", join, field->names[i]);
    }
    return expected(field, names, text, error);
}

static mhc_status parse_string(const mhc__field *field, char *at, const char *text, mhc_error *error) {
    size_t length = strlen(text);
    if (length >= field->size)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "%s.%s: expected at most %zu bytes, found %zu", field->section,
                         field->name, field->size - 1, length);
    /* Files of other bytes can be opened, but config.yaml and config.json couldn't name them. */
    for (size_t i = 0; i < length;) {
        int bytes;
        if (mhc__utf8_decode((const unsigned char *)text + i, length - i, &bytes) < 0)
            return mhc__fail(error, MHC_INVALID_ARGUMENT, "%s.%s: expected UTF-8, found byte 0x%02X at offset %zu",
                             field->section, field->name, (unsigned)(unsigned char)text[i], i);
        i += (size_t)bytes;
    }
    memset(at, 0, field->size);
    memcpy(at, text, length);
    return MHC_OK;
}

mhc_status mhc__field_parse(const mhc__field *field, mhc__config *config, const char *text, mhc_error *error) {
    char *at = (char *)config + field->offset;
    switch (field->kind) {
    case MHC__FIELD_INT:
    case MHC__FIELD_INT64:
    case MHC__FIELD_UINT64:
        return parse_integer(field, at, text, error);
    case MHC__FIELD_FLOAT:
        return parse_float(field, (float *)(void *)at, text, error);
    case MHC__FIELD_BOOL:
        if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
            return expected(field, "true or false", text, error);
        *(bool *)at = *text == 't';
        return MHC_OK;
    case MHC__FIELD_ENUM:
        return parse_enum(field, at, text, error);
    case MHC__FIELD_STRING:
        return parse_string(field, at, text, error);
    }
    return mhc__fail(error, MHC_INVALID_ARGUMENT, "%s.%s: kind %d is unknown", field->section, field->name,
                     (int)field->kind);
}

static void print_float(float value, mhc__text *text) {
    char digits[40];
    /* %g would turn 10000 into 1e+04. */
    if (value == truncf(value) && fabsf(value) < 1e7f && (value != 0.0f || !signbit(value))) {
        mhc__text_format(text, "%.0f", (double)value);
        return;
    }
    for (int precision = 1; precision <= 9; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, (double)value);
        if (strtof(digits, NULL) == value)
            break;
    }
    mhc__text_format(text, "%s", digits);
}

void mhc__field_print(const mhc__field *field, const mhc__config *config, mhc__text *text) {
    const char *at = (const char *)config + field->offset;
    int number;
    switch (field->kind) {
    case MHC__FIELD_INT:
        mhc__text_format(text, "%d", *(const int *)(const void *)at);
        return;
    case MHC__FIELD_INT64:
        mhc__text_format(text, "%lld", (long long)*(const int64_t *)(const void *)at);
        return;
    case MHC__FIELD_UINT64:
        mhc__text_format(text, "%llu", (unsigned long long)*(const uint64_t *)(const void *)at);
        return;
    case MHC__FIELD_FLOAT:
        print_float(*(const float *)(const void *)at, text);
        return;
    case MHC__FIELD_BOOL:
        mhc__text_format(text, "%s", *(const bool *)at ? "true" : "false");
        return;
    case MHC__FIELD_ENUM:
        memcpy(&number, at, sizeof number);
        for (int i = 0; field->names[i]; i++)
            if (i == number)
                mhc__text_format(text, "%s", field->names[i]);
        return;
    case MHC__FIELD_STRING:
        mhc__text_append(text, at, strnlen(at, field->size));
        return;
    }
}

mhc_status mhc__field_unknown(const char *section, const char *name, mhc_error *error) {
    char word[64], meant[64] = "";
    if ((size_t)snprintf(word, sizeof word, "%s.%s", section, name) >= sizeof word)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "%.60s.%.60s: unknown field", section, name);
    int best = (int)strlen(word) / 3 + 1;
    for (int i = 0; i < mhc__field_count; i++) {
        char full[64];
        snprintf(full, sizeof full, "%s.%s", mhc__fields[i].section, mhc__fields[i].name);
        int distance = mhc__edit_distance(word, full);
        /* The right name in the wrong section is most likely what was meant. */
        if (strcmp(name, mhc__fields[i].name) == 0)
            distance = 0;
        if (distance < best) {
            best = distance;
            memcpy(meant, full, sizeof meant);
        }
    }
    return mhc__fail(error, MHC_INVALID_ARGUMENT, "%s: unknown field; %s%s%s", word,
                     *meant ? "did you mean " : "`mhc config` prints them all", meant, *meant ? "?" : "");
}
