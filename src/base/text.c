#include "base/text.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool text_reserve(mhc__text *text, size_t more) {
    if (text->failed || more > SIZE_MAX - text->length - 1) {
        text->failed = true;
        return false;
    }
    size_t need = text->length + more + 1;
    if (need <= text->capacity)
        return true;
    size_t capacity = text->capacity ? text->capacity : 64;
    while (capacity < need)
        capacity = capacity > SIZE_MAX / 2 ? need : 2 * capacity;
    char *data = realloc(text->data, capacity);
    if (!data) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void mhc__text_append(mhc__text *text, const char *bytes, size_t count) {
    if (!text_reserve(text, count))
        return;
    if (count)
        memcpy(text->data + text->length, bytes, count);
    text->length += count;
    text->data[text->length] = '\0';
}

void mhc__text_format_list(mhc__text *text, const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    int count = vsnprintf(NULL, 0, format, arguments);
    if (count >= 0 && text_reserve(text, (size_t)count)) {
        vsnprintf(text->data + text->length, (size_t)count + 1, format, again);
        text->length += (size_t)count;
    }
    va_end(again);
}

void mhc__text_format(mhc__text *text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    mhc__text_format_list(text, format, arguments);
    va_end(arguments);
}

void mhc__shell_word(mhc__text *text, const char *word) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-=,:+@%";
    bool quoted = !*word || strspn(word, plain) != strlen(word);
    mhc__text_format(text, quoted ? " '" : " ");
    for (const char *c = word; *c; c++)
        mhc__text_append(text, *c == '\'' ? "'\\''" : c, *c == '\'' ? 4 : 1);
    if (quoted)
        mhc__text_append(text, "'", 1);
}

void mhc__text_free(mhc__text *text) {
    free(text->data);
    *text = (mhc__text){0};
}

char *mhc__format(const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int count = vsnprintf(NULL, 0, format, arguments);
    char *out = count < 0 ? NULL : malloc((size_t)count + 1);
    if (out)
        vsnprintf(out, (size_t)count + 1, format, again);
    va_end(again);
    va_end(arguments);
    return out;
}
