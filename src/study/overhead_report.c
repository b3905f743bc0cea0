#include <math.h>

#include "file/atomic.h"
#include "study/figure.h"
#include "study/overhead.h"
#include "study/page.h"

static const char QUESTION[] =
    "Streams cost time and memory: each site reads and writes n states in place of one, and computes its coefficients. "
    "What does a training step cost over that of the plain residual, and what does a run take, as the model gets wider "
    "and has more streams?";

static void spread_cell(mhc__table *table, mhc__spread spread) {
    mhc__table_cell(table, "%.3f (%.3f … %.3f)", spread.median, spread.least, spread.most);
}

static void fill_table(const mhc__overhead *study, mhc__table *table) {
    mhc__table_start(table, "Connection|Channels|Streams|Step over the residual's|Seconds per step|Memory over the "
                            "residual's|MiB|Memory, recomputing|MiB, recomputing");
    for (int i = 0; i < study->channel_count; i++)
        for (int n = 0; n < study->stream_count; n++) {
            const mhc__overhead_cell *base = mhc__overhead_residual(study, i, n);
            for (int c = 0; c <= study->choice_count; c++) {
                const mhc__overhead_cell *cell = mhc__overhead_at(study, i, n, c);
                const bool residual = c == study->choice_count;
                mhc__table_cell(table, "%s", residual ? "residual" : study->choices[c].label);
                mhc__table_cell(table, "%d", study->channels[i]);
                mhc__table_cell(table, "%d", residual ? 1 : study->streams[n]);
                if (residual)
                    mhc__table_cell(table, "1");
                else
                    spread_cell(table, cell->ratio);
                spread_cell(table, cell->seconds);
                mhc__table_cell(table, "%.2f", cell->bytes / base->bytes);
                mhc__table_cell(table, "%.1f", cell->bytes / 1048576);
                mhc__table_cell(table, "%.2f", cell->least_bytes / base->least_bytes);
                mhc__table_cell(table, "%.1f", cell->least_bytes / 1048576);
            }
        }
}

/* Median, least and most of the ratio, then memory and memory with recomputation, of one connection. */
static void columns(const mhc__overhead *study, int channels, int streams, int choice, mhc__text *tsv) {
    const mhc__overhead_cell *cell = mhc__overhead_at(study, channels, streams, choice),
                             *base = mhc__overhead_residual(study, channels, streams);
    mhc__tsv_number(tsv, false, cell->ratio.median);
    mhc__tsv_number(tsv, false, cell->ratio.least);
    mhc__tsv_number(tsv, false, cell->ratio.most);
    mhc__tsv_number(tsv, false, cell->bytes / base->bytes);
    mhc__tsv_number(tsv, false, cell->least_bytes / base->least_bytes);
}
enum { COLUMNS = 5 };

static const char HEAD[] =
    "\t%s %d %s ratio\t%s %d %s least\t%s %d %s most\t%s %d %s memory\t%s %d %s memory recomputing";

/* One file with lines of all connections and of all values of the axis that is not x; panels: time, memory.
 * by_channels: x is the width. */
static mhc_status figure(mhc__overhead *study, bool by_channels, mhc__html *html, mhc_error *error) {
    mhc__figure figure = {
        .name = by_channels ? "overhead_channels" : "overhead_streams",
        .width = 1400,
        .height = 520,
        .caption = by_channels ? "Step time and memory over the residual's, by width. Bars: the least and the "
                                 "most of the rounds. Memory is that of a run as it is planned."
                               : "The same, by the number of streams."};
    const int lines = by_channels ? study->stream_count : study->channel_count,
              points = by_channels ? study->channel_count : study->stream_count;
    const int *axis = by_channels ? study->channels : study->streams,
              *of = by_channels ? study->streams : study->channels;
    const char *what = by_channels ? "streams" : "channels";
    mhc__text *tsv = &figure.tsv, *gp = &figure.gnuplot;
    mhc__text_format(tsv, "%s", by_channels ? "channels" : "streams");
    for (int c = 0; c < study->choice_count; c++)
        for (int l = 0; l < lines; l++) {
            const char *label = study->choices[c].label;
            mhc__text_format(tsv, HEAD, label, of[l], what, label, of[l], what, label, of[l], what, label, of[l], what,
                             label, of[l], what);
        }
    mhc__text_format(tsv, "\n");
    for (int p = 0; p < points; p++) {
        mhc__text_format(tsv, "%d", axis[p]);
        for (int c = 0; c < study->choice_count; c++)
            for (int l = 0; l < lines; l++)
                columns(study, by_channels ? p : l, by_channels ? l : p, c, tsv);
        mhc__text_format(tsv, "\n");
    }
    mhc__text_format(gp,
                     "set multiplot layout 1,2\nset logscale x 2\nset xlabel \"%s\"\nset offsets graph 0.05, graph "
                     "0.05, graph 0.1, graph 0\nset key outside bottom center horizontal\nset xtics (",
                     by_channels ? "channels" : "streams");
    for (int p = 0; p < points; p++)
        mhc__text_format(gp, "%s%d", p ? ", " : "", axis[p]);
    mhc__text_format(gp, ")\n");
    for (int panel = 0; panel < 2; panel++) {
        mhc__text_format(gp, "set title \"%s over the residual's\"\nset ylabel \"ratio\"\nset yrange [1:*]\nplot ",
                         panel ? "Memory" : "Step time");
        for (int i = 0; i < study->choice_count * lines; i++) {
            int at = 2 + COLUMNS * i, style = lines == 1 ? study->choices[i].style : i % MHC__PLOT_STYLES + 1;
            mhc__text_format(gp, "%s'%s.tsv' using 1:%d", i ? ", \\\n     " : "", figure.name, panel ? at + 3 : at);
            if (!panel)
                mhc__text_format(gp, ":%d:%d", at + 1, at + 2);
            mhc__text_format(gp, " skip 1 with %s ls %d dt %d pt 7 ps 0.8 lw 1.5 title \"%s, %d %s\"",
                             panel ? "linespoints" : "yerrorlines", style, i / lines + 1,
                             study->choices[i / lines].label, of[i % lines], what);
        }
        mhc__text_format(gp, "\n");
    }
    mhc__text_format(gp, "unset multiplot\n");
    return mhc__figure_draw(&figure, study->folder.report, html, study->options, error);
}

mhc_status mhc__overhead_figures(mhc__overhead *study, mhc__html *html, mhc_error *error) {
    if (study->channel_count > 1 || study->stream_count == 1)
        MHC__TRY(figure(study, true, html, error));
    return study->stream_count > 1 ? figure(study, false, html, error) : MHC_OK;
}

static void how_it_was_run(const mhc__overhead *study, mhc__html *html) {
    const mhc__config *config = &study->config;
    mhc__html_section(html, "How it was run");
    mhc__html_paragraph(
        html,
        "%d blocks, a site around attention and feed-forward each, %d rows of %d tokens, vocabulary %d. At each width "
        "and "
        "number of streams the residual and all connections took their steps in turns, each going first in some "
        "rounds: "
        "%d rounds that count after %d that don't. A step is reading the batch, forward, backward, the norm of the "
        "gradient, clipping and AdamW. A ratio is of two steps of one round, so that what slows the machine down for "
        "longer than a round slows both. Memory is planned by the code that lays it out, as `mhc train --dry-run` "
        "prints "
        "it, without evaluation.",
        config->model.blocks, config->train.batch, config->model.sequence, config->model.vocabulary, study->steps,
        study->warmup);
    mhc__html_paragraph(html, "Where a range is wide, something else may have run on the machine.");
}

static mhc_status build_page(mhc__overhead *study, const mhc__table *table, mhc__html *html, mhc_error *error) {
    mhc__overhead_evidence evidence = mhc__overhead_gather(study);
    mhc__html_start(html, "What connections cost",
                    "`mhc study overhead`: step time and memory over the plain residual, by width and streams");
    mhc__html_section(html, "The question");
    mhc__html_paragraph(html, "%s", QUESTION);
    mhc__html_section(html, "What was found");
    mhc__overhead_findings(study, html);
    MHC__TRY(mhc__page_claims(html, mhc__overhead_claims, MHC__OVERHEAD_CLAIMS, &evidence, study->folder.report,
                              study->options, error));
    mhc__html_section(html, "Pictures");
    MHC__TRY(mhc__overhead_figures(study, html, error));
    mhc__html_section(html, "The table");
    mhc__html_table(
        html, table,
        "Median, least and most over the rounds. The residual has one stream; it was measured anew for each "
        "number of streams, beside the others. Recomputing: with train.recompute, of both.");
    how_it_was_run(study, html);
    return MHC_OK;
}

mhc_status mhc__overhead_report(mhc__overhead *study, mhc_error *error) {
    MHC__TRY(mhc__make_folders(study->folder.report, error));
    mhc__table table;
    mhc__html html;
    fill_table(study, &table);
    mhc_status status = build_page(study, &table, &html, error);
    mhc__html_section(&html, "What to try next");
    mhc__html_code(&html, "mhc study overhead --set study.connections=hc,paper,mhc-lite,reproducing-mhc --out "
                          "runs/overhead-more\n"
                          "mhc study overhead --set train.precision=bf16 --out runs/overhead-bf16\n"
                          "mhc train --dry-run --set model.channels=1024     # memory alone\n");
    const mhc__page_ending ending = {"overhead", study->options, study->folder.report, 1, study->seconds,
                                     &table,     &table};
    status = mhc__page_end(status, &ending, &html, error);
    mhc__table_free(&table);
    return status;
}
