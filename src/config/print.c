#include <string.h>

#include "config/field.h"
#include "data/utf8.h"

/* Control characters, YAML's line breaks beyond ASCII, and code points that YAML doesn't allow as they are. */
static bool needs_escape(int32_t point) {
    return (point >= 0 && point < 0x20) || (point >= 0x7F && point <= 0xA0) || point == 0x2028 || point == 0x2029 ||
           point == 0xFEFF || point == 0xFFFE || point == 0xFFFF;
}

/* Plain where YAML reads it back as the same text, else in double quotes. */
static void print_string(const char *value, mhc__text *text) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-";
    size_t length = strlen(value);
    if (length && *value != '-' && strspn(value, plain) == length) {
        mhc__text_append(text, value, length);
        return;
    }
    mhc__text_append(text, "\"", 1);
    for (size_t i = 0; i < length;) {
        int bytes;
        int32_t point = mhc__utf8_decode((const unsigned char *)value + i, length - i, &bytes);
        if (point == '"' || point == '\\')
            mhc__text_format(text, "\\%c", (int)point);
        else if (needs_escape(point))
            mhc__text_format(text, "\\u%04X", (unsigned)point);
        else
            mhc__text_append(text, value + i, (size_t)bytes);
        i += (size_t)bytes;
    }
    mhc__text_append(text, "\"", 1);
}

/* An enum without a comment of its own is explained by its choices; with one, by both. */
static void print_comment(const mhc__field *field, mhc__text *text) {
    if (!field->comment && !field->names)
        return;
    mhc__text_format(text, "  # ");
    for (int i = 0; field->names && field->names[i]; i++)
        mhc__text_format(text, "%s%s", i ? ", " : "", field->names[i]);
    if (field->comment)
        mhc__text_format(text, "%s%s", field->names ? ": " : "", field->comment);
}

static void print_field(const mhc__field *field, const mhc__config *config, bool comments, mhc__text *text) {
    size_t start = text->length;
    mhc__text value = {0};
    mhc__field_print(field, config, &value);
    mhc__text_format(text, "  %s: ", field->name);
    if (field->kind == MHC__FIELD_STRING)
        print_string(value.data ? value.data : "", text);
    else if (value.length)
        mhc__text_append(text, value.data, value.length);
    text->failed = text->failed || value.failed;
    mhc__text_free(&value);
    if (comments) {
        size_t column = text->length - start;
        if (column < 30 && (field->comment || field->names))
            mhc__text_format(text, "%*s", (int)(30 - column), "");
        print_comment(field, text);
    }
    mhc__text_append(text, "\n", 1);
}

mhc_status mhc__config_yaml(const mhc__config *config, bool comments, mhc__text *text, mhc_error *error) {
    for (int s = 0; s < MHC__MAX_SECTIONS; s++) {
        if (comments)
            mhc__text_format(text, "%s# %s\n", s ? "\n" : "", mhc__sections[s].comment);
        mhc__text_format(text, "%s:\n", mhc__sections[s].name);
        for (int i = 0; i < mhc__field_count; i++)
            if (strcmp(mhc__fields[i].section, mhc__sections[s].name) == 0)
                print_field(&mhc__fields[i], config, comments, text);
    }
    if (text->failed)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "no memory to print the configuration");
    return MHC_OK;
}
