#include "report/claim.h"

#include <stdarg.h>

const char *mhc__verdict_name(mhc__verdict verdict) {
    static const char *const names[MHC__VERDICTS] = {"reproduced", "not reproduced",
                                                     "true, but not for the reason given",
                                                     "contradicted by its own data", "not decided here"};
    return names[verdict];
}

/* Classes of the page's style. */
static const char *tone_of(mhc__verdict verdict) {
    static const char *const tones[MHC__VERDICTS] = {"yes", "no", "but", "no", "open"};
    return tones[verdict];
}

void mhc__measured(mhc__finding *finding, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    if (finding->measured.length)
        mhc__text_format(&finding->measured, "; ");
    mhc__text_format_list(&finding->measured, format, arguments);
    va_end(arguments);
}

void mhc__ruled(mhc__finding *finding, mhc__verdict verdict, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    finding->verdict = verdict;
    mhc__text_free(&finding->reason);
    mhc__text_format_list(&finding->reason, format, arguments);
    va_end(arguments);
}

mhc__finding mhc__claim_decide(const mhc__claim *claim, const void *evidence) {
    mhc__finding finding = {.verdict = MHC__NOT_DECIDED};
    if (claim->decide)
        claim->decide(evidence, &finding);
    else
        mhc__ruled(&finding, MHC__NOT_DECIDED, "It would take %s.", claim->needs);
    return finding;
}

void mhc__finding_free(mhc__finding *finding) {
    mhc__text_free(&finding->measured);
    mhc__text_free(&finding->reason);
}

static const char *or_dash(const char *text) {
    return text && *text ? text : "–";
}

static void count_verdicts(const mhc__claim *claims, int count, const void *evidence, int counts[MHC__VERDICTS]) {
    for (int v = 0; v < MHC__VERDICTS; v++)
        counts[v] = 0;
    for (int i = 0; i < count; i++) {
        mhc__finding finding = mhc__claim_decide(&claims[i], evidence);
        counts[finding.verdict]++;
        mhc__finding_free(&finding);
    }
}

void mhc__claims_say(const mhc__claim *claims, int count, const void *evidence, mhc__text *text) {
    int counts[MHC__VERDICTS];
    count_verdicts(claims, count, evidence, counts);
    mhc__text_format(text, "%d claim%s: ", count, count == 1 ? "" : "s");
    const char *comma = "";
    for (int v = 0; v < MHC__VERDICTS; v++)
        if (counts[v]) {
            mhc__text_format(text, "%s%d %s", comma, counts[v], mhc__verdict_name((mhc__verdict)v));
            comma = "; ";
        }
}

static void pair(mhc__html *html, const char *class, const char *name, const char *text) {
    mhc__text_format(&html->text, "<div%s><dt>%s</dt><dd>", class, name);
    mhc__html_inline(&html->text, text);
    mhc__text_format(&html->text, "</dd></div>\n");
    mhc__text_format(&html->markdown, "- %s: ", name);
    mhc__html_markdown(&html->markdown, text);
    mhc__text_format(&html->markdown, "\n");
}

static void card(mhc__html *html, const mhc__claim *claim, const mhc__finding *finding) {
    const char *verdict = mhc__verdict_name(finding->verdict);
    html->text.failed |= finding->measured.failed || finding->reason.failed;
    mhc__text_format(&html->text, "<article class=\"claim %s\" id=\"%s\">\n<h3><span class=\"verdict\">%s</span>",
                     tone_of(finding->verdict), claim->id, verdict);
    mhc__html_inline(&html->text, claim->text);
    mhc__text_format(&html->text, "</h3>\n<dl>\n");
    mhc__text_format(&html->markdown, "### ");
    mhc__html_markdown(&html->markdown, claim->text);
    mhc__text_format(&html->markdown, "\n\n**%s** (`%s`)\n\n", verdict, claim->id);
    pair(html, "", "Published", or_dash(claim->published));
    pair(html, "", "Measured here", or_dash(finding->measured.data));
    pair(html, " class=\"all\"", "Why", or_dash(finding->reason.data));
    pair(html, " class=\"quiet\"", "Rule", or_dash(claim->rule));
    pair(html, " class=\"quiet\"", "Source", or_dash(claim->source));
    mhc__text_format(&html->text, "</dl>\n</article>\n");
    mhc__text_format(&html->markdown, "\n");
}

void mhc__claims_section(mhc__html *html, const mhc__claim *claims, int count, const void *evidence) {
    int counts[MHC__VERDICTS];
    count_verdicts(claims, count, evidence, counts);
    mhc__html_section(html, "The claims");
    mhc__html_paragraph(html,
                        "What was published about this experiment, beside what was measured here. Each verdict is "
                        "computed from the data of this report by the rule that stands with it.");
    mhc__text_format(&html->text, "<ul class=\"count\">\n");
    for (int v = 0; v < MHC__VERDICTS; v++)
        if (counts[v]) {
            const char *name = mhc__verdict_name((mhc__verdict)v);
            mhc__text_format(&html->text, "<li class=\"%s\">%d %s</li>\n", tone_of((mhc__verdict)v), counts[v], name);
            mhc__text_format(&html->markdown, "- %d %s\n", counts[v], name);
        }
    mhc__text_format(&html->text, "</ul>\n");
    mhc__text_format(&html->markdown, "\n");
    for (int i = 0; i < count; i++) {
        mhc__finding finding = mhc__claim_decide(&claims[i], evidence);
        card(html, &claims[i], &finding);
        mhc__finding_free(&finding);
    }
}

void mhc__claims_table(const mhc__claim *claims, int count, const void *evidence, mhc__table *table) {
    mhc__table_start(table, "claim|verdict|published|measured|reason|rule|source|text");
    for (int i = 0; i < count; i++) {
        const mhc__claim *claim = &claims[i];
        mhc__finding finding = mhc__claim_decide(claim, evidence);
        mhc__table_cell(table, "%s", claim->id);
        mhc__table_cell(table, "%s", mhc__verdict_name(finding.verdict));
        mhc__table_cell(table, "%s", or_dash(claim->published));
        mhc__table_cell(table, "%s", or_dash(finding.measured.data));
        mhc__table_cell(table, "%s", or_dash(finding.reason.data));
        mhc__table_cell(table, "%s", or_dash(claim->rule));
        mhc__table_cell(table, "%s", or_dash(claim->source));
        mhc__table_cell(table, "%s", claim->text);
        mhc__finding_free(&finding);
    }
}
