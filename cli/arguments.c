#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "config/nearest.h"

int mhc__failed(const mhc_error *error) {
    const char *message = *error->message ? error->message : mhc_status_name(error->status);
    fprintf(stderr, "mhc: %s\n", message);
    return strncmp(message, "--set ", 6) == 0 || strncmp(message, "--data:", 7) == 0 ? MHC__EXIT_MISUSE
                                                                                     : MHC__EXIT_FAILED;
}

int mhc__misused(const mhc__command *command, const char *format, ...) {
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    fprintf(stderr, "mhc %s: %s (`mhc help %s` says more)\n", command->name, message, command->name);
    return MHC__EXIT_MISUSE;
}

static int option_index(const mhc__command *command, const char *name, size_t length) {
    for (int i = 0; command->options && command->options[i].name; i++)
        if (strlen(command->options[i].name) == length && memcmp(command->options[i].name, name, length) == 0)
            return i;
    return -1;
}

static int unknown_option(const mhc__command *command, const char *word, size_t length) {
    char name[64];
    const char *choices[MHC__MAX_OPTIONS + 1];
    int count = 0;
    for (; command->options && command->options[count].name; count++)
        choices[count] = command->options[count].name;
    choices[count] = NULL;
    snprintf(name, sizeof name, "%.*s", (int)(length < 60 ? length : 60), word);
    const char *meant = mhc__nearest(name, choices);
    return mhc__misused(command, "unknown option --%s%s%s%s", name, meant ? "; did you mean --" : "",
                        meant ? meant : "", meant ? "?" : "");
}

static int check_value(const mhc__command *command, const mhc__option *option, const char *value) {
    if (option->kind != MHC__OPTION_INTEGER && option->kind != MHC__OPTION_NUMBER)
        return MHC__EXIT_FINE;
    bool whole = option->kind == MHC__OPTION_INTEGER;
    char *end;
    errno = 0;
    double number = whole ? (double)strtoll(value, &end, 10) : strtod(value, &end);
    if (!*value || *end || errno || !isfinite(number))
        return mhc__misused(command, "--%s: expected %s, found \"%.60s\"", option->name,
                            whole ? "an integer" : "a number", value);
    if (number < option->least || number > option->most)
        return mhc__misused(command, "--%s: %.60s is not in %.15g..%.15g", option->name, value, option->least,
                            option->most);
    return MHC__EXIT_FINE;
}

static int add_value(mhc__arguments *arguments, int index, const char *value) {
    const mhc__option *option = &arguments->command->options[index];
    int code = value ? check_value(arguments->command, option, value) : MHC__EXIT_FINE;
    if (code != MHC__EXIT_FINE)
        return code;
    int count = option->kind == MHC__OPTION_LIST ? arguments->counts[index] : 0;
    const char **values = realloc(arguments->values[index], ((size_t)count + 1) * sizeof *values);
    if (!values)
        return mhc__misused(arguments->command, "no memory for the command line");
    values[count] = value;
    arguments->values[index] = values;
    arguments->counts[index] = count + 1;
    return MHC__EXIT_FINE;
}

/* words[*at] is "--name", "--name=value", or "--name" with the value in the next word. */
static int parse_option(mhc__arguments *arguments, int count, char **words, int *at) {
    const mhc__command *command = arguments->command;
    const char *name = words[*at] + 2, *equals = strchr(name, '=');
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    int index = option_index(command, name, length);
    if (index < 0)
        return unknown_option(command, name, length);
    const mhc__option *option = &command->options[index];
    if (option->kind == MHC__OPTION_FLAG)
        return equals ? mhc__misused(command, "--%s takes no value", option->name) : add_value(arguments, index, NULL);
    if (!equals && *at + 1 >= count)
        return mhc__misused(command, "--%s needs a value, %s", option->name, option->argument);
    return add_value(arguments, index, equals ? equals + 1 : words[++*at]);
}

int mhc__arguments_parse(const mhc__command *command, int count, char **words, mhc__arguments *arguments, bool *help) {
    *arguments = (mhc__arguments){.command = command};
    *help = false;
    bool options = true;
    for (int i = 0; i < count; i++) {
        const char *word = words[i];
        int code = MHC__EXIT_FINE;
        if (options && strcmp(word, "--") == 0) {
            options = false;
        } else if (options && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)) {
            *help = true;
            return MHC__EXIT_FINE;
        } else if (options && strncmp(word, "--", 2) == 0) {
            code = parse_option(arguments, count, words, &i);
        } else if (options && word[0] == '-' && word[1]) {
            code = mhc__misused(command, "unknown option %.60s; options are written --name", word);
        } else if (arguments->operand_count == command->most_operands) {
            code = mhc__misused(command, "\"%.60s\" is one word too many", word);
        } else {
            arguments->operands[arguments->operand_count++] = word;
        }
        if (code != MHC__EXIT_FINE)
            return code;
    }
    if (arguments->operand_count < command->least_operands)
        return mhc__misused(command, "expected %s", command->operands);
    return MHC__EXIT_FINE;
}

void mhc__arguments_free(mhc__arguments *arguments) {
    for (int i = 0; i < MHC__MAX_OPTIONS; i++)
        free(arguments->values[i]);
    *arguments = (mhc__arguments){0};
}

const char *const *mhc__option_list(const mhc__arguments *arguments, const char *name, int *count) {
    int index = option_index(arguments->command, name, strlen(name));
    *count = index < 0 ? 0 : arguments->counts[index];
    return index < 0 ? NULL : arguments->values[index];
}

bool mhc__option_given(const mhc__arguments *arguments, const char *name) {
    int count;
    mhc__option_list(arguments, name, &count);
    return count > 0;
}

const char *mhc__option_text(const mhc__arguments *arguments, const char *name) {
    int count;
    const char *const *values = mhc__option_list(arguments, name, &count);
    return count ? values[count - 1] : NULL;
}

int64_t mhc__option_integer(const mhc__arguments *arguments, const char *name, int64_t otherwise) {
    const char *text = mhc__option_text(arguments, name);
    return text ? strtoll(text, NULL, 10) : otherwise;
}

double mhc__option_number(const mhc__arguments *arguments, const char *name, double otherwise) {
    const char *text = mhc__option_text(arguments, name);
    return text ? strtod(text, NULL) : otherwise;
}

const char *mhc__operand(const mhc__arguments *arguments, int index) {
    return index < arguments->operand_count ? arguments->operands[index] : NULL;
}
