#include "study/page.h"

#include <stdlib.h>
#include <string.h>

#include "file/atomic.h"
#include "report/origin.h"
#include "study/settings.h"

/* Frees text. */
static mhc_status write_text(const char *folder, const char *name, mhc__text *text, mhc_error *error) {
    char *path = mhc__format("%s/%s", folder, name);
    mhc_status status = text->failed || !path ? mhc__fail(error, MHC_OUT_OF_MEMORY, "%s/%s: no memory", folder, name)
                                              : mhc__write_file(path, text->data, text->length, error);
    free(path);
    mhc__text_free(text);
    return status;
}

mhc_status mhc__page_claims(mhc__html *html, const mhc__claim *claims, int count, const void *evidence,
                            const char *folder, const mhc__study_options *options, mhc_error *error) {
    mhc__table table;
    mhc__text tsv = {0}, said = {0};
    mhc__claims_section(html, claims, count, evidence);
    mhc__claims_table(claims, count, evidence, &table);
    mhc__table_tsv(&table, &tsv);
    mhc__table_free(&table);
    MHC__TRY(write_text(folder, "claims.tsv", &tsv, error));
    mhc__claims_say(claims, count, evidence, &said);
    if (said.data)
        mhc__study_note(options, "%s", said.data);
    mhc__text_free(&said);
    return MHC_OK;
}

mhc_status mhc__page_table(const mhc__table *table, const char *folder, const char *name, mhc_error *error) {
    char file[64];
    mhc__text tsv = {0}, markdown = {0};
    snprintf(file, sizeof file, "%s.tsv", name);
    mhc__table_tsv(table, &tsv);
    MHC__TRY(write_text(folder, file, &tsv, error));
    snprintf(file, sizeof file, "%s.md", name);
    mhc__table_markdown(table, &markdown);
    return write_text(folder, file, &markdown, error);
}

static void word(mhc__text *text, const char *option, const char *value) {
    mhc__text_format(text, " %s", option);
    mhc__shell_word(text, value);
}

void mhc__page_command(const char *study, const mhc__study_options *options, mhc__text *text) {
    static const char *const sizes[] = {"", " --quick", " --published"};
    mhc__text_format(text, "mhc study %s%s", study, sizes[options->size]);
    if (options->data)
        word(text, "--data", options->data);
    if (options->steps)
        mhc__text_format(text, " --steps %lld", (long long)options->steps);
    if (options->seeds)
        mhc__text_format(text, " --seeds %d", options->seeds);
    if (options->seed != mhc__study_options_default().seed)
        mhc__text_format(text, " --seed %llu", (unsigned long long)options->seed);
    if (options->threads)
        mhc__text_format(text, " --threads %d", options->threads);
    for (int i = 0; i < options->set_count; i++)
        word(text, "--set", options->set[i]);
    if (options->out)
        word(text, "--out", options->out);
}

static void origin(mhc__html *html, const mhc__page_ending *ending) {
    mhc__text command = {0}, numbers = {0};
    unsigned long long first = ending->options->seed;
    mhc__page_command(ending->study, ending->options, &command);
    mhc__text_format(&numbers, "%llu", first);
    if (ending->seeds > 1)
        mhc__text_format(&numbers, " to %llu", first + (unsigned)ending->seeds - 1);
    html->text.failed |= command.failed || numbers.failed;
    if (!html->text.failed) {
        mhc__origin made = {command.data, numbers.data, ending->options->threads, ending->seconds};
        mhc__origin_section(html, &made);
    }
    mhc__text_free(&command);
    mhc__text_free(&numbers);
}

static void say_table(const mhc__page_ending *ending) {
    mhc__text plain = {0};
    mhc__table_plain(ending->said, &plain);
    if (plain.data)
        mhc__study_note(ending->options, "\n%s", plain.data);
    mhc__text_free(&plain);
}

mhc_status mhc__page_end(mhc_status status, const mhc__page_ending *ending, mhc__html *html, mhc_error *error) {
    origin(html, ending);
    if (status == MHC_OK)
        status = mhc__page_table(ending->table, ending->folder, "table", error);
    if (status != MHC_OK) {
        mhc__html_free(html);
        return status;
    }
    if (ending->said)
        say_table(ending);
    MHC__TRY(mhc__html_write(html, ending->folder, error));
    mhc__study_note(ending->options, "report: %s/index.html", ending->folder);
    return MHC_OK;
}
